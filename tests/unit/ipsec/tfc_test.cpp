// Traffic flow confidentiality (RFC 4303 s2.6, s2.7).
#include <gtest/gtest.h>

#include "crypto/openssl/provider.h"
#include "ipsec/esp_size.h"
#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

struct Padded {
  explicit Padded(std::uint16_t tfc_pad, policy::SaMode mode = policy::SaMode::tunnel)
      : pair(spec(mode)) {
    pair.a.remove({1});
    policy::InstallSa sa = install_for_a(pair.spec);
    sa.treatment.tfc_pad = tfc_pad;
    installed = pair.a.install(std::move(sa), {}).has_value();
  }
  static Spec spec(policy::SaMode mode) {
    Spec made;
    made.mode = mode;
    return made;
  }
  std::size_t sent_size(const ByteVec& packet) { return protect_one(pair.a, packet).esp.size(); }

  Pair pair;
  bool installed = false;
};

constexpr std::size_t overhead = 8 + 8 + 2 + 16;  // AES-GCM, without padding

//= rfc4303#2.7-1..2 type=test
TEST(Tfc, short_packets_are_as_long_as_the_sa_says) {
  Padded padded{1000};
  ASSERT_TRUE(padded.installed);
  for (const std::size_t size : {0U, 1U, 500U, 900U}) {
    EXPECT_EQ(padded.sent_size(v4_packet(size)), 1000 + 2 + overhead);
    EXPECT_EQ(padded.sent_size(v6_packet(size)), 1000 + 2 + overhead);
    EXPECT_EQ(padded.pair.a_to_b(v4_packet(size)), v4_packet(size));
    EXPECT_EQ(padded.pair.a_to_b(v6_packet(size)), v6_packet(size));
  }
  EXPECT_GT(padded.sent_size(v4_packet(1100)), 1100u);
}

TEST(Tfc, up_to_the_path_mtu_every_packet_is_alike) {
  Padded padded{policy::tfc_pad_to_mtu};
  const std::size_t size = padded.sent_size(v4_packet(1));
  EXPECT_GT(size + 20, 1492u);
  EXPECT_LE(size + 20, 1500u);
  EXPECT_EQ(padded.sent_size(v6_packet(700)), size);
  padded.pair.a.set_path_mtu({1}, 1300);
  EXPECT_LE(padded.sent_size(v4_packet(1)) + 20, 1300u);
  EXPECT_GT(padded.sent_size(v4_packet(1)) + 20, 1292u);
}

TEST(Tfc, counts_only_what_was_inside) {
  Padded padded{1000};
  const ByteVec packet = v4_packet(10);
  ASSERT_TRUE(padded.pair.a_to_b(packet));
  EXPECT_EQ(padded.pair.a.counters({1})->bytes_out, packet.size());
  EXPECT_EQ(padded.pair.b.counters({1})->bytes_in, packet.size());
}

TEST(Tfc, is_for_tunnels_alone) {
  Padded padded{1000, policy::SaMode::transport};
  EXPECT_LT(padded.sent_size(v4_packet(10)), 100u);
}

constexpr base::Duration interval{std::chrono::milliseconds{100}};

struct Quiet : Padded {
  explicit Quiet(std::uint16_t tfc_pad, policy::SaMode mode = policy::SaMode::tunnel)
      : Padded(0, mode) {
    pair.a.remove({1});
    installed = pair.a.install(sa(1, tfc_pad), {}).has_value();
  }
  policy::InstallSa sa(std::uint64_t id, std::uint16_t tfc_pad) const {
    Spec made = pair.spec;
    made.id = id;
    policy::InstallSa sa = install_for_a(made);
    sa.treatment.tfc_pad = tfc_pad;
    sa.treatment.dummy_interval = interval;
    return sa;
  }
  /// How many dummies leave at that time; they go to B.
  std::size_t dummies_at(base::Instant now) {
    pair.a.handle_deadline(now);
    sizes.clear();
    for (const ProtectItem& item : pair.a.made()) {
      if (item.verdict != Verdict::forward) continue;
      sizes.push_back(item.packet->size());
      const Bytes esp = item.packet->bytes();
      EXPECT_EQ(open_one(pair.b, ByteVec(esp.begin(), esp.end())).item.drop, DropReason::esp_dummy);
    }
    return sizes.size();
  }
  static base::Instant after(int intervals) { return base::Instant{} + intervals * interval; }

  std::vector<std::size_t> sizes;
};

//= rfc4303#2.6-1..2 rfc4303#2.6-4 type=test
TEST(Tfc, silence_is_filled_with_dummy_packets) {
  Quiet quiet{1000};
  ASSERT_TRUE(quiet.installed);
  EXPECT_EQ(quiet.dummies_at(Quiet::after(1) - std::chrono::milliseconds{1}), 0u);
  for (int i = 1; i <= 5; ++i) {
    ASSERT_EQ(quiet.pair.a.poll_deadline()->at, Quiet::after(i));
    EXPECT_EQ(quiet.dummies_at(Quiet::after(i)), 1u);
    EXPECT_EQ(quiet.sizes.front(), quiet.sent_size(v4_packet(1)));
  }
  EXPECT_EQ(quiet.pair.b.drops()[DropReason::esp_dummy], 5u);
  EXPECT_EQ(quiet.pair.a.counters({1})->packets_out, 5u);  // those of sent_size() alone
}

TEST(Tfc, no_dummy_leaves_where_there_is_traffic) {
  Quiet quiet{0};
  for (int i = 1; i <= 5; ++i) {
    const base::Instant before = Quiet::after(i) - interval / 2;
    (void)protect_one(quiet.pair.a, v4_packet(), before);
    EXPECT_EQ(quiet.dummies_at(Quiet::after(i)), 0u);
  }
  EXPECT_EQ(quiet.dummies_at(Quiet::after(6)), 1u);
}

TEST(Tfc, dummies_without_padding_have_any_length_that_fits) {
  for (const auto mode : {policy::SaMode::tunnel, policy::SaMode::transport}) {
    Quiet quiet{0, mode};
    std::set<std::size_t> sizes;
    for (int i = 1; i <= 200; ++i) {
      ASSERT_EQ(quiet.dummies_at(Quiet::after(i)), 1u);
      sizes.insert(quiet.sizes.front());
    }
    EXPECT_GT(sizes.size(), 100u);
    EXPECT_LE(*sizes.rbegin() + 20, path_mtu_default);
  }
}

TEST(Tfc, only_the_sa_that_would_carry_traffic_sends_dummies) {
  Quiet quiet{1000};
  Spec second = quiet.pair.spec;
  second.id = 2;
  ASSERT_TRUE(quiet.pair.b.install(install_for_b(second), {}));
  ASSERT_TRUE(quiet.pair.a.install(quiet.sa(2, 1000), {}));
  EXPECT_EQ(quiet.dummies_at(Quiet::after(1)), 1u);
  EXPECT_EQ(quiet.pair.a.made().front().sa.value, 2u);
  quiet.pair.a.remove({2});
  EXPECT_EQ(quiet.dummies_at(Quiet::after(2)), 1u);
  EXPECT_EQ(quiet.pair.a.made().front().sa.value, 1u);
}

//= rfc4303#2.6-2..3 type=test
TEST(Tfc, a_dummy_packet_is_counted_and_that_is_all) {
  Pair pair;
  ByteVec text(100, std::byte{0xab});  // anything, RFC 4303 s2.6
  text[98] = std::byte{0};
  text[99] = std::byte{59};
  EXPECT_EQ(open_one(pair.b, pair.forge_to_b(text, 1)).item.drop, DropReason::esp_dummy);
  EXPECT_EQ(pair.b.drops()[DropReason::esp_dummy], 1u);
  EXPECT_EQ(pair.b.counters({1})->packets_in, 0u);
}

}  // namespace
}  // namespace caponier::ipsec::test

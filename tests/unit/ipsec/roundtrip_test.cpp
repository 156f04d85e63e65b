#include <gtest/gtest.h>

#include "crypto/openssl/provider.h"
#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

std::vector<crypto::CipherSuite> all_suites() {
  std::vector<crypto::CipherSuite> suites;
  for (const crypto::EncrInfo& encr : crypto::all_encr()) {
    const auto bits = encr.key_length_attribute ? std::vector<std::uint16_t>{128, 256}
                                                : std::vector<std::uint16_t>{0};
    for (const std::uint16_t key_bits : bits) {
      if (encr.aead) suites.push_back({encr.id, key_bits, crypto::IntegId::none});
      for (const crypto::IntegInfo& integ : crypto::all_integ()) {
        const crypto::CipherSuite suite{encr.id, key_bits, integ.id};
        if (crypto::is_valid(suite) && !crypto::is_gmac(integ.id)) suites.push_back(suite);
      }
    }
  }
  return suites;
}

Spec transport_spec(bool v4) {
  Spec spec;
  spec.mode = policy::SaMode::transport;
  spec.path = v4 ? base::Path{{ip("192.0.2.1"), 0}, {ip("198.51.100.1"), 0}}
                 : base::Path{{ip("2001:db8::1"), 0}, {ip("2001:db8::2"), 0}};
  spec.a_nets = {prefix(spec.path.local.address.to_string())};
  spec.b_nets = {prefix(spec.path.remote.address.to_string())};
  return spec;
}

void expect_tunnel_round_trips(const crypto::CryptoProvider& provider,
                               const crypto::CipherSuite& suite, bool outer_v4, bool esn) {
  Spec spec;
  spec.suite = suite;
  spec.esn = esn;
  spec.udp_encap = esn;
  if (!outer_v4) spec.path = {{ip("2001:db8::1"), 4500}, {ip("2001:db8::2"), 4500}};
  Pair pair{spec, {}, provider};
  ASSERT_TRUE(pair.installed) << crypto::to_string(suite);
  for (std::size_t size = 0; size < 70; ++size) {
    for (const ByteVec& packet : {v4_packet(size), v6_packet(size)}) {
      EXPECT_EQ(pair.a_to_b(packet), packet) << crypto::to_string(suite) << ' ' << size;
    }
  }
  const ByteVec back = udp_packet("10.2.0.9", "10.1.0.5", 500);
  EXPECT_EQ(pair.b_to_a(back), back);
  EXPECT_EQ(pair.a.drops().total() + pair.b.drops().total(), 0u);
  const SaCounters sent = pair.a.counters({1}).value();
  const SaCounters got = pair.b.counters({1}).value();
  EXPECT_EQ(sent.packets_out, 140u);
  EXPECT_EQ(got.packets_in, 140u);
  EXPECT_EQ(sent.bytes_out, got.bytes_in);
  EXPECT_EQ(sent.packets_in, 1u);
  EXPECT_EQ(sent.bytes_in, back.size());
}

TEST(RoundTrip, every_suite_tunnels_both_families_in_both_families) {
  const crypto::NullProvider null{nullptr};
  for (const crypto::CipherSuite& suite : all_suites()) {
    for (const bool v4 : {true, false}) {
      for (const bool esn : {true, false}) expect_tunnel_round_trips(null, suite, v4, esn);
    }
  }
}

//= rfc4303#1-3..4 rfc4303#3.2-1 rfc4303#3.2.1-1 rfc4303#5-4 rfc4301#3.2-1 type=test
//= rfc4301#4.1-14..15 type=test
TEST(RoundTrip, every_suite_tunnels_with_real_cryptography) {
  const crypto::OpensslProvider openssl;
  for (const crypto::CipherSuite& suite : all_suites()) {
    if (openssl.supports(suite)) expect_tunnel_round_trips(openssl, suite, true, true);
  }
}

//= rfc4301#4.1-14 type=test
TEST(RoundTrip, transport_mode_carries_payload_and_dscp_in_both_families) {
  const crypto::OpensslProvider openssl;
  const crypto::NullProvider null{nullptr};
  for (const crypto::CryptoProvider* provider :
       {static_cast<const crypto::CryptoProvider*>(&null),
        static_cast<const crypto::CryptoProvider*>(&openssl)}) {
    for (const crypto::CipherSuite& suite : all_suites()) {
      for (const bool v4 : {true, false}) {
        if (!provider->supports(suite)) continue;
        Spec spec = transport_spec(v4);
        spec.suite = suite;
        Pair pair{spec, {}, *provider};
        ByteVec packet = wire::make_udp_packet({spec.path.local.address, 7},
                                               {spec.path.remote.address, 9}, ByteVec(33));
        if (v4) set_v4_word(packet, 0, 0x45b9);
        if (!v4) base::store_be<std::uint16_t>(packet.data(), 0x6b90);
        EXPECT_EQ(pair.a_to_b(packet), packet) << crypto::to_string(suite) << v4;
      }
    }
  }
}

//= rfc4303#2.1-1 type=test
TEST(RoundTrip, a_batch_mixes_associations_and_verdicts_without_mixing_them_up) {
  Spec first;
  Pair pair{first};
  Spec second;
  second.id = 2;
  second.child = "other";
  second.a_nets = {prefix("10.3.0.0/16")};
  ASSERT_TRUE(pair.install(second));
  pair.a.set_policies(
      {{PolicyAction::protect, "site", "net", first.a_nets, first.b_nets},
       {PolicyAction::protect, "site", "other", second.a_nets, second.b_nets},
       {PolicyAction::bypass, "", "", {prefix("10.4.0.0/16")}, {prefix("0.0.0.0/0")}}});
  std::vector<ByteVec> packets;
  for (std::size_t i = 0; i < 700; ++i) {
    const std::string from = "10." + std::to_string(1 + 2 * (i / 5 % 2)) + ".0.1";
    packets.push_back(i % 50 == 49   ? ByteVec(i % 7)
                      : i % 50 == 48 ? udp_packet("10.4.0.1", "10.2.0.1", i)
                                     : udp_packet(from, "10.2.0.1", i));
  }
  const auto sent = protect_all(pair.a, packets, {});
  std::vector<ByteVec> esp;
  std::vector<ByteVec> expected;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (i % 50 == 49) {
      EXPECT_EQ(sent[i].item.verdict, Verdict::drop);
      EXPECT_EQ(sent[i].item.drop, DropReason::clear_malformed);
    } else if (i % 50 == 48) {
      EXPECT_EQ(sent[i].item.verdict, Verdict::bypass);
      EXPECT_EQ(sent[i].esp, packets[i]);
    } else {
      ASSERT_EQ(sent[i].item.verdict, Verdict::forward);
      EXPECT_EQ(sent[i].item.sa.value, 1 + i / 5 % 2);
      esp.push_back(sent[i].esp);
      expected.push_back(packets[i]);
    }
  }
  const auto got = open_all(pair.b, esp, {}, {});
  // B expects the second child's selectors mirrored, which its SA brings with it.
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i].packet, expected[i]) << i;
  EXPECT_EQ(pair.a.drops().total(), 14u);
  EXPECT_EQ(pair.b.drops().total(), 0u);
}

TEST(RoundTrip, bytes_behind_the_ip_packet_do_not_travel) {
  Pair pair;
  ByteVec padded = v4_packet(6);
  const ByteVec packet = padded;
  padded.resize(60);
  EXPECT_EQ(pair.a_to_b(padded), packet);
}

//= rfc4303#3.4.2-1 type=test
TEST(RoundTrip, works_until_removed_and_follows_a_move) {
  Pair pair;
  const base::Path elsewhere{{ip("203.0.113.1"), 1}, {ip("203.0.113.2"), 2}};
  pair.a.move({{1}, elsewhere, true});
  const Protected sent = protect_one(pair.a, v4_packet());
  EXPECT_EQ(sent.item.path, elsewhere);
  EXPECT_TRUE(sent.item.udp_encap);
  EXPECT_EQ(pair.a.association_count(), 1u);
  pair.a.remove({1});
  pair.a.remove({1});
  pair.a.move({{1}, elsewhere, true});
  EXPECT_EQ(pair.a.association_count(), 0u);
  EXPECT_EQ(pair.a.counters({1}).has_value(), false);
  EXPECT_EQ(protect_one(pair.a, v4_packet()).item.verdict, Verdict::held);
  EXPECT_EQ(pair.b_to_a(udp_packet("10.2.0.9", "10.1.0.5", 1)), std::nullopt);
  EXPECT_EQ(pair.a.drops()[DropReason::esp_no_sa], 1u);
}

}  // namespace
}  // namespace caponier::ipsec::test

// The outer header: what is copied, fixed, hashed, and when it lets fragment.

#include "ipsec/outer_header.h"

#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

constexpr std::uint8_t ef = 46;

/// A pair whose SAs treat packets as told.
class Treated : public Pair {
 public:
  explicit Treated(const policy::SaTreatment& treatment, Spec first = {})
      : Pair(first), treated(std::move(first)) {
    a.remove({treated.id});
    b.remove({treated.id});
    policy::InstallSa for_a = install_for_a(treated);
    policy::InstallSa for_b = install_for_b(treated);
    for_a.treatment = for_b.treatment = treatment;
    EXPECT_TRUE(a.install(std::move(for_a), {}).has_value());
    EXPECT_TRUE(b.install(std::move(for_b), {}).has_value());
  }
  Spec treated;
};

Spec over_ipv6(policy::SaMode mode = policy::SaMode::tunnel) {
  Spec spec;
  spec.mode = mode;
  spec.path = {{ip("2001:db8::1"), 4500}, {ip("2001:db8::2"), 4500}};
  return spec;
}

ByteVec with_tos(ByteVec packet, std::uint8_t tos) {
  if ((packet[0] >> 4) == std::byte{4}) {
    set_v4_word(packet, 0, static_cast<std::uint16_t>(0x4500 | tos));
  } else {
    base::store_be(packet.data(), static_cast<std::uint16_t>(0x6000 | tos << 4));
  }
  return packet;
}

std::uint8_t tos_of(const ByteVec& packet) {
  const auto word = base::load_be<std::uint16_t>(packet.data());
  return static_cast<std::uint8_t>(word >> 12 == 4 ? word : word >> 4);
}

//= rfc4301#5.1.2.1-1 rfc4301#5.1.2-1..2 type=test
TEST(OuterHeader, copies_dscp_and_ecn_of_both_families_unless_told_otherwise) {
  Pair pair;
  for (const ByteVec& packet : {v4_packet(), v6_packet()}) {
    EXPECT_EQ(protect_one(pair.a, with_tos(packet, ef << 2 | 1)).item.tos, ef << 2 | 1);
  }
  policy::SaTreatment treatment;
  treatment.outer.dscp = 10;
  Treated fixed{treatment};
  EXPECT_EQ(protect_one(fixed.a, with_tos(v4_packet(), ef << 2 | 2)).item.tos, 10 << 2 | 2);
  treatment.outer.ecn = false;
  Treated blind{treatment};
  EXPECT_EQ(protect_one(blind.a, with_tos(v4_packet(), ef << 2 | 2)).item.tos, 10 << 2);
}

TEST(OuterHeader, brings_congestion_inward_only_where_ecn_is_on) {
  policy::SaTreatment treatment;
  Treated on{treatment};
  const ByteVec packet = with_tos(v4_packet(), 2);
  const Protected sent = protect_one(on.a, packet);
  EXPECT_EQ(tos_of(open_one(on.b, sent.esp, {}, {}, 3).packet), 3);
  treatment.outer.ecn = false;
  Treated off{treatment};
  EXPECT_EQ(open_one(off.b, protect_one(off.a, packet).esp, {}, {}, 3).packet, packet);
  const ByteVec deaf = with_tos(v4_packet(), 0);
  EXPECT_EQ(open_one(off.b, protect_one(off.a, deaf).esp, {}, {}, 3).packet, deaf);
}

//= rfc4301#5.1.2-3 rfc4301#5.1.2.2-2 type=test
TEST(OuterHeader, brings_its_dscp_inward_where_that_is_wanted) {
  policy::SaTreatment treatment;
  treatment.outer.copy_dscp_inward = true;
  Treated pair{treatment};
  for (const ByteVec& packet : {v4_packet(), v6_packet()}) {
    const Protected sent = protect_one(pair.a, with_tos(packet, 2));
    const Opened got = open_one(pair.b, sent.esp, {}, {}, ef << 2 | 2);
    EXPECT_EQ(got.packet, with_tos(packet, ef << 2 | 2));
  }
  Pair plain;
  const Protected sent = protect_one(plain.a, v4_packet());
  EXPECT_EQ(open_one(plain.b, sent.esp, {}, {}, ef << 2).packet, v4_packet());
}

//= rfc4303#3.3.4-1 rfc4301#8.1-1..2 type=test
TEST(OuterHeader, df_is_copied_set_or_cleared) {
  using policy::OuterDf;
  const auto df_of = [](OuterDf df, const ByteVec& packet) {
    policy::SaTreatment treatment;
    treatment.outer.df = df;
    Treated pair{treatment};
    return protect_one(pair.a, packet).item.dont_fragment;
  };
  const ByteVec free = without_df(v4_packet());
  EXPECT_TRUE(df_of(OuterDf::copy, v4_packet()));
  EXPECT_FALSE(df_of(OuterDf::copy, free));
  EXPECT_TRUE(df_of(OuterDf::set, free));
  EXPECT_FALSE(df_of(OuterDf::clear, v4_packet()));
}

TEST(OuterHeader, df_is_not_copied_to_sizes_that_nobody_knows_to_arrive) {
  Pair pair;
  pair.a.set_path_mtu({1}, 1500, 1000);
  EXPECT_TRUE(protect_one(pair.a, v4_packet(800)).item.dont_fragment);
  EXPECT_FALSE(protect_one(pair.a, v4_packet(1000)).item.dont_fragment);
  pair.a.set_path_mtu({1}, 1500, 1500);
  EXPECT_TRUE(protect_one(pair.a, v4_packet(1000)).item.dont_fragment);
}

TEST(OuterHeader, over_ipv6_sizes_that_nobody_knows_to_arrive_leave_in_fragments) {
  Pair pair{over_ipv6()};
  pair.a.set_path_mtu({1}, 1500, 1280);
  EXPECT_EQ(protect_one(pair.a, v4_packet(1000)).item.fragment_to, 0u);
  EXPECT_EQ(protect_one(pair.a, v4_packet(1390)).item.fragment_to, 1280u);
  EXPECT_FALSE(protect_one(pair.a, v4_packet(1000)).item.dont_fragment);
  pair.a.set_path_mtu({1}, 1500, 1500);
  EXPECT_EQ(protect_one(pair.a, v4_packet(1390)).item.fragment_to, 0u);
}

TEST(OuterHeader, has_the_hop_limit_of_the_sa_and_in_transport_mode_the_packets_own) {
  policy::SaTreatment treatment;
  treatment.outer.ttl = 200;
  Treated tunnel{treatment};
  EXPECT_EQ(protect_one(tunnel.a, v4_packet()).item.ttl, 200);
  Spec host;
  host.mode = policy::SaMode::transport;
  host.a_nets = {prefix("192.0.2.1/32")};
  host.b_nets = {prefix("198.51.100.1/32")};
  Treated transport{treatment, host};
  ByteVec packet = udp_packet("192.0.2.1", "198.51.100.1", 20);
  set_v4_word(packet, 8, 33 << 8 | 17);
  EXPECT_EQ(protect_one(transport.a, packet).item.ttl, 33);
}

TEST(OuterHeader, has_one_flow_label_for_an_sa_or_that_of_each_packet) {
  ByteVec packet = v6_packet();
  base::store_be<std::uint32_t>(packet.data(), 0x600abcde);
  Pair hashed{over_ipv6()};
  const std::uint32_t label = protect_one(hashed.a, packet).item.flow_label;
  EXPECT_EQ(label, flow_label_of(spi_to_b(hashed.spec)));
  EXPECT_NE(label, 0u);
  EXPECT_LE(label, 0xfffffu);
  EXPECT_EQ(protect_one(hashed.a, v4_packet()).item.flow_label, label);
  policy::SaTreatment treatment;
  treatment.outer.copy_flow_label = true;
  Treated copied{treatment, over_ipv6()};
  EXPECT_EQ(protect_one(copied.a, packet).item.flow_label, 0xabcdeu);
}

TEST(OuterHeader, of_an_sa_that_leaves_the_mss_alone) {
  policy::SaTreatment treatment;
  treatment.clamp_mss = false;
  Treated pair{treatment};
  const ByteVec syn = syn_packet("10.1.0.5", "10.2.0.9", 8960);
  EXPECT_EQ(pair.a_to_b(syn), syn);
  EXPECT_NE(Pair{}.a_to_b(syn), syn);
}

TEST(SentPackets, are_known_by_spi_and_a_recent_sequence_number) {
  Pair pair;
  for (int i = 0; i < 5; ++i) (void)protect_one(pair.a, v4_packet());
  const base::Spi spi = spi_to_b(pair.spec);
  EXPECT_TRUE(pair.a.has_sent({1}, spi, 5));
  EXPECT_TRUE(pair.a.has_sent({1}, spi, 1));
  EXPECT_FALSE(pair.a.has_sent({1}, spi, 0));
  EXPECT_FALSE(pair.a.has_sent({1}, spi, 6));
  EXPECT_FALSE(pair.a.has_sent({1}, spi_to_a(pair.spec), 5));
  EXPECT_FALSE(pair.a.has_sent({2}, spi, 5));
  pair.a.advance_sequence({1}, 0x1'0000'0000 + 3);  // the low half has wrapped
  EXPECT_TRUE(pair.a.has_sent({1}, spi, 3));
  EXPECT_TRUE(pair.a.has_sent({1}, spi, 0xffffffff));
  EXPECT_FALSE(pair.a.has_sent({1}, spi, 0xffffffff - icmp_sequence_window));
}

}  // namespace
}  // namespace caponier::ipsec::test

#include "ipsec/ecn.h"

#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"

namespace caponier::ipsec {
namespace {

using wire::Ecn;

struct Row {
  Ecn inner;
  Ecn outer;
  std::optional<Ecn> result;
};

// RFC 6040 s4.2, figure 4.
constexpr Row table[] = {
    {Ecn::not_ect, Ecn::not_ect, Ecn::not_ect},
    {Ecn::not_ect, Ecn::ect0, Ecn::not_ect},
    {Ecn::not_ect, Ecn::ect1, Ecn::not_ect},
    {Ecn::not_ect, Ecn::ce, std::nullopt},
    {Ecn::ect0, Ecn::not_ect, Ecn::ect0},
    {Ecn::ect0, Ecn::ect0, Ecn::ect0},
    {Ecn::ect0, Ecn::ect1, Ecn::ect1},
    {Ecn::ect0, Ecn::ce, Ecn::ce},
    {Ecn::ect1, Ecn::not_ect, Ecn::ect1},
    {Ecn::ect1, Ecn::ect0, Ecn::ect1},
    {Ecn::ect1, Ecn::ect1, Ecn::ect1},
    {Ecn::ect1, Ecn::ce, Ecn::ce},
    {Ecn::ce, Ecn::not_ect, Ecn::ce},
    {Ecn::ce, Ecn::ect0, Ecn::ce},
    {Ecn::ce, Ecn::ect1, Ecn::ce},
    {Ecn::ce, Ecn::ce, Ecn::ce},
};

//= rfc7296#2.24-1 type=test
TEST(Ecn, decapsulation_follows_the_table_of_rfc_6040) {
  for (const Row& row : table) EXPECT_EQ(decapsulated_ecn(row.inner, row.outer), row.result);
}

//= rfc7296#2.24-1 type=test
TEST(Ecn, a_tunnel_merges_both_fields_and_keeps_the_inner_dscp) {
  constexpr std::uint8_t dscp = 46 << 2;
  for (const bool v4 : {true, false}) {
    test::Pair pair;
    for (const Row& row : table) {
      test::ByteVec packet = v4 ? test::v4_packet() : test::v6_packet();
      const auto tos = static_cast<std::uint16_t>(dscp | static_cast<unsigned>(row.inner));
      if (v4) {
        test::set_v4_word(packet, 0, static_cast<std::uint16_t>(0x4500 | tos));
      } else {
        base::store_be(packet.data(), static_cast<std::uint16_t>(0x6000 | (tos << 4)));
      }
      const test::Protected sent = test::protect_one(pair.a, packet);
      EXPECT_EQ(sent.item.tos, tos);
      const auto outer_tos = static_cast<std::uint8_t>(0xfc | static_cast<unsigned>(row.outer));
      const test::Opened got = test::open_one(pair.b, sent.esp, {}, {}, outer_tos);
      if (!row.result.has_value()) {
        EXPECT_EQ(got.item.drop, base::DropReason::esp_congestion);
        continue;
      }
      ASSERT_EQ(got.item.verdict, Verdict::forward);
      const auto want = static_cast<std::uint8_t>(dscp | static_cast<unsigned>(*row.result));
      if (v4) {
        EXPECT_EQ(wire::Ipv4View::checked(got.packet)->tos(), want);
        EXPECT_EQ(wire::internet_checksum(test::Bytes{got.packet}.first(20)), 0);
      } else {
        EXPECT_EQ(wire::Ipv6View::checked(got.packet)->traffic_class(), want);
      }
    }
  }
}

}  // namespace
}  // namespace caponier::ipsec

#include "ipsec/beet.h"

#include <gtest/gtest.h>

#include "crypto/openssl/provider.h"
#include "unit/ipsec/header_packets.h"
#include "unit/ipsec/pair.h"
#include "wire/ip_split.h"

namespace caponier::ipsec::test {
namespace {

/// Inner addresses of one family between outer addresses of the same or the other.
Spec beet(bool inner_v4, bool outer_v4) {
  Spec spec;
  spec.mode = policy::SaMode::beet;
  spec.suite = {crypto::EncrId::null, 0, crypto::IntegId::hmac_sha2_256_128};
  spec.path = outer_v4 ? base::Path{{ip("203.0.113.1"), 0}, {ip("203.0.113.2"), 0}}
                       : base::Path{{ip("2001:db8:f::1"), 0}, {ip("2001:db8:f::2"), 0}};
  spec.a_nets = {prefix(inner_v4 ? host_a : host6_a)};
  spec.b_nets = {prefix(inner_v4 ? host_b : host6_b)};
  return spec;
}

/// BEET carries neither identification nor TTL.
ByteVec beet_packet(bool v4, std::size_t payload) {
  return udp_packet(v4 ? host_a : host6_a, v4 ? host_b : host6_b, payload);
}

TEST(Beet, carries_either_family_in_either_without_its_header) {
  const crypto::OpensslProvider provider;
  for (const bool inner_v4 : {true, false}) {
    for (const bool outer_v4 : {true, false}) {
      Pair pair{beet(inner_v4, outer_v4), {}, provider};
      ASSERT_TRUE(pair.installed);
      for (std::size_t size = 1; size < 200; size += 13) {
        const ByteVec packet = beet_packet(inner_v4, size);
        const Protected sent = protect_one(pair.a, packet);
        ASSERT_EQ(sent.item.verdict, Verdict::forward);
        EXPECT_FALSE(sent.item.is_whole);
        const std::size_t payload = packet.size() - (inner_v4 ? 20 : 40);
        EXPECT_LE(sent.esp.size(), 8 + payload + 3 + 2 + 16);
        EXPECT_EQ(pair.a_to_b(packet), packet);
      }
      EXPECT_EQ(pair.b.drops().total(), 0u);
    }
  }
}

TEST(Beet, ipv4_options_travel_in_a_pseudo_header) {
  const crypto::OpensslProvider provider;
  for (std::size_t words = 1; words <= 10; ++words) {
    Pair pair{beet(true, true), {}, provider};
    std::vector<int> options(4 * words, 1);
    options[0] = 148;
    options[1] = 4;
    options[2] = options[3] = 0;
    ByteVec packet = with_v4_options(options);
    base::store_be<std::uint32_t>(&packet[4], 0x4000);  // no identification, DF
    base::store_be<std::uint16_t>(&packet[10], 0);
    base::store_be(&packet[10], wire::internet_checksum(Bytes{packet}.first(20 + 4 * words)));
    const Protected sent = protect_one(pair.a, packet);
    ASSERT_EQ(sent.item.verdict, Verdict::forward);
    // Next Header, its length, Pad Len, 0, padding to 8 octets, the options.
    const Bytes pseudo = Bytes{sent.esp}.subspan(8);
    EXPECT_EQ(pseudo[0], std::byte{17});
    EXPECT_EQ(pseudo[1], static_cast<std::byte>(words / 2));
    EXPECT_EQ(pseudo[2], static_cast<std::byte>(words % 2 == 0 ? 4 : 0));
    EXPECT_EQ(pseudo[3], std::byte{0});
    const std::size_t options_at = 4 + (words % 2 == 0 ? 4U : 0U);
    EXPECT_TRUE(
        base::equal(pseudo.subspan(options_at, 4 * words), Bytes{packet}.subspan(20, 4 * words)));
    EXPECT_EQ(sent.esp[sent.esp.size() - 17], std::byte{beet_pseudo_header});
    EXPECT_EQ(pair.a_to_b(packet), packet) << words;
  }
}

TEST(Beet, a_pseudo_header_that_makes_no_sense_is_dropped) {
  Pair pair{beet(true, true)};
  std::uint64_t sequence = 1;
  for (const auto& [length, padding] : std::vector<std::pair<unsigned, unsigned>>{
           {0, 5}, {0, 255}, {3, 0}, {200, 0}, {1, 1}, {6, 0}}) {
    ByteVec text(28);
    text[0] = std::byte{17};
    text[1] = static_cast<std::byte>(length);
    text[2] = static_cast<std::byte>(padding);
    text[27] = std::byte{beet_pseudo_header};
    EXPECT_EQ(open_one(pair.b, pair.forge_to_b(text, sequence++)).item.drop,
              DropReason::esp_bad_inner)
        << length << ' ' << padding;
  }
}

TEST(Beet, fragments_wait_until_the_packet_is_whole) {
  Pair pair{beet(true, true)};
  const ByteVec packet = without_df(beet_packet(true, 2000));
  const auto split = wire::Ipv4Split::plan(packet, 1400).value();
  ByteVec last(split.size_of(1));
  split.write(1, last);
  EXPECT_EQ(protect_one(pair.a, last).item.verdict, Verdict::held);
  ByteVec first = packet;
  split.cut_first(first);
  first.resize(split.size_of(0));
  EXPECT_EQ(protect_one(pair.a, first).item.verdict, Verdict::held);
  const auto whole = take_all(pair.a, 9000);
  ASSERT_EQ(whole, (std::vector<ByteVec>{packet}));
  EXPECT_EQ(protect_one(pair.a, whole.front()).item.verdict, Verdict::forward);
}

TEST(Beet, needs_one_address_at_each_end) {
  Spec spec = beet(true, true);
  spec.b_nets = {prefix("198.51.100.0/24")};
  EXPECT_FALSE(Pair{spec}.installed);
  spec.b_nets = {prefix(host6_b)};
  EXPECT_FALSE(Pair{spec}.installed);
}

TEST(Beet, the_mtu_counts_the_inner_header_as_saved) {
  Pair pair{beet(false, true)};
  const std::size_t room = 1500 - 20 - 8 - 16;
  EXPECT_EQ(pair.a.inner_mtu({1}, 1500), (room & ~std::size_t{3}) - 2 + 40);
}

}  // namespace
}  // namespace caponier::ipsec::test

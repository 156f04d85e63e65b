// ESP in transport mode behind IPv4 options and IPv6 extension headers (RFC 4303 s3.1.1).
#include <array>

#include <gtest/gtest.h>

#include "crypto/openssl/provider.h"
#include "unit/ipsec/header_packets.h"
#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

Spec transport(bool v4) {
  Spec spec;
  spec.mode = policy::SaMode::transport;
  spec.path = v4 ? base::Path{{ip(host_a), 0}, {ip(host_b), 0}}
                 : base::Path{{ip(host6_a), 0}, {ip(host6_b), 0}};
  spec.a_nets = {prefix(spec.path.local.address.to_string())};
  spec.b_nets = {prefix(spec.path.remote.address.to_string())};
  return spec;
}

//= rfc4303#2-1 rfc4301#4.1-10 type=test
TEST(EspHeaders, extension_headers_for_routers_stay_outside) {
  const crypto::OpensslProvider provider;
  Pair pair{transport(false), {}, provider};
  const Extension hop{0, {5, 2, 0, 0, 1, 0}};
  const Extension routing{43, routing_data(0, 0, {host6_a})};
  const Extension destination{60, {1, 4, 0, 0, 0, 0}};
  for (const auto& [extensions, outside] :
       std::vector<std::pair<std::vector<Extension>, std::size_t>>{
           {{hop}, 48},
           {{routing}, 64},
           {{hop, destination, routing, destination}, 80},
           {{hop, destination}, 48}}) {
    const ByteVec plain = with_extensions(extensions);
    const Protected sent = protect_one(pair.a, plain);
    ASSERT_EQ(sent.item.verdict, Verdict::forward);
    ASSERT_TRUE(sent.item.is_whole);
    const auto upper = wire::upper_layer(sent.esp).value();
    EXPECT_EQ(upper.protocol, wire::ip_protocol::esp);
    EXPECT_EQ(upper.offset, outside);
    EXPECT_EQ(open_whole(pair.b, sent.esp, policy::SaProtocol::esp).packet, plain);
  }
}

TEST(EspHeaders, destination_options_alone_are_encrypted) {
  Pair pair{transport(false)};
  const ByteVec plain = with_extensions({{60, {1, 4, 0, 0, 0, 0}}});
  const Protected sent = protect_one(pair.a, plain);
  EXPECT_FALSE(sent.item.is_whole);
  EXPECT_EQ(pair.a_to_b(plain), plain);
}

//= rfc4303#2-1 type=test
TEST(EspHeaders, ipv4_options_stay_outside) {
  Pair pair{transport(true)};
  const ByteVec plain = with_v4_options({148, 4, 0, 0});
  const Protected sent = protect_one(pair.a, plain);
  ASSERT_EQ(sent.item.verdict, Verdict::forward);
  const auto header = wire::Ipv4View::checked(sent.esp).value();
  EXPECT_EQ(header.protocol(), wire::ip_protocol::esp);
  EXPECT_EQ(header.header_length(), 24u);
  EXPECT_EQ(header.total_length(), sent.esp.size());
  EXPECT_EQ(wire::internet_checksum(header.header()), 0);
  EXPECT_EQ(open_whole(pair.b, sent.esp, policy::SaProtocol::esp).packet, plain);
}

TEST(EspHeaders, a_whole_packet_opens_in_a_tunnel_too) {
  Pair pair{};
  const Protected sent = protect_one(pair.a, v4_packet());
  ByteVec whole = wire::make_ip_packet({ip(host_a), ip(host_b), 50}, sent.esp.size());
  base::copy_into(base::MutBytes{whole}.subspan(20), sent.esp);
  EXPECT_EQ(open_whole(pair.b, whole, policy::SaProtocol::esp).packet, v4_packet());
  whole.resize(24);
  EXPECT_EQ(open_whole(pair.b, whole, policy::SaProtocol::esp).item.drop,
            DropReason::esp_malformed);
}

//= rfc4303#3.4.1-1 type=test
TEST(EspHeaders, a_fragment_of_an_esp_packet_is_dropped) {
  Pair over_v4{transport(true)};
  const ByteVec v4 = protect_one(over_v4.a, with_v4_options({148, 4, 0, 0})).esp;
  for (const std::uint16_t word :
       std::array<std::uint16_t, 3>{0x2000, 0x0001, 0x1fff}) {  // more to come, or not the first
    ByteVec fragment = v4;
    base::store_be(&fragment[6], word);
    EXPECT_EQ(open_whole(over_v4.b, fragment, policy::SaProtocol::esp).item.drop,
              DropReason::esp_malformed);
  }
  EXPECT_EQ(open_whole(over_v4.b, v4, policy::SaProtocol::esp).item.verdict, Verdict::forward);

  Pair over_v6{transport(false)};
  ByteVec v6 = protect_one(over_v6.a, with_extensions({{0, {5, 2, 0, 0, 1, 0}}})).esp;
  const auto as_fragment = [&v6](std::uint8_t last) {
    ByteVec fragment = v6;
    const ByteVec header{fragment[40], std::byte{0}, std::byte{0}, std::byte{last},
                         std::byte{0}, std::byte{0}, std::byte{0}, std::byte{7}};
    fragment[40] = std::byte{wire::ip_protocol::fragment};
    fragment.insert(fragment.begin() + 48, header.begin(), header.end());
    base::store_be(&fragment[4], static_cast<std::uint16_t>(fragment.size() - 40));
    return fragment;
  };
  for (const std::uint8_t last : {std::uint8_t{1}, std::uint8_t{8}}) {
    EXPECT_EQ(open_whole(over_v6.b, as_fragment(last), policy::SaProtocol::esp).item.drop,
              DropReason::esp_malformed);
  }
  EXPECT_EQ(open_whole(over_v6.b, v6, policy::SaProtocol::esp).item.verdict, Verdict::forward);
}

}  // namespace
}  // namespace caponier::ipsec::test

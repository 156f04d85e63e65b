// The codec and its three kinds of authenticity, with RFC 2865 s7's and RFC 2548's arithmetic.

#include <gtest/gtest.h>

#include "radius/relay.h"
#include "unit/radius/server.h"

namespace caponier::radius {
namespace {

using namespace test;
using base::to_hex;

const crypto::OpensslLegacy legacy;
const Bytes secret = base::as_bytes(shared_secret);

ByteVec hex(std::string_view digits) { return base::from_hex(digits).value(); }

Authenticator some_authenticator() {
  Authenticator made;
  made.fill(std::byte{0x5a});
  return made;
}

ByteVec accept() {
  PacketBuilder builder{Code::access_accept, 9};
  builder.add_text(AttributeType::reply_message, "welcome");
  return builder.seal_answer(legacy, secret, some_authenticator()).value();
}

TEST(RadiusPacket, what_is_built_decodes_and_is_authentic) {
  const ByteVec bytes = accept();
  const auto packet = PacketView::decode(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->code, Code::access_accept);
  EXPECT_EQ(packet->identifier, 9);
  EXPECT_EQ(packet->attributes.front().type, AttributeType::message_authenticator);
  EXPECT_EQ(base::as_text(packet->find(AttributeType::reply_message).value()), "welcome");
  EXPECT_EQ(check_answer(legacy, secret, *packet, some_authenticator()), Authenticity::authentic);
}

TEST(RadiusPacket, the_response_authenticator_is_that_of_rfc2865_s7_1) {
  const ByteVec answer =
      hex("0200002686fe220e7624ba2a1005f6bf9b55e0b20606000000010f06000000000e06c0a80103");
  const auto packet = PacketView::decode(answer);
  ASSERT_TRUE(packet);
  Authenticator of_request{};
  base::copy_into(of_request, hex("0f403f9473978057bd83d5cb98f4227a"));
  const Bytes rfc_secret = base::as_bytes("xyzzy5461");
  EXPECT_EQ(check_answer(legacy, rfc_secret, *packet, of_request),
            Authenticity::no_message_authenticator);
  of_request[0] ^= std::byte{1};
  EXPECT_EQ(check_answer(legacy, rfc_secret, *packet, of_request),
            Authenticity::wrong_authenticator);
}

TEST(RadiusPacket, every_flipped_bit_is_noticed) {
  const ByteVec good = accept();
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    ByteVec bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto packet = PacketView::decode(bad);
    if (!packet) continue;
    EXPECT_NE(check_answer(legacy, secret, *packet, some_authenticator()), Authenticity::authentic)
        << bit;
  }
}

TEST(RadiusPacket, an_answer_without_message_authenticator_is_not_authentic) {  // CVE-2024-3596
  base::Writer out;
  out.u8(2);
  out.u8(9);
  out.u16(header_size);
  const Bytes start = out.view();
  const Authenticator of_request = some_authenticator();
  const std::array<Bytes, 3> parts = {start, of_request, secret};
  ByteVec bytes = base::to_vec(start);
  base::append(bytes, legacy.md5(parts));
  const auto packet = PacketView::decode(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(check_answer(legacy, secret, *packet, of_request),
            Authenticity::no_message_authenticator);
}

TEST(RadiusPacket, two_message_authenticators_are_none) {
  PacketBuilder builder{Code::access_accept, 9};
  const ByteVec zeros(16, std::byte{0});
  builder.add(AttributeType::message_authenticator, zeros);
  const ByteVec bytes = builder.seal_answer(legacy, secret, some_authenticator()).value();
  const auto packet = PacketView::decode(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(check_answer(legacy, secret, *packet, some_authenticator()),
            Authenticity::wrong_message_authenticator);
}

TEST(RadiusPacket, lengths_that_lie_do_not_decode) {
  const std::string head = "02090000" + std::string(32, '0');
  const auto with = [&](std::string_view length, std::string_view attributes) {
    std::string digits = head + std::string{attributes};
    digits.replace(4, 4, length);
    return PacketView::decode(hex(digits)).has_value();
  };
  EXPECT_TRUE(with("0014", ""));
  EXPECT_TRUE(with("0014", "ffffff"));  // padding
  EXPECT_FALSE(with("0013", ""));
  EXPECT_FALSE(with("0015", ""));
  EXPECT_FALSE(with("0015", "01"));
  EXPECT_FALSE(with("0016", "0100"));
  EXPECT_FALSE(with("0016", "0101"));
  EXPECT_TRUE(with("0016", "0102"));
  EXPECT_FALSE(with("0017", "010461"));
  EXPECT_FALSE(PacketView::decode({}));
  EXPECT_FALSE(PacketView::decode(hex("ff090014" + std::string(32, '0'))));
  ByteVec large(packet_size_max + 2, std::byte{1});
  base::copy_into(large, hex("02091002"));
  EXPECT_FALSE(PacketView::decode(large));
}

TEST(RadiusPacket, a_thousand_empty_attributes_are_too_many) {
  base::Writer out;
  out.u8(2);
  out.u8(1);
  out.u16(header_size + 2 * 1000);
  out.zeros(16);
  for (int i = 0; i < 1000; ++i) out.u16(0x0102);
  EXPECT_FALSE(PacketView::decode(out.view()));
}

TEST(RadiusPacket, an_eap_packet_is_cut_at_253_and_joined_again) {
  ByteVec eap(1000, std::byte{0});
  for (std::size_t i = 0; i < eap.size(); ++i) eap[i] = static_cast<std::byte>(i);
  PacketBuilder builder{Code::access_request, 1};
  builder.add_eap_message(eap);
  const ByteVec bytes = builder.seal_access_request(legacy, secret, some_authenticator()).value();
  const auto packet = PacketView::decode(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->attributes.size(), 1U + 4U);
  EXPECT_EQ(packet->eap_message(), eap);
  EXPECT_EQ(check_access_request(legacy, secret, *packet), Authenticity::authentic);
}

TEST(RadiusPacket, what_does_not_fit_is_not_built) {
  PacketBuilder large{Code::access_request, 1};
  large.add_eap_message(ByteVec(packet_size_max, std::byte{1}));
  EXPECT_FALSE(large.seal_access_request(legacy, secret, some_authenticator()));
  PacketBuilder wide{Code::access_request, 1};
  wide.add(AttributeType::user_name, ByteVec(attribute_value_max + 1, std::byte{1}));
  EXPECT_FALSE(wide.seal_access_request(legacy, secret, some_authenticator()));
}

TEST(RadiusMppe, keys_come_back_as_they_were) {
  for (const std::size_t size : {1UL, 15UL, 16UL, 31UL, 32UL, 33UL}) {
    const ByteVec key(size, std::byte{0xa5});
    const auto sealed = seal_mppe_key(legacy, secret, some_authenticator(), 0x1234, key);
    EXPECT_EQ((sealed.size() - 2) % 16, 0U);
    EXPECT_NE(to_hex(sealed.reveal()).find("9234"), std::string::npos);
    EXPECT_EQ(to_hex(open_mppe_key(legacy, secret, some_authenticator(), sealed.reveal()).reveal()),
              to_hex(key));
  }
}

TEST(RadiusMppe, keys_of_wrong_sizes_are_no_keys) {
  for (const std::size_t size : {0UL, 2UL, 17UL, 19UL, 33UL}) {
    const ByteVec value(size, std::byte{0x80});
    EXPECT_TRUE(open_mppe_key(legacy, secret, some_authenticator(), value).empty()) << size;
  }
}

TEST(RadiusVendor, attributes_that_lie_about_their_length_are_left_out) {  // CVE-2026-35333
  PacketView packet;
  const ByteVec good = hex("00000137100361");
  const ByteVec zero = hex("000001371000");
  const ByteVec beyond = hex("000001371061");
  const ByteVec stub = hex("0000");
  for (const ByteVec* value : {&zero, &beyond, &stub, &good}) {
    packet.attributes.push_back({AttributeType::vendor_specific, *value});
  }
  const auto found = packet.vendor_attributes();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].vendor, vendor_microsoft);
  EXPECT_EQ(found[0].type, 16);
}

TEST(RadiusAuthorization, what_an_accept_allows_is_read) {
  PacketBuilder builder{Code::access_accept, 9};
  builder.add_text(AttributeType::filter_id, "staff");
  builder.add_text(AttributeType::filter_id, "admins");
  builder.add_text(AttributeType::class_, "abc");
  builder.add(AttributeType::framed_ip_address, hex("0a000001"));
  builder.add(AttributeType::framed_ipv6_address, hex("20010db8000000000000000000000001"));
  builder.add(AttributeType::framed_ipv6_prefix, hex("004020010db800000001"));
  builder.add_u32(AttributeType::session_timeout, 3600);
  builder.add_u32(AttributeType::acct_interim_interval, 300);
  const ByteVec bytes = builder.seal_answer(legacy, secret, some_authenticator()).value();
  const auto out = authorization_of(PacketView::decode(bytes).value());
  EXPECT_EQ(out.filter_ids, (std::vector<std::string>{"staff", "admins"}));
  EXPECT_EQ(out.classes.size(), 1U);
  EXPECT_EQ(out.framed_ipv4->to_string(), "10.0.0.1");
  EXPECT_EQ(out.framed_ipv6->to_string(), "2001:db8::1");
  ASSERT_EQ(out.framed_ipv6_prefixes.size(), 1U);
  EXPECT_EQ(out.framed_ipv6_prefixes[0].to_string(), "2001:db8:0:1::/64");
  EXPECT_EQ(out.session_timeout_seconds, 3600U);
  EXPECT_EQ(out.interim_interval_seconds, 300U);
}

TEST(RadiusAuthorization, values_of_wrong_sizes_are_left_out) {
  PacketBuilder builder{Code::access_accept, 9};
  builder.add(AttributeType::framed_ip_address, hex("0a0000"));
  builder.add(AttributeType::framed_ip_netmask, hex("ff"));
  builder.add(AttributeType::framed_ipv6_address, hex("2001"));
  builder.add(AttributeType::framed_ipv6_prefix, hex("00"));
  builder.add(AttributeType::framed_ipv6_prefix, hex("00812001"));
  builder.add(AttributeType::delegated_ipv6_prefix, hex("004020010db8"));
  builder.add(AttributeType::session_timeout, hex("010203"));
  const ByteVec bytes = builder.seal_answer(legacy, secret, some_authenticator()).value();
  const auto out = authorization_of(PacketView::decode(bytes).value());
  EXPECT_FALSE(out.framed_ipv4 || out.framed_ipv4_netmask || out.framed_ipv6);
  EXPECT_TRUE(out.framed_ipv6_prefixes.empty() && out.delegated_ipv6_prefixes.empty());
  EXPECT_FALSE(out.session_timeout_seconds);
}

}  // namespace
}  // namespace caponier::radius

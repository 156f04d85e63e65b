#include "wire/dhcp.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace caponier::wire {
namespace {

using base::Bytes;
using base::ByteVec;
using base::IpAddress;
using base::WireFault;

constexpr std::size_t file_at = 108;
constexpr std::size_t server_name_at = 44;
constexpr std::size_t options_at = 240;

/// What Windows sends after its tunnel is up.
ByteVec inform() {
  DhcpMessage message;
  message.hardware_type = 8;
  message.hardware_size = 6;
  message.xid = 0x1234abcd;
  message.client = IpAddress::parse("10.200.0.7").value();
  message.hardware[0] = std::byte{0x52};
  message.add(DhcpCode::message_type, base::from_hex("08").value());
  message.add(DhcpCode::wishes, base::from_hex("01030f062c2e2f1f2179f92b").value());
  return message.encode();
}

ByteVec with_options(std::string_view hex) {
  ByteVec message = inform();
  message.resize(options_at);
  base::append(message, base::from_hex(hex).value());
  return message;
}

WireFault fault_of(Bytes message) {
  const auto decoded = DhcpMessage::decode(message);
  EXPECT_FALSE(decoded);
  return decoded ? WireFault{} : decoded.error().fault;
}

TEST(Dhcp, what_is_encoded_is_decoded_again) {
  const ByteVec message = inform();
  EXPECT_EQ(message.size(), 300u);
  const auto decoded = DhcpMessage::decode(message).value();
  EXPECT_EQ(decoded.op, DhcpOp::request);
  EXPECT_EQ(decoded.type(), 8);
  EXPECT_EQ(decoded.xid, 0x1234abcdu);
  EXPECT_EQ(decoded.client.to_string(), "10.200.0.7");
  ASSERT_NE(decoded.find(DhcpCode::wishes), nullptr);
  EXPECT_EQ(decoded.find(DhcpCode::wishes)->value.size(), 12u);
  EXPECT_EQ(decoded.encode(), message);
}

TEST(Dhcp, a_message_cut_anywhere_before_its_end_option_is_refused) {
  const ByteVec message = inform();
  const std::size_t end = options_at + 3 + 14;
  for (std::size_t size = 0; size <= end; ++size) {
    EXPECT_EQ(fault_of(Bytes{message}.first(size)), WireFault::truncated) << size;
  }
  EXPECT_TRUE(DhcpMessage::decode(Bytes{message}.first(end + 1)));
}

TEST(Dhcp, pads_are_passed_over_and_parts_of_an_option_are_joined) {
  const auto decoded = DhcpMessage::decode(with_options("00350108003702060f003701f9ff")).value();
  ASSERT_EQ(decoded.options.size(), 2u);
  EXPECT_EQ(base::to_hex(decoded.find(DhcpCode::wishes)->value), "060ff9");
}

TEST(Dhcp, a_long_option_is_written_in_parts) {
  DhcpMessage message;
  message.add(DhcpCode::routes, ByteVec(600, std::byte{7}));
  const auto decoded = DhcpMessage::decode(message.encode()).value();
  ASSERT_EQ(decoded.options.size(), 1u);
  EXPECT_EQ(decoded.options.front().value.size(), 600u);
}

TEST(Dhcp, options_that_overflow_into_file_and_server_name_are_found_in_this_order) {
  ByteVec message = with_options("35010834010337010fff");
  base::copy_into(base::MutBytes{message}.subspan(file_at), base::from_hex("370179ff").value());
  base::copy_into(base::MutBytes{message}.subspan(server_name_at),
                  base::from_hex("3701f9ff").value());
  const auto decoded = DhcpMessage::decode(message).value();
  EXPECT_EQ(base::to_hex(decoded.find(DhcpCode::wishes)->value), "0f79f9");
  EXPECT_EQ(decoded.find(DhcpCode::overload), nullptr);
}

TEST(Dhcp, an_overload_of_nothing_known_and_one_without_an_end_are_refused) {
  EXPECT_EQ(fault_of(with_options("340100ff")), WireFault::out_of_range);
  EXPECT_EQ(fault_of(with_options("340104ff")), WireFault::out_of_range);
  EXPECT_EQ(fault_of(with_options("34020101ff")), WireFault::out_of_range);
  // The file field is all zeros: pads, and no end.
  EXPECT_EQ(fault_of(with_options("340101ff")), WireFault::truncated);
}

TEST(Dhcp, what_is_no_dhcp_is_refused) {
  ByteVec other_cookie = inform();
  other_cookie[options_at - 1] = std::byte{0};
  EXPECT_EQ(fault_of(other_cookie), WireFault::out_of_range);
  ByteVec other_op = inform();
  other_op[0] = std::byte{3};
  EXPECT_EQ(fault_of(other_op), WireFault::out_of_range);
  ByteVec long_address = inform();
  long_address[2] = std::byte{17};
  EXPECT_EQ(fault_of(long_address), WireFault::out_of_range);
  EXPECT_EQ(fault_of(ByteVec(DhcpMessage::size_max + 1)), WireFault::out_of_range);
}

TEST(Dhcp, more_options_than_anybody_has_are_refused) {
  std::string hex;
  for (int code = 60; code < 60 + 65; ++code) {
    const auto octet = static_cast<std::byte>(code);
    hex += base::to_hex(Bytes{&octet, 1}) + "00";
  }
  EXPECT_EQ(fault_of(with_options(hex + "ff")), WireFault::out_of_range);
}

TEST(Dhcp, routes_are_written_as_short_as_their_masks_allow) {
  const std::vector<base::Prefix> networks{
      *base::Prefix::parse("0.0.0.0/0"), *base::Prefix::parse("10.0.0.0/8"),
      *base::Prefix::parse("10.17.0.0/16"), *base::Prefix::parse("10.229.0.128/25"),
      *base::Prefix::parse("10.198.122.47/32")};
  EXPECT_EQ(base::to_hex(encode_dhcp_routes(networks, IpAddress{})),
            "0000000000"
            "080a00000000"
            "100a1100000000"
            "190ae5008000000000"
            "200ac67a2f00000000");
}

}  // namespace
}  // namespace caponier::wire

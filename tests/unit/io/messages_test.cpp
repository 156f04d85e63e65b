#include "io/netlink/messages.h"

#include <gtest/gtest.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

namespace caponier::io {
namespace {

base::Prefix prefix(const char* text) { return base::Prefix::parse(text).value(); }
base::IpAddress address(const char* text) { return base::IpAddress::parse(text).value(); }

/// Written against the kernel's documentation, not with the library under test.
template <class Body>
Body body_of(base::Bytes message) {
  Body body{};
  std::memcpy(&body, message.data() + sizeof(nlmsghdr), sizeof body);
  return body;
}

nlmsghdr header_of(base::Bytes message) {
  nlmsghdr header{};
  std::memcpy(&header, message.data(), sizeof header);
  return header;
}

std::string attribute_hex(base::Bytes message, std::size_t body_size, std::uint16_t type) {
  std::size_t at = sizeof(nlmsghdr) + ((body_size + 3) & ~std::size_t{3});
  while (at + sizeof(rtattr) <= message.size()) {
    rtattr attribute{};
    std::memcpy(&attribute, message.data() + at, sizeof attribute);
    if (attribute.rta_type == type) {
      return base::to_hex(
          message.subspan(at + sizeof attribute, attribute.rta_len - sizeof attribute));
    }
    at += (attribute.rta_len + 3U) & ~3U;
  }
  return "absent";
}

TEST(NetlinkMessage, a_route_goes_to_the_tunnel_in_our_own_table) {
  const auto message =
      make_route(Change::add, {prefix("10.2.0.0/16"), 45007, 7, address("10.1.0.1")});
  const auto header = header_of(message);
  EXPECT_EQ(header.nlmsg_len, message.size());
  EXPECT_EQ(header.nlmsg_type, RTM_NEWROUTE);
  EXPECT_EQ(header.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  const auto body = body_of<rtmsg>(message);
  EXPECT_EQ(body.rtm_family, AF_INET);
  EXPECT_EQ(body.rtm_dst_len, 16);
  EXPECT_EQ(body.rtm_type, RTN_UNICAST);
  EXPECT_EQ(body.rtm_protocol, route_protocol);
  EXPECT_EQ(attribute_hex(message, sizeof body, RTA_DST), "0a020000");
  EXPECT_EQ(attribute_hex(message, sizeof body, RTA_PREFSRC), "0a010001");
  EXPECT_EQ(attribute_hex(message, sizeof body, RTA_OIF), "07000000");
  EXPECT_EQ(attribute_hex(message, sizeof body, RTA_TABLE), "cfaf0000");
}

TEST(NetlinkMessage, an_exception_is_a_throw_route_without_an_interface) {
  const auto message = make_route(
      Change::remove, {prefix("fd01::/64"), 45007, 0, std::nullopt, RouteKind::exception});
  EXPECT_EQ(header_of(message).nlmsg_type, RTM_DELROUTE);
  const auto body = body_of<rtmsg>(message);
  EXPECT_EQ(body.rtm_family, AF_INET6);
  EXPECT_EQ(body.rtm_type, RTN_THROW);
  EXPECT_EQ(attribute_hex(message, sizeof body, RTA_OIF), "absent");
  EXPECT_EQ(attribute_hex(message, sizeof body, RTA_PREFSRC), "absent");
}

TEST(NetlinkMessage, a_barrier_is_unreachable_and_behind_every_way) {
  const RouteMessage barrier{prefix("10.2.0.0/16"), 45007, 0, std::nullopt, RouteKind::barrier};
  const auto message = make_route(Change::add, barrier);
  const auto body = body_of<rtmsg>(message);
  EXPECT_EQ(body.rtm_type, RTN_UNREACHABLE);
  EXPECT_EQ(attribute_hex(message, sizeof body, RTA_OIF), "absent");
  EXPECT_EQ(attribute_hex(message, sizeof body, RTA_PRIORITY), "00100000");
  const auto read = read_own_route(message);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->prefix, barrier.prefix);
  EXPECT_EQ(read->table, 45007U);
  EXPECT_EQ(read->kind, RouteKind::barrier);
}

TEST(NetlinkMessage, only_exceptions_and_barriers_outlive_a_killed_process) {
  const auto way = make_route(Change::add, {prefix("10.2.0.0/16"), 45007, 7, std::nullopt});
  EXPECT_FALSE(read_own_route(way).has_value());
  auto exception =
      make_route(Change::add, {prefix("fd01::/64"), 45007, 0, std::nullopt, RouteKind::exception});
  ASSERT_TRUE(read_own_route(exception).has_value());
  for (std::size_t size = 0; size < exception.size(); ++size) {
    EXPECT_FALSE(read_own_route(base::Bytes{exception}.first(size)).has_value()) << size;
  }
}

TEST(NetlinkMessage, a_rule_spares_packets_with_our_mark) {
  const RuleMessage rule{base::Family::v4, 21000, 45007, 45007};
  const auto message = make_rule(Change::add, rule);
  const auto body = body_of<fib_rule_hdr>(message);
  EXPECT_EQ(body.action, FR_ACT_TO_TBL);
  EXPECT_NE(body.flags & FIB_RULE_INVERT, 0U);
  EXPECT_EQ(attribute_hex(message, sizeof body, FRA_FWMARK), "cfaf0000");
  EXPECT_EQ(attribute_hex(message, sizeof body, FRA_FWMASK), "ffffffff");
  EXPECT_EQ(attribute_hex(message, sizeof body, FRA_PRIORITY), "08520000");
}

TEST(NetlinkMessage, only_rules_with_our_protocol_are_read_as_ours) {
  const RuleMessage rule{base::Family::v6, 21000, 45007, 45007};
  auto message = make_rule(Change::add, rule);
  const auto read = read_own_rule(message);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->family, base::Family::v6);
  EXPECT_EQ(read->priority, 21000U);
  EXPECT_EQ(read->mark, 45007U);
  EXPECT_EQ(read->table, 45007U);
  // FRA_PROTOCOL is the last attribute; its one byte is followed by three of padding.
  message[message.size() - 4] = std::byte{4};
  EXPECT_FALSE(read_own_rule(message).has_value());
}

TEST(NetlinkMessage, foreign_or_short_messages_are_nothing) {
  const auto route = make_route(Change::add, {prefix("10.2.0.0/16"), 45007, 7, std::nullopt});
  EXPECT_FALSE(read_own_rule(route).has_value());
  EXPECT_FALSE(read_address(route).has_value());
  EXPECT_FALSE(read_source(route).has_value()) << "no preferred source in it";
  const auto rule = make_rule(Change::add, {base::Family::v4, 1, 2, 3});
  for (std::size_t size = 0; size < rule.size(); ++size) {
    EXPECT_FALSE(read_own_rule(base::Bytes{rule}.first(size)).has_value()) << size;
  }
}

TEST(NetlinkMessage, the_source_of_a_route_answer_is_its_preferred_address) {
  const auto answer = make_route(Change::add, {prefix("192.0.2.2"), 254, 2, address("192.0.2.1")});
  EXPECT_EQ(read_source(answer), address("192.0.2.1"));
}

TEST(NetlinkMessage, a_source_query_carries_the_mark) {
  const auto message = make_source_query(address("2001:db8::1"), 45007);
  const auto body = body_of<rtmsg>(message);
  EXPECT_EQ(header_of(message).nlmsg_type, RTM_GETROUTE);
  EXPECT_EQ(body.rtm_dst_len, 128);
  EXPECT_EQ(attribute_hex(message, sizeof body, RTA_MARK), "cfaf0000");
}

}  // namespace
}  // namespace caponier::io

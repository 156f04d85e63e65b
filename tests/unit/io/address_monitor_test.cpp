#include "io/netlink/address_monitor.h"

#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstring>

namespace caponier::io {
namespace {

using base::ByteVec;

base::IpAddress ip(const char* text) { return base::IpAddress::parse(text).value(); }

/// A message as the kernel writes it, by its documentation.
template <class Body>
ByteVec message_of(std::uint16_t type, const Body& body) {
  ByteVec message(sizeof(nlmsghdr) + sizeof(Body));
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(message.size());
  header.nlmsg_type = type;
  std::memcpy(message.data(), &header, sizeof header);
  std::memcpy(message.data() + sizeof header, &body, sizeof body);
  return message;
}

void add_attribute(ByteVec& message, std::uint16_t type, base::Bytes data) {
  rtattr attribute{};
  attribute.rta_len = static_cast<std::uint16_t>(sizeof attribute + data.size());
  attribute.rta_type = type;
  const std::size_t at = message.size();
  message.resize(at + sizeof attribute + data.size());
  std::memcpy(message.data() + at, &attribute, sizeof attribute);
  std::memcpy(message.data() + at + sizeof attribute, data.data(), data.size());
  const auto length = static_cast<std::uint32_t>(message.size());
  std::memcpy(message.data(), &length, sizeof length);
}

ByteVec address_message(const char* text, std::uint8_t scope = RT_SCOPE_UNIVERSE,
                        std::uint8_t flags = 0) {
  ifaddrmsg body{};
  const auto address = ip(text);
  body.ifa_family = address.is_v4() ? AF_INET : AF_INET6;
  body.ifa_index = 3;
  body.ifa_scope = scope;
  body.ifa_flags = flags;
  ByteVec message = message_of(RTM_NEWADDR, body);
  add_attribute(message, IFA_ADDRESS, address.bytes());
  return message;
}

ByteVec link_message(int index, unsigned flags) {
  ifinfomsg body{};
  body.ifi_index = index;
  body.ifi_flags = flags;
  return message_of(RTM_NEWLINK, body);
}

TEST(AddressMonitor, an_address_is_read_with_its_interface) {
  const auto read = read_host_address(address_message("198.51.100.7"));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->address, ip("198.51.100.7"));
  EXPECT_EQ(read->interface, 3U);
  EXPECT_TRUE(read->preferred);
  EXPECT_FALSE(
      read_host_address(address_message("2001:db8::7", RT_SCOPE_UNIVERSE, IFA_F_DEPRECATED))
          ->preferred);
}

TEST(AddressMonitor, the_own_end_of_a_point_to_point_link_counts) {
  ByteVec message = address_message("192.0.2.99");
  add_attribute(message, IFA_LOCAL, ip("192.0.2.1").bytes());
  EXPECT_EQ(read_host_address(message)->address, ip("192.0.2.1"));
}

TEST(AddressMonitor, addresses_no_packet_can_leave_with_are_left_out) {
  EXPECT_FALSE(read_host_address(address_message("fe80::1", RT_SCOPE_LINK)));
  EXPECT_FALSE(read_host_address(address_message("127.0.0.1", RT_SCOPE_HOST)));
  EXPECT_FALSE(
      read_host_address(address_message("2001:db8::7", RT_SCOPE_UNIVERSE, IFA_F_TENTATIVE)));
  EXPECT_FALSE(
      read_host_address(address_message("2001:db8::7", RT_SCOPE_UNIVERSE, IFA_F_DADFAILED)));
}

TEST(AddressMonitor, what_the_kernel_never_says_is_ignored) {
  const ByteVec whole = address_message("198.51.100.7");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(read_host_address(base::Bytes{whole}.first(size))) << size;
    (void)is_address_change(base::Bytes{whole}.first(size));
  }
  EXPECT_FALSE(read_link(whole));
  EXPECT_FALSE(read_host_address(link_message(3, 0)));
}

TEST(AddressMonitor, a_link_without_a_cable_carries_nothing) {
  EXPECT_TRUE(read_link(link_message(3, IFF_UP | IFF_RUNNING))->carries);
  EXPECT_FALSE(read_link(link_message(3, IFF_UP))->carries);
  EXPECT_FALSE(read_link(link_message(3, IFF_RUNNING))->carries);
  EXPECT_EQ(read_link(link_message(3, 0))->interface, 3U);
}

TEST(AddressMonitor, only_notices_that_matter_wake_anybody) {
  EXPECT_TRUE(is_address_change(address_message("198.51.100.7")));
  EXPECT_TRUE(is_address_change(link_message(3, IFF_UP)));
  rtmsg route{};
  route.rtm_table = RT_TABLE_MAIN;
  EXPECT_TRUE(is_address_change(message_of(RTM_NEWROUTE, route)));
  EXPECT_TRUE(is_address_change(message_of(RTM_DELROUTE, route)));
  route.rtm_dst_len = 16;
  EXPECT_FALSE(is_address_change(message_of(RTM_NEWROUTE, route))) << "not a default route";
  route.rtm_dst_len = 0;
  route.rtm_table = RT_TABLE_LOCAL;
  EXPECT_FALSE(is_address_change(message_of(RTM_NEWROUTE, route)));
}

TEST(AddressMonitor, the_default_route_comes_first_and_deprecated_addresses_last) {
  const std::vector<HostAddress> addresses{
      {ip("10.1.0.1"), 2, true},  {ip("2001:db8::1"), 3, false}, {ip("198.51.100.7"), 3, true},
      {ip("192.0.2.1"), 4, true}, {ip("172.16.0.1"), 9, true},   {ip("198.51.100.7"), 2, true}};
  const std::vector<LinkState> links{{2, true}, {3, true}, {4, false}, {9, true}};
  const std::vector<base::IpAddress> favoured{ip("198.51.100.7")};
  EXPECT_EQ(usable_addresses(addresses, links, 9, favoured),
            (std::vector{ip("198.51.100.7"), ip("10.1.0.1"), ip("2001:db8::1")}));
}

TEST(AddressMonitor, a_host_with_very_many_addresses_is_cut_short) {
  std::vector<HostAddress> addresses;
  for (std::uint32_t i = 0; i < 2 * host_addresses_max; ++i) {
    addresses.push_back({base::IpAddress::v4(0x0a000000 + i), 2, true});
  }
  const std::vector<LinkState> links{{2, true}};
  EXPECT_EQ(usable_addresses(addresses, links, 9, {}).size(), host_addresses_max);
}

}  // namespace
}  // namespace caponier::io

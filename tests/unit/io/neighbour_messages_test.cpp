#include "io/netlink/neighbour_messages.h"

#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace caponier::io {
namespace {

base::IpAddress address(const char* text) { return base::IpAddress::parse(text).value(); }

/// Written against the kernel's documentation, not with the library under test.
template <class Body>
class Message {
 public:
  Message(std::uint16_t type, const Body& body) : bytes_(sizeof(nlmsghdr) + sizeof(Body)) {
    std::memcpy(&bytes_[sizeof(nlmsghdr)], &body, sizeof body);
    bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
    header_.nlmsg_type = type;
  }
  Message& add(std::uint16_t type, base::Bytes value) {
    const rtattr attribute{static_cast<std::uint16_t>(sizeof(rtattr) + value.size()), type};
    const auto* raw = reinterpret_cast<const std::byte*>(&attribute);
    bytes_.insert(bytes_.end(), raw, raw + sizeof attribute);
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
    return *this;
  }
  Message& add(std::uint16_t type, std::uint32_t value) {
    return add(type, std::as_bytes(std::span{&value, 1}));
  }
  [[nodiscard]] base::ByteVec take() {
    header_.nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &header_, sizeof header_);
    return bytes_;
  }

 private:
  nlmsghdr header_{};
  base::ByteVec bytes_;
};

constexpr MacAddress mac{std::byte{2}, std::byte{1}, std::byte{1},
                         std::byte{1}, std::byte{1}, std::byte{9}};

rtmsg route_body() {
  rtmsg body{};
  body.rtm_family = AF_INET;
  body.rtm_type = RTN_UNICAST;
  return body;
}

ndmsg neighbour_body(int state) {
  ndmsg body{};
  body.ndm_family = AF_INET;
  body.ndm_ifindex = 3;
  body.ndm_state = static_cast<std::uint16_t>(state);
  return body;
}

TEST(WayMessage, on_the_link_the_next_hop_is_the_destination) {
  const auto way =
      read_way(Message{RTM_NEWROUTE, route_body()}.add(RTA_OIF, 3).take(), address("10.1.0.10"));
  EXPECT_EQ(way, (Way{3, address("10.1.0.10"), 0}));
}

TEST(WayMessage, behind_a_router_the_next_hop_is_the_router) {
  const std::uint32_t mtu = 1400;
  rtattr inner{sizeof(rtattr) + sizeof mtu, RTAX_MTU};
  base::ByteVec metrics(sizeof inner + sizeof mtu);
  std::memcpy(metrics.data(), &inner, sizeof inner);
  std::memcpy(&metrics[sizeof inner], &mtu, sizeof mtu);
  const auto way = read_way(Message{RTM_NEWROUTE, route_body()}
                                .add(RTA_OIF, 3)
                                .add(RTA_GATEWAY, address("10.1.0.254").bytes())
                                .add(RTA_METRICS, metrics)
                                .take(),
                            address("10.77.0.1"));
  EXPECT_EQ(way, (Way{3, address("10.1.0.254"), mtu}));
}

TEST(WayMessage, anything_but_one_neighbour_of_the_family_is_the_kernels) {
  const auto destination = address("10.1.0.10");
  rtmsg local = route_body();
  local.rtm_type = RTN_LOCAL;
  EXPECT_FALSE(read_way(Message{RTM_NEWROUTE, local}.add(RTA_OIF, 3).take(), destination));
  for (const std::uint16_t type : {RTA_VIA, RTA_ENCAP, RTA_MULTIPATH}) {
    EXPECT_FALSE(read_way(Message{RTM_NEWROUTE, route_body()}.add(RTA_OIF, 3).add(type, 0).take(),
                          destination))
        << type;
  }
  EXPECT_FALSE(read_way(Message{RTM_NEWROUTE, route_body()}.take(), destination));
  EXPECT_FALSE(read_way(base::ByteVec(3), destination));
}

TEST(WayMessage, of_a_packet_of_this_host_asks_with_source_and_mark) {
  const auto has = [](const base::ByteVec& message, base::Bytes part) {
    return !std::ranges::search(message, part).empty();
  };
  const std::uint32_t mark = 45003;
  const auto destination = address("198.51.100.1");
  const auto source = address("203.0.113.1");
  const auto sent = make_way_query({destination, source}, mark);
  const auto forwarded = make_way_query({destination, {}}, 0);
  rtmsg body{};
  std::memcpy(&body, &sent[sizeof(nlmsghdr)], sizeof body);
  EXPECT_EQ(body.rtm_dst_len, 32);
  EXPECT_EQ(body.rtm_src_len, 32);
  EXPECT_TRUE(has(sent, source.bytes()));
  EXPECT_TRUE(has(sent, std::as_bytes(std::span{&mark, 1})));
  std::memcpy(&body, &forwarded[sizeof(nlmsghdr)], sizeof body);
  EXPECT_EQ(body.rtm_src_len, 0);
  EXPECT_TRUE(has(forwarded, destination.bytes()));
  EXPECT_EQ(sent.size() - forwarded.size(), 16u) << "two attributes";
}

TEST(NeighbourMessage, has_a_mac_while_the_kernel_would_send_to_it) {
  for (const int state : {NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT}) {
    const auto neighbour = read_neighbour(Message{RTM_NEWNEIGH, neighbour_body(state)}
                                              .add(NDA_DST, address("10.1.0.10").bytes())
                                              .add(NDA_LLADDR, mac)
                                              .take());
    EXPECT_EQ(neighbour, (Neighbour{3, address("10.1.0.10"), mac, state == NUD_STALE})) << state;
  }
}

TEST(NeighbourMessage, has_none_while_it_is_sought_has_failed_or_is_forgotten) {
  const Neighbour lost{3, address("10.1.0.10"), std::nullopt, false};
  for (const int state : {NUD_INCOMPLETE, NUD_FAILED, NUD_NONE}) {
    EXPECT_EQ(read_neighbour(Message{RTM_NEWNEIGH, neighbour_body(state)}
                                 .add(NDA_DST, address("10.1.0.10").bytes())
                                 .take()),
              lost);
  }
  EXPECT_EQ(read_neighbour(Message{RTM_DELNEIGH, neighbour_body(NUD_STALE)}
                               .add(NDA_DST, address("10.1.0.10").bytes())
                               .add(NDA_LLADDR, mac)
                               .take()),
            lost);
}

TEST(NeighbourMessage, proxies_are_no_neighbours) {
  ndmsg body = neighbour_body(NUD_PERMANENT);
  body.ndm_flags = NTF_PROXY;
  EXPECT_FALSE(read_neighbour(
      Message{RTM_NEWNEIGH, body}.add(NDA_DST, address("10.1.0.10").bytes()).take()));
}

TEST(NeighbourMessage, what_a_bridge_has_learnt_is_none_of_ips) {
  ndmsg body = neighbour_body(NUD_REACHABLE);
  body.ndm_family = AF_BRIDGE;
  const auto message = Message{RTM_NEWNEIGH, body}.add(NDA_LLADDR, mac).take();
  EXPECT_TRUE(is_about_neighbour(message));
  EXPECT_FALSE(read_neighbour(message));
  EXPECT_FALSE(is_about_neighbour(Message{RTM_NEWROUTE, route_body()}.take()));
}

TEST(NeighbourMessage, to_use_one_asks_the_kernel_to_find_it) {
  const auto message = make_neighbour_use(3, address("10.1.0.10"));
  nlmsghdr header{};
  std::memcpy(&header, message.data(), sizeof header);
  ndmsg body{};
  std::memcpy(&body, &message[sizeof header], sizeof body);
  EXPECT_EQ(header.nlmsg_type, RTM_NEWNEIGH);
  EXPECT_NE(header.nlmsg_flags & NLM_F_CREATE, 0);
  EXPECT_EQ(body.ndm_flags, NTF_USE);
  EXPECT_EQ(body.ndm_ifindex, 3);
  EXPECT_EQ(body.ndm_family, AF_INET);
}

TEST(EthernetLinkMessage, tells_mac_mtu_and_whether_it_is_part_of_another) {
  ifinfomsg body{};
  body.ifi_type = ARPHRD_ETHER;
  body.ifi_index = 3;
  Message message{RTM_NEWLINK, body};
  message.add(IFLA_ADDRESS, mac).add(IFLA_MTU, 1500);
  auto link = read_ethernet_link(message.take());
  ASSERT_TRUE(link);
  EXPECT_EQ(link->interface, 3u);
  EXPECT_EQ(link->mac, mac);
  EXPECT_EQ(link->mtu, 1500u);
  EXPECT_FALSE(link->has_master);
  link = read_ethernet_link(message.add(IFLA_MASTER, 9).take());
  ASSERT_TRUE(link);
  EXPECT_TRUE(link->has_master);
}

TEST(EthernetLinkMessage, tells_a_bond_from_a_card) {
  const auto link_of_kind = [](std::string_view kind) {
    rtattr inner{static_cast<std::uint16_t>(sizeof(rtattr) + kind.size() + 1), IFLA_INFO_KIND};
    base::ByteVec details(sizeof inner + kind.size() + 1);
    std::memcpy(details.data(), &inner, sizeof inner);
    std::memcpy(&details[sizeof inner], kind.data(), kind.size());
    ifinfomsg body{};
    body.ifi_type = ARPHRD_ETHER;
    return read_ethernet_link(Message{RTM_NEWLINK, body}
                                  .add(IFLA_ADDRESS, mac)
                                  .add(IFLA_MTU, 1500)
                                  .add(IFLA_LINKINFO, details)
                                  .take());
  };
  EXPECT_TRUE(link_of_kind("bond").value().is_bond);
  EXPECT_TRUE(link_of_kind("team").value().is_bond);
  EXPECT_FALSE(link_of_kind("veth").value().is_bond);
}

TEST(EthernetLinkMessage, other_links_are_none) {
  ifinfomsg body{};
  body.ifi_type = ARPHRD_PPP;
  EXPECT_FALSE(read_ethernet_link(
      Message{RTM_NEWLINK, body}.add(IFLA_ADDRESS, mac).add(IFLA_MTU, 1500).take()));
}

}  // namespace
}  // namespace caponier::io

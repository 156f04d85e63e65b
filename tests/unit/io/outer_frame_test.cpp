#include "io/xdp/outer_frame.h"

#include <gtest/gtest.h>

#include "io/xdp/outer_program.h"
#include "wire/ip.h"
#include "wire/udp.h"

namespace caponier::io {
namespace {

base::IpAddress address(const char* text) { return base::IpAddress::parse(text).value(); }

MacAddress mac(unsigned last) {
  return {std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte(last)};
}

const NextHop hop{7, mac(1), mac(2), 1500, false};
constexpr OuterDefaults defaults{77, 78};

base::ByteVec esp(std::size_t size) {
  base::ByteVec bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = std::byte(i * 7 + 1);
  return bytes;
}

base::Path path(base::Family family, std::uint16_t port) {
  return family == base::Family::v4
             ? base::Path{{address("203.0.113.1"), port}, {address("198.51.100.2"), port}}
             : base::Path{{address("2001:db8::1"), port}, {address("2001:db8::2"), port}};
}

base::ByteVec frame_of(const Outgoing& item, std::uint16_t identification = 0x1234) {
  base::ByteVec frame(ethernet_header_size + outer_packet_size(item));
  write_outer_frame(frame, hop, item, identification, defaults);
  return frame;
}

base::Bytes packet_of(const base::ByteVec& frame) {
  return base::Bytes{frame}.subspan(ethernet_header_size);
}

TEST(OuterFrame, begins_with_the_addresses_of_both_ends_and_the_ethertype) {
  const auto bytes = esp(40);
  const auto begin = [&](base::Family family) {
    return base::to_hex(base::Bytes{frame_of({bytes, path(family, 0)})}.first(14));
  };
  EXPECT_EQ(begin(base::Family::v4), "0200000000020200000000010800");
  EXPECT_EQ(begin(base::Family::v6), "02000000000202000000000186dd");
}

TEST(OuterFrame, of_ipv4_has_what_the_sa_wants_in_its_header) {
  const auto bytes = esp(41);
  Outgoing item{bytes, path(base::Family::v4, 0), 0xb9, 33, 0, false};
  const auto frame = frame_of(item);
  const auto ip = wire::Ipv4View::checked(packet_of(frame));
  ASSERT_TRUE(ip);
  EXPECT_EQ(ip->protocol(), wire::ip_protocol::esp);
  EXPECT_EQ(ip->tos(), 0xb9);
  EXPECT_EQ(ip->ttl(), 33);
  EXPECT_EQ(ip->identification(), 0x1234);
  EXPECT_FALSE(ip->dont_fragment());
  EXPECT_FALSE(ip->is_fragment());
  EXPECT_EQ(ip->source(), item.path.local.address);
  EXPECT_EQ(ip->destination(), item.path.remote.address);
  EXPECT_TRUE(base::equal(ip->payload(), bytes));
  EXPECT_EQ(ip->packet().size(), packet_of(frame).size());
  item.dont_fragment = true;
  item.ttl = 0;
  const auto whole = frame_of(item);
  const auto whole_ip = wire::Ipv4View::checked(packet_of(whole));
  ASSERT_TRUE(whole_ip);
  EXPECT_TRUE(whole_ip->dont_fragment());
  EXPECT_EQ(whole_ip->identification(), 0);
  EXPECT_EQ(whole_ip->ttl(), defaults.ttl);
}

TEST(OuterFrame, of_ipv6_has_what_the_sa_wants_in_its_header) {
  const auto bytes = esp(44);
  Outgoing item{bytes, path(base::Family::v6, 0), 0x2e, 9, 0xabcde, true};
  const auto frame = frame_of(item);
  const auto ip = wire::Ipv6View::checked(packet_of(frame));
  ASSERT_TRUE(ip);
  EXPECT_EQ(ip->next_header(), wire::ip_protocol::esp);
  EXPECT_EQ(ip->traffic_class(), 0x2e);
  EXPECT_EQ(ip->flow_label(), 0xabcdeU);
  EXPECT_EQ(ip->hop_limit(), 9);
  EXPECT_TRUE(base::equal(ip->payload(), bytes));
  item.ttl = 0;
  EXPECT_EQ(wire::Ipv6View::checked(packet_of(frame_of(item)))->hop_limit(), defaults.hop_limit);
}

TEST(OuterFrame, in_udp_has_a_checksum_only_where_ip_has_none) {
  const auto bytes = esp(47);
  const auto v4 = frame_of({bytes, path(base::Family::v4, 4500)});
  const auto v4_udp = wire::UdpView::checked(wire::Ipv4View::checked(packet_of(v4))->payload());
  ASSERT_TRUE(v4_udp);
  EXPECT_EQ(v4_udp->checksum(), 0);
  EXPECT_EQ(v4_udp->source_port(), 4500);
  EXPECT_EQ(v4_udp->destination_port(), 4500);
  EXPECT_TRUE(base::equal(v4_udp->payload(), bytes));
  const auto v6 = frame_of({bytes, path(base::Family::v6, 4500)});
  const auto v6_udp = wire::UdpView::checked(wire::Ipv6View::checked(packet_of(v6))->payload());
  ASSERT_TRUE(v6_udp);
  EXPECT_EQ(v6_udp->checksum(),
            wire::udp_checksum(address("2001:db8::1"), address("2001:db8::2"), v6_udp->datagram()));
}

TEST(OuterFrame, is_read_as_it_was_written) {
  const auto bytes = esp(100);
  for (const auto family : {base::Family::v4, base::Family::v6}) {
    for (const std::uint16_t port : {std::uint16_t{0}, std::uint16_t{4500}}) {
      const Outgoing item{bytes, path(family, port), 0x03};
      auto frame = frame_of(item);
      frame.resize(frame.size() + 5);  // Ethernet fills short frames up
      const auto read = read_outer_frame(frame);
      ASSERT_TRUE(read);
      EXPECT_TRUE(base::equal(read->esp, bytes));
      EXPECT_EQ(read->tos, 0x03);
      EXPECT_EQ(read->path.local, item.path.remote);
      EXPECT_EQ(read->path.remote, item.path.local);
    }
  }
}

TEST(OuterFrame, cut_anywhere_or_with_a_damaged_ipv4_header_is_none) {
  const auto bytes = esp(30);
  for (const auto family : {base::Family::v4, base::Family::v6}) {
    const auto frame = frame_of({bytes, path(family, 4500)});
    for (std::size_t size = 0; size < frame.size(); ++size) {
      EXPECT_FALSE(read_outer_frame(base::Bytes{frame}.first(size))) << size;
    }
  }
  auto frame = frame_of({bytes, path(base::Family::v4, 4500)});
  for (std::size_t at = ethernet_header_size; at < ethernet_header_size + 20; ++at) {
    frame[at] ^= std::byte{1};
    EXPECT_FALSE(read_outer_frame(frame)) << at;
    frame[at] ^= std::byte{1};
  }
  EXPECT_TRUE(read_outer_frame(frame));
}

TEST(OuterFrame, from_an_address_that_no_host_has_is_none) {
  const auto bytes = esp(30);
  const auto is_read = [&](const char* source) {
    const auto from = address(source);
    Outgoing item{bytes, path(from.family(), 0)};
    item.path.local.address = from;
    return read_outer_frame(frame_of(item)).has_value();
  };
  for (const char* source : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255",
                             "::", "::1", "ff02::1"}) {
    EXPECT_FALSE(is_read(source)) << source;
  }
  for (const char* source : {"1.2.3.4", "126.0.0.1", "223.255.255.254", "2001:db8::7", "fd00::1"}) {
    EXPECT_TRUE(is_read(source)) << source;
  }
}

TEST(OuterProgram, looks_ipv4_up_as_mapped_ipv6) {
  EXPECT_EQ(base::to_hex(address_key(address("203.0.113.1"))), "00000000000000000000ffffcb007101");
  EXPECT_EQ(base::to_hex(address_key(address("2001:db8::1"))), "20010db8000000000000000000000001");
}

}  // namespace
}  // namespace caponier::io

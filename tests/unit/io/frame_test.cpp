#include "io/afpacket/frame.h"

#include <gtest/gtest.h>
#include <linux/if_packet.h>

#include "io/afpacket/filter.h"
#include "wire/checksum.h"
#include "wire/ip.h"

namespace caponier::io {
namespace {

using offload::VirtioHeader;

base::IpAddress address(const char* text) { return base::IpAddress::parse(text).value(); }

MacAddress mac(unsigned last) {
  return {std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte(last)};
}

NextHop hop() { return {7, mac(1), mac(2), 1500, false}; }

base::ByteVec v4_packet(std::uint8_t ttl) {
  base::ByteVec packet(28);
  wire::Ipv4Header header{address("10.2.0.10"), address("10.1.0.10"), wire::ip_protocol::udp, 28};
  header.ttl = ttl;
  wire::write_ipv4_header(packet, header);
  return packet;
}

base::ByteVec v6_packet(std::uint8_t hop_limit) {
  base::ByteVec packet(48);
  wire::Ipv6Header header{address("fd02::10"), address("fd01::10"), wire::ip_protocol::udp, 8};
  header.hop_limit = hop_limit;
  wire::write_ipv6_header(packet, header);
  return packet;
}

base::Bytes behind_virtio(const FrameHead& head) {
  return base::Bytes{head.bytes}.first(head.size).subspan(VirtioHeader::size);
}

TEST(Frame, begins_with_the_addresses_of_both_ends_and_the_ethertype) {
  EXPECT_EQ(base::to_hex(behind_virtio(make_frame_head(hop(), {}, v4_packet(64))).first(14)),
            "0200000000020200000000010800");
  EXPECT_EQ(base::to_hex(behind_virtio(make_frame_head(hop(), {}, v6_packet(64))).first(14)),
            "02000000000202000000000186dd");
}

TEST(Frame, of_ipv4_has_one_hop_fewer_and_a_header_checksum_that_holds) {
  for (unsigned ttl = 2; ttl <= 255; ++ttl) {
    const auto packet = v4_packet(static_cast<std::uint8_t>(ttl));
    const FrameHead head = make_frame_head(hop(), {}, packet);
    ASSERT_EQ(head.copied, 20u);
    const base::Bytes header = behind_virtio(head).subspan(ethernet_header_size);
    ASSERT_EQ(header.size(), 20u);
    EXPECT_EQ(std::to_integer<unsigned>(header[8]), ttl - 1);
    EXPECT_EQ(wire::internet_checksum(header), 0) << ttl;
  }
}

TEST(Frame, of_ipv6_has_one_hop_fewer) {
  const FrameHead head = make_frame_head(hop(), {}, v6_packet(64));
  ASSERT_EQ(head.copied, 40u);
  EXPECT_EQ(std::to_integer<unsigned>(behind_virtio(head)[ethernet_header_size + 7]), 63u);
}

TEST(Frame, leaves_the_packet_itself_alone) {
  const auto packet = v4_packet(64);
  static_cast<void>(make_frame_head(hop(), {}, packet));
  EXPECT_EQ(packet, v4_packet(64));
}

TEST(Frame, its_virtio_header_counts_from_the_frames_first_octet) {
  VirtioHeader header;
  header.flags = offload::virtio::flag_needs_csum;
  header.gso_type = offload::virtio::gso_tcpv4;
  header.hdr_len = 52;
  header.gso_size = 1400;
  header.csum_start = 20;
  header.csum_offset = 16;
  const FrameHead head = make_frame_head(hop(), header, v4_packet(64));
  const VirtioHeader outer =
      VirtioHeader::decode(base::Bytes{head.bytes}.first<VirtioHeader::size>());
  EXPECT_EQ(outer.hdr_len, 66);
  EXPECT_EQ(outer.csum_start, 34);
  EXPECT_EQ(outer.gso_size, 1400);
  EXPECT_EQ(outer.csum_offset, 16);
  EXPECT_EQ(without_link_header(outer).csum_start, 20);
}

TEST(Frame, a_checksum_that_begins_in_the_link_header_stays_out_of_range) {
  VirtioHeader header;
  header.flags = offload::virtio::flag_needs_csum;
  header.csum_start = 3;
  EXPECT_EQ(without_link_header(header).csum_start, 0);
  header.flags = 0;
  EXPECT_EQ(without_link_header(header), header);
}

TEST(Frame, the_last_hop_is_the_kernels) {
  EXPECT_TRUE(has_hops_left(v4_packet(2)));
  EXPECT_FALSE(has_hops_left(v4_packet(1)));
  EXPECT_FALSE(has_hops_left(v4_packet(0)));
  EXPECT_TRUE(has_hops_left(v6_packet(2)));
  EXPECT_FALSE(has_hops_left(v6_packet(1)));
  EXPECT_FALSE(has_hops_left({}));
  EXPECT_FALSE(has_hops_left(base::Bytes{v6_packet(64)}.first(39)));
}

/// What a kernel would do with the few instructions that there are.
std::uint32_t run(const std::vector<sock_filter>& program, std::uint32_t mark,
                  std::uint32_t packet_type) {
  std::uint32_t a = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const sock_filter& step = program[at];
    if (step.code == (BPF_RET | BPF_K)) return step.k;
    if (step.code == (BPF_LD | BPF_W | BPF_ABS)) {
      const bool is_mark = step.k == static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_MARK);
      const bool is_type = step.k == static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE);
      EXPECT_TRUE(is_mark || is_type);
      a = is_mark ? mark : packet_type;
    } else {
      EXPECT_EQ(step.code, BPF_JMP | BPF_JEQ | BPF_K);
      at += a == step.k ? step.jt : step.jf;
    }
  }
  ADD_FAILURE() << "ran off its end";
  return 0;
}

TEST(MarkFilter, passes_whole_what_is_marked_and_for_our_own_link_address) {
  const auto program = make_mark_filter(0x4000afcf);
  EXPECT_EQ(run(program, 0x4000afcf, PACKET_HOST), UINT32_MAX);
  EXPECT_EQ(run(program, 0, PACKET_HOST), 0u);
  EXPECT_EQ(run(program, 0xafcf, PACKET_HOST), 0u);
  EXPECT_EQ(run(program, 0x4000afcf, PACKET_OTHERHOST), 0u);
  EXPECT_EQ(run(program, 0x4000afcf, PACKET_OUTGOING), 0u);
}

}  // namespace
}  // namespace caponier::io

// Super-packets into packets.

#include "offload/segments.h"

#include <array>

#include <gtest/gtest.h>

#include "unit/offload/packets.h"

namespace caponier::offload {
namespace {

using base::ByteVec;
using packets::Spec;
namespace flag = packets::flag;

constexpr std::size_t no_limit = 65535;

std::vector<ByteVec> segment(const VirtioHeader& header, Bytes packet,
                             std::size_t size_max = no_limit) {
  const auto segments = Segments::plan(header, packet, size_max);
  EXPECT_TRUE(segments.has_value()) << name_of(segments.error());
  std::vector<ByteVec> made;
  for (std::size_t i = 0; segments && i < segments->count(); ++i) {
    segments->write(i, made.emplace_back(segments->size_of(i), std::byte{0xee}));
  }
  return made;
}

Fault fault_of(const VirtioHeader& header, Bytes packet, std::size_t size_max = no_limit) {
  const auto segments = Segments::plan(header, packet, size_max);
  EXPECT_FALSE(segments.has_value());
  return segments ? Fault{} : segments.error();
}

std::vector<ByteVec> only(const ByteVec& packet) { return std::vector<ByteVec>(1, packet); }

Spec tcp(std::size_t payload, bool is_v6 = false) {
  return {.is_v6 = is_v6, .payload = packets::pattern(payload)};
}

Spec udp(std::size_t payload, bool is_v6 = false) {
  return {.is_v6 = is_v6, .is_tcp = false, .payload = packets::pattern(payload)};
}

void expect_as_sent(const Spec& spec, std::size_t each, std::size_t size_max = no_limit,
                    std::size_t cut_at = 0) {
  EXPECT_EQ(segment(packets::gso_header(spec, each), packets::make_partial(spec), size_max),
            packets::make_all(packets::cut(spec, cut_at == 0 ? each : cut_at)));
}

TEST(Segments, are_what_the_sender_would_have_sent) {
  for (const bool is_v6 : {false, true}) {
    for (const std::size_t each : {1U, 7U, 536U, 1400U, 2999U, 3000U, 3001U}) {
      expect_as_sent(tcp(3000, is_v6), each);
      expect_as_sent(udp(3000, is_v6), each);
    }
  }
}

TEST(Segments, of_the_largest_packet_are_right) {
  expect_as_sent(tcp(65535 - 40), 1448);
  expect_as_sent(udp(65535 - 28), 1472);
  expect_as_sent(tcp(65535 - 60, true), 1428);
}

TEST(Segments, repeat_tcp_options) {
  Spec spec = tcp(3000);
  spec.tcp_options = packets::pattern(12);
  expect_as_sent(spec, 1000);
  spec.tcp_options = packets::pattern(40);
  expect_as_sent(spec, 1000);
}

TEST(Segments, repeat_ip_options_and_extension_headers) {
  for (Spec spec : {tcp(3000), udp(3000)}) {
    spec.ip_extra = packets::pattern(40);
    expect_as_sent(spec, 1000);
    spec.is_v6 = true;
    spec.ip_extra = ByteVec(24);
    spec.ip_extra[1] = std::byte{2};
    expect_as_sent(spec, 1000);
  }
}

TEST(Segments, end_a_stream_with_the_last_only) {
  Spec spec = tcp(3000);
  spec.flags = flag::ack | flag::fin | flag::psh;
  const auto made = segment(packets::gso_header(spec, 1000), packets::make_partial(spec));
  ASSERT_EQ(made.size(), 3u);
  EXPECT_EQ(made[0][33], std::byte{flag::ack});
  EXPECT_EQ(made[1][33], std::byte{flag::ack});
  EXPECT_EQ(made[2][33], std::byte{flag::ack | flag::fin | flag::psh});
  expect_as_sent(spec, 1000);
}

TEST(Segments, tell_of_a_reduced_window_with_the_first_only) {
  Spec spec = tcp(3000);
  spec.flags = flag::ack | flag::cwr | flag::ece;
  VirtioHeader header = packets::gso_header(spec, 1000);
  header.gso_type |= virtio::gso_ecn;
  EXPECT_EQ(segment(header, packets::make_partial(spec)),
            packets::make_all(packets::cut(spec, 1000, true)));
}

TEST(Segments, keep_the_counter_of_accurate_ecn) {
  Spec spec = tcp(3000);
  spec.flags = flag::ack | flag::cwr;
  expect_as_sent(spec, 1000);
}

TEST(Segments, leave_urgent_data_as_it_is) {
  Spec spec = tcp(3000);
  spec.flags = flag::ack | flag::urg;
  spec.urgent_pointer = 2500;
  expect_as_sent(spec, 1000);
}

TEST(Segments, count_identifications_and_sequence_numbers_beyond_their_end) {
  Spec spec = tcp(5000);
  spec.identification = 0xfffe;
  spec.sequence = 0xfffffc00;
  expect_as_sent(spec, 1000);
}

TEST(Segments, of_tcp_are_cut_smaller_for_a_smaller_tunnel) {
  Spec spec = tcp(5000);
  spec.flags = flag::ack | flag::psh;
  expect_as_sent(spec, 1460, 1300, 1260);
  expect_as_sent(spec, 1460, 1500, 1460);
  expect_as_sent(tcp(5000, true), 1440, 1280, 1220);
  expect_as_sent(tcp(3), 1440, 41, 1);
}

TEST(Segments, of_udp_keep_their_size_in_a_smaller_tunnel) {
  expect_as_sent(udp(5000), 1472, 1300, 1472);
}

TEST(Segments, of_a_payload_that_fits_are_one) {
  Spec spec = tcp(900);
  spec.flags = flag::ack | flag::fin | flag::psh;
  expect_as_sent(spec, 1000);
  const Spec empty = tcp(0);
  EXPECT_EQ(segment(packets::gso_header(empty, 1000), packets::make_partial(empty)),
            only(packets::make(empty)));
}

TEST(Segments, need_no_sum_from_the_sender) {
  for (const bool is_v6 : {false, true}) {
    for (const Spec& spec : {tcp(3000, is_v6), udp(3000, is_v6)}) {
      VirtioHeader header = packets::gso_header(spec, 1000);
      header.flags = 0;
      header.csum_start = 0xffff;
      EXPECT_EQ(segment(header, packets::make(spec)), packets::make_all(packets::cut(spec, 1000)));
    }
  }
}

TEST(Segments, of_udp_never_say_that_there_is_no_checksum) {
  Spec spec = udp(4);
  spec.payload[0] = spec.payload[1] = std::byte{0};
  const ByteVec with_zeros = packets::make(spec);
  base::copy_into(spec.payload, Bytes{with_zeros}.subspan(26, 2));  // the sum becomes 0xffff
  const auto made = segment(packets::gso_header(spec, 4), packets::make_partial(spec));
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(base::load_be<std::uint16_t>(&made[0][26]), 0xffff);
  ByteVec partial = packets::make_partial(spec);
  EXPECT_TRUE(complete_checksum(packets::checksum_header(spec), partial).has_value());
  EXPECT_EQ(partial, made[0]);
}

TEST(Segments, believe_the_packet_and_not_hdr_len) {
  const Spec spec = tcp(3000);
  VirtioHeader header = packets::gso_header(spec, 1000);
  for (const std::uint16_t lie : std::array<std::uint16_t, 4>{0, 1, 2000, 65535}) {
    header.hdr_len = lie;
    EXPECT_EQ(segment(header, packets::make_partial(spec)),
              packets::make_all(packets::cut(spec, 1000)));
  }
}

TEST(Segments, leave_out_what_follows_the_packet) {
  const Spec spec = tcp(3000);
  ByteVec padded = packets::make_partial(spec);
  padded.resize(padded.size() + 10, std::byte{0xaa});
  EXPECT_EQ(segment(packets::gso_header(spec, 1000), padded),
            packets::make_all(packets::cut(spec, 1000)));
}

TEST(Segments, of_what_is_not_segmented_are_the_packet_itself) {
  const Spec spec = udp(2000);
  EXPECT_EQ(segment({}, packets::make(spec), 1000), only(packets::make(spec)));
  EXPECT_EQ(segment(packets::checksum_header(spec), packets::make_partial(spec), 1000),
            only(packets::make(spec)));
  EXPECT_EQ(segment({}, base::as_bytes("not IP")), only(base::to_vec(base::as_bytes("not IP"))));
  EXPECT_EQ(segment({}, {}), only(ByteVec{}));
}

TEST(SegmentsRefuse, a_type_that_is_none_of_ours) {
  const Spec spec = udp(3000);
  VirtioHeader header = packets::gso_header(spec, 1000);
  for (const unsigned type : {2U, 3U, 6U, 0x20U, 0x80U, 0x83U, 0x85U, 0xffU}) {
    header.gso_type = static_cast<std::uint8_t>(type);
    EXPECT_EQ(fault_of(header, packets::make_partial(spec)), Fault::unknown_type) << type;
  }
}

TEST(SegmentsRefuse, a_type_that_is_not_the_packets) {
  const auto mismatched = [](const Spec& packet, const Spec& described) {
    VirtioHeader header = packets::gso_header(packet, 1000);
    header.gso_type = packets::gso_header(described, 1000).gso_type;
    return fault_of(header, packets::make_partial(packet));
  };
  EXPECT_EQ(mismatched(tcp(3000), udp(1)), Fault::other_protocol);
  EXPECT_EQ(mismatched(udp(3000), tcp(1)), Fault::other_protocol);
  EXPECT_EQ(mismatched(tcp(3000), tcp(1, true)), Fault::other_protocol);
  EXPECT_EQ(mismatched(tcp(3000, true), tcp(1)), Fault::other_protocol);
}

TEST(SegmentsRefuse, fragments) {
  const Spec spec = tcp(3000);
  for (const std::uint16_t bits : std::array<std::uint16_t, 3>{0x2000, 0x0001, 0x2001}) {
    ByteVec packet = packets::make_partial(spec);
    base::store_be(&packet[6], bits);
    EXPECT_EQ(fault_of(packets::gso_header(spec, 1000), packet), Fault::fragment);
  }
}

TEST(SegmentsRefuse, headers_that_do_not_hold) {
  const Spec spec = tcp(3000);
  const VirtioHeader header = packets::gso_header(spec, 1000);
  const ByteVec good = packets::make_partial(spec);
  EXPECT_EQ(fault_of(header, {}), Fault::malformed_packet);
  EXPECT_EQ(fault_of(header, Bytes{good}.first(100)), Fault::malformed_packet);
  ByteVec packet = good;
  packet[32] = std::byte{0x40};  // a data offset of four words
  EXPECT_EQ(fault_of(header, packet), Fault::malformed_packet);
  packet = packets::make_partial(tcp(3));
  packet[32] = std::byte{0x60};
  EXPECT_EQ(fault_of(header, packet), Fault::malformed_packet);
  ByteVec datagram = packets::make_partial(udp(0));
  datagram.resize(27);
  base::store_be<std::uint16_t>(&datagram[2], 27);
  EXPECT_EQ(fault_of(packets::gso_header(udp(1), 1000), datagram), Fault::malformed_packet);
}

TEST(SegmentsRefuse, segments_without_size_or_room) {
  const Spec spec = tcp(3000);
  EXPECT_EQ(fault_of(packets::gso_header(spec, 0), packets::make_partial(spec)),
            Fault::no_segment_size);
  EXPECT_EQ(fault_of(packets::gso_header(spec, 1000), packets::make_partial(spec), 40),
            Fault::no_room);
  EXPECT_EQ(fault_of(packets::gso_header(spec, 1000), packets::make_partial(spec), 0),
            Fault::no_room);
}

TEST(SegmentsRefuse, a_checksum_that_is_elsewhere) {
  const Spec spec = tcp(3000);
  const ByteVec packet = packets::make_partial(spec);
  VirtioHeader header = packets::gso_header(spec, 1000);
  header.csum_start = 24;
  EXPECT_EQ(fault_of(header, packet), Fault::checksum_elsewhere);
  header.csum_start = 19;
  EXPECT_EQ(fault_of(header, packet), Fault::checksum_out_of_range);
  header.csum_start = 0xffff;
  EXPECT_EQ(fault_of(header, packet), Fault::checksum_out_of_range);
  header.csum_start = 20;
  header.csum_offset = 6;
  EXPECT_EQ(fault_of(header, packet), Fault::checksum_elsewhere);
  header.csum_offset = 0xffff;
  EXPECT_EQ(fault_of(header, packet), Fault::checksum_out_of_range);
}

TEST(CompleteChecksum, makes_the_packet_whole) {
  for (const bool is_v6 : {false, true}) {
    for (const std::size_t size : {0U, 1U, 2U, 15U, 1000U, 1471U}) {
      for (const Spec& spec : {tcp(size, is_v6), udp(size, is_v6)}) {
        ByteVec packet = packets::make_partial(spec);
        EXPECT_TRUE(complete_checksum(packets::checksum_header(spec), packet).has_value());
        EXPECT_EQ(packet, packets::make(spec));
      }
    }
  }
}

TEST(CompleteChecksum, has_nothing_to_do_unless_told) {
  ByteVec packet = packets::make_partial(tcp(10));
  const ByteVec before = packet;
  VirtioHeader header = packets::checksum_header(tcp(10));
  header.flags = virtio::flag_data_valid;
  header.csum_start = 0xffff;
  EXPECT_TRUE(complete_checksum(header, packet).has_value());
  EXPECT_EQ(packet, before);
}

TEST(CompleteChecksum, stays_inside_the_packet) {
  const Spec spec = tcp(0);
  ByteVec packet = packets::make_partial(spec);
  const ByteVec before = packet;
  VirtioHeader header = packets::checksum_header(spec);
  const auto refused = [&](unsigned start, unsigned offset) {
    header.csum_start = static_cast<std::uint16_t>(start);
    header.csum_offset = static_cast<std::uint16_t>(offset);
    const auto done = complete_checksum(header, packet);
    const auto planned = Segments::plan(header, packet, no_limit);
    return !done && !planned && done.error() == planned.error() &&
           done.error() == Fault::checksum_out_of_range;
  };
  EXPECT_TRUE(refused(20, 19));
  EXPECT_TRUE(refused(20, 0xffff));
  EXPECT_TRUE(refused(39, 0));
  EXPECT_TRUE(refused(0xffff, 0xffff));
  EXPECT_TRUE(refused(19, 16)) << "the IP header is not covered";
  EXPECT_EQ(packet, before);
  EXPECT_FALSE(refused(20, 18));
  EXPECT_EQ(complete_checksum(header, {}).error(), Fault::malformed_packet);
}

TEST(VirtioHeader, survives_and_is_laid_out_as_the_kernels) {
  const VirtioHeader header{virtio::flag_needs_csum, virtio::gso_tcpv6, 0x0102, 0x0304, 40, 16};
  const auto encoded = header.encode();
  EXPECT_EQ(VirtioHeader::decode(encoded), header);
  if constexpr (std::endian::native == std::endian::little) {
    EXPECT_EQ(base::to_hex(encoded), "01040201040328001000");
  }
}

}  // namespace
}  // namespace caponier::offload

// Coalescing and segmentation undo each other, whatever comes.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <cstdlib>
#include <map>

#include "offload/segments.h"
#include "unit/offload/batch.h"
#include "unit/offload/packets.h"

namespace caponier::offload {
namespace {

using base::ByteVec;
using packets::Spec;
namespace flag = packets::flag;

/// The same cases in every run, unless RC_PARAMS says otherwise.
const bool seed_is_fixed = setenv("RC_PARAMS", "seed=7296 max_success=300", 0) == 0;

/// Both ends included.
template <class T>
T within(T low, T high) {
  return static_cast<T>(*rc::gen::resize(
      100, rc::gen::inRange<long>(static_cast<long>(low), static_cast<long>(high) + 1)));
}

bool one_in(int count) { return within(1, count) == 1; }

std::vector<ByteVec> segment(const VirtioHeader& header, base::Bytes packet) {
  std::vector<ByteVec> made;
  const auto segments = Segments::plan(header, packet, 65535);
  RC_ASSERT(segments.has_value());
  for (std::size_t i = 0; i < segments->count(); ++i) {
    segments->write(i, made.emplace_back(segments->size_of(i)));
  }
  return made;
}

Spec any_super_packet() {
  Spec spec;
  spec.is_v6 = within(0, 1) == 1;
  spec.is_tcp = within(0, 1) == 1;
  spec.tos = within<std::uint8_t>(0, 255);
  spec.ttl = within<std::uint8_t>(0, 255);
  spec.identification = within<std::uint16_t>(0, 0xffff);
  spec.dont_fragment = within(0, 1) == 1;
  spec.flow_label = within<std::uint32_t>(0, 0xfffff);
  spec.sequence = within<std::uint32_t>(0, 0xffffffff);
  spec.acknowledgment = within<std::uint32_t>(0, 0xffffffff);
  spec.window = within<std::uint16_t>(0, 0xffff);
  spec.urgent_pointer = within<std::uint16_t>(0, 0xffff);
  for (const unsigned bit : {flag::fin, flag::psh, flag::ece}) {
    if (one_in(2)) spec.flags = static_cast<std::uint8_t>(spec.flags | bit);
  }
  spec.tcp_options = packets::pattern(within<std::size_t>(0, 10) * 4);
  return spec;
}

RC_GTEST_PROP(RoundTrip, a_super_packet_segmented_and_coalesced_is_itself, ()) {
  Spec spec = any_super_packet();
  const auto each = within<std::size_t>(1, 1500);
  const std::size_t most = std::min(64 * each, 65535 - spec.payload_at());
  spec.payload = packets::pattern(within<std::size_t>(each + 1, most), within(0U, 255U));
  const VirtioHeader header = packets::gso_header(spec, each);
  Batch batch;
  for (ByteVec& packet : segment(header, packets::make_partial(spec))) batch.add(std::move(packet));
  const auto groups = batch.groups();
  RC_ASSERT(groups.size() == 1u);
  RC_ASSERT(groups[0].header == header);
  RC_ASSERT(groups[0].packet == packets::make_partial(spec));
}

RC_GTEST_PROP(RoundTrip, segments_are_what_the_slow_model_makes, ()) {
  Spec spec = any_super_packet();
  const auto each = within<std::size_t>(1, 1500);
  spec.payload = packets::pattern(within<std::size_t>(1, 20 * each), within(0U, 255U));
  RC_ASSERT(segment(packets::gso_header(spec, each), packets::make_partial(spec)) ==
            packets::make_all(packets::cut(spec, each)));
}

/// Several streams at once, which do what streams do.
class Traffic {
 public:
  Traffic() {
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      Stream& stream = streams_[i];
      stream.next = any_super_packet();
      stream.next.flags = flag::ack;
      stream.next.host = static_cast<std::uint8_t>(i / 2);
      stream.next.source_port = static_cast<std::uint16_t>(i);
      stream.keeps_identification = stream.next.dont_fragment && one_in(3);
      stream.segment_size = within<std::size_t>(1, 300);
    }
  }

  ByteVec next_packet() {
    Stream& stream = streams_[within<std::size_t>(0, streams_.size() - 1)];
    const std::size_t size = one_in(8) ? within<std::size_t>(0, 300) : stream.segment_size;
    Spec sent = stream.next;
    sent.payload = packets::pattern(size, within(0U, 255U));
    disturb(sent);
    ByteVec packet = packets::make(sent);
    if (one_in(20)) packet[within<std::size_t>(0, packet.size() - 1)] ^= std::byte{4};
    if (one_in(30) && !sent.is_v6) {
      packet[7] |= std::byte{1};  // a later fragment
      packets::put_ip_checksum(packet);
    }
    stream.next.sequence = sent.sequence + static_cast<std::uint32_t>(size);
    if (!stream.keeps_identification) ++stream.next.identification;
    return packet;
  }

 private:
  struct Stream {
    Spec next;
    bool keeps_identification = false;
    std::size_t segment_size = 1;
  };

  static void disturb(Spec& spec) {
    switch (within(0, 60)) {
      case 0: ++spec.acknowledgment; break;
      case 1: ++spec.window; break;
      case 2: ++spec.ttl; break;
      case 3: spec.tos ^= 1; break;
      case 4: ++spec.identification; break;
      case 5: spec.sequence += 100; break;
      case 6: spec.ip_extra = ByteVec(8); break;
      case 7:
      case 8: spec.flags |= flag::psh; break;
      case 9: spec.flags |= flag::cwr; break;
      case 10: spec.flags = within<std::uint8_t>(0, 255); break;
      case 11: spec.dont_fragment = !spec.dont_fragment; break;
      case 12: spec.flow_label ^= 1; break;
      default: break;
    }
  }

  std::array<Stream, 5> streams_;
};

/// Without what may change where fragmentation is forbidden.
ByteVec comparable(ByteVec packet) {
  if (packet.size() >= 20 && wire::ip_version(packet) == 4 &&
      (packet[6] & std::byte{0x40}) != std::byte{0}) {
    for (const std::size_t at : {4U, 5U, 10U, 11U}) packet[at] = std::byte{0};
  }
  return packet;
}

/// The packets of each flow, in order. A fragment is a flow of its own here.
std::map<std::string, std::vector<ByteVec>> by_flow(const std::vector<ByteVec>& packets) {
  std::map<std::string, std::vector<ByteVec>> flows;
  for (const ByteVec& packet : packets) {
    const auto fields = wire::selector_fields(packet);
    std::string key = "malformed";
    if (fields) {
      key = fields->source.to_string() + ' ' + fields->destination.to_string() + ' ' +
            std::to_string(fields->protocol) + ' ' + std::to_string(fields->source_port) + ' ' +
            std::to_string(fields->destination_port);
    }
    flows[key].push_back(comparable(packet));
  }
  return flows;
}

void expect_same_again(UdpCoalescing udp) {
  Traffic traffic;
  std::vector<ByteVec> before;
  Batch batch{udp};
  for (std::size_t i = within<std::size_t>(0, 200); i > 0; --i) {
    before.push_back(traffic.next_packet());
    batch.add(before.back());
  }
  std::vector<ByteVec> after;
  std::size_t joined_max = 0;
  for (const Joined& joined : batch.groups()) {
    joined_max = std::max(joined_max, joined.count);
    RC_ASSERT(joined.packet.size() <= 65535u);
    RC_ASSERT((joined.header.gso_type == virtio::gso_none) == (joined.count == 1));
    for (ByteVec& packet : segment(joined.header, joined.packet))
      after.push_back(std::move(packet));
  }
  RC_ASSERT(after.size() == before.size());
  const auto wanted = by_flow(before);
  for (const auto& [key, packets] : by_flow(after)) {
    RC_ASSERT(wanted.contains(key));
    for (std::size_t i = 0; i < packets.size(); ++i) {
      RC_ASSERT(base::to_hex(packets[i]) == base::to_hex(wanted.at(key).at(i)));
    }
  }
  RC_CLASSIFY(joined_max >= 4);
}

RC_GTEST_PROP(RoundTrip, packets_coalesced_and_segmented_are_themselves_in_the_order_of_each_flow,
              ()) {
  expect_same_again(UdpCoalescing::on);
}

RC_GTEST_PROP(RoundTrip, packets_come_again_without_udp_too, ()) {
  expect_same_again(UdpCoalescing::off);
}

RC_GTEST_PROP(RoundTrip, undisturbed_identifications_are_kept, ()) {
  Spec spec = any_super_packet();
  spec.is_v6 = false;
  spec.dont_fragment = true;
  spec.payload = packets::pattern(1000);
  const std::vector<ByteVec> sent = packets::make_all(packets::cut(spec, 100));
  Batch batch;
  for (const ByteVec& packet : sent) batch.add(packet);
  const auto groups = batch.groups();
  RC_ASSERT(groups.size() == 1u);
  RC_ASSERT(segment(groups[0].header, groups[0].packet) == sent);
}

}  // namespace
}  // namespace caponier::offload

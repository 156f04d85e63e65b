// Segmentation and coalescing of hostile bytes. The first byte chooses what is tried, and whether
// checksums are made right first, without which nothing is ever joined.

#include <algorithm>
#include <vector>

#include "fuzz/fuzz.h"
#include "offload/coalescer.h"
#include "offload/segments.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

namespace {

using namespace caponier;
using base::Bytes;
using base::ByteVec;
using base::MutBytes;
using fuzz::require;
using offload::Coalescer;
using offload::Segments;
using offload::VirtioHeader;
namespace virtio = offload::virtio;

/// Where TCP's or UDP's checksum stands in an unfragmented packet; 0 if it has none.
std::size_t checksum_at(Bytes packet, const wire::UpperLayer& upper) {
  if (upper.is_fragment) return 0;
  const bool is_tcp = upper.protocol == wire::ip_protocol::tcp;
  if (!is_tcp && upper.protocol != wire::ip_protocol::udp) return 0;
  const std::size_t at = upper.offset + (is_tcp ? 16 : 6);
  return at + 2 <= upper.end && upper.end == packet.size() ? at : 0;
}

void mend_checksums(MutBytes packet) {
  if (const auto ip = wire::Ipv4View::checked(packet)) {
    base::store_be<std::uint16_t>(&packet[10], 0);
    base::store_be(&packet[10], wire::internet_checksum(ip->header()));
  }
  const auto upper = wire::upper_layer(packet);
  const std::size_t at = upper ? checksum_at(packet, *upper) : 0;
  if (at == 0) return;
  const bool is_v4 = wire::ip_version(packet) == 4;
  base::store_be<std::uint16_t>(&packet[at], 0);
  const auto sum = wire::checksum_add(upper->protocol + (packet.size() - upper->offset),
                                      is_v4 ? packet.subspan(12, 8) : packet.subspan(8, 32));
  const auto checksum =
      wire::checksum_finish(wire::checksum_add(sum, packet.subspan(upper->offset)));
  base::store_be(&packet[at], checksum == 0 ? std::uint16_t{0xffff} : checksum);
}

std::vector<ByteVec> write_all(const Segments& segments) {
  std::vector<ByteVec> made;
  for (std::size_t i = 0; i < segments.count(); ++i) {
    segments.write(i, made.emplace_back(segments.size_of(i)));
  }
  return made;
}

ByteVec payload_of(Bytes packet) {
  const auto upper = wire::upper_layer(packet);
  require(upper.has_value(), "a segment is a packet");
  const Bytes transport = packet.subspan(upper->offset, upper->end - upper->offset);
  if (upper->protocol == wire::ip_protocol::udp) return base::to_vec(transport.subspan(8));
  const auto tcp = wire::TcpView::checked(transport);
  require(tcp.has_value(), "a TCP segment is one");
  return base::to_vec(tcp->payload());
}

void check_segments(Bytes input) {
  base::Reader reader{input};
  const auto header_bytes = reader.take(VirtioHeader::size, "header");
  const auto size_max = reader.u16("size_max");
  if (!header_bytes || !size_max) return;
  const VirtioHeader header = VirtioHeader::decode(header_bytes->first<VirtioHeader::size>());
  require(base::equal(header.encode(), *header_bytes), "a header survives");
  const Bytes packet = reader.take_rest();

  ByteVec completed = base::to_vec(packet);
  const bool is_completed = offload::complete_checksum(header, completed).has_value();
  const auto segments = Segments::plan(header, packet, *size_max);
  if (header.gso_type == virtio::gso_none) {
    require(is_completed == segments.has_value(), "both look at the checksum alike");
    if (is_completed) require(write_all(*segments).at(0) == completed, "both complete it alike");
  } else if (segments) {
    const std::vector<ByteVec> made = write_all(*segments);
    const bool is_tcp = (header.gso_type & 0x7f) != virtio::gso_udp_l4;
    ByteVec payload;
    for (std::size_t i = 0; i < made.size(); ++i) {
      const ByteVec part = payload_of(made[i]);
      require(part.size() <= header.gso_size, "no segment is longer than told");
      require(!is_tcp || made[i].size() <= *size_max, "TCP fits");
      require(i + 1 == made.size() || made[i].size() == made[0].size(), "only the last is shorter");
      require(made.size() == 1 || !part.empty(), "no segment is empty");
      base::append(payload, part);
      if (wire::ip_version(made[i]) != 4) continue;
      const auto ip = wire::Ipv4View::checked(made[i]);
      require(wire::internet_checksum(ip->header()) == 0, "the header's checksum holds");
    }
    require(payload == payload_of(packet), "the payload is preserved");
  }
}

/// Without what may change: identifications where fragmentation is forbidden, and which of its two
/// zeros a checksum is.
ByteVec comparable(ByteVec packet) {
  const auto zero_if_ones = [&](std::size_t at) {
    if (base::load_be<std::uint16_t>(&packet[at]) == 0xffff) {
      base::store_be<std::uint16_t>(&packet[at], 0);
    }
  };
  const auto upper = wire::upper_layer(packet);
  if (!upper) return packet;
  if (wire::ip_version(packet) == 4) {
    if ((packet[6] & std::byte{0x40}) != std::byte{0}) {
      packet[4] = packet[5] = packet[10] = packet[11] = std::byte{0};
    }
    zero_if_ones(10);
  }
  const std::size_t at = checksum_at(packet, *upper);
  if (at != 0 && upper->protocol == wire::ip_protocol::tcp) zero_if_ones(at);
  return packet;
}

/// Whether the two packets must not change places.
bool is_ordered(Bytes a, Bytes b) {
  const auto one = wire::selector_fields(a);
  const auto other = wire::selector_fields(b);
  if (!one || !other || one->source != other->source || one->destination != other->destination) {
    return false;
  }
  if (one->protocol != other->protocol) return false;
  if (one->protocol != wire::ip_protocol::tcp && one->protocol != wire::ip_protocol::udp)
    return false;
  return one->is_fragment || other->is_fragment ||
         (one->source_port == other->source_port &&
          one->destination_port == other->destination_port);
}

void check_coalescer(Bytes input, offload::UdpCoalescing udp, bool mends) {
  constexpr std::size_t packets_max = 80;
  std::vector<ByteVec> packets;
  base::Reader reader{input};
  while (packets.size() < packets_max) {
    const auto size = reader.u16("size");
    if (!size) break;
    const auto taken = reader.take(std::min<std::size_t>(*size & 0x7fff, reader.remaining()), "ip");
    packets.push_back(base::to_vec(*taken));
    // With the upper bit the packet comes once more, as the next of its stream.
    if ((*size & 0x8000) != 0 && packets.back().size() >= 40) {
      ByteVec next = packets.back();
      const std::size_t step = next.size() - 40;
      if (wire::ip_version(next) == 4) {
        base::store_be(&next[4],
                       static_cast<std::uint16_t>(base::load_be<std::uint16_t>(&next[4]) + 1));
        base::store_be(&next[24],
                       static_cast<std::uint32_t>(base::load_be<std::uint32_t>(&next[24]) + step));
      }
      packets.push_back(std::move(next));
    }
  }
  if (mends) {
    for (ByteVec& packet : packets) mend_checksums(packet);
  }

  std::vector<ByteVec> borrowed = packets;
  Coalescer coalescer{packets_max + 1, udp};
  for (ByteVec& packet : borrowed) require(coalescer.add(packet), "there is room");
  std::vector<ByteVec> after;
  for (const Coalescer::Group& group : coalescer.groups()) {
    ByteVec whole;
    for (const Bytes piece : group.pieces) base::append(whole, piece);
    const bool is_alone = group.pieces.size() == 1;
    require(is_alone == (group.header.gso_type == virtio::gso_none), "only groups are segmented");
    require(is_alone || whole.size() <= 65535, "a group is a packet");
    require(group.pieces.size() <= Coalescer::segments_max, "no more than a kernel joins");
    const auto segments = Segments::plan(group.header, whole, 65535);
    require(segments.has_value(), "a group can be segmented");
    for (ByteVec& packet : write_all(*segments)) after.push_back(std::move(packet));
  }
  require(after.size() == packets.size(), "every packet comes again");

  // Each flow's packets come in their order: equal ones are taken in the order they came.
  std::vector<bool> is_taken(packets.size());
  std::vector<std::size_t> origin;
  for (const ByteVec& packet : after) {
    std::size_t i = 0;
    while (i < packets.size() && (is_taken[i] || comparable(packets[i]) != comparable(packet))) ++i;
    require(i < packets.size(), "every packet comes again as it was");
    is_taken[i] = true;
    for (const std::size_t earlier : origin) {
      require(earlier < i || !is_ordered(packets[earlier], packets[i]), "nothing overtakes");
    }
    origin.push_back(i);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 70000) return 0;
  const Bytes input = fuzz::bytes_of(data, size).subspan(1);
  if (data[0] % 2 == 0) {
    check_segments(input);
  } else {
    const bool with_udp = (data[0] & 2) != 0;
    check_coalescer(input, with_udp ? offload::UdpCoalescing::on : offload::UdpCoalescing::off,
                    (data[0] & 4) != 0);
  }
  return 0;
}

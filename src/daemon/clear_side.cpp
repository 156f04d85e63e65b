#include "daemon/clear_side.h"

#include <algorithm>
#include <utility>

#include "wire/ip.h"

namespace caponier::daemon {
namespace {

/// Whole TCP and UDP, as io::Taking takes them the other way: a flow's two directions go the same
/// way. Options, extension headers and fragments are a router's business; the kernel is one.
bool is_plain(base::Bytes packet) {
  const auto octet = [&](std::size_t at) { return std::to_integer<unsigned>(packet[at]); };
  const bool is_v4 = wire::ip_version(packet) == 4;
  constexpr unsigned without_options = 0x45;
  if (is_v4 && octet(0) != without_options) return false;
  constexpr std::uint16_t fragment_bits = 0x3fff;  // MF and the offset
  if (is_v4 && (base::load_be<std::uint16_t>(&packet[6]) & fragment_bits) != 0) return false;
  const unsigned protocol = octet(is_v4 ? 9 : 6);
  return protocol == wire::ip_protocol::tcp || protocol == wire::ip_protocol::udp;
}

/// Of a packet with a whole header.
base::IpAddress destination_of(base::Bytes packet) {
  constexpr std::size_t v4_at = 16;
  constexpr std::size_t v6_at = 24;
  return base::IpAddress::from_bytes(wire::ip_version(packet) == 4 ? packet.subspan(v4_at, 4)
                                                                   : packet.subspan(v6_at, 16));
}

}  // namespace

ClearSide::ClearSide(io::TunQueue& tun, std::vector<io::PacketQueue> queues)
    : tun_(tun), queues_(std::move(queues)) {}

base::DropCounters ClearSide::drops() const {
  base::DropCounters all = tun_.drops();
  for (const io::PacketQueue& queue : queues_) all.add(queue.drops());
  return all;
}

const io::NextHop* ClearSide::find_hop(base::Bytes packet, base::Instant now) {
  if (queues_.empty() || !io::has_hops_left(packet) || !is_plain(packet)) return nullptr;
  const io::WayQuestion question{destination_of(packet), {}};
  const auto found = hops_->find(question);
  const bool is_known = found != hops_->end();
  if (!is_known || found->second.is_stale) questions_.add(question, now);
  return is_known && packet.size() <= found->second.mtu ? &found->second : nullptr;
}

io::PacketQueue* ClearSide::queue_for(const io::NextHop& hop, base::Bytes packet) {
  const auto family = wire::ip_version(packet) == 4 ? base::Family::v4 : base::Family::v6;
  const auto found = std::ranges::find_if(queues_, [&](const io::PacketQueue& queue) {
    return queue.interface() == hop.interface && queue.family() == family;
  });
  return found == queues_.end() ? nullptr : &*found;
}

bool ClearSide::write(base::Bytes packet, base::Instant now) {
  return write(offload::Coalescer::Group{{}, {&packet, 1}}, now);
}

bool ClearSide::write(const offload::Coalescer::Group& group, base::Instant now) {
  const base::Bytes first = group.pieces.front();
  const io::NextHop* hop = find_hop(first, now);
  io::PacketQueue* queue = hop == nullptr ? nullptr : queue_for(*hop, first);
  return queue == nullptr ? tun_.write(group) : queue->write(*hop, group);
}

void ClearSide::set_next_hops(std::shared_ptr<const io::NextHops> hops) {
  hops_ = std::move(hops);
  questions_.reset();
}

}  // namespace caponier::daemon

#include "gateway/capture.h"

#include "wire/ip.h"
#include "wire/ip_packet.h"
#include "wire/udp.h"

namespace caponier::gateway {
namespace {
constexpr std::uint16_t natt_port = 4500;
}  // namespace

void Capture::set(bool on) {
  if (on && !on_) {
    blocks_.clear();
    head_ = wire::pcapng_section_header("caponier");
    base::append(*head_, wire::pcapng_interface("outer"));
  }
  on_ = on;
}

void Capture::add_udp(const base::Path& path, wire::PcapngDirection direction, base::Bytes payload,
                      base::Instant now) {
  const bool outbound = direction == wire::PcapngDirection::outbound;
  base::Endpoint local = path.local;
  base::Endpoint remote = path.remote;
  // What a stream carries is shown as the datagram it stands for, so that tools know what it is.
  if (path.transport == base::Transport::tcp) local.port = remote.port = natt_port;
  add(direction,
      outbound ? wire::make_udp_packet(local, remote, payload)
               : wire::make_udp_packet(remote, local, payload),
      now);
}

void Capture::add_esp(const base::Path& path, wire::PcapngDirection direction, base::Bytes packet,
                      base::Instant now) {
  const bool outbound = direction == wire::PcapngDirection::outbound;
  wire::IpPacketFields fields;
  fields.source = outbound ? path.local.address : path.remote.address;
  fields.destination = outbound ? path.remote.address : path.local.address;
  fields.protocol = wire::ip_protocol::esp;
  base::ByteVec whole = wire::make_ip_packet(fields, packet.size());
  if (whole.size() < packet.size()) return;
  base::copy_into(base::MutBytes{whole}.last(packet.size()), packet);
  add(direction, whole, now);
}

void Capture::add(wire::PcapngDirection direction, base::Bytes packet, base::Instant now) {
  if (packet.empty()) return;
  const auto at = static_cast<std::uint64_t>((unix_origin_ + now.since_origin).count());
  blocks_.push_dropping_oldest(wire::pcapng_packet({0, at, direction, packet, {}}));
}

std::optional<base::ByteVec> Capture::poll() {
  if (head_) return std::exchange(head_, std::nullopt);
  return blocks_.pop();
}

}  // namespace caponier::gateway

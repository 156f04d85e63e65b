#include "gateway/inspection.h"

#include <utility>

namespace caponier::gateway {
namespace {

/// ESP arrived or left on this path in UDP.
bool is_in_udp(const base::Path& path) { return path.local.port != 0; }

}  // namespace

void Inspection::set_capture(bool on) {
  capture_.set(on);
  update();
}

void Inspection::set_trace(std::optional<TraceRequest> request, base::Instant now) {
  request ? tracer_.start(std::move(*request), now) : tracer_.stop();
  update();
}

void Inspection::record_ike(const base::Path& path, wire::PcapngDirection direction,
                            base::Bytes payload, base::Instant now) {
  if (!is_on()) return;
  const base::Guard guard{lock_};
  if (capture_.is_on()) capture_.add_udp(path, direction, payload, now);
}

void Inspection::before(std::span<const ipsec::ProtectItem> items) {
  if (tracer_.is_on()) tracer_.before(items);
}

void Inspection::after(std::span<const ipsec::ProtectItem> items, const ipsec::Engine& engine,
                       base::Instant now) {
  if (tracer_.is_on()) tracer_.after(items, engine, now);
  record_made(items, now);
  record_made(engine.made(), now);
}

void Inspection::before(std::span<const ipsec::OpenItem> items, base::Instant now) {
  if (capture_.is_on()) {
    for (const ipsec::OpenItem& item : items) record(item, now);
  }
  if (tracer_.is_on()) tracer_.before(items);
}

void Inspection::after(std::span<const ipsec::OpenItem> items, const ipsec::Engine& engine,
                       base::Instant now) {
  if (tracer_.is_on()) tracer_.after(items, engine, now);
}

void Inspection::record_made(std::span<const ipsec::ProtectItem> items, base::Instant now) {
  if (!capture_.is_on()) return;
  for (const ipsec::ProtectItem& item : items) record(item, now);
}

void Inspection::record(const ipsec::ProtectItem& item, base::Instant now) {
  if (item.verdict != ipsec::Verdict::forward) return;
  const auto packet = std::as_const(*item.packet).bytes();
  if (item.is_whole) {
    capture_.add_ip(wire::PcapngDirection::outbound, packet, now);
  } else if (item.udp_encap) {
    capture_.add_udp(item.path, wire::PcapngDirection::outbound, packet, now);
  } else {
    capture_.add_esp(item.path, wire::PcapngDirection::outbound, packet, now);
  }
}

void Inspection::record(const ipsec::OpenItem& item, base::Instant now) {
  const auto packet = std::as_const(*item.packet).bytes();
  if (item.is_whole || item.protocol == policy::SaProtocol::ah) {
    capture_.add_ip(wire::PcapngDirection::inbound, packet, now);
  } else if (is_in_udp(item.path)) {
    capture_.add_udp(item.path, wire::PcapngDirection::inbound, packet, now);
  } else {
    capture_.add_esp(item.path, wire::PcapngDirection::inbound, packet, now);
  }
}

}  // namespace caponier::gateway

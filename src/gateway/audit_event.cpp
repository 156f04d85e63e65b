#include "gateway/audit_event.h"

#include <fmt/format.h>

#include <string>

#include "base/drops.h"
#include "policy/traffic_selector.h"

namespace caponier::gateway {
namespace {

using Fields = std::vector<std::pair<std::string_view, std::string>>;

/// Native ESP and AH have no ports.
std::string text_of(const base::Endpoint& endpoint) {
  return endpoint.port == 0 ? endpoint.address.to_string() : endpoint.to_string();
}

void add_outer(const ipsec::Audited& audited, Fields& fields) {
  const bool out = audited.is_outbound;
  fields.emplace_back("source", text_of(out ? audited.path.local : audited.path.remote));
  fields.emplace_back("destination", text_of(out ? audited.path.remote : audited.path.local));
  fields.emplace_back("protocol", policy::name_of(audited.protocol));
  if (audited.spi) fields.emplace_back("spi", fmt::format("{:08x}", audited.spi->value));
  if (audited.sequence) fields.emplace_back("sequence", fmt::format("{}", *audited.sequence));
}

void add_inner(const wire::PacketSelectorFields& inner, Fields& fields) {
  fields.emplace_back("inner_source", inner.source.to_string());
  fields.emplace_back("inner_destination", inner.destination.to_string());
  fields.emplace_back("inner_protocol", fmt::format("{}", inner.protocol));
  if (!inner.has_ports) return;
  fields.emplace_back("inner_source_port", fmt::format("{}", inner.source_port));
  fields.emplace_back("inner_destination_port", fmt::format("{}", inner.destination_port));
}

/// "ESP c0ffee01 from 192.0.2.2 to 192.0.2.1, sequence number 7".
std::string packet_text(const ipsec::Audited& audited, const Fields& outer) {
  std::string text = audited.protocol == policy::SaProtocol::ah ? "AH" : "ESP";
  if (audited.spi) text += fmt::format(" {:08x}", audited.spi->value);
  text += fmt::format(" from {} to {}", outer[0].second, outer[1].second);
  if (audited.sequence) text += fmt::format(", sequence number {}", *audited.sequence);
  return text;
}

}  // namespace

base::Event make_audit_event(const ipsec::Audited& audited, std::uint64_t count) {
  const base::DropInfo& drop = base::info_of(audited.reason);
  base::Event event{base::EventKind::audit, audited.connection, {}, {}};
  Fields& fields = event.fields;
  const bool is_clear = audited.is_outbound && !audited.spi;
  if (!is_clear) add_outer(audited, fields);
  event.text = fmt::format(
      "dropped {}: {}", is_clear ? "a clear packet" : packet_text(audited, fields), drop.sentence);
  fields.emplace_back("reason", drop.name);
  fields.emplace_back("count", fmt::format("{}", count));
  if (audited.inner) add_inner(*audited.inner, fields);
  if (audited.flow_label)
    fields.emplace_back("flow_label", fmt::format("{:05x}", *audited.flow_label));
  if (!audited.local.empty()) {
    fields.emplace_back("local_selectors", policy::to_string(audited.local));
    fields.emplace_back("remote_selectors", policy::to_string(audited.remote));
  }
  return event;
}

}  // namespace caponier::gateway

#include "ipsec/ip_summary.h"

namespace caponier::ipsec {

namespace {

bool is_syn(base::Bytes packet) {
  const auto upper = wire::upper_layer(packet);
  if (!upper.has_value() || upper->protocol != wire::ip_protocol::tcp || upper->is_fragment) {
    return false;
  }
  constexpr std::size_t flags_at = 13;
  return upper->end - upper->offset > flags_at &&
         (std::to_integer<unsigned>(packet[upper->offset + flags_at]) & wire::TcpView::flag_syn) !=
             0;
}

}  // namespace

FlowKey FlowKey::of(const wire::PacketSelectorFields& fields) {
  FlowKey key;
  const bool v4 = fields.source.is_v4();
  const std::uint64_t flags = (v4 ? 0 : is_v6) | (fields.is_fragment ? is_fragment : 0) |
                              (fields.is_first_fragment ? is_first_fragment : 0) |
                              (fields.has_ports ? has_ports : 0);
  key.meta = make_meta(std::uint32_t{fields.source_port} << 16 | fields.destination_port,
                       fields.protocol, flags);
  if (v4) {
    key.source = fields.source.v4_value();
    key.destination = fields.destination.v4_value();
    return key;
  }
  const base::Bytes source = fields.source.bytes();
  const base::Bytes destination = fields.destination.bytes();
  key.source = base::load_be<std::uint64_t>(source.data());
  key.source_low = base::load_be<std::uint64_t>(source.data() + 8);
  key.destination = base::load_be<std::uint64_t>(destination.data());
  key.destination_low = base::load_be<std::uint64_t>(destination.data() + 8);
  return key;
}

bool summarize_any(base::Bytes packet, IpSummary& to) {
  const auto fields = wire::selector_fields(packet);
  if (!fields.has_value()) return false;
  to.flow = FlowKey::of(*fields);
  to.is_syn = is_syn(packet);
  if (const auto v4 = wire::Ipv4View::checked(packet)) {
    to.size = v4->packet().size();
    to.tos = v4->tos();
    to.is_v4 = true;
    to.dont_fragment = v4->dont_fragment();
    return true;
  }
  const auto v6 = wire::Ipv6View::checked(packet);
  if (!v6.has_value()) return false;
  to.size = v6->packet().size();
  to.tos = v6->traffic_class();
  to.is_v4 = false;
  to.dont_fragment = true;
  return true;
}

}  // namespace caponier::ipsec

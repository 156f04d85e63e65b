#include "radius/dynamic.h"

#include <algorithm>

#include "base/error.h"

namespace caponier::radius {
namespace {

Code ack_of(Code request) {
  return request == Code::disconnect_request ? Code::disconnect_ack : Code::coa_ack;
}
Code nak_of(Code request) {
  return request == Code::disconnect_request ? Code::disconnect_nak : Code::coa_nak;
}

std::string text_of(const PacketView& packet, AttributeType type) {
  const auto value = packet.find(type);
  return value ? std::string{base::as_text(*value)} : std::string{};
}

SessionSelector selector_of(const PacketView& packet) {
  SessionSelector selector;
  selector.user_name = text_of(packet, AttributeType::user_name);
  selector.acct_session_id = text_of(packet, AttributeType::acct_session_id);
  selector.calling_station_id = text_of(packet, AttributeType::calling_station_id);
  selector.nas_port_id = text_of(packet, AttributeType::nas_port_id);
  selector.nas_port = packet.find_u32(AttributeType::nas_port);
  for (const Attribute& attribute : packet.attributes) {
    const bool is_v4 =
        attribute.type == AttributeType::framed_ip_address && attribute.value.size() == 4;
    const bool is_v6 =
        attribute.type == AttributeType::framed_ipv6_address && attribute.value.size() == 16;
    if (is_v4 || is_v6) {
      selector.framed_addresses.push_back(base::IpAddress::from_bytes(attribute.value));
    }
    if (attribute.type == AttributeType::class_) {
      selector.classes.push_back(base::to_vec(attribute.value));
    }
  }
  return selector;
}

/// Class alone is no name of a session: it is what the server called many.
bool names_a_session(const SessionSelector& selector) {
  return !selector.user_name.empty() || !selector.acct_session_id.empty() ||
         !selector.calling_station_id.empty() || !selector.nas_port_id.empty() ||
         selector.nas_port.has_value() || !selector.framed_addresses.empty();
}

/// Whether a request that says whom it is meant for means us.
bool is_for(const PacketView& packet, const NasAttributes& nas) {
  const auto identifier = packet.find(AttributeType::nas_identifier);
  if (identifier && base::as_text(*identifier) != nas.identifier) return false;
  for (const AttributeType type :
       {AttributeType::nas_ip_address, AttributeType::nas_ipv6_address}) {
    const auto address = packet.find(type);
    if (!address) continue;
    if (!nas.address || !base::equal(*address, nas.address->bytes())) return false;
  }
  return true;
}

/// RFC 5176 s3.6: attributes of a Disconnect-Request identify; they change nothing.
bool asks_for_changes(const PacketView& packet) {
  return std::ranges::any_of(packet.attributes, [](const Attribute& attribute) {
    return attribute.type == AttributeType::session_timeout ||
           attribute.type == AttributeType::idle_timeout ||
           attribute.type == AttributeType::filter_id;
  });
}

}  // namespace

DynamicAuthorization::DynamicAuthorization(DynamicSettings settings, NasAttributes nas,
                                           const crypto::LegacyCrypto& crypto)
    : settings_(std::move(settings)),
      nas_(std::move(nas)),
      crypto_(crypto),
      known_(settings_.clients.size()) {}

void DynamicAuthorization::handle_datagram(const base::Endpoint& from, Bytes datagram,
                                           UnixSeconds now) {
  const auto client = std::ranges::find(settings_.clients, from.address, &DynamicClient::address);
  if (client == settings_.clients.end()) {
    ++counters_.strangers;
    return;
  }
  const auto packet = PacketView::decode(datagram);
  if (!packet) {
    ++counters_.malformed;
    return;
  }
  if (packet->code != Code::disconnect_request && packet->code != Code::coa_request) {
    ++counters_.malformed;
    return;
  }
  const Bytes secret = client->secret.reveal();
  if (check_hashed_request(crypto_, secret, *packet) != Authenticity::authentic) {
    ++counters_.wrong_authenticator;
    return;
  }
  if (!is_fresh(*packet, now)) {
    ++counters_.stale;
    return;
  }
  const auto index = static_cast<std::size_t>(client - settings_.clients.begin());
  if (answer_again(index, from, *packet)) return;
  if (!remember(index, from, *packet, now)) {
    ++counters_.overload;
    return;
  }
  ++counters_.requests;
  judge(known_[index].back().id, *packet);
}

bool DynamicAuthorization::is_current(UnixSeconds at, UnixSeconds now) const {
  const std::uint32_t off = at > now ? at.value - now.value : now.value - at.value;
  return off <= settings_.clock_skew_seconds_max;
}

bool DynamicAuthorization::is_fresh(const PacketView& packet, UnixSeconds now) const {
  const auto at = packet.find_u32(AttributeType::event_timestamp);
  return at ? is_current({*at}, now) : !settings_.demand_timestamp;
}

bool DynamicAuthorization::answer_again(std::size_t client, const base::Endpoint& from,
                                        const PacketView& packet) {
  for (const Known& known : known_[client]) {
    if (known.authenticator != packet.authenticator) continue;
    ++counters_.repeated;
    // An answer to another port than the first is another's: whoever replays gets nothing.
    if (known.from == from && !known.answer.empty()) {
      actions_.emplace_back(DynamicTransmit{known.from, known.answer});
    }
    return true;
  }
  return false;
}

bool DynamicAuthorization::remember(std::size_t client, const base::Endpoint& from,
                                    const PacketView& packet, UnixSeconds now) {
  auto& known = known_[client];
  if (known.size() == remembered_max) {
    if (is_current(known.front().at, now)) return false;
    known.pop_front();
  }
  const auto at = packet.find_u32(AttributeType::event_timestamp);
  known.push_back({DynamicId{next_id_++},
                   from,
                   packet.code,
                   packet.identifier,
                   packet.authenticator,
                   at ? UnixSeconds{*at} : now,
                   {}});
  return true;
}

void DynamicAuthorization::judge(DynamicId id, const PacketView& packet) {
  DynamicRequest request;
  request.id = id;
  request.is_disconnect = packet.code == Code::disconnect_request;
  request.session = selector_of(packet);
  request.changes = authorization_of(packet);
  if (!is_for(packet, nas_)) return refuse(id, ErrorCause::nas_identification_mismatch);
  if (!names_a_session(request.session)) return refuse(id, ErrorCause::missing_attribute);
  if (request.is_disconnect && asks_for_changes(packet)) {
    return refuse(id, ErrorCause::unsupported_attribute);
  }
  if (!request.is_disconnect && packet.find(AttributeType::service_type)) {
    // Service-Type Authorize Only (s3.2) would have us ask again; we have no use for it.
    return refuse(id, ErrorCause::unsupported_service);
  }
  actions_.emplace_back(std::move(request));
}

void DynamicAuthorization::refuse(DynamicId id, ErrorCause cause) {
  ++counters_.refused;
  answer(id, cause);
}

void DynamicAuthorization::answer(DynamicId id, ErrorCause cause) {
  for (std::size_t client = 0; client < known_.size(); ++client) {
    const auto known = std::ranges::find(known_[client], id, &Known::id);
    if (known == known_[client].end() || !known->answer.empty()) continue;
    const bool is_ack = cause == ErrorCause::none;
    PacketBuilder builder{is_ack ? ack_of(known->code) : nak_of(known->code), known->identifier};
    if (!is_ack) builder.add_u32(AttributeType::error_cause, static_cast<std::uint32_t>(cause));
    auto sealed = builder.seal_answer(crypto_, settings_.clients[client].secret.reveal(),
                                      known->authenticator);
    if (!sealed) return;
    known->answer = std::move(*sealed);
    actions_.emplace_back(DynamicTransmit{known->from, known->answer});
    return;
  }
}

std::optional<DynamicAction> DynamicAuthorization::poll_action() {
  if (actions_.empty()) return std::nullopt;
  DynamicAction action = std::move(actions_.front());
  actions_.pop_front();
  return action;
}

}  // namespace caponier::radius

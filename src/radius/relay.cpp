#include "radius/relay.h"

#include <algorithm>

#include <fmt/format.h>

namespace caponier::radius {

using eap::Failure;
using eap::FailureReason;
using eap::Step;

namespace {

constexpr std::uint32_t service_type_framed = 2;
constexpr std::uint32_t port_type_virtual = 5;
/// MS-MPPE keys of MSCHAPv2 have 16 octets, those of TLS methods 32.
constexpr std::size_t key_size_min = 16;

}  // namespace

void add_nas_attributes(std::vector<RequestAttribute>& to, const NasAttributes& nas) {
  const auto add_u32 = [&](AttributeType type, std::uint32_t value) {
    ByteVec octets(sizeof value);
    base::store_be(octets.data(), value);
    to.push_back({type, std::move(octets)});
  };
  const auto add_text = [&](AttributeType type, std::string_view text) {
    const auto shown = text.substr(0, attribute_value_max);
    if (!shown.empty()) to.push_back({type, base::to_vec(base::as_bytes(shown))});
  };
  add_text(AttributeType::nas_identifier, nas.identifier);
  if (nas.address) {
    to.push_back(
        {nas.address->is_v4() ? AttributeType::nas_ip_address : AttributeType::nas_ipv6_address,
         base::to_vec(nas.address->bytes())});
  }
  if (nas.port) add_u32(AttributeType::nas_port, *nas.port);
  add_text(AttributeType::nas_port_id, nas.port_id);
  add_u32(AttributeType::nas_port_type, port_type_virtual);
  add_u32(AttributeType::service_type, service_type_framed);
  add_text(AttributeType::called_station_id, nas.called_station_id);
  add_text(AttributeType::calling_station_id, nas.calling_station_id);
}

EapRelay::EapRelay(RelaySettings settings, RadiusClient& client)
    : settings_(std::move(settings)), client_(client) {}

EapRelay::~EapRelay() {
  if (waiting_for_) client_.cancel(*waiting_for_);
}

Step EapRelay::start(Instant now) {
  if (stage_ != Stage::fresh) return fail(FailureReason::out_of_place, "begun twice");
  if (settings_.ask_identity) {
    stage_ = Stage::asking_identity;
    identifier_ = 1;
    auto packet = eap::encode({eap::Code::request, identifier_, eap::Type::identity, {}});
    return eap::Send{packet.value_or(ByteVec{})};
  }
  identity_ = settings_.known_identity;
  const auto response =
      eap::encode({eap::Code::response, 0, eap::Type::identity, base::as_bytes(identity_)});
  return ask(response.value_or(ByteVec{}), now);
}

Step EapRelay::handle(Bytes bytes, Instant now) {
  if (stage_ == Stage::fresh || stage_ == Stage::over || waiting_for_) {
    return fail(FailureReason::out_of_place, "a packet that nothing was asked for");
  }
  if (++rounds_ > eap::rounds_max) return fail(FailureReason::too_long, "too many rounds");
  const auto packet = eap::Packet::decode(bytes);
  if (!packet) return fail(FailureReason::malformed, "an EAP packet that does not decode");
  if (packet->code != eap::Code::response || packet->identifier != identifier_) {
    return fail(FailureReason::out_of_place, "a packet that does not answer the request");
  }
  if (stage_ == Stage::asking_identity) {
    if (packet->type != eap::Type::identity) {
      return fail(FailureReason::out_of_place, "no identity where one was asked for");
    }
    if (packet->data.size() > eap::identity_size_max) {
      return fail(FailureReason::too_long, "an identity of more than 253 octets");
    }
    identity_ = base::as_text(packet->data);
  } else if (packet->type != eap::Type::nak && packet->type != eap::Type::notification) {
    method_ = packet->type;
  }
  return ask(bytes.first(base::load_be<std::uint16_t>(bytes.data() + 2)), now);
}

Step EapRelay::ask(Bytes eap_packet, Instant now) {
  stage_ = Stage::relaying;
  Request request;
  request.server = server_;
  auto& attributes = request.attributes;
  // RFC 3579 s2.1: where the peer is nobody, its station's name stands in.
  const auto& user_name = identity_.empty() ? settings_.nas.calling_station_id : identity_;
  if (!user_name.empty()) {
    attributes.push_back({AttributeType::user_name, base::to_vec(base::as_bytes(user_name))});
  }
  add_nas_attributes(attributes, settings_.nas);
  ByteVec mtu(sizeof settings_.framed_mtu);
  base::store_be(mtu.data(), settings_.framed_mtu);
  attributes.push_back({AttributeType::framed_mtu, std::move(mtu)});
  if (!state_.empty()) attributes.push_back({AttributeType::state, state_});
  request.eap_message = base::to_vec(eap_packet);
  auto id = client_.submit(std::move(request), now);
  if (!id) {
    const bool is_large = id.error() == SubmitError::too_large;
    return fail(is_large ? FailureReason::too_long : FailureReason::backend_silent,
                fmt::format("RADIUS cannot be asked: {}", name_of(id.error())));
  }
  waiting_for_ = *id;
  return eap::Wait{};
}

Step EapRelay::handle_backend(const Answer& answer, Instant /*now*/) {
  if (waiting_for_ != answer.request) {
    return fail(FailureReason::out_of_place, "an answer that nobody waits for");
  }
  waiting_for_.reset();
  server_ = answer.server;
  const auto packet = PacketView::decode(answer.packet);
  if (!packet) return fail(FailureReason::backend_invalid, "an answer that does not decode");
  if (packet->code == Code::access_reject) return reject(*packet);
  if (packet->code == Code::access_accept) return accept(answer, *packet);
  return challenge(*packet);
}

Step EapRelay::handle_backend(const NoAnswer& none, Instant /*now*/) {
  if (waiting_for_ != none.request) {
    return fail(FailureReason::out_of_place, "an answer that nobody waits for");
  }
  waiting_for_.reset();
  return fail(FailureReason::backend_silent, "no RADIUS server answers");
}

Step EapRelay::challenge(const PacketView& packet) {
  const auto state = packet.find(AttributeType::state);
  state_ = state ? base::to_vec(*state) : ByteVec{};
  ByteVec request = packet.eap_message();
  const auto eap = eap::Packet::decode(request);
  if (!eap || eap->code != eap::Code::request) {
    return fail(FailureReason::backend_invalid, "an Access-Challenge without an EAP request");
  }
  identifier_ = eap->identifier;
  return eap::Send{std::move(request)};
}

Step EapRelay::reject(const PacketView& packet) {
  const std::string message = authorization_of(packet).reply_message;
  return fail(FailureReason::backend_rejected,
              message.empty() ? fmt::format("RADIUS rejects \"{}\"", eap::printable(identity_))
                              : fmt::format("RADIUS rejects \"{}\": \"{}\"",
                                            eap::printable(identity_), eap::printable(message)));
}

Step EapRelay::accept(const Answer& answer, const PacketView& packet) {
  ByteVec message = packet.eap_message();
  const auto eap = eap::Packet::decode(message);
  if (!message.empty() && (!eap || eap->code != eap::Code::success)) {
    return fail(FailureReason::backend_invalid, "an Access-Accept whose EAP is no success");
  }
  eap::Outcome outcome;
  const std::size_t recv_size = answer.mppe_recv_key.size();
  const std::size_t send_size = answer.mppe_send_key.size();
  if (std::min(recv_size, send_size) >= key_size_min && recv_size + send_size <= eap::msk_size) {
    // What is short is filled up with zeros, as the methods that make short keys do.
    outcome.msk = base::SecretBytes{eap::msk_size};
    base::copy_into(outcome.msk.reveal_mutable(), answer.mppe_recv_key.reveal());
    base::copy_into(outcome.msk.reveal_mutable().subspan(recv_size), answer.mppe_send_key.reveal());
  }
  if (settings_.demand_key && outcome.msk.empty()) {
    return fail(FailureReason::no_key, "RADIUS accepts, but gives no keys (MS-MPPE)");
  }
  stage_ = Stage::over;
  outcome.method = method_;
  outcome.is_mutual = eap::properties_of(method_).is_mutual;
  outcome.outer_identity = identity_;
  const auto user_name = packet.find(AttributeType::user_name);
  outcome.identity = user_name ? std::string{base::as_text(*user_name)} : identity_;
  outcome.authorization = authorization_of(packet);
  if (message.empty()) {
    message =
        eap::encode({eap::Code::success, identifier_, eap::Type::none, {}}).value_or(ByteVec{});
  }
  return eap::Success{std::move(message), std::move(outcome)};
}

Step EapRelay::fail(FailureReason reason, std::string sentence) {
  stage_ = Stage::over;
  if (waiting_for_) client_.cancel(*waiting_for_);
  waiting_for_.reset();
  return Failure{
      eap::encode({eap::Code::failure, identifier_, eap::Type::none, {}}).value_or(ByteVec{}),
      reason, std::move(sentence)};
}

}  // namespace caponier::radius

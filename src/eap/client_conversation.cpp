#include "eap/client_conversation.h"

#include <algorithm>

#include <fmt/format.h>

namespace caponier::eap {

ClientConversation::ClientConversation(const ClientSettings& settings, const ClientPorts& ports,
                                       const std::vector<Type>& methods, bool in_tunnel)
    : settings_(settings), ports_(ports), in_tunnel_(in_tunnel) {
  for (const Type type : methods) {
    const bool is_new = std::ranges::find(methods_, type) == methods_.end();
    if (is_new && is_available(ports, type, in_tunnel)) methods_.push_back(type);
  }
}

Step ClientConversation::handle(Bytes bytes) {
  if (is_over_) {
    return fail(FailureReason::out_of_place, "a packet outside of the conversation", {});
  }
  if (++rounds_ > rounds_max) return fail(FailureReason::too_long, "too many rounds", {});
  const auto packet = Packet::decode(bytes);
  if (!packet) {
    return fail(FailureReason::malformed,
                fmt::format("an EAP packet that does not decode: {} {}", packet.error().field,
                            name_of(packet.error().fault)),
                {});
  }
  switch (packet->code) {
    case Code::request: return handle_request(*packet);
    case Code::success: return handle_success();
    case Code::failure: return handle_failure();
    case Code::response: break;
  }
  return fail(FailureReason::out_of_place, "a response where a request was due", {});
}

std::optional<Proof> ClientConversation::take_proof() {
  if (!method_) return std::nullopt;
  return method_->take_proof();
}

std::optional<Failed> ClientConversation::foretold() const {
  return method_ ? method_->foretold() : std::nullopt;
}

Step ClientConversation::handle_request(const Packet& packet) {
  switch (packet.type) {
    case Type::identity: {
      if (method_) break;
      const bool is_anonymous = !in_tunnel_ && !settings_.anonymous_identity.empty();
      const auto& identity = is_anonymous ? settings_.anonymous_identity : settings_.identity;
      return respond(packet.identifier, Type::identity, base::as_bytes(identity));
    }
    case Type::notification: return respond(packet.identifier, Type::notification, {});
    case Type::none:
    case Type::nak:
    case Type::tlv: break;
    case Type::md5_challenge:
    case Type::gtc:
    case Type::tls:
    case Type::ttls:
    case Type::peap:
    case Type::mschapv2:
    case Type::expanded: return handle_method(packet);
  }
  if (name_of(packet.type) == "unknown") return handle_method(packet);
  return fail(FailureReason::out_of_place, "a request of no method", {});
}

Step ClientConversation::handle_method(const Packet& packet) {
  if (!method_) {
    if (std::ranges::find(methods_, packet.type) == methods_.end()) return refuse_method(packet);
    type_ = packet.type;
    method_ = make_client_method(type_, {settings_, ports_});
    if (!method_) return fail(FailureReason::tls, "TLS cannot be used here", {});
  }
  if (packet.type != type_) {
    return fail(FailureReason::out_of_place, "a request of another method", {});
  }
  ClientStep step = method_->handle(packet.data, packet.identifier);
  if (auto* say = std::get_if<Say>(&step)) return respond(packet.identifier, type_, say->data);
  auto& failed = std::get<Failed>(step);
  ByteVec last_word;
  if (failed.last_word) {
    last_word =
        encode({Code::response, packet.identifier, type_, *failed.last_word}).value_or(ByteVec{});
  }
  return fail(failed.reason, std::move(failed.sentence), std::move(last_word));
}

Step ClientConversation::refuse_method(const Packet& packet) {
  if (++naks_ > naks_max) {
    return fail(FailureReason::no_common_method,
                "the server goes on offering methods we do not have", {});
  }
  base::Writer wanted;
  if (packet.type == Type::expanded) {  // answered in kind (RFC 3748 s5.3.2)
    const auto add = [&](Type type) {
      wanted.u8(static_cast<std::uint8_t>(Type::expanded));
      wanted.zeros(3);
      wanted.u32(static_cast<std::uint32_t>(type));
    };
    wanted.zeros(3);
    wanted.u32(static_cast<std::uint32_t>(Type::nak));
    for (const Type type : methods_) add(type);
    if (methods_.empty()) add(Type::none);
    return respond(packet.identifier, Type::expanded, wanted.view());
  }
  for (const Type type : methods_) wanted.u8(static_cast<std::uint8_t>(type));
  if (methods_.empty()) wanted.u8(static_cast<std::uint8_t>(Type::none));
  return respond(packet.identifier, Type::nak, wanted.view());
}

Step ClientConversation::handle_success() {
  auto proof = take_proof();
  if (!proof) {
    return fail(FailureReason::out_of_place, "EAP-Success before the method has succeeded", {});
  }
  if (settings_.demand_key && proof->msk.empty()) {
    return fail(
        FailureReason::no_key,
        fmt::format("{} makes no key, and without one nothing ties it to IKE", name_of(type_)), {});
  }
  is_over_ = true;
  Outcome outcome;
  outcome.method = type_;
  outcome.inner_method = proof->inner_method;
  outcome.is_mutual = proof->is_mutual;
  outcome.identity = std::move(proof->identity);
  outcome.outer_identity =
      settings_.anonymous_identity.empty() ? settings_.identity : settings_.anonymous_identity;
  outcome.msk = std::move(proof->msk);
  outcome.peer = std::move(proof->peer);
  return Success{{}, std::move(outcome)};
}

Step ClientConversation::handle_failure() {
  auto said = foretold();
  if (said) return fail(said->reason, std::move(said->sentence), {});
  return fail(FailureReason::refused_by_peer, "the server refused without a word of explanation",
              {});
}

Step ClientConversation::respond(std::uint8_t identifier, Type type, Bytes data) {
  auto packet = encode({Code::response, identifier, type, data});
  if (!packet) return fail(FailureReason::too_long, "a response of more than 65535 octets", {});
  return Send{std::move(*packet)};
}

Step ClientConversation::fail(FailureReason reason, std::string sentence, ByteVec last_word) {
  is_over_ = true;
  return Failure{std::move(last_word), reason, std::move(sentence)};
}

}  // namespace caponier::eap

#include "eap/server_conversation.h"

#include <algorithm>

#include <fmt/format.h>

namespace caponier::eap {

ServerConversation::ServerConversation(const ServerSettings& settings, const ServerPorts& ports,
                                       const std::vector<Type>& methods, bool in_tunnel)
    : settings_(settings), ports_(ports) {
  for (const Type type : methods) {
    const bool is_new = std::ranges::find(offers_, type) == offers_.end();
    if (is_new && is_available(ports, type, in_tunnel)) offers_.push_back(type);
  }
  std::byte first{};
  ports.rng.fill_public({&first, 1});
  identifier_ = std::to_integer<std::uint8_t>(first);
}

Step ServerConversation::ask_identity() {
  stage_ = Stage::asking_identity;
  return request(Type::identity, {});
}

Step ServerConversation::begin(std::string identity) {
  if (identity.size() > identity_size_max) {
    return fail(FailureReason::too_long, "an identity of more than 253 octets");
  }
  identity_ = std::move(identity);
  return offer();
}

Step ServerConversation::handle(Bytes bytes) {
  if (stage_ == Stage::fresh || stage_ == Stage::over) {
    return fail(FailureReason::out_of_place, "a packet outside of the conversation");
  }
  if (++rounds_ > rounds_max) return fail(FailureReason::too_long, "too many rounds");
  const auto packet = Packet::decode(bytes);
  if (!packet) {
    return fail(FailureReason::malformed,
                fmt::format("an EAP packet that does not decode: {} {}", packet.error().field,
                            name_of(packet.error().fault)));
  }
  if (packet->code != Code::response || packet->identifier != identifier_) {
    return fail(FailureReason::out_of_place, "a packet that does not answer our request");
  }
  if (stage_ == Stage::asking_identity && packet->type == Type::identity) {
    return handle_identity(packet->data);
  }
  if (stage_ == Stage::offering && packet->type == Type::nak) return handle_nak(packet->data);
  if (method_ && packet->type == type_) {
    stage_ = Stage::running;
    return take(method_->handle(packet->data, static_cast<std::uint8_t>(identifier_ + 1)));
  }
  return fail(FailureReason::out_of_place,
              fmt::format("a response of type {} that was not asked for",
                          static_cast<unsigned>(packet->type)));
}

Step ServerConversation::handle_identity(Bytes data) {
  return begin(std::string{base::as_text(data)});
}

Step ServerConversation::handle_nak(Bytes data) {
  const std::vector<Type> wanted = wanted_in_nak(data);
  std::erase_if(offers_,
                [&](Type type) { return std::ranges::find(wanted, type) == wanted.end(); });
  return offer();
}

Step ServerConversation::offer() {
  method_.reset();
  stage_ = Stage::offering;
  while (!offers_.empty()) {
    type_ = offers_.front();
    offers_.erase(offers_.begin());
    method_ = make_server_method(type_, {settings_, ports_, identity_});
    if (method_) return take(method_->begin(static_cast<std::uint8_t>(identifier_ + 1)));
  }
  return fail(FailureReason::no_common_method,
              fmt::format("no EAP method is left to offer to \"{}\"", printable(identity_)));
}

Step ServerConversation::take(ServerStep step) {
  if (auto* say = std::get_if<Say>(&step)) return request(type_, say->data);
  if (auto* proven = std::get_if<Proven>(&step)) return succeed(std::move(proven->proof));
  auto& failed = std::get<Failed>(step);
  return fail(failed.reason, std::move(failed.sentence));
}

Step ServerConversation::request(Type type, Bytes data) {
  ++identifier_;
  auto packet = encode({Code::request, identifier_, type, data});
  if (!packet) return fail(FailureReason::too_long, "a request of more than 65535 octets");
  return Send{std::move(*packet)};
}

Step ServerConversation::succeed(Proof proof) {
  stage_ = Stage::over;
  Outcome outcome;
  outcome.method = type_;
  outcome.inner_method = proof.inner_method;
  outcome.is_mutual = proof.is_mutual;
  outcome.identity = std::move(proof.identity);
  outcome.outer_identity = identity_;
  outcome.msk = std::move(proof.msk);
  outcome.peer = std::move(proof.peer);
  return Success{encode({Code::success, identifier_, Type::none, {}}).value_or(ByteVec{}),
                 std::move(outcome)};
}

Step ServerConversation::fail(FailureReason reason, std::string sentence) {
  stage_ = Stage::over;
  method_.reset();
  return Failure{encode({Code::failure, identifier_, Type::none, {}}).value_or(ByteVec{}), reason,
                 std::move(sentence)};
}

}  // namespace caponier::eap

#include "gateway/key_client.h"

#include <fmt/format.h>

namespace caponier::gateway {

namespace {

constexpr std::string_view gone =
    "the process that has our keys has ended and is started again; this attempt had to be given up";

/// The public half of a key that another process has. Only TLS signs with it: IKE asks that process
/// by AuthRequest, and does not wait.
class HeldSigner final : public pki::Signer {
 public:
  HeldSigner(std::string name, pki::PublicKey key, std::shared_ptr<KeyClient::SignNow> sign_now)
      : name_(std::move(name)), key_(std::move(key)), sign_now_(std::move(sign_now)) {}
  [[nodiscard]] const pki::PublicKey& public_key() const override { return key_; }
  [[nodiscard]] bool can(pki::SignatureScheme scheme) const override {
    return pki::fits(key_.kind, scheme);
  }
  [[nodiscard]] std::expected<base::ByteVec, pki::SignError> sign(pki::SignatureScheme scheme,
                                                                  base::Bytes octets) override {
    if (!*sign_now_) return std::unexpected{pki::SignError::key_unusable};
    return (*sign_now_)({0, name_, key_.spki, scheme, base::to_vec(octets)});
  }

 private:
  std::string name_;
  pki::PublicKey key_;
  std::shared_ptr<KeyClient::SignNow> sign_now_;
};

}  // namespace

void KeyClient::handle(const ike::AuthRequest& request) {
  const std::pair asked{request.sa, request.request};
  if (!has_keys_) return refuse(asked, std::string{gone});
  if (waiting_.size() >= waiting_max) {
    return refuse(asked, fmt::format("more than {} others wait for our keys", waiting_max));
  }
  auto message = encode(KeyCommand{request});
  if (!message) return refuse(asked, "what is to be signed is too long");
  messages_.push_back(std::move(*message));
  waiting_.insert(asked);
}

void KeyClient::refuse(std::pair<ike::IkeSaId, std::uint64_t> asked, std::string why) {
  ike::AuthReply reply;
  reply.sa = asked.first;
  reply.request = asked.second;
  reply.why = std::move(why);
  replies_.push_back(std::move(reply));
}

std::optional<ike::AuthReply> KeyClient::poll_reply() {
  if (replies_.empty()) return std::nullopt;
  ike::AuthReply reply = std::move(replies_.front());
  replies_.pop_front();
  return reply;
}

std::optional<base::ByteVec> KeyClient::poll_message() {
  if (messages_.empty()) return std::nullopt;
  base::ByteVec message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

void KeyClient::load(bool renews) {
  keys_ = {};
  errors_.clear();
  loaded_.reset();
  if (auto message = encode(KeyCommand{LoadKeys{++ticket_, salt_, renews}})) {
    messages_.push_back(std::move(*message));
  }
}

void KeyClient::commit() {
  has_keys_ = true;
  if (auto message = encode(KeyCommand{CommitKeys{ticket_}})) {
    messages_.push_back(std::move(*message));
  }
}

bool KeyClient::handle_message(base::Bytes message) {
  auto news = decode_key_news(message);
  if (!news) return false;
  std::visit([&](auto& one) { take(std::move(one)); }, *news);
  return true;
}

std::optional<pki::Credential> KeyClient::credential_of(const std::string& name,
                                                        const HeldCredential& held) const {
  auto key = pki_.public_key(held.spki);
  if (!key) return std::nullopt;
  pki::Credential credential{held.name,
                             std::make_shared<HeldSigner>(name, *std::move(key), sign_now_),
                             {},
                             held.authorities};
  for (const base::ByteVec& der : held.chain) {
    auto read = pki_.load_certificates({held.name, der});
    if (!read || read->size() != 1) return std::nullopt;
    credential.chain.push_back(std::move(read->front()));
  }
  return credential;
}

void KeyClient::take(HeldPeer peer) {
  if (peer.ticket != ticket_) return;
  config::HeldKeys::Peer& held = keys_.peers[peer.name];
  held.psk_fingerprint = std::move(peer.psk_fingerprint);
  if (!peer.credential) return;
  auto credential = credential_of(peer.name, *peer.credential);
  if (credential) {
    held.credential = std::make_shared<const pki::Credential>(*std::move(credential));
  }
}

void KeyClient::take(LoadFault fault) {
  if (fault.ticket == ticket_) errors_.push_back(std::move(fault.error));
}

void KeyClient::take(LoadDone done) {
  if (done.ticket != ticket_) return;
  if (errors_.empty()) {
    loaded_ = std::exchange(keys_, {});
  } else {
    loaded_ = std::unexpected{std::exchange(errors_, {})};
  }
}

void KeyClient::take(ike::AuthReply reply) {
  // What nobody has asked for is nobody's.
  if (waiting_.erase({reply.sa, reply.request}) == 1) replies_.push_back(std::move(reply));
}

bool KeyClient::ask_signature(SignRequest request) {
  signing_.reset();
  signature_.reset();
  if (!has_keys_) return false;
  request.ticket = ++last_signing_;
  auto message = encode(KeyCommand{request});
  if (!message) return false;
  messages_.push_back(std::move(*message));
  signing_ = request.ticket;
  return true;
}

void KeyClient::take(SignReply reply) {
  // One that came too late is nobody's.
  if (signing_ != reply.ticket) return;
  signing_.reset();
  signature_ = std::move(reply);
}

bool KeyClient::order(std::string_view name, base::Bytes message, base::SecretBytes secret) {
  ordering_.reset();
  answer_.reset();
  LoadOrder order{++last_order_, std::string{name}, base::to_vec(message), std::move(secret)};
  auto octets = encode(KeyCommand{std::move(order)});
  if (!octets) return false;
  messages_.push_back(std::move(*octets));
  ordering_ = last_order_;
  return true;
}

void KeyClient::take(LoadAnswer answer) {
  if (ordering_ != answer.ticket) return;
  ordering_.reset();
  answer_ = std::move(answer);
}

void KeyClient::handle_lost() {
  has_keys_ = false;
  signing_.reset();
  ordering_.reset();
  for (base::ByteVec& message : messages_) base::wipe(message);
  messages_.clear();
  for (const auto& asked : std::exchange(waiting_, {})) refuse(asked, std::string{gone});
}

}  // namespace caponier::gateway

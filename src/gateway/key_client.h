#pragma once
// The side that speaks with peers: asks the process that has the keys, and remembers what was
// asked, so that everything gets an answer even when that process ends.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gateway/key_messages.h"

namespace caponier::gateway {

class KeyClient {
 public:
  /// AuthRequests under way; more are answered at once, as unavailable.
  static constexpr std::size_t waiting_max = 4096;

  /// Makes a signature with a key of that name, and waits for it: carries ask_signature() there
  /// and brings take_signature() back.
  using SignNow = std::function<std::expected<base::ByteVec, pki::SignError>(SignRequest)>;

  KeyClient(const pki::PkiProvider& pki, base::Bytes fingerprint_salt, SignNow sign_now)
      : pki_(pki),
        salt_(base::to_vec(fingerprint_salt)),
        sign_now_(std::make_shared<SignNow>(std::move(sign_now))) {}
  KeyClient(const KeyClient&) = delete;
  KeyClient& operator=(const KeyClient&) = delete;
  /// Credentials may be in use for longer; they do not sign any more.
  ~KeyClient() { *sign_now_ = nullptr; }

  void handle(const ike::AuthRequest& request);
  [[nodiscard]] std::optional<ike::AuthReply> poll_reply();
  /// To be sent, in this order, and then wiped: there may be a secret in it.
  [[nodiscard]] std::optional<base::ByteVec> poll_message();

  /// Reads the configuration there, or, `renews`, only the files that the one in force names. It
  /// counts from commit() on.
  void load(bool renews = false);
  void commit();
  /// One at a time; the ticket is given here. False: nothing is under way, it cannot be had.
  [[nodiscard]] bool ask_signature(SignRequest request);
  [[nodiscard]] std::optional<SignReply> take_signature() {
    return std::exchange(signature_, std::nullopt);
  }

  /// The same of one thing that a client has loaded.
  [[nodiscard]] bool order(std::string_view name, base::Bytes message, base::SecretBytes secret);
  [[nodiscard]] std::optional<LoadAnswer> take_answer() {
    return std::exchange(answer_, std::nullopt);
  }

  /// Set once, when a load has ended: what the keys are, or every mistake.
  using Loaded = std::expected<config::HeldKeys, std::vector<config::ConfigError>>;
  [[nodiscard]] std::optional<Loaded> take_loaded() { return std::exchange(loaded_, std::nullopt); }

  /// False when the message makes no sense: the process is to be ended.
  [[nodiscard]] bool handle_message(base::Bytes message);
  /// The process is gone, and with it what it was asked. Until another has loaded, and commit(),
  /// everything is answered at once, as unavailable.
  void handle_lost();
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  void take(HeldPeer peer);
  void take(LoadFault fault);
  void take(LoadDone done);
  void take(ike::AuthReply reply);
  void take(SignReply reply);
  void take(LoadAnswer answer);
  void refuse(std::pair<ike::IkeSaId, std::uint64_t> asked, std::string why);
  [[nodiscard]] std::optional<pki::Credential> credential_of(const std::string& name,
                                                             const HeldCredential& held) const;

  const pki::PkiProvider& pki_;
  base::ByteVec salt_;
  bool has_keys_ = false;
  std::uint64_t ticket_ = 0;
  config::HeldKeys keys_;  ///< of the load under way
  std::vector<config::ConfigError> errors_;
  std::optional<Loaded> loaded_;
  std::set<std::pair<ike::IkeSaId, std::uint64_t>> waiting_;
  std::shared_ptr<SignNow> sign_now_;
  std::optional<std::uint64_t> signing_;  ///< the ticket of what is asked for
  std::uint64_t last_signing_ = 0;
  std::optional<SignReply> signature_;
  std::optional<std::uint64_t> ordering_;  ///< likewise of order()
  std::uint64_t last_order_ = 0;
  std::optional<LoadAnswer> answer_;
  std::deque<base::ByteVec> messages_;
  std::deque<ike::AuthReply> replies_;
};

}  // namespace caponier::gateway

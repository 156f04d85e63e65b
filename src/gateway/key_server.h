#pragma once
// The side that has the keys: reads the configuration and what it names, and answers AuthRequest
// with it. Pure: who carries messages gives it a Source.

#include <memory>
#include <vector>

#include "gateway/key_messages.h"
#include "gateway/keyholder.h"

namespace caponier::gateway {

/// Where the configuration comes from.
class KeyFiles {
 public:
  using Loaded =
      std::expected<std::shared_ptr<const config::Config>, std::vector<config::ConfigError>>;

  virtual ~KeyFiles() = default;
  /// Everything as it is now; `renews`: but the configuration's own text as it was at keep(), if
  /// that has ever been.
  [[nodiscard]] virtual Loaded load(bool renews) = 0;
  /// What was loaded last is in force.
  virtual void keep() = 0;
  /// What a client has loaded, from then on part of the configuration; the answer, or why not.
  [[nodiscard]] virtual std::expected<base::ByteVec, std::string> take(const LoadOrder& order) = 0;
};

class KeyServer {
 public:
  /// All must outlive the object.
  KeyServer(KeyFiles& files, const crypto::CryptoProvider& crypto)
      : files_(files), crypto_(crypto), keyholder_(crypto) {}

  /// What is to be sent, in this order. False, and nothing, when the message makes no sense:
  /// whoever sent it is not to be served any more.
  [[nodiscard]] bool handle(base::Bytes message, std::vector<base::ByteVec>& answers);

 private:
  using Answers = std::vector<base::ByteVec>;
  void perform(const LoadKeys& load, Answers& answers);
  void perform(const CommitKeys& commit, Answers& answers);
  void perform(const ike::AuthRequest& request, Answers& answers);
  void perform(const SignRequest& request, Answers& answers);
  void perform(const LoadOrder& order, Answers& answers);
  [[nodiscard]] HeldPeer describe(const std::string& name, const config::SharedSecret& psk,
                                  const std::shared_ptr<const pki::Credential>& shown,
                                  const LoadKeys& load) const;

  KeyFiles& files_;
  const crypto::CryptoProvider& crypto_;
  Keyholder keyholder_;
  std::shared_ptr<const config::Config> loaded_;  ///< not yet in force
  std::uint64_t loaded_ticket_ = 0;
};

}  // namespace caponier::gateway

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
  virtual ~KeyFiles() = default;
  /// Everything as it is now; `renews`: but the configuration's own text as it was at keep(), if
  /// that has ever been. Valid until the next call.
  [[nodiscard]] virtual config::Source& open(bool renews) = 0;
  /// What was opened last is in force.
  virtual void keep() = 0;
};

class KeyServer {
 public:
  /// All must outlive the object.
  KeyServer(std::string config_path, KeyFiles& files, const crypto::CryptoProvider& crypto)
      : config_path_(std::move(config_path)), files_(files), crypto_(crypto), keyholder_(crypto) {}

  /// What is to be sent, in this order. False, and nothing, when the message makes no sense:
  /// whoever sent it is not to be served any more.
  [[nodiscard]] bool handle(base::Bytes message, std::vector<base::ByteVec>& answers);

 private:
  using Answers = std::vector<base::ByteVec>;
  void perform(const LoadKeys& load, Answers& answers);
  void perform(const CommitKeys& commit, Answers& answers);
  void perform(const ike::AuthRequest& request, Answers& answers);
  void perform(const SignRequest& request, Answers& answers);
  [[nodiscard]] HeldPeer describe(const std::string& name, const config::SharedSecret& psk,
                                  const std::shared_ptr<const pki::Credential>& shown,
                                  const LoadKeys& load) const;

  std::string config_path_;
  KeyFiles& files_;
  const crypto::CryptoProvider& crypto_;
  Keyholder keyholder_;
  std::shared_ptr<const config::Config> loaded_;  ///< not yet in force
  std::uint64_t loaded_ticket_ = 0;
};

}  // namespace caponier::gateway

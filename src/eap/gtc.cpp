// Generic Token Card (RFC 3748 s5.6), used for passwords as everybody does: they travel as they
// are, and so only in a tunnel.

#include "eap/method.h"
#include "eap/user.h"

namespace caponier::eap {
namespace {

class GtcServer final : public ServerMethod {
 public:
  explicit GtcServer(const ServerContext& context) : context_(context) {}

  ServerStep begin(std::uint8_t /*identifier*/) override {
    return Say{base::to_vec(base::as_bytes("Password: "))};
  }

  ServerStep handle(Bytes data, std::uint8_t /*next_identifier*/) override {
    const User user = find_user(context_, context_.claimed_identity);
    if (!knows(context_.ports.crypto, user, data)) return refusal(user);
    return Proven{{user.name, {}, Type::none, false, {}}};
  }

 private:
  ServerContext context_;
};

class GtcClient final : public ClientMethod {
 public:
  explicit GtcClient(const ClientContext& context) : context_(context) {}

  ClientStep handle(Bytes /*data*/, std::uint8_t /*identifier*/) override {
    const auto* cleartext = std::get_if<Cleartext>(context_.ports.password);
    if (cleartext == nullptr || has_answered_) {
      return Failed{FailureReason::bad_credentials,
                    has_answered_ ? "the server asks for the password again"
                                  : "GTC needs the password itself, and only its NT hash is known"};
    }
    has_answered_ = true;
    return Say{base::to_vec(cleartext->password.reveal())};
  }

  std::optional<Proof> take_proof() override {
    if (!has_answered_) return std::nullopt;
    return Proof{context_.settings.identity, {}, Type::none, false, {}};
  }

 private:
  ClientContext context_;
  bool has_answered_ = false;
};

}  // namespace

std::unique_ptr<ServerMethod> make_gtc_server(const ServerContext& context) {
  return std::make_unique<GtcServer>(context);
}

std::unique_ptr<ClientMethod> make_gtc_client(const ClientContext& context) {
  return std::make_unique<GtcClient>(context);
}

}  // namespace caponier::eap

// EAP-TLS (RFC 5216; with TLS 1.3, RFC 9190), both sides.

#include <algorithm>

#include <fmt/format.h>

#include "eap/method.h"
#include "eap/tls_carrier.h"

namespace caponier::eap {
namespace {

/// The protected sign of success (RFC 9190 s2.5).
constexpr std::array commitment = {std::byte{0}};

/// The identity that was claimed outside, when the certificate proves it; where it tells nothing
/// (RFC 7542 s2.4), what the certificate proves. Anything else would let one user pass for another.
std::expected<std::string, Failed> identity_of_client(const std::string& claimed,
                                                      const std::vector<std::string>& names) {
  const bool is_anonymous = claimed.empty() || claimed.starts_with('@') || claimed == "anonymous" ||
                            claimed.starts_with("anonymous@");
  if (std::ranges::find(names, claimed) != names.end()) return claimed;
  if (is_anonymous && !names.empty()) return names.front();
  return std::unexpected{Failed{
      FailureReason::identity_mismatch,
      fmt::format("\"{}\" is none of the names of the certificate, the first of which is \"{}\"",
                  printable(claimed), names.empty() ? "" : printable(names.front()))}};
}

class TlsServer final : public ServerMethod {
 public:
  TlsServer(const ServerContext& context, std::unique_ptr<TlsSession> session)
      : context_(context), handshake_(std::move(session), context.settings.fragment_size) {}

  ServerStep begin(std::uint8_t /*identifier*/) override { return Say{TlsCarrier::start()}; }

  ServerStep handle(Bytes data, std::uint8_t /*next_identifier*/) override {
    if (auto step = handshake_.advance(data)) return to_server_step(std::move(*step));
    if (is_complete_) {
      if (handshake_.message_was_empty()) return conclude();
      return Failed{FailureReason::out_of_place, "data after the handshake of EAP-TLS"};
    }
    is_complete_ = true;
    if (handshake_.session().version() == TlsVersion::tls13 &&
        !handshake_.session().send(commitment)) {
      return Failed{FailureReason::tls, "TLS cannot say that all is well"};
    }
    return to_server_step(handshake_.say());
  }

 private:
  ServerStep conclude() {
    TlsSession& session = handshake_.session();
    auto identity = identity_of_client(context_.claimed_identity, session.peer().names);
    if (!identity) return std::move(identity.error());
    base::SecretBytes msk = tls_msk(session, Type::tls);
    if (msk.empty()) return Failed{FailureReason::no_key, "TLS gives no key"};
    return Proven{{std::move(*identity), std::move(msk), Type::none, true, session.peer()}};
  }

  ServerContext context_;
  TlsHandshake handshake_;
  bool is_complete_ = false;  ///< nothing but an acknowledgement is due
};

class TlsClient final : public ClientMethod {
 public:
  TlsClient(const ClientContext& context, std::unique_ptr<TlsSession> session)
      : context_(context), handshake_(std::move(session), context.settings.fragment_size) {}

  ClientStep handle(Bytes data, std::uint8_t /*identifier*/) override {
    if (!has_begun_) {
      has_begun_ = true;
      if (TlsCarrier::is_start(data)) return handshake_.begin_client();
      return Failed{FailureReason::out_of_place, "EAP-TLS that does not begin with Start"};
    }
    if (auto step = handshake_.advance(data)) return to_client_step(std::move(*step));
    TlsSession& session = handshake_.session();
    const base::SecretBytes said = session.take_received();
    if (session.version() == TlsVersion::tls12) {
      is_believed_ = said.empty();
    } else if (!said.empty()) {
      is_believed_ = base::equal(said.reveal(), commitment);
    }
    if (!said.empty() && !is_believed_) {
      return Failed{FailureReason::out_of_place, "data in the tunnel of EAP-TLS"};
    }
    return handshake_.say();
  }

  std::optional<Proof> take_proof() override {
    if (!is_believed_) return std::nullopt;
    TlsSession& session = handshake_.session();
    return Proof{context_.settings.identity, tls_msk(session, Type::tls), Type::none, true,
                 session.peer()};
  }

 private:
  ClientContext context_;
  TlsHandshake handshake_;
  bool has_begun_ = false;
  bool is_believed_ = false;
};

}  // namespace

std::unique_ptr<ServerMethod> make_tls_server(const ServerContext& context) {
  auto session = context.ports.tls->make_session(true);
  if (!session) return nullptr;
  return std::make_unique<TlsServer>(context, std::move(session));
}

std::unique_ptr<ClientMethod> make_tls_client(const ClientContext& context) {
  auto session = context.ports.tls->make_session(true);
  if (!session) return nullptr;
  return std::make_unique<TlsClient>(context, std::move(session));
}

}  // namespace caponier::eap

#include "sim/clear_tls.h"

#include <utility>

namespace caponier::sim {

namespace {

/// Three flights as in TLS 1.2, each ended by a zero octet: "hello", the server's certificate, the
/// client's, "done".
class ClearTls final : public eap::TlsSession {
 public:
  explicit ClearTls(const eap::TlsSettings& settings) : settings_(settings) {}

  eap::TlsState handle(eap::Bytes records) override {
    if (settings_.role == eap::TlsRole::client && flights_ == 0) return say_text("hello");
    for (const std::byte octet : records) {
      if (octet != std::byte{0}) {
        flight_.push_back(octet);
        continue;
      }
      if (take_flight(std::exchange(flight_, {})) != eap::TlsState::handshaking) break;
    }
    return state_;
  }
  eap::ByteVec take_output() override { return std::exchange(output_, {}); }
  base::SecretBytes take_received() override { return {}; }
  bool send(eap::Bytes) override { return false; }
  eap::TlsState state() const override { return state_; }
  eap::TlsVersion version() const override { return eap::TlsVersion::tls12; }
  base::SecretBytes export_key(std::string_view label, std::optional<eap::Bytes>,
                               std::size_t size) const override {
    base::SecretBytes key{size};
    for (std::size_t i = 0; i < size; ++i) {
      key.reveal_mutable()[i] = static_cast<std::byte>(label[i % label.size()]);
    }
    return key;
  }
  const eap::CertifiedPeer& peer() const override { return peer_; }
  std::string failure() const override { return failure_; }

 private:
  eap::TlsState say(eap::Bytes flight) {
    ++flights_;
    base::append(output_, flight);
    output_.push_back(std::byte{0});
    return state_;
  }
  eap::TlsState say_text(std::string_view text) { return say(base::as_bytes(text)); }

  eap::TlsState take_flight(const eap::ByteVec& flight) {
    const bool is_client = settings_.role == eap::TlsRole::client;
    if (!is_client && flights_ == 0) return say(settings_.chain.front());
    if (is_client && flights_ == 2) return state_ = eap::TlsState::established;
    const std::vector<eap::ByteVec> chain{flight};
    auto proven =
        settings_.verifier->verify(chain, is_client ? eap::TlsRole::server : eap::TlsRole::client);
    if (!proven) {
      failure_ = std::move(proven.error());
      return state_ = eap::TlsState::failed;
    }
    peer_ = std::move(*proven);
    peer_.chain = chain;
    if (is_client) return say(settings_.chain.front());
    state_ = eap::TlsState::established;
    return say_text("done");
  }

  const eap::TlsSettings& settings_;
  eap::TlsState state_ = eap::TlsState::handshaking;
  unsigned flights_ = 0;
  eap::ByteVec flight_, output_;
  eap::CertifiedPeer peer_;
  std::string failure_;
};

class ClearContext final : public eap::TlsContext {
 public:
  explicit ClearContext(eap::TlsSettings settings) : settings_(std::move(settings)) {}
  std::unique_ptr<eap::TlsSession> make_session(bool) const override {
    return std::make_unique<ClearTls>(settings_);
  }

 private:
  eap::TlsSettings settings_;
};

}  // namespace

std::expected<std::unique_ptr<eap::TlsContext>, std::string> make_clear_tls(
    eap::TlsSettings settings) {
  return std::make_unique<ClearContext>(std::move(settings));
}

}  // namespace caponier::sim

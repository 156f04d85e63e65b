#pragma once
// TLS without any security or randomness, so that fuzzing reaches what is said inside of it. The
// shape of the handshakes is that of TLS 1.2 or 1.3: who speaks last, and when data may follow.

#include <memory>
#include <utility>

#include "eap/tls.h"

namespace caponier::fuzz {

class NullTlsSession final : public eap::TlsSession {
 public:
  NullTlsSession(eap::TlsRole role, eap::TlsVersion version) : role_(role), version_(version) {}

  eap::TlsState handle(base::Bytes records) override {
    if (state_ == eap::TlsState::established) {
      base::append(received_, records);
      return state_;
    }
    if (state_ == eap::TlsState::failed) return state_;
    if (!records.empty() && records[0] == std::byte{'!'}) {
      state_ = eap::TlsState::failed;
      return state_;
    }
    ++flights_;
    const bool is_13 = version_ == eap::TlsVersion::tls13;
    if (role_ == eap::TlsRole::client) {
      if (flights_ < (is_13 ? 2U : 3U)) base::append(output_, base::as_bytes("client flight"));
      if (flights_ == 2 && is_13) base::append(output_, base::as_bytes("finished"));
      if (flights_ == (is_13 ? 2U : 3U)) state_ = eap::TlsState::established;
    } else {
      if (!is_13 || flights_ == 1) base::append(output_, base::as_bytes("server flight"));
      if (flights_ == 2) state_ = eap::TlsState::established;
    }
    return state_;
  }
  base::ByteVec take_output() override { return std::exchange(output_, {}); }
  base::SecretBytes take_received() override {
    const base::ByteVec taken = std::exchange(received_, {});
    return base::SecretBytes{base::Bytes{taken}};
  }
  bool send(base::Bytes data) override {
    base::append(output_, data);
    return state_ == eap::TlsState::established;
  }
  eap::TlsState state() const override { return state_; }
  eap::TlsVersion version() const override { return version_; }
  base::SecretBytes export_key(std::string_view label, std::optional<base::Bytes> /*context*/,
                               std::size_t size) const override {
    base::SecretBytes key{size};
    for (std::size_t i = 0; i < size; ++i) {
      key.reveal_mutable()[i] = static_cast<std::byte>(label[i % label.size()]);
    }
    return key;
  }
  const eap::CertifiedPeer& peer() const override { return peer_; }
  std::string failure() const override { return "the other end said !"; }

 private:
  eap::TlsRole role_;
  eap::TlsVersion version_;
  eap::TlsState state_ = eap::TlsState::handshaking;
  unsigned flights_ = 0;
  base::ByteVec received_;
  base::ByteVec output_;
  eap::CertifiedPeer peer_{{}, {"alice"}, {}, {}};
};

class NullTlsContext final : public eap::TlsContext {
 public:
  NullTlsContext(eap::TlsRole role, eap::TlsVersion version) : role_(role), version_(version) {}
  [[nodiscard]] std::unique_ptr<eap::TlsSession> make_session(
      bool /*peer_certificate*/) const override {
    return std::make_unique<NullTlsSession>(role_, version_);
  }

 private:
  eap::TlsRole role_;
  eap::TlsVersion version_;
};

}  // namespace caponier::fuzz

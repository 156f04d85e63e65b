#pragma once
// Certificates inside of EAP, judged as those of IKE are: by the store of the configuration.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "eap/tls.h"
#include "pki/provider.h"

namespace caponier::gateway {

class ChainVerifier final : public eap::CertificateVerifier {
 public:
  struct Settings {
    std::shared_ptr<pki::CertificateStore> store;
    std::vector<std::string> authorities;
    pki::Revocation revocation{};
    /// Of a server: who it must be. Of users: empty, they are whoever their certificate names.
    std::optional<policy::Identity> expected;
    std::function<pki::UnixTime()> now;
    /// Told what should be fetched. TLS cannot wait for it: what is at hand decides.
    std::function<void(std::vector<pki::Fetch>)> want;
  };
  /// `pki` must outlive the object.
  ChainVerifier(Settings settings, const pki::PkiProvider& pki)
      : settings_(std::move(settings)), pki_(&pki) {}

  [[nodiscard]] std::expected<eap::CertifiedPeer, std::string> verify(
      std::span<const eap::ByteVec> chain, eap::TlsRole peer) const override;

 private:
  Settings settings_;
  const pki::PkiProvider* pki_;
};

}  // namespace caponier::gateway

#pragma once
// Certificates and TLS contexts for the tests of TLS methods.

#include <map>
#include <memory>
#include <string>

#include "eap/openssl/tls_context.h"
#include "unit/eap/talk.h"

namespace caponier::eap::test {

/// Self-signed.
struct TestIdentity {
  ByteVec certificate;
  base::SecretBytes private_key;
};
enum class TestKey : std::uint8_t { p256, p384, rsa, ed25519 };
[[nodiscard]] TestIdentity make_identity(const std::string& common_name,
                                         TestKey kind = TestKey::p256);

/// Signs with its private key.
[[nodiscard]] std::shared_ptr<pki::Signer> signer_of(const TestIdentity& identity);

/// Trusts the certificates it was told of, and no others.
class TestVerifier final : public CertificateVerifier {
 public:
  void trust(const TestIdentity& identity, std::vector<std::string> names) {
    trusted_[identity.certificate].names = std::move(names);
  }
  void certify(const TestIdentity& identity, std::string unit, std::string policy) {
    trusted_[identity.certificate].units = {std::move(unit)};
    trusted_[identity.certificate].policies = {std::move(policy)};
  }
  [[nodiscard]] std::expected<CertifiedPeer, std::string> verify(std::span<const ByteVec> chain,
                                                                 TlsRole peer) const override;

 private:
  std::map<ByteVec, CertifiedPeer> trusted_;
};

[[nodiscard]] std::unique_ptr<TlsContext> make_context(TlsRole role, const TestIdentity* identity,
                                                       const TestVerifier& verifier,
                                                       TlsVersion version_min = TlsVersion::tls12,
                                                       TlsVersion version_max = TlsVersion::tls13);

/// A Pair whose ends trust each other's certificates; the client's proves "alice".
struct TlsPair : Pair {
  TestIdentity server_identity = make_identity("vpn.example.org");
  TestIdentity client_identity = make_identity("alice");
  TestVerifier verifier;
  std::unique_ptr<TlsContext> server_context;
  std::unique_ptr<TlsContext> client_context;

  TlsPair(Type type, TlsVersion version);
  void use(std::unique_ptr<TlsContext> server, std::unique_ptr<TlsContext> client);
};

}  // namespace caponier::eap::test

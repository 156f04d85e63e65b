#include "unit/eap/tls_parts.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "pki/openssl/provider.h"

namespace caponier::eap::test {
namespace {

template <class T>
ByteVec der_of(T* object, int (*encode)(const T*, unsigned char**)) {
  unsigned char* start = nullptr;
  const int size = encode(object, &start);
  EXPECT_GT(size, 0);
  const void* octets = start;
  ByteVec der =
      base::to_vec({static_cast<const std::byte*>(octets), static_cast<std::size_t>(size)});
  OPENSSL_free(start);
  return der;
}

EVP_PKEY* make_key(TestKey kind) {
  switch (kind) {
    case TestKey::rsa: return EVP_RSA_gen(2048);
    case TestKey::ed25519: return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    case TestKey::p384: return EVP_EC_gen("P-384");
    case TestKey::p256: break;
  }
  return EVP_EC_gen("P-256");
}

}  // namespace

TestIdentity make_identity(const std::string& common_name, TestKey kind) {
  EVP_PKEY* key = make_key(kind);
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_NAME* name = X509_get_subject_name(certificate);
  const std::vector<unsigned char> text{common_name.begin(), common_name.end()};
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text.data(), static_cast<int>(text.size()),
                             -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_set_pubkey(certificate, key);
  EXPECT_GT(X509_sign(certificate, key, kind == TestKey::ed25519 ? nullptr : EVP_sha256()), 0);
  TestIdentity identity{der_of<X509>(certificate, i2d_X509),
                        base::SecretBytes{der_of<EVP_PKEY>(key, i2d_PrivateKey)}};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return identity;
}

std::shared_ptr<pki::Signer> signer_of(const TestIdentity& identity) {
  pki::CredentialFiles files;
  files.key = {"the key", identity.private_key.reveal()};
  const auto loaded = pki::OpensslPki{}.load_credential(files);
  EXPECT_TRUE(loaded.has_value());
  return loaded ? loaded->signer : nullptr;
}

std::expected<CertifiedPeer, std::string> TestVerifier::verify(std::span<const ByteVec> chain,
                                                               TlsRole /*peer*/) const {
  const auto at = trusted_.find(chain.front());
  if (at == trusted_.end()) return std::unexpected{std::string{"nobody knows this certificate"}};
  return at->second;
}

std::unique_ptr<TlsContext> make_context(TlsRole role, const TestIdentity* identity,
                                         const TestVerifier& verifier, TlsVersion version_min,
                                         TlsVersion version_max) {
  TlsSettings settings;
  settings.role = role;
  settings.verifier = &verifier;
  settings.version_min = version_min;
  settings.version_max = version_max;
  if (identity != nullptr) {
    settings.chain.push_back(identity->certificate);
    settings.signer = signer_of(*identity);
  }
  auto context = make_tls_context(std::move(settings));
  EXPECT_TRUE(context.has_value()) << context.error();
  return context ? std::move(*context) : nullptr;
}

TlsPair::TlsPair(Type type, TlsVersion version) : Pair({type}) {
  verifier.trust(server_identity, {"vpn.example.org"});
  verifier.trust(client_identity, {"alice", "CN=alice"});
  use(make_context(TlsRole::server, &server_identity, verifier, version, version),
      make_context(TlsRole::client, &client_identity, verifier, version, version));
}

void TlsPair::use(std::unique_ptr<TlsContext> server, std::unique_ptr<TlsContext> client) {
  if (server) server_context = std::move(server);
  if (client) client_context = std::move(client);
  server_tls = server_context.get();
  client_tls = client_context.get();
}

}  // namespace caponier::eap::test

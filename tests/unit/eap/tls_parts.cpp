#include "unit/eap/tls_parts.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

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

}  // namespace

TestIdentity make_identity(const std::string& common_name) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
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
  EXPECT_GT(X509_sign(certificate, key, EVP_sha256()), 0);
  TestIdentity identity{der_of<X509>(certificate, i2d_X509),
                        base::SecretBytes{der_of<EVP_PKEY>(key, i2d_PrivateKey)}};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return identity;
}

base::SecretBytes pem_of(const TestIdentity& identity, bool is_encrypted) {
  const void* octets = identity.private_key.reveal().data();
  const auto* at = static_cast<const unsigned char*>(octets);
  EVP_PKEY* key = d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(identity.private_key.size()));
  BIO* out = BIO_new(BIO_s_mem());
  char passphrase[] = "passphrase";
  EXPECT_EQ(PEM_write_bio_PKCS8PrivateKey(out, key, is_encrypted ? EVP_aes_128_cbc() : nullptr,
                                          is_encrypted ? passphrase : nullptr,
                                          is_encrypted ? 10 : 0, nullptr, nullptr),
            1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  base::SecretBytes pem{base::as_bytes({text, static_cast<std::size_t>(size)})};
  BIO_free(out);
  EVP_PKEY_free(key);
  return pem;
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
    settings.private_key = identity->private_key.duplicate();
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

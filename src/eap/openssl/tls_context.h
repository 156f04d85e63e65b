#pragma once
// TLS 1.2 and 1.3 on OpenSSL 3 (eap/tls.h), without sockets, tickets, renegotiation or resumption:
// every conversation authenticates anew.

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "eap/tls.h"

namespace caponier::eap {

struct TlsSettings {
  TlsRole role = TlsRole::server;
  /// Our chain in DER, our own certificate first; empty: none, which only a client may do.
  std::vector<ByteVec> chain;
  /// Its private key, PKCS #8 or traditional, DER or PEM without a passphrase.
  base::SecretBytes private_key;
  TlsVersion version_min = TlsVersion::tls12;
  TlsVersion version_max = TlsVersion::tls13;
  /// Judges the peer; must outlive the context and its sessions.
  const CertificateVerifier* verifier = nullptr;
  /// Told to clients as acceptable issuers: names in DER; may be empty.
  std::vector<ByteVec> issuer_names;
};

/// A sentence when the certificate and the key are no pair or OpenSSL does not want them.
[[nodiscard]] std::expected<std::unique_ptr<TlsContext>, std::string> make_tls_context(
    TlsSettings settings);

}  // namespace caponier::eap

#pragma once
// TLS 1.2 and 1.3 on OpenSSL 3 (eap/tls.h), without sockets, tickets, renegotiation or resumption:
// every conversation authenticates anew.

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "eap/tls.h"

namespace caponier::eap {

/// A sentence when the certificate and the key are no pair or OpenSSL does not want them.
[[nodiscard]] std::expected<std::unique_ptr<TlsContext>, std::string> make_tls_context(
    const TlsSettings& settings);

}  // namespace caponier::eap

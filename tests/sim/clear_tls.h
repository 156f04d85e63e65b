#pragma once
// TLS of the World, without any secret: both ends show their certificates in clear, and each is
// judged as the real one would be.

#include "eap/tls.h"

namespace caponier::sim {

[[nodiscard]] std::expected<std::unique_ptr<eap::TlsContext>, std::string> make_clear_tls(
    eap::TlsSettings settings);

}  // namespace caponier::sim

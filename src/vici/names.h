#pragma once
// The words of strongSwan for what we have: algorithms, states, tasks, identities and traffic
// selectors, as its control interface spells them and scripts look for them.

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "crypto/registry.h"
#include "ike/endpoint.h"
#include "pki/provider.h"

namespace caponier::vici {

// "AES_GCM_16", "HMAC_SHA2_256_128", "PRF_HMAC_SHA2_384", "CURVE_25519"; "(1234)" for a number
// without a name.
[[nodiscard]] std::string name_of(crypto::EncrId id);
[[nodiscard]] std::string name_of(crypto::IntegId id);
[[nodiscard]] std::string name_of(crypto::PrfId id);
[[nodiscard]] std::string name_of(crypto::KeGroup id);

/// "ESTABLISHED", "CONNECTING"; of an IKE SA.
[[nodiscard]] std::string_view state_name(const ike::IkeSaInfo& sa);
[[nodiscard]] std::string_view state_name(ike::ChildState state);
[[nodiscard]] std::string_view task_name(ike::Task task);
[[nodiscard]] std::string_view mode_name(policy::SaMode mode);
[[nodiscard]] std::string_view unique_name(config::Unique unique);

/// "10.1.0.0/16", "10.1.0.5..10.1.0.9", "10.1.0.0/24[tcp/https]".
[[nodiscard]] std::string selector_text(const policy::TrafficSelector& selector);
[[nodiscard]] std::vector<std::string> selector_texts(const policy::TrafficSelectors& selectors);

/// A bare name, an address, a distinguished name; "%any" for nobody. `pki` reads names and may be
/// null: then they are hexadecimal.
[[nodiscard]] std::string identity_text(const std::optional<policy::Identity>& identity,
                                        const pki::PkiProvider* pki);

/// "c8931e89".
[[nodiscard]] std::string spi_text(base::Spi spi);
[[nodiscard]] std::string spi_text(base::IkeSpi spi);

}  // namespace caponier::vici

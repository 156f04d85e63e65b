#pragma once
// One known answer for every algorithm of a provider, run once at start. Takes some 40 ms, most of
// it the largest MODP groups.

#include <expected>
#include <string>

#include "crypto/crypto.h"

namespace caponier::crypto {

/// Runs every algorithm that `provider` supports; the error names the first one that answers wrong.
/// A provider without security (crypto/null) fails.
[[nodiscard]] std::expected<void, std::string> self_test(const CryptoProvider& provider);

}  // namespace caponier::crypto

#pragma once
// Keys made once a run, and certificates of any shape.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "pki/openssl/issuing.h"
#include "pki/openssl/provider.h"

namespace caponier::pki::test {

/// 2030-01-01: everything happens around it.
inline constexpr UnixTime now{1893456000};
inline constexpr std::int64_t day = 86400;
[[nodiscard]] inline UnixTime after(std::int64_t seconds) { return {now.value + seconds}; }

/// Made once for each name; the kind is that of the first call.
[[nodiscard]] EVP_PKEY* key_called(const std::string& name, NewKey kind = NewKey::ecdsa_p256);
/// A key of OpenSSL's kinds that the issuer does not make: {"RSA", 1024}, {"EC", "P-384"}, "ED448".
[[nodiscard]] ossl::Pkey rsa_key(unsigned bits, std::uint64_t exponent = 65537);
[[nodiscard]] ossl::Pkey ec_key(const char* curve);
[[nodiscard]] ossl::Pkey ed448_key();
[[nodiscard]] base::SecretBytes private_pem(EVP_PKEY* key);
[[nodiscard]] std::shared_ptr<Signer> signer_of(EVP_PKEY* key);
[[nodiscard]] PublicKey public_of(EVP_PKEY* key);

[[nodiscard]] policy::Identity name_of_peer(std::string_view text);
[[nodiscard]] Bytes bytes(const std::string& text);

}  // namespace caponier::pki::test

#pragma once
// What a certificate must be for, and whom it must name, once its path is proven (RFC 4945).
// Private to pki/openssl.

#include "pki/openssl/ossl.h"

namespace caponier::pki::ossl {

using Rule = std::expected<void, Refused>;

/// Extensions that cannot be read are no extensions: RFC 5280 s4.2.
[[nodiscard]] Rule check_extensions(X509* certificate);
/// Extended key usage of the leaf and of each authority that has one; key usage of the leaf.
[[nodiscard]] Rule check_purpose(std::span<const X509Ptr> chain, Purpose purpose);
/// RFC 4945 s3.1.
[[nodiscard]] Rule check_identity(X509* leaf, const Certificate& read,
                                  const policy::Identity& identity);

}  // namespace caponier::pki::ossl

#pragma once
// Paths from a leaf to an anchor (RFC 5280 s6.1), as OpenSSL builds and checks them. Private to
// pki/openssl.

#include <span>
#include <vector>

#include "pki/openssl/ossl.h"

namespace caponier::pki::ossl {

struct PathQuestion {
  X509* leaf = nullptr;
  std::span<X509* const> untrusted;  ///< keys examined: no signature check may cost without bound
  std::span<X509* const> anchors;
  std::span<const std::string> required_policies;
  UnixTime now{};
};

struct Path {
  std::vector<X509Ptr> chain;         ///< leaf first, anchor last; one when the leaf is the anchor
  std::vector<std::string> policies;  ///< dotted OIDs that hold for the whole path
};

/// A path that is proven, or the rule that is broken. Revocation is not looked at.
[[nodiscard]] std::expected<Path, Refused> find_path(const PathQuestion& question);

/// What the CRLs say about one certificate.
enum class CrlFinding : std::uint8_t { none, good, outdated, revoked };
/// For each certificate of a proven path but the anchor. The CRLs' signatures have been checked.
[[nodiscard]] std::expected<std::vector<CrlFinding>, Refused> ask_crls(
    const Path& path, std::span<X509_CRL* const> crls, UnixTime now);

/// "'O=Example, CN=gw'".
[[nodiscard]] std::string quoted_subject(const X509* certificate);

}  // namespace caponier::pki::ossl

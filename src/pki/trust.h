#pragma once
// Whether a peer's certificate proves its identity (RFC 5280 s6, RFC 4945, RFC 6960): what is
// asked, what the answer may be, and the store that knows the anchors, CRLs and OCSP answers.

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pki/certificate.h"

namespace caponier::pki {

inline constexpr std::size_t certificates_per_message_max = 16;
inline constexpr std::size_t certificate_size_max = std::size_t{64} * 1024;
inline constexpr std::size_t chain_depth_max = 10;  ///< certificates between leaf and anchor
inline constexpr std::size_t crl_size_max = std::size_t{10} * 1024 * 1024;
inline constexpr std::size_t ocsp_answer_size_max = std::size_t{64} * 1024;
inline constexpr std::size_t cached_crls_max = 64;
inline constexpr std::size_t cached_crl_octets_max = std::size_t{64} * 1024 * 1024;
inline constexpr std::size_t cached_ocsp_answers_max = 4096;
inline constexpr std::size_t cached_failures_max = 1024;
inline constexpr std::size_t urls_per_certificate_max = 4;
inline constexpr std::size_t url_size_max = 1024;
/// For how long a URL that gave nothing is not asked again.
inline constexpr std::int64_t failure_seconds = 300;
/// How old an OCSP answer without nextUpdate may be, and by how much its clock may be ahead of
/// ours.
inline constexpr std::int64_t ocsp_age_seconds_max = 86400;
inline constexpr std::int64_t clock_skew_seconds_max = 300;

enum class Revocation : std::uint8_t {
  strict,      ///< each certificate of the chain must be known not to be revoked
  if_present,  ///< so must each that names a CRL or an OCSP responder
  relaxed,     ///< it is asked, but only a known revocation counts
};

/// What the certificate must be for, as extended key usage. Absent means for everything (RFC 4945
/// s5.1.3.12); ipsecIKE and anyExtendedKeyUsage suit all.
enum class Purpose : std::uint8_t {
  any,     ///< not looked at
  ike,     ///< RFC 4945 to the letter
  server,  ///< or serverAuth, or the older ikeIntermediate
  client,  ///< or clientAuth
};

struct VerifyRequest {
  const policy::Identity& identity;          ///< the peer's, from its ID payload
  std::span<const wire::CertPayload> certs;  ///< all of its CERT payloads, in their order
  UnixTime now{};
  Revocation revocation{};
  Purpose purpose{};
  std::span<const std::string> anchors;            ///< names of anchor files; empty: all of them
  std::span<const std::string> required_policies;  ///< dotted OIDs, one of which must hold
  bool may_fetch = false;  ///< false: what would have to be fetched is taken as not to be had
};

/// Each rule that a certificate can break.
enum class Refusal : std::uint8_t {
  no_certificate,  ///< none that we can read the peer's key from
  too_many_certificates,
  certificate_too_large,
  malformed,  ///< not DER of one certificate
  weak_key,   ///< RSA below 2048 bits, an odd exponent, a curve without a name
  unsupported_key,
  weak_signature,     ///< MD5 or SHA-1 in the chain
  unknown_authority,  ///< no path to an anchor
  bad_signature,      ///< a certificate was not signed by the one it names
  chain_too_long,
  not_yet_valid,
  expired,
  not_an_authority,  ///< basicConstraints: something below was signed by a leaf
  path_length,
  key_usage,
  extended_key_usage,
  name_constraints,
  certificate_policy,
  unknown_critical_extension,
  invalid_extension,
  identity_mismatch,  ///< the certificate does not name the identity
  identity_kind,      ///< an identity that no certificate can prove
  revoked,
  revocation_unknown,   ///< neither CRL nor OCSP answer to be had, and one is wanted
  revocation_outdated,  ///< all that is to be had is too old
  internal,             ///< OpenSSL failed for a reason of its own
};

[[nodiscard]] std::string_view name_of(Refusal reason);

struct Trusted {
  Certificate leaf;
  std::string anchor;                 ///< name of the anchor's file
  std::vector<std::string> chain;     ///< subjects, leaf first, anchor last
  UnixTime not_after{};               ///< the earliest of the chain
  std::vector<std::string> policies;  ///< dotted OIDs that hold for the whole path
};

enum class FetchKind : std::uint8_t {
  crl,
  ocsp,
  certificate,  ///< named by hash and URL (RFC 7296 s3.6); none of the store's
};

/// Something to be got by HTTP: GET for a CRL, POST of `body` as application/ocsp-request for OCSP.
/// Its answer comes back to take_answer(), with this as it is.
struct Fetch {
  FetchKind kind{};
  std::string url;  ///< http://, printable
  ByteVec body;
  std::size_t size_max = 0;  ///< more octets of an answer need not be read
  ByteVec certificate;       ///< about which it is, and who issued it: both DER
  ByteVec issuer;
};

/// A path to an anchor is proven; whether it still holds is to be asked. Alternatives for one
/// certificate stand together; all may be fetched at once.
struct NeedsFetch {
  std::vector<Fetch> fetches;
};

struct Refused {
  Refusal reason{};
  std::string text;  ///< one sentence: which certificate, what was expected, what was found
};

using Verdict = std::variant<Trusted, NeedsFetch, Refused>;

/// Anchors, CRLs and OCSP answers. One thread at a time.
class CertificateStore {
 public:
  virtual ~CertificateStore() = default;

  /// Repeated with the same request after the answers to NeedsFetch have been taken, it decides.
  [[nodiscard]] virtual Verdict verify(const VerifyRequest& request) = 0;

  /// What the URL gave. A sentence when it is unusable: not for this certificate, not signed by who
  /// may, too old; it then counts as failed.
  [[nodiscard]] virtual std::expected<void, std::string> take_answer(const Fetch& fetch,
                                                                     Bytes answer,
                                                                     UnixTime now) = 0;
  /// The URL gave nothing. For failure_seconds it is not asked for again.
  virtual void take_failure(const Fetch& fetch, UnixTime now) = 0;
  /// What another store has fetched and what it failed to: for the store of a new configuration.
  virtual void take_over(const CertificateStore& before) = 0;
  /// A CRL that was once taken from this URL. It is believed when it is used, by the same rules,
  /// and never replaces a newer one. False: it is none.
  virtual bool restore_crl(const std::string& url, Bytes crl, UnixTime now) = 0;

  /// What to ask an OCSP responder about a certificate of ours, whose issuer is among the others of
  /// the chain or in this store. Nothing when that is not to be found, or names no responder.
  [[nodiscard]] virtual std::optional<Fetch> own_status(
      std::span<const Certificate> chain) const = 0;
  /// Until when an answer to it may be shown to others; a sentence when it is unusable.
  [[nodiscard]] virtual std::expected<UnixTime, std::string> usable_until(const Fetch& fetch,
                                                                          Bytes answer,
                                                                          UnixTime now) const = 0;

  /// SHA-1 of the keys of the anchors of these files (all when empty), for CERTREQ.
  [[nodiscard]] virtual std::vector<KeyHash> authorities(
      std::span<const std::string> anchors) const = 0;
  /// Certificates and configured CRLs, the first to end first.
  [[nodiscard]] virtual std::vector<Expiry> expiries() const = 0;
};

}  // namespace caponier::pki

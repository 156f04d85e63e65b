#pragma once
// CRLs and OCSP answers (RFC 5280 s5, RFC 6960): which are believed, and for how long they are
// kept. Private to pki/openssl.

#include <array>
#include <map>

#include "pki/openssl/path.h"

namespace caponier::pki::ossl {

using Digest = std::array<std::byte, 32>;
[[nodiscard]] Digest digest_of(Bytes content);

struct OcspStatus {
  bool is_revoked = false;
  UnixTime this_update{};
  UnixTime usable_until{};  ///< inclusive
};

/// The body of a request about one certificate: its CertID with SHA-1, as all responders know it,
/// and no nonce, so that responders may answer from what they have signed before (RFC 5019).
[[nodiscard]] ByteVec ocsp_request(X509* certificate, X509* issuer);
/// The same with where it goes: the first responder that the certificate names, if any.
[[nodiscard]] std::optional<Fetch> status_fetch(X509* certificate, X509* issuer);
/// What the answer says about this certificate, or a sentence: not for it, not signed by who may,
/// not of now.
[[nodiscard]] std::expected<OcspStatus, std::string> read_ocsp_answer(Bytes answer,
                                                                      X509* certificate,
                                                                      X509* issuer, UnixTime now);

/// Whether the CRL is of this issuer, signed by it, with a hash that is not weak, and says when the
/// next one comes. A sentence when not.
[[nodiscard]] std::expected<void, std::string> check_crl(X509_CRL* crl, X509* issuer);

/// Everything that is known about who has been revoked.
class Revocations {
 public:
  void add_configured(Crl crl, std::string file);
  /// Expects an answer to one of fetches().
  [[nodiscard]] std::expected<void, std::string> take(const Fetch& fetch, Bytes answer,
                                                      UnixTime now);
  void note_failure(const Fetch& fetch, UnixTime now);
  void take_over(const Revocations& before);
  bool restore(const std::string& url, Bytes crl, UnixTime now);
  /// An OCSP answer that came in the peer's own message. One that is of no use is none.
  void take_stapled(Bytes answer, const Path& path, UnixTime now);

  /// For a proven path: everything is known that must be, or what to fetch, or why not.
  /// `in_band` are CRLs of the peer's own message.
  [[nodiscard]] std::expected<std::vector<Fetch>, Refused> judge(const Path& path,
                                                                 std::span<const Crl> in_band,
                                                                 Revocation revocation,
                                                                 bool may_fetch, UnixTime now);
  [[nodiscard]] std::vector<Expiry> expiries() const;

 private:
  struct KnownCrl {
    Crl crl;
    std::string file;  ///< where it was configured, or its URL
    std::size_t size = 0;
    UnixTime taken{};
    Digest signed_by{};  ///< the certificate whose key was found to have signed it
  };
  struct Known {
    CrlFinding crl = CrlFinding::none;
    std::optional<OcspStatus> ocsp;
  };

  [[nodiscard]] std::vector<X509_CRL*> believed(const Path& path, std::span<const Crl> in_band);
  [[nodiscard]] bool has_failed(const Fetch& fetch, UnixTime now) const;
  [[nodiscard]] std::vector<Fetch> fetches(X509* certificate, X509* issuer, UnixTime now) const;
  [[nodiscard]] std::expected<void, std::string> take_crl(const Fetch& fetch, Bytes answer,
                                                          X509* issuer, UnixTime now);
  void keep_ocsp(const Digest& certificate, const OcspStatus& status);
  void bound_crls();

  std::vector<KnownCrl> configured_;
  std::map<std::string, KnownCrl> fetched_;  ///< by URL
  std::map<Digest, OcspStatus> answers_;     ///< by certificate
  std::map<Digest, UnixTime> failures_;      ///< by what was asked for
};

}  // namespace caponier::pki::ossl

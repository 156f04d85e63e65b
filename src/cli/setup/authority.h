#pragma once
// The certificate authority of a server, as files.

#include <string>
#include <vector>

#include "cli/setup/setup.h"
#include "pki/openssl/issuer.h"

namespace caponier::cli {

[[nodiscard]] pki::UnixTime unix_now();
[[nodiscard]] pki::UnixTime days_later(pki::UnixTime from, std::int64_t days);

/// An issuer's sentence as a failure.
template <class T>
[[nodiscard]] Outcome<T> issued(pki::Issued<T> result) {
  if (result) return std::move(*result);
  return std::unexpected{refusal(ExitCode::generic, result.error(), "")};
}

/// The first certificate of a PEM file's text; `path` is for messages.
[[nodiscard]] Outcome<pki::Certificate> read_certificate(const std::string& path,
                                                         base::Bytes content);

/// What is there at the path; a failure that says to run `caponier init` when it is not.
[[nodiscard]] Outcome<base::SecretBytes> needed_file(const std::string& path);

class CertificateAuthority {
 public:
  [[nodiscard]] static Outcome<CertificateAuthority> open(const Places& places);
  /// A new one of this name, planned into the changes.
  [[nodiscard]] static Outcome<CertificateAuthority> make(Setup& setup, const std::string& name);

  [[nodiscard]] const pki::Certificate& certificate() const { return certificate_; }
  [[nodiscard]] const std::string& pem() const { return authority_.certificate_pem(); }

  /// Plans a new key and its certificate, valid for so many days and not longer than our own.
  [[nodiscard]] Outcome<void> issue(Setup& setup, pki::LeafKind kind, const std::string& name,
                                    std::int64_t days) const;
  /// Plans the list of all that is revoked, with one more serial (hexadecimal) unless it is empty.
  [[nodiscard]] Outcome<void> revoke(Setup& setup, const std::string& serial,
                                     const std::string& user) const;

 private:
  CertificateAuthority(pki::Authority authority, pki::Certificate certificate)
      : authority_(std::move(authority)), certificate_(std::move(certificate)) {}
  pki::Authority authority_;
  pki::Certificate certificate_;
};

}  // namespace caponier::cli

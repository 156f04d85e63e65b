#include "cli/setup/authority.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "config/values.h"
#include "io/os/clock.h"
#include "pki/openssl/provider.h"

namespace caponier::cli {
namespace {

constexpr std::int64_t microseconds = 1'000'000;
constexpr std::int64_t day_seconds = 86400;
constexpr std::int64_t authority_days = 3650;
/// Clocks of clients may be slow.
constexpr std::int64_t skew_days = 1;
constexpr mode_t public_mode = 0644;
constexpr mode_t secret_mode = 0600;
constexpr mode_t secret_folder_mode = 0700;

/// Of "SERIAL SECONDS USER"; nothing when the line is not that.
std::optional<pki::RevokedSerial> read_revoked(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = line.find(' ', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  const std::string_view seconds = line.substr(first + 1, second - first - 1);
  pki::RevokedSerial entry{
      std::string{line.substr(0, first)}, {}, pki::RevocationReason::cessation_of_operation};
  const auto [end, error] =
      std::from_chars(seconds.data(), seconds.data() + seconds.size(), entry.when.value);
  if (error != std::errc{} || end != seconds.data() + seconds.size()) return std::nullopt;
  return entry;
}

Outcome<std::vector<pki::RevokedSerial>> read_revocations(const std::string& path,
                                                          std::string_view text) {
  std::vector<pki::RevokedSerial> out;
  while (!text.empty()) {
    const std::size_t size = std::min(text.find('\n'), text.size());
    const auto entry = read_revoked(text.substr(0, size));
    if (!entry) {
      return std::unexpected{
          refusal(ExitCode::configuration,
                  fmt::format("{}: line {} is not \"SERIAL SECONDS USER\"", path, out.size() + 1),
                  "restore the file; what it lists must stay revoked")};
    }
    out.push_back(*entry);
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  return out;
}

}  // namespace

pki::UnixTime unix_now() { return {io::unix_microseconds_now() / microseconds}; }

pki::UnixTime days_later(pki::UnixTime from, std::int64_t days) {
  return {from.value + days * day_seconds};
}

Outcome<base::SecretBytes> needed_file(const std::string& path) {
  auto content = io::read_file(path);
  if (!content) return std::unexpected{failure_of(content.error())};
  if (*content) return std::move(**content);
  return std::unexpected{refusal(ExitCode::configuration, fmt::format("there is no {}", path),
                                 "`caponier init --server NAME` makes the authority")};
}

Outcome<pki::Certificate> read_certificate(const std::string& path, base::Bytes content) {
  const auto found = pki::OpensslPki{}.load_certificates({path, content});
  if (!found) {
    return std::unexpected{refusal(ExitCode::configuration,
                                   fmt::format("{}: {}", found.error().file, found.error().message),
                                   found.error().fix)};
  }
  if (!found->empty()) return found->front();
  return std::unexpected{refusal(ExitCode::configuration,
                                 fmt::format("{} holds no certificate", path), "restore the file")};
}

Outcome<CertificateAuthority> CertificateAuthority::open(const Places& places) {
  const auto pem = TRY(needed_file(places.authority_certificate()));
  const auto key = TRY(needed_file(places.authority_key()));
  auto certificate = TRY(read_certificate(places.authority_certificate(), pem.reveal()));
  auto authority = TRY(issued(pki::Authority::open(pem.reveal(), key.reveal(), {})));
  return CertificateAuthority{std::move(authority), std::move(certificate)};
}

Outcome<CertificateAuthority> CertificateAuthority::make(Setup& setup, const std::string& name) {
  auto key = TRY(issued(pki::make_private_key(pki::NewKey::ecdsa_p256)));
  const pki::UnixTime now = unix_now();
  auto authority =
      TRY(issued(pki::Authority::make(key.reveal(), {fmt::format("O=Caponier, CN={} CA", name),
                                                     days_later(now, -skew_days),
                                                     days_later(now, authority_days),
                                                     {}})));
  const Places& places = setup.places();
  auto certificate = TRY(read_certificate(places.authority_certificate(),
                                          base::as_bytes(authority.certificate_pem())));
  setup.changes().write(places.authority_key(), std::move(key), secret_mode, secret_folder_mode);
  setup.changes().write(places.authority_certificate(), content_of(authority.certificate_pem()),
                        public_mode, secret_folder_mode);
  return CertificateAuthority{std::move(authority), std::move(certificate)};
}

Outcome<void> CertificateAuthority::issue(Setup& setup, pki::LeafKind kind, const std::string& name,
                                          std::int64_t days) const {
  auto key = TRY(issued(pki::make_private_key(pki::NewKey::ecdsa_p256)));
  const pki::UnixTime now = unix_now();
  const pki::LeafRequest request{kind,
                                 fmt::format("O=Caponier, CN={}", name),
                                 {TRY(argument(config::parse_identity(name)))},
                                 days_later(now, -skew_days),
                                 std::min(days_later(now, days), certificate_.not_after),
                                 {},
                                 {}};
  const std::string pem = TRY(issued(authority_.issue(key.reveal(), request)));
  const Places& places = setup.places();
  const bool is_server = kind == pki::LeafKind::server;
  setup.changes().write(is_server ? places.key(name) : places.user_key(name), std::move(key),
                        secret_mode, is_server ? 0755 : secret_folder_mode);
  setup.changes().write(is_server ? places.certificate(name) : places.user_certificate(name),
                        content_of(pem), public_mode, is_server ? 0755 : secret_folder_mode);
  return {};
}

Outcome<void> CertificateAuthority::revoke(Setup& setup, const std::string& serial,
                                           const std::string& user) const {
  const Places& places = setup.places();
  auto content = io::read_file(places.revoked());
  if (!content) return std::unexpected{failure_of(content.error())};
  std::string text{*content ? base::as_text((*content)->reveal()) : std::string_view{}};
  if (!serial.empty()) text += fmt::format("{} {} {}\n", serial, unix_now().value, user);
  const auto number = static_cast<std::uint64_t>(io::unix_microseconds_now());
  // Nobody is there to renew it every day; it is renewed with each revocation.
  const pki::CrlRequest request{number, days_later(unix_now(), -skew_days), certificate_.not_after,
                                TRY(read_revocations(places.revoked(), text))};
  const auto crl = TRY(issued(authority_.make_crl(request)));
  setup.changes().write(places.revoked(), content_of(text), public_mode);
  setup.changes().write(places.crl(), base::SecretBytes{crl}, public_mode);
  return {};
}

}  // namespace caponier::cli

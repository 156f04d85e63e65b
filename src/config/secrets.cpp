#include <optional>

#include <fmt/format.h>

#include "config/peer.h"
#include "config/strength.h"

namespace caponier::config {

namespace {

constexpr std::string_view make_one =
    "make a new one with `openssl rand -base64 32 > FILE` and give the same to the peer";

constexpr std::string_view have_one =
    "the file must exist with mode 0600; `openssl rand -base64 32 > FILE` makes a secret";

constexpr std::string_view hex_prefix = "0x";  // strongSwan and libreswan read it so too

std::optional<unsigned> hex_digit(std::byte character) {
  const auto c = std::to_integer<unsigned>(character);
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

/// The octets behind "0x" and pairs of digits; empty when it is not that.
base::SecretBytes from_hex(base::Bytes digits) {
  if (digits.size() % 2 != 0) return {};
  base::SecretBytes secret{digits.size() / 2};
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const auto high = hex_digit(digits[i]);
    const auto low = hex_digit(digits[i + 1]);
    if (!high || !low) return {};
    secret.reveal_mutable()[i / 2] = static_cast<std::byte>(*high << 4 | *low);
  }
  return secret;
}

}  // namespace

Fault changed_meanwhile() {
  return {"it was changed while the configuration was read", "reload, or start again"};
}

base::Bytes without_newlines(base::Bytes secret) {
  while (!secret.empty() && secret.back() == std::byte{'\n'}) {
    secret = secret.first(secret.size() - 1);
    if (!secret.empty() && secret.back() == std::byte{'\r'}) {
      secret = secret.first(secret.size() - 1);
    }
  }
  return secret;
}

const Parsed<Secrets::Psk>& Secrets::get(const std::string& reference) {
  const auto known = known_.find(reference);
  if (known != known_.end()) return known->second;
  return known_.emplace(reference, read(reference)).first->second;
}

Parsed<Secrets::Psk> Secrets::password(const std::string& reference) {
  const auto raw = source_.read_secret(reference);
  if (!raw) {
    return std::unexpected{
        Fault{fmt::format("cannot read the password: {}", raw.error().message), raw.error().fix}};
  }
  return std::make_shared<const base::SecretBytes>(without_newlines(raw->reveal()));
}

Parsed<Secrets::Psk> Secrets::read(const std::string& reference) {
  const auto raw = source_.read_secret(reference);
  if (!raw) {
    const FileError& error = raw.error();
    return std::unexpected{
        Fault{fmt::format("cannot read secret {}: {}", quoted(reference), error.message),
              error.fix.empty() ? std::string{have_one} : error.fix}};
  }
  base::Bytes secret = without_newlines(raw->reveal());
  base::SecretBytes octets;
  //= rfc7296#2.15-3
  if (base::as_text(secret).starts_with(hex_prefix)) {
    octets = from_hex(secret.subspan(hex_prefix.size()));
    if (octets.empty()) {
      return std::unexpected{
          Fault{fmt::format("secret {} begins with {} but is not hexadecimal", quoted(reference),
                            hex_prefix),
                "write pairs of the digits 0-9 and a-f behind it, or another secret"}};
    }
    secret = octets.reveal();
  }
  if (secret.empty()) {
    return std::unexpected{
        Fault{fmt::format("secret {} is empty", quoted(reference)), std::string{make_one}}};
  }
  if (secret.size() > psk_size_max) {
    return std::unexpected{Fault{fmt::format("secret {} has {} bytes, more than {}",
                                             quoted(reference), secret.size(), psk_size_max),
                                 std::string{make_one}}};
  }
  const unsigned bits = estimate_entropy_bits(secret);
  if (bits < psk_bits_min && !source_.takes_weak_secrets()) {
    return std::unexpected{
        Fault{fmt::format("secret {} is weak: about {} bits of entropy, {} are needed",
                          quoted(reference), bits, psk_bits_min),
              std::string{make_one}}};
  }
  return std::make_shared<const base::SecretBytes>(secret);
}

}  // namespace caponier::config

#include <fmt/format.h>

#include "config/peer.h"
#include "config/strength.h"

namespace caponier::config {

namespace {

constexpr std::string_view make_one =
    "make a new one with `openssl rand -base64 32 > FILE` and give the same to the peer";

constexpr std::string_view have_one =
    "the file must exist with mode 0600; `openssl rand -base64 32 > FILE` makes a secret";

base::Bytes without_newlines(base::Bytes secret) {
  while (!secret.empty() && secret.back() == std::byte{'\n'}) {
    secret = secret.first(secret.size() - 1);
    if (!secret.empty() && secret.back() == std::byte{'\r'}) {
      secret = secret.first(secret.size() - 1);
    }
  }
  return secret;
}

}  // namespace

const Parsed<Secrets::Psk>& Secrets::get(const std::string& reference) {
  const auto known = known_.find(reference);
  if (known != known_.end()) return known->second;
  return known_.emplace(reference, read(reference)).first->second;
}

Parsed<Secrets::Psk> Secrets::read(const std::string& reference) {
  const auto raw = source_.read_secret(reference);
  if (!raw) {
    const FileError& error = raw.error();
    return std::unexpected{
        Fault{fmt::format("cannot read secret {}: {}", quoted(reference), error.message),
              error.fix.empty() ? std::string{have_one} : error.fix}};
  }
  const base::Bytes secret = without_newlines(raw->reveal());
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
  if (bits < psk_bits_min) {
    return std::unexpected{
        Fault{fmt::format("secret {} is weak: about {} bits of entropy, {} are needed",
                          quoted(reference), bits, psk_bits_min),
              std::string{make_one}}};
  }
  return std::make_shared<const base::SecretBytes>(secret);
}

}  // namespace caponier::config

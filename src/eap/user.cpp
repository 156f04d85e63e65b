#include "eap/user.h"

#include <fmt/format.h>

#include "eap/mschapv2.h"

namespace caponier::eap {
namespace {

constexpr std::size_t decoy_size = 16;

base::Secret<20> fingerprint(const crypto::LegacyCrypto& crypto, Bytes text) {
  auto digest = crypto.sha1({&text, 1});
  base::Secret<20> secret;
  base::copy_into(secret.reveal_mutable(), digest);
  base::wipe(digest);
  return secret;
}

}  // namespace

User find_user(const ServerContext& context, std::string_view claimed) {
  User user;
  user.name = context.settings.strip_domain ? mschapv2::without_domain(claimed) : claimed;
  auto found = context.ports.passwords->find(user.name);
  user.is_known = found.has_value();
  if (found) {
    user.password = std::move(*found);
    return user;
  }
  base::SecretBytes decoy{decoy_size};
  context.ports.rng.fill_secret(decoy.reveal_mutable());
  user.password = Cleartext{std::move(decoy)};
  return user;
}

bool knows(const crypto::LegacyCrypto& crypto, const User& user, Bytes cleartext) {
  // Of equal size whatever the passwords' are, so that the comparison tells nothing of them.
  if (const auto* stored = std::get_if<Cleartext>(&user.password)) {
    const bool same =
        base::equal_constant_time(fingerprint(crypto, stored->password.reveal()).reveal(),
                                  fingerprint(crypto, cleartext).reveal());
    return same && user.is_known;
  }
  const bool same = base::equal_constant_time(std::get<NtHash>(user.password).hash.reveal(),
                                              mschapv2::nt_hash(crypto, cleartext).reveal());
  return same && user.is_known;
}

Failed refusal(const User& user) {
  return {FailureReason::bad_credentials,
          fmt::format("{} the user \"{}\"",
                      user.is_known ? "wrong password of" : "no password is stored for",
                      printable(user.name))};
}

}  // namespace caponier::eap

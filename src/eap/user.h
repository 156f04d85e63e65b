#pragma once
// The user a server method is about. Nobody can tell from outside whether there is one: a name that
// leads nowhere gets a password that nobody knows. Private to this module.

#include <string>
#include <string_view>

#include "eap/method.h"

namespace caponier::eap {

struct User {
  std::string name;  ///< as it was looked up
  bool is_known = false;
  Password password;
};

/// `claimed` may be "DOMAIN\user" where the settings say so.
[[nodiscard]] User find_user(const ServerContext& context, std::string_view claimed);
/// Whether `cleartext` is the password; takes as long for a wrong one.
[[nodiscard]] bool knows(const crypto::LegacyCrypto& crypto, const User& user, Bytes cleartext);
/// What to say of a user who is unknown, or whose password was wrong.
[[nodiscard]] Failed refusal(const User& user);

}  // namespace caponier::eap

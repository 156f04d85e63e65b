#pragma once
// Where a server finds what a user must prove to know.

#include <array>
#include <optional>
#include <string_view>
#include <variant>

#include "base/secret.h"

namespace caponier::eap {

/// As the user types it, UTF-8.
struct Cleartext {
  base::SecretBytes password;
};
/// MD4 of the UTF-16 password (RFC 2759 s8.3); as good as the password, but for MSCHAPv2 and PAP
/// alone.
struct NtHash {
  base::Secret<16> hash;
};
using Password = std::variant<Cleartext, NtHash>;

class Passwords {
 public:
  virtual ~Passwords() = default;
  /// Empty for an unknown user, for whom the conversation goes on as for a wrong password.
  [[nodiscard]] virtual std::optional<Password> find(std::string_view user) const = 0;
};

}  // namespace caponier::eap

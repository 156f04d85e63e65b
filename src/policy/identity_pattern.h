#pragma once
// Which identities a peer may have (RFC 4301 s4.4.3.1): one, all names below a domain, or a range
// of addresses.

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "base/address.h"
#include "policy/identity.h"

namespace caponier::policy {

class IdentityPattern {
 public:
  /// This one.
  IdentityPattern(Identity only) : kind_(Kind::only), identity_(std::move(only)) {}
  /// Every name of the same type that ends as `suffix`: ".example.org", "@example.org".
  [[nodiscard]] static IdentityPattern below(Identity suffix);
  /// Of one family, the first not behind the last.
  [[nodiscard]] static IdentityPattern range(const base::IpAddress& first,
                                             const base::IpAddress& last);

  [[nodiscard]] bool matches(const Identity& identity) const;
  /// Null when there may be several.
  [[nodiscard]] const Identity* only() const { return kind_ == Kind::only ? &identity_ : nullptr; }
  /// As it is configured: "*.example.org", "*@example.org", "192.0.2.1-192.0.2.9".
  [[nodiscard]] std::string to_string() const;
  friend auto operator<=>(const IdentityPattern&, const IdentityPattern&) = default;

 private:
  enum class Kind : std::uint8_t { only, below, range };
  IdentityPattern(Kind kind, Identity identity) : kind_(kind), identity_(std::move(identity)) {}

  Kind kind_;
  Identity identity_;  ///< or the end of names, or the first address
  base::IpAddress last_;
};

/// Whether no identity tells the two apart.
[[nodiscard]] bool is_same(const IdentityPattern& a, const IdentityPattern& b);

}  // namespace caponier::policy

#pragma once
// Which identities a peer may have (RFC 4301 s4.4.3.1): one, all names below a domain, a range of
// addresses, or distinguished names with attributes that are given.

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/address.h"
#include "policy/identity.h"

namespace caponier::policy {

/// Compares a distinguished name as X.509 does; made by what reads ASN.1 (pki).
class NameRule {
 public:
  virtual ~NameRule() = default;
  /// `name`: DER, from the peer.
  [[nodiscard]] virtual bool matches(base::Bytes name) const = 0;
};

class IdentityPattern {
 public:
  /// This one.
  IdentityPattern(Identity only) : kind_(Kind::only), identity_(std::move(only)) {}
  /// Every name of the same type that ends as `suffix`: ".example.org", "@example.org".
  [[nodiscard]] static IdentityPattern below(Identity suffix);
  /// Of one family, the first not behind the last.
  [[nodiscard]] static IdentityPattern range(const base::IpAddress& first,
                                             const base::IpAddress& last);

  /// `text` is how it is configured; `name` its DER, with "*" for what may be anything. `is_only`:
  /// nothing may be; then it is one identity, however it is encoded.
  [[nodiscard]] static IdentityPattern names(std::string text, Identity name, bool is_only,
                                             std::shared_ptr<const NameRule> rule);

  [[nodiscard]] bool matches(const Identity& identity) const;
  /// Null when there may be several.
  [[nodiscard]] const Identity* only() const {
    return kind_ == Kind::only || kind_ == Kind::name ? &identity_ : nullptr;
  }
  /// As it is configured: "*.example.org", "*@example.org", "192.0.2.1-192.0.2.9", "O=Example, *".
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const IdentityPattern& a, const IdentityPattern& b) {
    return (a <=> b) == std::strong_ordering::equal;
  }
  /// Two rules of the same text are the same.
  friend std::strong_ordering operator<=>(const IdentityPattern& a, const IdentityPattern& b);

 private:
  enum class Kind : std::uint8_t { only, below, range, name, names };
  IdentityPattern(Kind kind, Identity identity) : kind_(kind), identity_(std::move(identity)) {}

  Kind kind_;
  Identity identity_;  ///< or the end of names, or the first address
  base::IpAddress last_;
  std::string text_;                      ///< of names
  std::shared_ptr<const NameRule> rule_;  ///< of them, never null there
};

/// Whether no identity tells the two apart.
[[nodiscard]] bool is_same(const IdentityPattern& a, const IdentityPattern& b);

}  // namespace caponier::policy

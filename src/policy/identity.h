#pragma once
// IKE identities (RFC 7296 s3.5) as values, their text form and comparison.

#include <compare>
#include <string>
#include <string_view>

#include "base/address.h"
#include "wire/ike.h"

namespace caponier::policy {

struct Identity {
  wire::IdType type = wire::IdType::fqdn;
  base::ByteVec data;

  /// An address, "user@host" (RFC822), "@name" or a bare name (FQDN), "keyid:hex"; a key id that is
  /// not hexadecimal stands for its own characters. "dn:hex" is a distinguished name in DER.
  [[nodiscard]] static Identity parse(std::string_view text);
  [[nodiscard]] static Identity from_address(const base::IpAddress& address);
  [[nodiscard]] static Identity from_wire(const wire::IdPayload& payload);
  [[nodiscard]] wire::IdPayload to_wire(bool initiator) const;
  /// Printable; peer-supplied bytes are escaped.
  [[nodiscard]] std::string to_string() const;
  friend auto operator<=>(const Identity&, const Identity&) = default;
};

/// Same type and same value; FQDN and RFC822 names compare without regard to ASCII case.
[[nodiscard]] bool is_same(const Identity& a, const Identity& b);

}  // namespace caponier::policy

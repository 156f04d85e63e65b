#pragma once
// Redirect (RFC 5685): a gateway sends an initiator to another gateway, which must prove the same
// identity.

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "base/address.h"
#include "base/time.h"
#include "wire/ike.h"

namespace caponier::ike {

/// A gateway as RFC 5685 s9.2 names it: an address, or a name that the receiver resolves.
struct GatewayName {
  std::optional<base::IpAddress> address;
  std::string name;  ///< empty when there is an address

  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const GatewayName&, const GatewayName&) = default;
};

/// When this host sends initiators away, and where to.
struct RedirectPolicy {
  GatewayName to;
  std::size_t ike_sas_above = 0;  ///< only while there are more IKE SAs than this; 0: always
  friend bool operator==(const RedirectPolicy&, const RedirectPolicy&) = default;
};

/// REDIRECT as it stands in a notify; `nonce` is empty but in an IKE_SA_INIT response.
struct Redirect {
  GatewayName to;
  base::ByteVec nonce;
};

/// Longer names are refused: RFC 1035 s2.3.4.
inline constexpr std::size_t gateway_name_size_max = 255;

/// RFC 5685 s7: against loops, so many redirects are followed for one connection in a time.
class RedirectLimit {
 public:
  RedirectLimit(std::size_t count_max, base::Duration period)
      : count_max_(count_max), period_(period) {}
  [[nodiscard]] bool admit(const std::string& connection, base::Instant now);

 private:
  std::size_t count_max_;
  base::Duration period_;
  std::map<std::string, std::deque<base::Instant>> followed_;
};

[[nodiscard]] wire::NotifyPayload make_redirect(const Redirect& redirect);
/// Null when it makes no sense.
[[nodiscard]] std::optional<Redirect> read_redirect(const wire::NotifyPayload& notify);
[[nodiscard]] wire::NotifyPayload make_redirected_from(const base::IpAddress& gateway);

}  // namespace caponier::ike

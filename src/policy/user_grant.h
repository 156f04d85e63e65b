#pragma once
// What somebody trusted says of an authenticated user besides who it is: a RADIUS server in its
// Access-Accept (RFC 2865, 2869, 6911), or an authority in the certificate. Nothing of it has been
// judged yet.

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/time.h"

namespace caponier::policy {

struct UserGrant {
  std::vector<std::string> filters;               ///< Filter-Id
  std::vector<base::ByteVec> classes;             ///< Class, to be returned in accounting
  std::vector<std::string> units;                 ///< OU of the certificate's subject
  std::vector<std::string> certificate_policies;  ///< dotted OIDs that hold for the whole path
  std::vector<base::IpAddress> framed;            ///< Framed-IP-Address, Framed-IPv6-Address
  std::vector<base::IpAddress> dns;
  std::optional<base::Duration> session_timeout;
  std::optional<base::Duration> idle_timeout;
  std::optional<base::Duration> interim_interval;  ///< of accounting
  friend bool operator==(const UserGrant&, const UserGrant&) = default;
};

}  // namespace caponier::policy

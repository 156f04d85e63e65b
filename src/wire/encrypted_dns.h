#pragma once
// DNS resolvers that speak TLS, QUIC or HTTPS, as attributes of the Configuration payload
// (RFC 9464 s3.1: ENCDNS_IP4, ENCDNS_IP6), with the service parameters of RFC 9460.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"

namespace caponier::wire {

struct EncryptedDns {
  static constexpr std::size_t addresses_max = 16;  ///< of what is decoded
  static constexpr std::size_t name_size_max = 253;

  std::uint16_t priority = 1;              ///< lower is better; 0 is AliasMode, which is nothing
  std::vector<base::IpAddress> addresses;  ///< all of one family
  std::string name;                        ///< what the resolver's certificate must prove
  std::vector<std::string> protocols;      ///< ALPN: "dot", "doq", "h2", "h3"
  std::optional<std::uint16_t> port;       ///< empty: the protocol's
  std::string doh_path;                    ///< RFC 9461 s5: "/dns-query{?dns}"
  friend bool operator==(const EncryptedDns&, const EncryptedDns&) = default;

  /// Unknown service parameters are passed over; mandatory ones (RFC 9460 s8) are not understood.
  [[nodiscard]] static base::Wire<EncryptedDns> decode(base::Bytes value, base::Family family);
  [[nodiscard]] base::ByteVec encode() const;
};

}  // namespace caponier::wire

#pragma once
// struct sockaddr_in and sockaddr_in6 from and to our own types.

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/address.h"

namespace caponier::io {

[[nodiscard]] base::IpAddress address_of(const in_addr& address);
[[nodiscard]] base::IpAddress address_of(const in6_addr& address);

class SocketAddress {
 public:
  static constexpr socklen_t capacity = sizeof(sockaddr_in6);

  SocketAddress() = default;
  /// Raw sockets want port 0.
  explicit SocketAddress(const base::Endpoint& endpoint);
  /// 0.0.0.0:0 for a family that is not IP.
  [[nodiscard]] static base::Endpoint endpoint_of(const sockaddr& address);
  [[nodiscard]] base::Endpoint endpoint() const { return endpoint_of(*get()); }

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  [[nodiscard]] sockaddr* get_mutable() { return reinterpret_cast<sockaddr*>(&storage_); }
  [[nodiscard]] socklen_t size() const {
    return storage_.sin6_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  }

 private:
  sockaddr_in6 storage_{};
};

}  // namespace caponier::io

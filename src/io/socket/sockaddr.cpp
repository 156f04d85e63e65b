#include "io/socket/sockaddr.h"

#include <arpa/inet.h>

#include <cstring>

namespace caponier::io {
namespace {

template <class T>
base::Bytes bytes_of(const T& raw) {
  return std::as_bytes(std::span{&raw, 1});
}

}  // namespace

base::IpAddress address_of(const in_addr& address) {
  return base::IpAddress::from_bytes(bytes_of(address));
}

base::IpAddress address_of(const in6_addr& address) {
  return base::IpAddress::from_bytes(bytes_of(address));
}

SocketAddress::SocketAddress(const base::Endpoint& endpoint) {
  const base::Bytes raw = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, raw.data(), raw.size());
    std::memcpy(&storage_, &v4, sizeof v4);
    return;
  }
  storage_.sin6_family = AF_INET6;
  storage_.sin6_port = htons(endpoint.port);
  std::memcpy(&storage_.sin6_addr, raw.data(), raw.size());
}

base::Endpoint SocketAddress::endpoint_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    return {address_of(v4.sin_addr), ntohs(v4.sin_port)};
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    return {address_of(v6.sin6_addr), ntohs(v6.sin6_port)};
  }
  return {};
}

}  // namespace caponier::io

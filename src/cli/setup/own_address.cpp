#include "cli/setup/own_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "io/os/fd.h"

namespace caponier::cli {

std::optional<base::IpAddress> source_towards(const std::optional<base::IpAddress>& peer) {
  // Any address beyond the default route will do (RFC 5737).
  const base::IpAddress remote = peer.value_or(base::IpAddress::v4(0xc0000201));
  sockaddr_storage address{};
  socklen_t size = 0;
  if (remote.is_v4()) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(500);
    std::memcpy(&to.sin_addr, remote.bytes().data(), sizeof to.sin_addr);
    std::memcpy(&address, &to, size = sizeof to);
  } else {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(500);
    std::memcpy(&to.sin6_addr, remote.bytes().data(), sizeof to.sin6_addr);
    std::memcpy(&address, &to, size = sizeof to);
  }
  const io::Fd fd{::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  void* const at = &address;
  if (::connect(fd.get(), static_cast<const sockaddr*>(at), size) != 0) return std::nullopt;
  size = sizeof address;
  if (::getsockname(fd.get(), static_cast<sockaddr*>(at), &size) != 0) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> text{};
  const char* const octets = static_cast<const char*>(at);
  const std::size_t offset =
      remote.is_v4() ? offsetof(sockaddr_in, sin_addr) : offsetof(sockaddr_in6, sin6_addr);
  if (::inet_ntop(address.ss_family, octets + offset, text.data(), text.size()) == nullptr) {
    return std::nullopt;
  }
  return base::IpAddress::parse(text.data());
}

}  // namespace caponier::cli

#include "io/host/host_facts.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "io/os/clock.h"
#include "io/os/fd.h"

namespace caponier::io {
namespace {

std::optional<int> read_setting(const std::string& path) {
  std::ifstream in{path};
  int value = 0;
  if (in >> value) return value;
  return std::nullopt;
}

std::optional<bool> is_on(const std::string& path) {
  const auto value = read_setting(path);
  return value ? std::optional{*value != 0} : std::nullopt;
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  SocketAddress(const base::IpAddress& address, std::uint16_t port) {
    if (address.is_v4()) {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(port);
      std::memcpy(&to.sin_addr, address.bytes().data(), sizeof to.sin_addr);
      std::memcpy(&storage, &to, size = sizeof to);
    } else {
      sockaddr_in6 to{};
      to.sin6_family = AF_INET6;
      to.sin6_port = htons(port);
      std::memcpy(&to.sin6_addr, address.bytes().data(), sizeof to.sin6_addr);
      std::memcpy(&storage, &to, size = sizeof to);
    }
  }
  [[nodiscard]] const sockaddr* get() const {
    const void* const at = &storage;
    return static_cast<const sockaddr*>(at);
  }
};

std::optional<base::IpAddress> address_of(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  const void* const at = address;
  if (address->sa_family == AF_INET) {
    sockaddr_in read{};
    std::memcpy(&read, at, sizeof read);
    return base::IpAddress::v4(ntohl(read.sin_addr.s_addr));
  }
  if (address->sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 read{};
  std::memcpy(&read, at, sizeof read);
  return base::IpAddress::from_bytes(std::as_bytes(std::span{read.sin6_addr.s6_addr}));
}

std::vector<base::IpAddress> own_addresses() {
  std::vector<base::IpAddress> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (const auto address = address_of(one->ifa_addr)) found.push_back(*address);
  }
  ::freeifaddrs(list);
  return found;
}

bool is_taken(const base::IpAddress& address, std::uint16_t port, int type) {
  const SocketAddress at{address, port};
  const Fd fd{::socket(at.storage.ss_family, type | SOCK_CLOEXEC, 0)};
  if (!fd.is_open()) return false;
  const int on = 1;
  if (!address.is_v4()) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  return ::bind(fd.get(), at.get(), at.size) != 0 && errno == EADDRINUSE;
}

std::vector<fitness::TakenPort> taken_ports(const config::DaemonConfig& daemon) {
  std::vector<base::IpAddress> listen = daemon.listen;
  if (listen.empty()) {
    listen = {base::IpAddress::lowest(base::Family::v4), base::IpAddress::lowest(base::Family::v6)};
  }
  std::vector<fitness::TakenPort> found;
  const auto look = [&](std::string_view protocol, std::uint16_t port, int type) {
    for (const base::IpAddress& address : listen) {
      if (!is_taken(address, port, type)) continue;
      found.push_back({protocol, port});
      return;
    }
  };
  look("UDP", daemon.ike_port, SOCK_DGRAM);
  look("UDP", daemon.natt_port, SOCK_DGRAM);
  for (const std::uint16_t port : daemon.tcp_ports) look("TCP", port, SOCK_STREAM);
  return found;
}

/// What this process, and so what it starts, can never have.
std::vector<std::string> missing_capabilities() {
  std::uint64_t bounding = 0;
  std::ifstream in{"/proc/self/status"};
  for (std::string word; in >> word;) {
    if (word == "CapBnd:") {
      in >> std::hex >> bounding;
      break;
    }
  }
  if (!in) return {};
  struct Needed {
    unsigned bit;
    std::string_view name;
  };
  constexpr std::array needed{Needed{10, "CAP_NET_BIND_SERVICE"}, Needed{12, "CAP_NET_ADMIN"},
                              Needed{13, "CAP_NET_RAW"}};
  std::vector<std::string> missing;
  for (const Needed& one : needed) {
    if ((bounding >> one.bit & 1U) == 0) missing.emplace_back(one.name);
  }
  return missing;
}

}  // namespace

fitness::HostFacts read_host_settings() {
  fitness::HostFacts facts;
  facts.forwards_v4 = is_on("/proc/sys/net/ipv4/ip_forward");
  facts.forwards_v6 = is_on("/proc/sys/net/ipv6/conf/all/forwarding");
  if (const auto filter = read_setting("/proc/sys/net/ipv4/conf/all/rp_filter")) {
    facts.strict_reverse_path = *filter == 1;
  }
  return facts;
}

fitness::HostFacts look_at_host(const config::Config& config, bool has_daemon) {
  fitness::HostFacts facts = read_host_settings();
  if (!has_daemon) {
    facts.taken = taken_ports(config.daemon);
    facts.missing_capabilities = missing_capabilities();
    facts.has_tun = ::access("/dev/net/tun", F_OK) == 0;
  }
  facts.addresses = own_addresses();
  for (const config::PeerConfig& peer : config.peers) {
    if (peer.remote_address && !source_towards(peer.remote_address)) {
      facts.without_route.push_back(*peer.remote_address);
    }
  }
  constexpr std::int64_t microseconds_per_second = 1'000'000;
  facts.now = pki::UnixTime{unix_microseconds_now() / microseconds_per_second};
  return facts;
}

std::optional<base::IpAddress> source_towards(const std::optional<base::IpAddress>& peer) {
  // Any address beyond the default route will do (RFC 5737).
  const base::IpAddress remote = peer.value_or(base::IpAddress::v4(0xc0000201));
  constexpr std::uint16_t ike_port = 500;
  const SocketAddress to{remote, ike_port};
  const Fd fd{::socket(to.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (::connect(fd.get(), to.get(), to.size) != 0) return std::nullopt;
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  void* const at = &own;
  if (::getsockname(fd.get(), static_cast<sockaddr*>(at), &size) != 0) return std::nullopt;
  return address_of(static_cast<const sockaddr*>(at));
}

}  // namespace caponier::io

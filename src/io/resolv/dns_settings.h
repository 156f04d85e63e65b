#pragma once
// Which DNS servers this host asks, while a server of users has given us some: by systemd-resolved
// or resolvconf where they are, else in /etc/resolv.conf, which gets its old content back.

#include <expected>
#include <string>
#include <vector>

#include "base/address.h"

namespace caponier::io {

struct DnsServers {
  std::vector<base::IpAddress> addresses;
  /// Names below these are asked for there, and no others; none: all names.
  std::vector<std::string> domains;
  /// "10.1.0.53#dns.example.org", "[fd00::53]:8853#dns.example.org": by TLS; systemd-resolved alone
  /// can, and asks no others then.
  std::vector<std::string> by_tls;
  friend bool operator==(const DnsServers&, const DnsServers&) = default;
};

/// What /etc/resolv.conf is to be. It cannot send some names here and others there, so that these
/// servers are asked for all of them, and the domains are searched.
[[nodiscard]] std::string make_resolv_conf(const DnsServers& servers);

class DnsSettings {
 public:
  /// `interface`: by which the servers are reached. `kept`: a file for the old /etc/resolv.conf,
  /// which is put back when a killed process has left it there.
  DnsSettings(std::string interface, std::string kept,
              std::string resolv_conf = "/etc/resolv.conf");
  DnsSettings(const DnsSettings&) = delete;
  DnsSettings& operator=(const DnsSettings&) = delete;
  ~DnsSettings();

  /// No addresses: as it was before. The error says what is missing.
  [[nodiscard]] std::expected<void, std::string> set(const DnsServers& servers);

 private:
  enum class Way : unsigned char { resolved, resolvconf, file };
  [[nodiscard]] static Way choose();
  [[nodiscard]] std::expected<void, std::string> set_file(const DnsServers& servers) const;
  [[nodiscard]] std::expected<void, std::string> restore_file() const;

  std::string interface_;
  std::string kept_;
  std::string resolv_conf_;
  Way way_;
  DnsServers set_;
};

}  // namespace caponier::io

#include "io/resolv/dns_settings.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "io/os/program.h"

namespace caponier::io {
namespace {

constexpr std::array resolvectl{"/usr/bin/resolvectl", "/bin/resolvectl"};
constexpr std::array resolvconf{"/sbin/resolvconf", "/usr/sbin/resolvconf"};

std::optional<std::string> read(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  if (!file) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>{file}, {}};
}

/// In place: the file may be a mount, or a link that others follow.
bool write(const std::string& path, const std::string& text) {
  std::ofstream file{path, std::ios::binary | std::ios::trunc};
  file << text;
  file.flush();
  return file.good();
}

}  // namespace

std::string make_resolv_conf(const DnsServers& servers) {
  std::string text = "# Written by caponierd, which puts the old content back.\n";
  for (const base::IpAddress& address : servers.addresses) {
    text += fmt::format("nameserver {}\n", address.to_string());
  }
  if (!servers.domains.empty()) text += fmt::format("search {}\n", fmt::join(servers.domains, " "));
  return text;
}

DnsSettings::DnsSettings(std::string interface, std::string kept, std::string resolv_conf)
    : interface_(std::move(interface)),
      kept_(std::move(kept)),
      resolv_conf_(std::move(resolv_conf)),
      way_(choose()) {
  static_cast<void>(restore_file());
}

DnsSettings::~DnsSettings() { static_cast<void>(set({})); }

DnsSettings::Way DnsSettings::choose() {
  std::error_code error;
  if (std::filesystem::exists("/run/systemd/resolve/stub-resolv.conf", error) &&
      has_program(resolvectl)) {
    return Way::resolved;
  }
  return has_program(resolvconf) ? Way::resolvconf : Way::file;
}

std::expected<void, std::string> DnsSettings::set(const DnsServers& servers) {
  if (servers == set_) return {};
  set_ = servers;
  const bool ends = servers.addresses.empty() && servers.by_tls.empty();
  switch (way_) {
    case Way::resolved: {
      if (ends) return run_program(resolvectl, {"resolvectl", "revert", interface_}, "");
      std::vector<std::string> dns{"resolvectl", "dns", interface_};
      if (servers.by_tls.empty()) {
        for (const base::IpAddress& address : servers.addresses) dns.push_back(address.to_string());
      }
      dns.insert(dns.end(), servers.by_tls.begin(), servers.by_tls.end());
      // "~.": all names.
      std::vector<std::string> domain{"resolvectl", "domain", interface_};
      for (const std::string& name : servers.domains) domain.push_back("~" + name);
      if (servers.domains.empty()) domain.emplace_back("~.");
      auto done = run_program(resolvectl, std::move(dns), "");
      if (done && !servers.by_tls.empty()) {
        done = run_program(resolvectl, {"resolvectl", "dnsovertls", interface_, "yes"}, "");
      }
      return done ? run_program(resolvectl, std::move(domain), "") : done;
    }
    case Way::resolvconf: {
      const std::string name = interface_ + ".caponier";
      if (ends) return run_program(resolvconf, {"resolvconf", "-d", name}, "");
      return run_program(resolvconf, {"resolvconf", "-a", name}, make_resolv_conf(servers));
    }
    case Way::file: break;
  }
  return ends ? restore_file() : set_file(servers);
}

std::expected<void, std::string> DnsSettings::set_file(const DnsServers& servers) const {
  std::error_code error;
  const auto before = read(resolv_conf_);
  if (before && !std::filesystem::exists(kept_, error) && !write(kept_, *before)) {
    return std::unexpected{fmt::format("cannot write {}", kept_)};
  }
  if (write(resolv_conf_, make_resolv_conf(servers))) return {};
  return std::unexpected{fmt::format("cannot write {}", resolv_conf_)};
}

std::expected<void, std::string> DnsSettings::restore_file() const {
  const auto before = read(kept_);
  if (!before) return {};
  if (!write(resolv_conf_, *before)) {
    return std::unexpected{fmt::format("cannot write {}", resolv_conf_)};
  }
  std::error_code error;
  std::filesystem::remove(kept_, error);
  return {};
}

}  // namespace caponier::io

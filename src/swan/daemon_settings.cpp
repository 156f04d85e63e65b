// strongswan.conf: what operators rely on.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "swan/translate.h"

namespace caponier::swan {

namespace {

/// What becomes of a setting below `charon`.
struct Row {
  std::string_view key;
  std::string_view ours;    ///< of [daemon]; empty: none
  std::string_view reason;  ///< then
};
constexpr std::array rows = {
    Row{"threads", "", "there is a worker for each CPU, and that is enough"},
    Row{"port", "ike_port", ""},
    Row{"port_nat_t", "natt_port", ""},
    Row{"cookie_threshold", "cookie_threshold", ""},
    Row{"install_routes", "", "routes are made for every tunnel, in a table of their own"},
    Row{"install_virtual_ip", "", "the address that a server gives is always put on the tunnel"},
    Row{"retransmit_base", "", "requests are repeated as RFC 7296 advises, over several ways"},
    Row{"retransmit_timeout", "", "requests are repeated as RFC 7296 advises, over several ways"},
    Row{"retransmit_tries", "", "requests are repeated as RFC 7296 advises, over several ways"},
    Row{"retransmit_jitter", "", "requests are repeated as RFC 7296 advises, over several ways"},
    Row{"retransmit_limit", "", "requests are repeated as RFC 7296 advises, over several ways"},
    Row{"block_threshold", "", "half-open IKE SAs are limited all in all: half_open_max"},
    Row{"half_open_timeout", "", "how long a half-open IKE SA may wait is fixed"},
    Row{"max_packet", "", "how long messages may be is fixed"},
    Row{"make_before_break", "", "a new tunnel always comes up beside the old one"},
    Row{"delete_rekeyed_delay", "", "how long an old SA still receives is fixed"},
    Row{"spi_min", "", "SPIs lead to the workers, and cannot be chosen"},
    Row{"spi_max", "", "SPIs lead to the workers, and cannot be chosen"},
    Row{"ikesa_table_size", "", "the table of IKE SAs grows by itself"},
    Row{"ikesa_table_segments", "", "the table of IKE SAs needs no locks"},
    Row{"cisco_flexvpn", "", "peers are recognized, and it can be said of each: peer = \"cisco\""},
    Row{"close_ike_on_child_failure", "", "an IKE SA without a tunnel is tried again"},
    Row{"dns1", "", "name it in the pool: dns"},
    Row{"dns2", "", "name it in the pool: dns"},
    Row{"nbns1", "", "WINS servers are not given to users"},
    Row{"user", "", "the daemon drops its privileges by itself"},
    Row{"group", "", "the daemon drops its privileges by itself"},
};

void read_charon(const Section& charon, DaemonSettings& to, Report& report) {
  std::vector<std::pair<std::string, std::string>> keys;
  for (const Value& value : charon.values) {
    const std::string path = fmt::format("charon.{}", value.key);
    const auto* const row = std::ranges::find(rows, value.key, &Row::key);
    if (row == rows.end()) continue;
    if (row->ours.empty()) {
      report.warn(value.where, path, fmt::format("has no effect: {}", row->reason));
      continue;
    }
    const auto number = parse_number(value.text, 1'000'000);
    if (!number) {
      report.error(value.where, path, number.error());
      continue;
    }
    // Zero is "any port" there.
    if (*number == 0 && value.key.starts_with("port")) continue;
    if (to.daemon.empty()) to.daemon.table("daemon", {value.where, "charon"});
    to.daemon.add(row->ours, fmt::format("{}", *number), {value.where, path});
  }
}

/// The first file; what else is written goes to the daemon's own log.
void read_filelog(const Section& charon, DaemonSettings& to, Report& report) {
  const Section* const logs = charon.find_section("filelog");
  if (logs == nullptr) return;
  bool has_one = false;
  for (const Section& log : logs->sections) {
    const std::string path = fmt::format("charon.filelog.{}", log.name);
    const std::string_view own = log.text_of("path");
    const std::string file{own.empty() ? std::string_view{log.name} : own};
    if (file == "stdout" || file == "stderr") {
      report.note(log.where, path, "what is told there is in the log of the daemon");
      continue;
    }
    if (has_one || !file.starts_with('/')) {
      report.warn(log.where, path,
                  has_one ? "is not written: there is one such file here"
                          : "is not written: its path is not from the root");
      continue;
    }
    has_one = true;
    const Origin at{log.where, path};
    if (to.daemon.empty()) to.daemon.table("daemon", {log.where, "charon"});
    to.daemon.add_text("filelog", file, at);
    to.daemon.add_text("filelog_time", log.text_of("time_format"), at);
    if (!parse_boolean(log.text_of("append")).value_or(true)) {
      report.warn(log.where, path + ".append", "has no effect: the file is never emptied");
    }
  }
}

/// What each tunnel has for itself here.
void read_common(const Section& charon, DaemonSettings& to, Report& report) {
  if (const Value* const size = charon.find("fragment_size")) {
    constexpr std::uint64_t size_min = 576;
    constexpr std::uint64_t size_max = 9000;
    const std::string path = "charon.fragment_size";
    const auto number = parse_number(size->text, 65535);
    if (!number) {
      report.error(size->where, path, number.error());
    } else if (*number != 0) {
      to.fragment_size = std::clamp(*number, size_min, size_max);
      if (*to.fragment_size != *number) {
        report.warn(size->where, path, fmt::format("becomes {}", *to.fragment_size));
      }
    }
  }
  const Value* const interval = charon.find("keep_alive");
  if (interval == nullptr) return;
  const std::string path = "charon.keep_alive";
  const auto time = parse_time(interval->text);
  if (!time) {
    report.error(interval->where, path, time.error());
  } else if (*time == base::Duration{}) {
    report.warn(interval->where, path,
                "has no effect: a NAT would forget us, and nothing else tells it of us");
  } else {
    to.keepalive = std::clamp<base::Duration>(*time, std::chrono::seconds{1}, std::chrono::days{1});
  }
}

void read_radius(const Section& plugin, DaemonSettings& to, Report& report) {
  constexpr std::string_view path = "charon.plugins.eap-radius";
  RadiusSettings radius;
  radius.where = plugin.where;
  const auto add = [&](const Section& server, const std::string& own_path) {
    const std::string_view address =
        server.text_of("address").empty() ? server.text_of("server") : server.text_of("address");
    if (address.empty()) return;
    const std::string_view port =
        server.text_of("auth_port").empty() ? server.text_of("port") : server.text_of("auth_port");
    if (!base::IpAddress::parse(address)) {
      report.error(server.where, own_path,
                   {fmt::format("{} is no address", config::quoted(address)),
                    "write the address of the RADIUS server"});
      return;
    }
    radius.servers.push_back(port.empty() ? std::string{address}
                                          : fmt::format("{}:{}", address, port));
    const auto secret = parse_blob(server.text_of("secret"));
    if (secret && !secret->empty()) {
      if (radius.secret && !base::equal_constant_time(radius.secret->reveal(), *secret)) {
        report.error(server.where, own_path,
                     {"RADIUS servers share one secret here", "give all of them the same"});
      }
      radius.secret = std::make_shared<const base::SecretBytes>(base::Bytes{*secret});
    }
  };
  if (const Section* const servers = plugin.find_section("servers")) {
    for (const Section& server : servers->sections) {
      add(server, fmt::format("{}.servers.{}", path, server.name));
    }
  }
  add(plugin, std::string{path});
  radius.accounting = parse_boolean(plugin.text_of("accounting")).value_or(false);
  if (const Section* const dae = plugin.find_section("dae")) {
    if (parse_boolean(dae->text_of("enable")).value_or(false)) {
      report.warn(dae->where, fmt::format("{}.dae", path), "Disconnect and CoA are not taken",
                  "add radius_coa = \"ADDRESS:3799\" to [server]");
    }
  }
  if (!radius.servers.empty()) to.radius = std::move(radius);
}

void read_plugins(const Section& plugins, DaemonSettings& to, Report& report) {
  for (const Section& plugin : plugins.sections) {
    const std::string path = fmt::format("charon.plugins.{}", plugin.name);
    if (plugin.name == "eap-radius") {
      read_radius(plugin, to, report);
    } else if (plugin.name == "attr") {
      if (const Value* const dns = plugin.find("dns")) to.dns = dns->list();
      for (const Value& value : plugin.values) {
        if (value.key == "dns" || value.key == "load") continue;
        report.warn(value.where, fmt::format("{}.{}", path, value.key), "is not given to users");
      }
    } else if (plugin.name == "resolve" && !plugin.values.empty()) {
      report.note(plugin.where, path,
                  "DNS servers are set through systemd-resolved, resolvconf or /etc/resolv.conf");
    } else if (plugin.name == "updown" && plugin.find("dns_handler") != nullptr) {
      report.warn(plugin.where, path,
                  "has no effect: DNS servers are set by the daemon, and told to scripts as well");
    }
  }
}

}  // namespace

DaemonSettings read_daemon_settings(const Section& root, Report& report) {
  DaemonSettings settings;
  for (const std::string_view name : {"charon", "charon-systemd"}) {
    const Section* const charon = root.find_section(name);
    if (charon == nullptr) continue;
    read_charon(*charon, settings, report);
    read_common(*charon, settings, report);
    read_filelog(*charon, settings, report);
    if (const Section* const plugins = charon->find_section("plugins")) {
      read_plugins(*plugins, settings, report);
    }
  }
  return settings;
}

}  // namespace caponier::swan

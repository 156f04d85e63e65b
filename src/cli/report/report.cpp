// `debug report`: one text with what somebody needs who has to help, and nothing that has to stay
// here.

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>

#include "cli/json.h"
#include "cli/report/sources.h"
#include "cli/setup/setup.h"

namespace caponier::cli {
namespace {

constexpr mode_t report_mode = 0600;
constexpr mode_t folder_mode = 0700;

struct Part {
  std::string_view title;
  std::string_view command;
};

// Nothing of these tells keys: of the kernel's SAs only the policies are asked for.
constexpr std::array parts{
    Part{"kernel and system", "uname -a; cat /etc/os-release; nproc; uptime; free -m"},
    Part{"clock",
         "date -u '+%Y-%m-%d %H:%M:%S UTC'; date '+local time %z'; "
         "timedatectl show 2>/dev/null"},
    Part{"packages",
         "dpkg-query -W -f '${Package} ${Version} ${Status}\\n' 'caponier*' "
         "'libssl3*' 'nftables' 'iptables' 'libipsec-mb*' 'strongswan*' 'libreswan*' "
         "'systemd' 'libc6' 2>/dev/null; "
         "rpm -q caponier openssl nftables systemd 2>/dev/null"},
    Part{"service",
         "systemctl status caponier --no-pager -n 0 2>&1; "
         "journalctl -u caponier -n 300 --no-pager 2>&1"},
    Part{"processes",
         "ps -C caponierd,charon,charon-systemd,pluto,iked,racoon "
         "-o pid,user,nice,etime,rss,args"},
    Part{"capabilities", "for p in $(pidof caponierd); do grep -H Cap /proc/$p/status; done"},
    Part{"links", "ip -d -s link show"},
    Part{"addresses", "ip address show"},
    Part{"rules", "ip rule show; ip -6 rule show"},
    Part{"routes", "ip route show table all; ip -6 route show table all"},
    Part{"neighbours", "ip neighbour show"},
    Part{"sockets", "ss -H -l -n -u -t -w -p"},
    Part{"packet filter", "nft list ruleset 2>&1; iptables-save 2>&1; ip6tables-save 2>&1"},
    Part{"policies of the kernel's own IPsec", "ip xfrm policy show 2>&1"},
    Part{"sysctls",
         "sysctl -a 2>/dev/null | grep -E '^net\\.(ipv[46]\\.conf\\..*\\.(forwarding|"
         "rp_filter|disable_ipv6|send_redirects|accept_redirects|disable_policy|"
         "disable_xfrm|src_valid_mark)|ipv4\\.(ip_forward|ip_no_pmtu_disc|"
         "tcp_mtu_probing)|core\\.(rmem|wmem|netdev)_?)'"},
    Part{"devices",
         "ls -l /dev/net/tun /dev/tpmrm0 2>&1; lsmod 2>/dev/null | "
         "grep -E 'tun|nf_tables|xfrm|esp|aes'"},
};

std::string title(std::string_view name) { return fmt::format("\n==== {} ====\n", name); }

/// An answer of the daemon, or why there is none.
std::string asked(Outcome<Connection>& connection, const std::string& verb, Json arguments) {
  if (!connection) return fmt::format("({})\n", connection.error().message);
  const auto answer = connection->ask(verb, std::move(arguments));
  if (!answer) return fmt::format("({})\n", answer.error().message);
  const Json& result = at(*answer, "result");
  if (verb == "metrics") return text(result, "text");
  return dump(result, 1) + "\n";
}

/// Of each peer, and of those that nobody has configured.
std::string of_failures(Outcome<Connection>& connection) {
  std::string out = asked(connection, "why", {{"unknown", true}});
  if (!connection || out.starts_with('(')) return out;  // a daemon that keeps none
  const auto status = connection->ask("status");
  if (!status) return out;
  for (const Json& peer : at(at(*status, "result"), "peers")) {
    const std::string name = text(peer, "name");
    out += name + "\n" + asked(connection, "why", {{"name", name}});
  }
  return out;
}

std::string of_daemon(const Session& session) {
  auto connection = Connection::open(session.socket);
  std::string out = title("versions");
  out += fmt::format("caponier {}\ncaponierd {}", CAPONIER_VERSION,
                     asked(connection, "version", Json::object()));
  out += title("status") + asked(connection, "status", Json::object());
  out += title("events") +
         asked(connection, "log", {{"follow", false}, {"lines", control::event_history_max}});
  out += title("failures") + of_failures(connection);
  out += title("leases") + asked(connection, "leases", Json::object());
  return out + title("metrics") + asked(connection, "metrics", {{"compat", false}});
}

std::string of_configuration(const Session& session) {
  std::string out;
  const auto setup = Setup::open(session);
  if (!setup) return title("configuration") + fmt::format("({})\n", setup.error().message);
  for (const auto& [file, content] : setup->texts()) {
    out += title("configuration " + file) + (content.empty() ? "(empty, or not there)\n" : content);
  }
  return out + title("files beside it") +
         output_of("ls -lR " + ("'" + setup->places().folder() + "'"));
}

std::string of_host() {
  std::string out;
  for (const Part& part : parts) {
    out += title(part.title) + output_of(std::string{part.command});
  }
  return out;
}

std::string header(const KnownSecrets& known, bool hides_addresses) {
  std::string out = "A report of Caponier, for somebody who helps.\n";
  out += fmt::format(
      "Taken out: the values of {} secrets and private keys, and what keys called psk, secret,\n"
      "password, passphrase or pin have as their value{}. Read it before you give it away: names,\n"
      "networks and {} are in it.\n",
      known.count, hides_addresses ? "; addresses are numbers" : "",
      hides_addresses ? "users" : "addresses");
  for (const std::string& path : known.unread) {
    out += fmt::format("Could not be read, so its value is not looked for: {}\n", path);
  }
  return out;
}

std::string name_by_time() {
  std::string time = output_of("date -u +%Y%m%d-%H%M%S");
  while (!time.empty() && time.back() == '\n') time.pop_back();
  return fmt::format("caponier-report-{}.txt", time);
}

}  // namespace

Outcome<ExitCode> run_report(const Session& session, const ReportVerb& verb) {
  Session reading = session;
  reading.dry_run = true;  // a report makes no folder
  const KnownSecrets known = known_secrets(session.config);
  std::string text = of_daemon(reading) + of_configuration(reading) + of_host();
  text = without_named_secrets(known.redaction.apply(text));
  if (verb.hide_addresses) text = AddressHider{}.apply(text);
  text = header(known, verb.hide_addresses) + text;
  if (verb.output == "-") {
    print(text);
    return ExitCode::ok;
  }
  const std::string path = verb.output.empty() ? name_by_time() : verb.output;
  io::FileChanges changes;
  changes.write(path, content_of(text), report_mode, folder_mode);
  const auto applied = changes.apply();
  if (!applied) return std::unexpected{failure_of(applied.error())};
  if (session.json) {
    print_json({{"file", path}, {"bytes", text.size()}, {"secrets_looked_for", known.count}});
    return ExitCode::ok;
  }
  print(fmt::format("{}: {}\n", path, human_bytes(static_cast<double>(text.size()))));
  for (const std::string& unread : known.unread) {
    remark(fmt::format("could not read {}; run this as root, so that its value is taken out\n",
                       unread));
  }
  return ExitCode::ok;
}

}  // namespace caponier::cli

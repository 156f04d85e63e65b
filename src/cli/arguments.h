#pragma once
// The command line as a value.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "dialect/names.h"
#include "profile/profile.h"

namespace caponier::cli {

struct StatusVerb {
  std::string name;
  bool watch = false;
};
struct WhyVerb {
  std::string name;
  bool unknown = false;
  bool all = false;  ///< what failed before, too
};
struct UpVerb {
  std::string name;
  std::uint64_t wait_milliseconds = 0;
};
struct DownVerb {
  std::string name;
};
struct LogVerb {
  std::string name;
  bool follow = false;
  std::uint64_t lines = 50;
};
struct PingVerb {
  std::string name;
  std::uint64_t count = 3;
};
struct RedirectVerb {
  std::string name;
  std::string to;
};
struct LeasesVerb {
  std::string release;  ///< an address; empty: list
};
struct MetricsVerb {
  bool compat = false;  ///< also the series of exporters for strongSwan
};
struct ReloadVerb {
  bool check = false;  ///< only tell what would be
  std::string file;    ///< to check; empty: the configuration
  std::string match;   ///< the other end's configuration; empty: nothing is compared
};
struct CaptureVerb {
  std::string folder;
  std::uint64_t seconds = 0;  ///< 0: until interrupted
  bool keys_only = false;
};
struct TraceVerb {
  std::string name;
  std::uint64_t sample = 1;
  std::uint64_t count = 0;  ///< 0: until interrupted
};
struct TopVerb {
  std::uint64_t interval_milliseconds = 1000;
  std::uint64_t count = 0;  ///< 0: until interrupted
  bool once = false;
};
struct BenchVerb {
  std::uint64_t seconds = 6;  ///< all in all
};
struct AlgsVerb {};
struct ReportVerb {
  std::string output;  ///< a path, "-" for stdout; empty: named after the time
  bool hide_addresses = false;
};
struct VersionVerb {};

struct InitVerb {
  std::string server;  ///< empty: as configured
  std::vector<std::string> pool{"10.9.0.0/24"};
  std::vector<std::string> dns;
  std::vector<std::string> networks;  ///< behind the server; none: everything goes through it
};
/// `add site` and `add host`.
struct AddPeerVerb {
  bool is_host = false;
  std::string name;
  std::string remote;
  std::vector<std::string> local;   ///< networks on our side
  std::vector<std::string> beyond;  ///< on the other
  std::string psk;                  ///< empty: a new one; "-": from stdin
  std::string address;              ///< ours, as the other side sees it; empty: found out
};
struct AddUserVerb {
  std::string name;
  bool password = false;
  std::uint64_t days = 825;  ///< of the certificate
};
struct RemoveVerb {
  enum class What : std::uint8_t { site, host, client, user };
  What what{};
  std::string name;
};
struct JoinVerb {
  std::string word;  ///< as `export` has printed it; "-": from stdin
  std::string name = "vpn";
};
struct ImportVerb {
  std::string path;
  std::string out;  ///< empty: stdout
};
struct ExportVerb {
  std::string name;
  std::variant<profile::Kind, dialect::Target> as;  ///< of a user, or the peer of a tunnel
  std::string output;     ///< a path, "-" for stdout; empty: named after the user, or stdout
  bool qr = false;        ///< user
  std::string address{};  ///< tunnel: ours, as the peer reaches it; empty: found out
  bool with_secret = false;
};

using Verb = std::variant<StatusVerb, WhyVerb, UpVerb, DownVerb, LogVerb, PingVerb, RedirectVerb,
                          LeasesVerb, MetricsVerb, ReloadVerb, CaptureVerb, TraceVerb, TopVerb,
                          BenchVerb, AlgsVerb, ReportVerb, InitVerb, AddPeerVerb, AddUserVerb,
                          RemoveVerb, ExportVerb, ImportVerb, JoinVerb, VersionVerb>;

struct Arguments {
  bool json = false;
  bool dry_run = false;
  std::string socket;
  std::string config;  ///< path of the configuration file
  Verb verb;
};

/// An int is the exit code: help was printed, or what is wrong.
[[nodiscard]] std::variant<Arguments, int> parse_arguments(int argc, char** argv);

}  // namespace caponier::cli

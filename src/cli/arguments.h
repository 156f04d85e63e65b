#pragma once
// The command line as a value.

#include <cstdint>
#include <string>
#include <variant>

namespace caponier::cli {

struct StatusVerb {
  std::string name;
  bool watch = false;
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
struct ReloadVerb {};
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
struct VersionVerb {};

using Verb = std::variant<StatusVerb, UpVerb, DownVerb, LogVerb, PingVerb, RedirectVerb, ReloadVerb,
                          CaptureVerb, TraceVerb, TopVerb, BenchVerb, AlgsVerb, VersionVerb>;

struct Arguments {
  bool json = false;
  std::string socket;
  Verb verb;
};

/// An int is the exit code: help was printed, or what is wrong.
[[nodiscard]] std::variant<Arguments, int> parse_arguments(int argc, char** argv);

}  // namespace caponier::cli

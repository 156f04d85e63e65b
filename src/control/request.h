#pragma once
// One request line as a value, or why it is none.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>

#include "control/protocol.h"

namespace caponier::control {

struct Refusal {
  ExitCode code = ExitCode::generic;
  std::string message;
  std::string fix;
};

struct StatusRequest {
  std::string name;  ///< empty: every peer
};
struct TrafficRequest {};
struct WhyRequest {
  std::string name;      ///< empty: of unknown peers
  bool unknown = false;  ///< of those that no tunnel is configured for
};
struct UpRequest {
  std::string name;
  std::uint64_t wait_milliseconds = 0;
};
struct DownRequest {
  std::string name;
};
struct LogRequest {
  std::string name;  ///< empty: every event
  bool follow = false;
  std::uint64_t lines = 50;
};
struct PingRequest {
  std::string name;
  std::uint64_t count = 3;
};
struct RedirectRequest {
  std::string name;
  std::string to;  ///< an address or a name
};
struct LogoutRequest {
  std::string user;
};
struct LeasesRequest {
  std::string release;  ///< an address to be forgotten; empty: all are told
};
struct MetricsRequest {
  bool compat = false;
};
struct ReloadRequest {
  bool check = false;  ///< only tell what would change
};
struct KeysRequest {};
struct CaptureRequest {
  std::uint64_t seconds = 0;  ///< 0: until stopped
};
struct TraceVerbRequest {
  std::string name;          ///< empty: every peer
  std::uint64_t sample = 1;  ///< one packet of so many
  std::uint64_t count = 0;   ///< 0: until stopped
};
struct StopRequest {};
struct VersionRequest {};

using Request = std::variant<StatusRequest, TrafficRequest, WhyRequest, UpRequest, DownRequest,
                             LogRequest, PingRequest, RedirectRequest, LogoutRequest, LeasesRequest,
                             MetricsRequest, ReloadRequest, KeysRequest, CaptureRequest,
                             TraceVerbRequest, StopRequest, VersionRequest>;

[[nodiscard]] std::expected<Request, Refusal> parse_request(std::string_view line);

}  // namespace caponier::control

#include "control/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/event.h"
#include "config/errors.h"
#include "control/json.h"

namespace caponier::control {
namespace {

Refusal usage(std::string message, std::string fix = "see docs/control-protocol.md") {
  return {ExitCode::usage, std::move(message), std::move(fix)};
}

/// Reads the arguments of one verb and refuses those nobody asked for.
class Arguments {
 public:
  explicit Arguments(const Json& object) : object_(object) {}

  std::expected<std::string, Refusal> text(const char* key, bool required) {
    const Json* found = take(key);
    if (found == nullptr) {
      if (required) return std::unexpected{usage(fmt::format("the argument '{}' is missing", key))};
      return std::string{};
    }
    const auto* value = found->get_ptr<const Json::string_t*>();
    if (value == nullptr || value->size() > 256) {
      return std::unexpected{usage(fmt::format("the argument '{}' is not a name", key))};
    }
    return *value;
  }
  std::expected<std::uint64_t, Refusal> number(const char* key, std::uint64_t otherwise,
                                               std::uint64_t least, std::uint64_t most) {
    const Json* found = take(key);
    if (found == nullptr) return otherwise;
    const auto* value = found->get_ptr<const Json::number_unsigned_t*>();
    if (value == nullptr || *value < least || *value > most) {
      return std::unexpected{usage(
          fmt::format("the argument '{}' is not a whole number from {} to {}", key, least, most))};
    }
    return *value;
  }
  std::expected<bool, Refusal> flag(const char* key) {
    const Json* found = take(key);
    if (found == nullptr) return false;
    const auto* value = found->get_ptr<const Json::boolean_t*>();
    if (value == nullptr) {
      return std::unexpected{usage(fmt::format("the argument '{}' is not true or false", key))};
    }
    return *value;
  }
  std::expected<void, Refusal> finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (std::find(taken_.begin(), taken_.end(), key) == taken_.end()) {
        return std::unexpected{usage(fmt::format("unknown argument '{}'", base::printable(key)))};
      }
    }
    return {};
  }

 private:
  const Json* take(const char* key) {
    taken_.emplace_back(key);
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  const Json& object_;
  std::vector<std::string> taken_;
};

using Result = std::expected<Request, Refusal>;
using Reader = Result (*)(Arguments&);

Result read_status(Arguments& in) { return StatusRequest{TRY(in.text("name", false))}; }
Result read_traffic(Arguments&) { return TrafficRequest{}; }
Result read_why(Arguments& in) {
  WhyRequest request;
  request.unknown = TRY(in.flag("unknown"));
  request.name = TRY(in.text("name", !request.unknown));
  return request;
}
Result read_up(Arguments& in) {
  UpRequest request;
  request.name = TRY(in.text("name", true));
  request.wait_milliseconds = TRY(in.number("wait_ms", 0, 0, wait_milliseconds_max));
  return request;
}
Result read_down(Arguments& in) { return DownRequest{TRY(in.text("name", true))}; }
Result read_log(Arguments& in) {
  LogRequest request;
  request.name = TRY(in.text("name", false));
  request.follow = TRY(in.flag("follow"));
  request.lines = TRY(in.number("lines", request.lines, 0, event_history_max));
  return request;
}
Result read_ping(Arguments& in) {
  PingRequest request;
  request.name = TRY(in.text("name", true));
  request.count = TRY(in.number("count", request.count, 1, ping_count_max));
  return request;
}
Result read_redirect(Arguments& in) {
  RedirectRequest request;
  request.name = TRY(in.text("name", true));
  request.to = TRY(in.text("to", true));
  return request;
}
Result read_logout(Arguments& in) { return LogoutRequest{TRY(in.text("user", true))}; }
Result read_leases(Arguments& in) { return LeasesRequest{TRY(in.text("release", false))}; }
Result read_metrics(Arguments& in) { return MetricsRequest{TRY(in.flag("compat"))}; }
Result read_reload(Arguments& in) { return ReloadRequest{TRY(in.flag("check"))}; }
Result read_keys(Arguments&) { return KeysRequest{}; }
Result read_capture(Arguments& in) {
  return CaptureRequest{TRY(in.number("seconds", 0, 0, 86400))};
}
Result read_trace(Arguments& in) {
  TraceVerbRequest request;
  request.name = TRY(in.text("name", false));
  request.sample = TRY(in.number("sample", request.sample, 1, trace_number_max));
  request.count = TRY(in.number("count", request.count, 0, trace_number_max));
  return request;
}
Result read_stop(Arguments&) { return StopRequest{}; }
Result read_version(Arguments&) { return VersionRequest{}; }

struct Verb {
  std::string_view name;
  Reader read;
};
constexpr std::array verbs{
    Verb{"status", read_status},     Verb{"up", read_up},         Verb{"down", read_down},
    Verb{"log", read_log},           Verb{"ping", read_ping},     Verb{"reload", read_reload},
    Verb{"redirect", read_redirect}, Verb{"keys", read_keys},     Verb{"capture", read_capture},
    Verb{"trace", read_trace},       Verb{"stop", read_stop},     Verb{"version", read_version},
    Verb{"traffic", read_traffic},   Verb{"logout", read_logout}, Verb{"leases", read_leases},
    Verb{"metrics", read_metrics},   Verb{"why", read_why}};

}  // namespace

std::expected<Request, Refusal> parse_request(std::string_view line) {
  const Json document = Json::parse(line, nullptr, false);
  if (!document.is_object()) return std::unexpected{usage("the request is not a JSON object")};
  const auto version = document.find("v");
  if (version == document.end() || *version != protocol_version) {
    return std::unexpected{usage("the request is not of protocol version 1", "add \"v\":1")};
  }
  const auto verb = document.find("verb");
  if (verb == document.end() || !verb->is_string()) {
    return std::unexpected{usage("the request has no verb")};
  }
  const auto& name = *verb->get_ptr<const Json::string_t*>();
  const auto* found = std::find_if(verbs.begin(), verbs.end(),
                                   [&](const Verb& candidate) { return candidate.name == name; });
  if (found == verbs.end()) {
    std::array<std::string_view, verbs.size()> names{};
    std::transform(verbs.begin(), verbs.end(), names.begin(), [](const Verb& v) { return v.name; });
    return std::unexpected{usage(fmt::format("unknown verb '{}'", base::printable(name)),
                                 config::suggest(name, names, "see docs/control-protocol.md"))};
  }
  const auto given = document.find("args");
  if (given != document.end() && !given->is_object()) {
    return std::unexpected{usage("args is not a JSON object")};
  }
  const Json none = Json::object();
  Arguments arguments{given == document.end() ? none : *given};
  auto request = found->read(arguments);
  if (request) TRY_VOID(arguments.finish());
  return request;
}

}  // namespace caponier::control

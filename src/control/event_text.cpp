#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "control/control.h"
#include "control/json.h"

namespace caponier::control {
namespace {

/// "2026-01-31 12:00:00.123".
std::string utc_text(std::int64_t unix_microseconds, char separator) {
  using namespace std::chrono;
  const sys_time<microseconds> at{microseconds{unix_microseconds}};
  const auto day = floor<days>(at);
  const year_month_day date{day};
  const hh_mm_ss time{floor<milliseconds>(at - day)};
  return fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}.{:03}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     separator, time.hours().count(), time.minutes().count(),
                     time.seconds().count(), time.subseconds().count());
}

/// syslog's numbers, as journald's PRIORITY.
int priority_of(base::Severity severity) {
  switch (severity) {
    case base::Severity::debug: return 7;
    case base::Severity::info: return 6;
    case base::Severity::notice: return 5;
    case base::Severity::warning: return 4;
    case base::Severity::error: return 3;
  }
  return 3;
}

}  // namespace

Json event_json(const StampedEvent& stamped) {
  const base::Event& event = stamped.event;
  const base::EventInfo& info = base::info_of(event.kind);
  Json out;
  out["time"] = utc_text(stamped.unix_microseconds, 'T') + "Z";
  out["unix_us"] = stamped.unix_microseconds;
  out["caponier_event"] = info.name;
  out["severity"] = base::name_of(info.severity);
  out["priority"] = priority_of(info.severity);
  out["caponier_peer"] = event.peer;
  out["message"] = event.text;
  Json& fields = out["fields"] = Json::object();
  for (const auto& [key, value] : event.fields) fields[std::string{key}] = value;
  return out;
}

std::string to_json(const StampedEvent& event) { return dump(event_json(event)); }

std::string to_line(const StampedEvent& stamped) {
  const base::Event& event = stamped.event;
  return fmt::format("{} {} {}{}{}", utc_text(stamped.unix_microseconds, ' '),
                     base::name_of(base::info_of(event.kind).severity), event.peer,
                     event.peer.empty() ? "" : ": ", event.text);
}

}  // namespace caponier::control

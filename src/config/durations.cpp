#include "config/durations.h"

#include <chrono>

#include <fmt/format.h>

#include "config/errors.h"
#include "config/values.h"

namespace caponier::config {

std::string to_text(base::Duration duration) {
  constexpr std::int64_t minute = 60;
  constexpr std::int64_t hour = 60 * minute;
  constexpr std::int64_t day = 24 * hour;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  if (std::chrono::seconds{seconds} != duration) {
    const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(duration);
    return fmt::format("{}ms", whole.count());
  }
  if (seconds % day == 0) return fmt::format("{}d", seconds / day);
  if (seconds % hour == 0) return fmt::format("{}h", seconds / hour);
  if (seconds % minute == 0) return fmt::format("{}m", seconds / minute);
  return fmt::format("{}s", seconds);
}

void read_duration(Section& section, std::string_view key, base::Duration min, base::Duration max,
                   base::Duration& to) {
  const auto duration = section.text(key, [&](std::string_view text) -> Parsed<base::Duration> {
    auto parsed = parse_duration(text);
    if (!parsed || (*parsed >= min && *parsed <= max)) return parsed;
    return std::unexpected{
        Fault{fmt::format("{} is outside {} to {}", quoted(text), to_text(min), to_text(max)),
              fmt::format("write for example \"{}\"", to_text(to))}};
  });
  if (duration) to = duration->value;
}

void read_duration(Section& section, std::string_view key, base::Duration min, base::Duration max,
                   std::optional<base::Duration>& to) {
  base::Duration value = std::chrono::days{1};
  read_duration(section, key, min, max, value);
  if (section.has(key)) to = value;
}

}  // namespace caponier::config

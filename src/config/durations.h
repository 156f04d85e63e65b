#pragma once
// Keys whose value is a duration within bounds.

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "config/section.h"

namespace caponier::config {

/// As a user would write it, in the largest unit that needs no fraction.
[[nodiscard]] std::string to_text(base::Duration duration);

/// `to` stays what it is when the key is absent or its value is refused.
void read_duration(Section& section, std::string_view key, base::Duration min, base::Duration max,
                   base::Duration& to);
/// Without a default: nothing happens where the key is not written.
void read_duration(Section& section, std::string_view key, base::Duration min, base::Duration max,
                   std::optional<base::Duration>& to);

}  // namespace caponier::config

#pragma once
// Changes of a configuration's text that leave everything else in it as a person wrote it. Pure.

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/errors.h"

namespace caponier::config {

/// A string as TOML writes it. Octets that are no UTF-8 are the caller's to refuse.
[[nodiscard]] std::string toml_string(std::string_view text);
/// ["a", "b"]
[[nodiscard]] std::string toml_strings(const std::vector<std::string>& items);

struct KeyValue {
  std::string_view key;
  std::string value;  ///< as TOML
};
/// `text` and behind it the table `[title]`. Refused when `text` is no TOML, or has the table.
[[nodiscard]] std::expected<std::string, ConfigError> append_table(
    const std::string& file, std::string_view text, std::string_view title,
    const std::vector<KeyValue>& keys);

/// `text` without the table `[section.name]` and the comment that stands right above it. Refused
/// when `text` is no TOML, has no such table, or not as a header with its keys below.
[[nodiscard]] std::expected<std::string, ConfigError> remove_table(const std::string& file,
                                                                   std::string_view text,
                                                                   std::string_view section,
                                                                   std::string_view name);

}  // namespace caponier::config

#pragma once
// The JSON library, and reading documents of the daemon without exceptions.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace caponier::cli {

using Json = nlohmann::ordered_json;

/// The member, or a null document.
[[nodiscard]] inline const Json& at(const Json& document, const char* key) {
  static const Json null;
  const auto found = document.find(key);
  return found == document.end() ? null : *found;
}
[[nodiscard]] inline std::string text(const Json& document, const char* key) {
  const auto* value = at(document, key).get_ptr<const Json::string_t*>();
  return value == nullptr ? std::string{} : *value;
}
[[nodiscard]] inline double number(const Json& document, const char* key, double otherwise = 0) {
  const Json& value = at(document, key);
  return value.is_number() ? value.get<double>() : otherwise;
}
[[nodiscard]] inline std::uint64_t count(const Json& document, const char* key) {
  const Json& value = at(document, key);
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}
[[nodiscard]] inline bool flag(const Json& document, const char* key) {
  const auto* value = at(document, key).get_ptr<const Json::boolean_t*>();
  return value != nullptr && *value;
}
[[nodiscard]] inline std::string dump(const Json& document, int indent) {
  return document.dump(indent, ' ', true, Json::error_handler_t::replace);
}

}  // namespace caponier::cli

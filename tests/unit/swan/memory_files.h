#pragma once
// Files held in memory, and patterns with '*'.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "swan/settings.h"

namespace caponier::swan {

[[nodiscard]] inline bool fits(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() == '*') {
    if (fits(pattern.substr(1), name)) return true;
    return !name.empty() && name.front() != '/' && fits(pattern, name.substr(1));
  }
  return !name.empty() && pattern.front() == name.front() &&
         fits(pattern.substr(1), name.substr(1));
}

class MemoryFiles : public Files {
 public:
  std::map<std::string, std::string, std::less<>> files;

  std::expected<std::string, config::FileError> read(const std::string& path) override {
    const auto file = files.find(path);
    if (file == files.end()) {
      return std::unexpected{config::FileError{"No such file or directory", ""}};
    }
    return file->second;
  }
  std::vector<std::string> glob(const std::string& pattern) override {
    std::vector<std::string> found;
    for (const auto& [name, text] : files) {
      if (fits(pattern, name)) found.push_back(name);
    }
    return found;
  }
};

inline constexpr std::string_view settings_file = "/etc/swanctl/swanctl.conf";

[[nodiscard]] inline MemoryFiles files_of(std::string_view text) {
  MemoryFiles files;
  files.files.emplace(settings_file, text);
  return files;
}

/// The tree as a text: "a{k=v;l=[x,y]}".
[[nodiscard]] inline std::string shown(const Section& section) {
  std::string text;
  for (const Value& value : section.values) {
    text += value.key + "=" + (value.is_list ? "[" + value.joined() + "]" : value.text) + ";";
  }
  for (const Section& inner : section.sections) text += inner.name + "{" + shown(inner) + "}";
  return text;
}

/// What `text` becomes, or everything that is wrong with it.
[[nodiscard]] inline std::string parsed(MemoryFiles files) {
  const auto settings = load_settings(std::string{settings_file}, files);
  if (settings) return shown(settings->root);
  std::string text;
  for (const config::ConfigError& error : settings.error()) text += error.to_string() + "\n";
  return text;
}
[[nodiscard]] inline std::string parsed(std::string_view text) { return parsed(files_of(text)); }

}  // namespace caponier::swan

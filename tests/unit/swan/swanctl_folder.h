#pragma once
// The configurations in tests/interop/swanctl, and what is stored beside them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace caponier::swan {

[[nodiscard]] inline std::filesystem::path swanctl_folder() {
  return std::filesystem::path{CAPONIER_SOURCE_DIR} / "tests/interop/swanctl";
}

[[nodiscard]] inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream in{path};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// "01-minimal/a.conf", ...
[[nodiscard]] inline std::vector<std::string> swanctl_files() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{swanctl_folder()}) {
    if (entry.path().extension() != ".conf") continue;
    names.push_back(std::filesystem::relative(entry.path(), swanctl_folder()).string());
  }
  std::ranges::sort(names);
  return names;
}

[[nodiscard]] inline std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name;
  for (const char c : info.param)
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

inline void expect_stored(const std::filesystem::path& path, const std::string& text) {
  if (std::getenv("CAPONIER_WRITE_EXPECTED") != nullptr) std::ofstream{path} << text;
  EXPECT_EQ(content_of(path), text) << path;
}

}  // namespace caponier::swan

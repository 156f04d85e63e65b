#pragma once
// Reading the vector sets in CAPONIER_VECTORS.

#include <fstream>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "unit/crypto/helpers.h"

namespace caponier::test_vectors {

using Json = nlohmann::json;

/// `path` below the vector folder.
inline std::ifstream open_file(const std::string& path) {
  return std::ifstream{std::string{CAPONIER_VECTORS} + '/' + path, std::ios::binary};
}

inline Json read_json(const std::string& path) {
  auto file = open_file(path);
  return Json::parse(file);
}

inline bool has_vectors() { return open_file("README.md").good(); }

/// The bytes of a hexadecimal member.
inline base::ByteVec bytes_of(const Json& object, const char* member) {
  return base::from_hex(object.at(member).get<std::string>()).value();
}

class Vectors : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_vectors()) GTEST_SKIP() << "skipped: no ../shared";
  }
};

/// What became of a set's cases; a test asserts all three, so that none is skipped silently.
struct Tally {
  int accepted = 0;
  int refused = 0;
  int not_expressible = 0;
};

}  // namespace caponier::test_vectors

#pragma once
// swanctl.conf, ipsec.conf and what lies beside them, from the file system.

#include <string>
#include <vector>

#include "swan/settings.h"

namespace caponier::io {

inline constexpr std::size_t swan_file_size_max = 4 << 20;

class SwanFiles final : public swan::Files {
 public:
  [[nodiscard]] std::expected<std::string, config::FileError> read(
      const std::string& path) override;
  [[nodiscard]] std::vector<std::string> glob(const std::string& pattern) override;
};

}  // namespace caponier::io

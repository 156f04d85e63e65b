#include "pki/provider.h"

#include <fmt/format.h>

namespace caponier::pki {

std::string LoadError::to_string() const {
  return fmt::format("{}: {}\n  fix: {}", file, message, fix);
}

}  // namespace caponier::pki

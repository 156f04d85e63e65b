#include "pki/provider.h"

#include <fmt/format.h>

namespace caponier::pki {

std::string LoadError::to_string() const {
  return fmt::format("{}: {}\n  fix: {}", file, message, fix);
}

bool is_token_uri(std::string_view name) {
  return name.starts_with("pkcs11:") || name.starts_with("handle:");
}

std::string token_name(std::string_view name) {
  return std::string{is_token_uri(name) ? name.substr(0, name.find('?')) : name};
}

}  // namespace caponier::pki

#include "base/event.h"

#include <fmt/format.h>

namespace caponier::base {

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::debug: return "debug";
    case Severity::info: return "info";
    case Severity::notice: return "notice";
    case Severity::warning: return "warning";
    case Severity::error: return "error";
  }
  return "unknown";
}

std::string printable(std::string_view text, std::size_t size_max) {
  std::string out;
  for (const char c : text) {
    if (out.size() >= size_max) return out + "...";
    if (c >= ' ' && c <= '~' && c != '\\') {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace caponier::base

#include "io/nft/nft_text.h"

#include <fmt/format.h>

namespace caponier::io {

std::string table_name(const std::string& instance) {
  std::uint32_t hash = 2166136261U;  // FNV-1a: two instances of one host shall differ, no more
  for (const char c : instance) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return fmt::format("caponier-{:08x}", hash);
}

std::string set_of(const std::vector<gateway::AddressRange>& ranges) {
  std::string out;
  for (const gateway::AddressRange& range : ranges) {
    out += fmt::format("{}{}", out.empty() ? "{ " : ", ", range.first.to_string());
    if (range.first != range.last) out += "-" + range.last.to_string();
  }
  return out + " }";
}

}  // namespace caponier::io

#include "profile/uuid.h"

#include <array>
#include <cstddef>

#include <fmt/format.h>

namespace caponier::profile {

std::string make_uuid(base::Rng& rng) {
  std::array<std::byte, 16> octets;
  rng.fill_public(octets);
  octets[6] = (octets[6] & std::byte{0x0f}) | std::byte{0x40};
  octets[8] = (octets[8] & std::byte{0x3f}) | std::byte{0x80};
  std::string out;
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02X}", std::to_integer<unsigned>(octets[i]));
  }
  return out;
}

}  // namespace caponier::profile

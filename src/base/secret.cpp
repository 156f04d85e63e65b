#include "base/secret.h"

#include <cstring>

namespace caponier::base {

void wipe(MutBytes memory) noexcept {
  if (memory.empty()) return;
  std::memset(memory.data(), 0, memory.size());
  // Pretends to read the memory, so that the stores above are not dead.
  __asm__ __volatile__("" : : "r"(memory.data()) : "memory");
}

bool equal_constant_time(Bytes a, Bytes b) noexcept {
  if (a.size() != b.size()) return false;
  std::byte difference{0};
  for (std::size_t i = 0; i < a.size(); ++i) difference |= a[i] ^ b[i];
  __asm__ __volatile__("" : "+r"(difference));
  return difference == std::byte{0};
}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    wipe(bytes_);
    bytes_ = std::move(other.bytes_);
  }
  return *this;
}

}  // namespace caponier::base

#include "offload/virtio_header.h"

#include <cstring>

namespace caponier::offload {

namespace {

constexpr std::size_t words_at = 2;

}  // namespace

VirtioHeader VirtioHeader::decode(std::span<const std::byte, size> from) {
  std::array<std::uint16_t, 4> words{};
  std::memcpy(words.data(), &from[words_at], sizeof words);
  return {std::to_integer<std::uint8_t>(from[0]),
          std::to_integer<std::uint8_t>(from[1]),
          words[0],
          words[1],
          words[2],
          words[3]};
}

std::array<std::byte, VirtioHeader::size> VirtioHeader::encode() const {
  const std::array<std::uint16_t, 4> words{hdr_len, gso_size, csum_start, csum_offset};
  std::array<std::byte, size> to{std::byte{flags}, std::byte{gso_type}};
  std::memcpy(&to[words_at], words.data(), sizeof words);
  return to;
}

}  // namespace caponier::offload

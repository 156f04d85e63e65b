#include "base/base64.h"

#include <algorithm>
#include <cstdint>

namespace caponier::base {

namespace {
constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}  // namespace

std::string to_base64(Bytes bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += i <= count ? alphabet[group >> (18 - 6 * i) & 0x3fU] : '=';
    }
  }
  return out;
}

std::optional<ByteVec> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  ByteVec out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    const std::string_view four = text.substr(at, 4);
    const std::size_t digits = std::min(four.find('='), four.size());
    const bool is_last = at + 4 == text.size();
    if (digits < 2 || (digits < 4 && !is_last)) return std::nullopt;
    if (four.substr(digits).find_first_not_of('=') != std::string_view::npos) return std::nullopt;
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t digit = i < digits ? alphabet.find(four[i]) : 0;
      if (digit == std::string_view::npos) return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(digit);
    }
    for (std::size_t i = 0; i + 1 < digits; ++i) {
      out.push_back(static_cast<std::byte>(group >> (16 - 8 * i) & 0xffU));
    }
    if (digits < 4 && (group & (0xffffffU >> (8 * (digits - 1)))) != 0) return std::nullopt;
  }
  return out;
}

}  // namespace caponier::base

#include "profile/escape.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace caponier::profile {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

struct Sequence {
  std::size_t size = 1;
  std::uint32_t point = 0;
  bool is_valid = false;
};

/// The character that begins `text`, which is not empty; RFC 3629.
Sequence first_character(std::string_view text) {
  const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = octet(0);
  if (lead < 0x80) return {1, lead, true};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  constexpr std::array<std::uint32_t, 5> point_min{0, 0, 0x80, 0x800, 0x10000};
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  std::uint32_t point = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((octet(i) & 0xc0U) != 0x80U) return {};
    point = point << 6 | (octet(i) & 0x3fU);
  }
  const bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
  if (point < point_min[size] || point > 0x10ffff || is_surrogate) return {};
  return {size, point, true};
}

bool is_printable(std::uint32_t point) {
  if (point == '\t' || point == '\n') return true;
  if (point < 0x20 || (point >= 0x7f && point < 0xa0)) return false;
  return point != 0xfffe && point != 0xffff;
}

/// `text` with every character that has a row in `rows` replaced.
struct Row {
  std::string_view from;
  std::string_view to;
};
template <std::size_t N>
std::string replace(std::string_view text, const std::array<Row, N>& rows) {
  std::string out;
  while (!text.empty()) {
    std::size_t taken = 0;
    for (const Row& row : rows) {
      if (!text.starts_with(row.from)) continue;
      out += row.to;
      taken = row.from.size();
      break;
    }
    if (taken == 0) {
      out += text.front();
      taken = 1;
    }
    text.remove_prefix(taken);
  }
  return out;
}

}  // namespace

std::string printable_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Sequence next = first_character(text);
    out += next.is_valid && is_printable(next.point) ? text.substr(0, next.size) : replacement;
    text.remove_prefix(next.size);
  }
  return out;
}

std::string xml_text(std::string_view text) {
  constexpr std::array<Row, 3> rows{{{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}}};
  return replace(text, rows);
}

std::string powershell_string(std::string_view text) {
  constexpr std::array<Row, 5> rows{{{"'", "''"},
                                     {"\xe2\x80\x98", "\xe2\x80\x98\xe2\x80\x98"},
                                     {"\xe2\x80\x99", "\xe2\x80\x99\xe2\x80\x99"},
                                     {"\xe2\x80\x9a", "\xe2\x80\x9a\xe2\x80\x9a"},
                                     {"\xe2\x80\x9b", "\xe2\x80\x9b\xe2\x80\x9b"}}};
  return "'" + replace(text, rows) + "'";
}

std::string swanctl_string(std::string_view text) {
  constexpr std::array<Row, 4> rows{{{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}, {"\t", "\\t"}}};
  return '"' + replace(text, rows) + '"';
}

}  // namespace caponier::profile

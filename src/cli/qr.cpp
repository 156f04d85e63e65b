#include "cli/qr.h"

#include <qrencode.h>

#include <memory>

namespace caponier::cli {

std::optional<QrCode> make_qr(std::string_view text) {
  if (text.empty() || text.size() > qr_size_max) return std::nullopt;
  std::vector<unsigned char> octets(text.begin(), text.end());
  const std::unique_ptr<QRcode, void (*)(QRcode*)> made{
      QRcode_encodeData(static_cast<int>(octets.size()), octets.data(), 0, QR_ECLEVEL_L),
      QRcode_free};
  if (made == nullptr) return std::nullopt;
  QrCode code{static_cast<std::size_t>(made->width), {}};
  for (std::size_t i = 0; i < code.side * code.side; ++i) {
    code.modules.push_back((made->data[i] & 1U) != 0);
  }
  return code;
}

std::string draw_qr(const QrCode& code, bool colour) {
  constexpr std::size_t margin = 4;
  const std::size_t side = code.side + 2 * margin;
  const auto is_light = [&](std::size_t row, std::size_t column) {
    if (row >= side) return false;
    const bool inside = row >= margin && column >= margin && row < margin + code.side &&
                        column < margin + code.side;
    return !inside || !code.modules[(row - margin) * code.side + column - margin];
  };
  std::string out;
  for (std::size_t row = 0; row < side; row += 2) {
    if (colour) out += "\x1b[97;40m";
    for (std::size_t column = 0; column < side; ++column) {
      const bool upper = is_light(row, column);
      const bool lower = is_light(row + 1, column);
      out += upper && lower ? "\u2588" : upper ? "\u2580" : lower ? "\u2584" : " ";
    }
    out += colour ? "\x1b[0m\n" : "\n";
  }
  return out;
}

}  // namespace caponier::cli

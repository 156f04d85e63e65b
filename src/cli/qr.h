#pragma once
// QR codes on a terminal.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace caponier::cli {

/// A square of modules, row by row; true is dark.
struct QrCode {
  std::size_t side = 0;
  std::vector<bool> modules;
};

/// What a QR code holds with the least correction of errors (ISO/IEC 18004, version 40-L).
inline constexpr std::size_t qr_size_max = 2953;
/// Empty: `text` is longer than that.
[[nodiscard]] std::optional<QrCode> make_qr(std::string_view text);
/// Two modules a character, with the margin of four that readers need. The light ones are drawn,
/// for most terminals are dark; with `colour` the picture is right on any.
[[nodiscard]] std::string draw_qr(const QrCode& code, bool colour);

}  // namespace caponier::cli

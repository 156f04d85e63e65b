#pragma once
// Why a driver cannot start, told so that the reader can cure it.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace caponier::io {

/// Decides the exit code.
enum class IoFault : std::uint8_t {
  permission,  ///< a capability or a file mode
  in_use,      ///< a port, socket or lock belongs to another program
  network,     ///< the kernel lacks or refuses something of the network
  other,
};

struct IoError {
  IoFault fault = IoFault::other;
  std::string message;  ///< what happened, one sentence without a full stop
  std::string fix;      ///< what to do
};

template <class T>
using Io = std::expected<T, IoError>;

/// "cannot open X: Permission denied"; the fault follows from `error` (an errno).
[[nodiscard]] IoError error_from_errno(std::string_view what, int error, std::string fix = {});
/// The sentence of an errno.
[[nodiscard]] std::string errno_text(int error);

}  // namespace caponier::io

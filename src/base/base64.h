#pragma once
// Base64 (RFC 4648 s4).

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace caponier::base {

[[nodiscard]] std::string to_base64(Bytes bytes);
/// The inverse, and nothing more: no foreign character, no missing padding, no bits left over.
[[nodiscard]] std::optional<ByteVec> from_base64(std::string_view text);

}  // namespace caponier::base

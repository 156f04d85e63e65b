#pragma once
// What the payload codecs share. Not for other modules.

#include <limits>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"

namespace caponier::wire {

/// The failure of a decode function at the reader's position.
[[nodiscard]] inline std::unexpected<base::WireError> wire_failure(const base::Reader& in,
                                                                   base::WireFault fault,
                                                                   std::string_view field) {
  return std::unexpected{in.error(fault, field)};
}

/// A one-octet count or size; too large a value spoils the writer.
inline void write_u8_size(base::Writer& out, std::size_t size) {
  if (size > std::numeric_limits<std::uint8_t>::max()) out.fail();
  out.u8(static_cast<std::uint8_t>(size));
}

inline void write_u16_size(base::Writer& out, std::size_t size) {
  if (size > std::numeric_limits<std::uint16_t>::max()) out.fail();
  out.u16(static_cast<std::uint16_t>(size));
}

inline void fail_unless(base::Writer& out, bool condition) {
  if (!condition) out.fail();
}

[[nodiscard]] inline base::ByteVec take_rest_owned(base::Reader& in) {
  return base::to_vec(in.take_rest());
}

}  // namespace caponier::wire

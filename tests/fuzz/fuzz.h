#pragma once
// What fuzz targets share. A target defines LLVMFuzzerTestOneInput and checks properties with
// require(); see tests/fuzz/CMakeLists.txt for how to add one.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <span>

#include "base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace caponier::fuzz {

[[nodiscard]] inline base::Bytes bytes_of(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span{data, size});
}

/// Ends the process when a property of the code under test is broken.
inline void require(bool holds, const char* property,
                    const std::source_location& where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: broken property: %s\n", where.file_name(),
               static_cast<unsigned>(where.line()), property);
  std::abort();
}

}  // namespace caponier::fuzz

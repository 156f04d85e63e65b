#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace caponier::base {

void assertion_failed(const char* condition, const std::source_location& where) {
  std::fprintf(stderr, "caponier: internal error: %s does not hold (%s:%u)\n", condition,
               where.file_name(), static_cast<unsigned>(where.line()));
  std::abort();
}

}  // namespace caponier::base

// One case per build; every case but CASE_CONTROL must be refused by the compiler.
#include "base/secret.h"
#include "base/error.h"
#include "base/strong.h"

#include <expected>
#include <sstream>
#include <utility>

#include <fmt/format.h>

using caponier::base::Secret;
using caponier::base::SecretBytes;

[[maybe_unused]] static void use() {
  SecretBytes a{16};
  SecretBytes b{16};
  Secret<32> fixed;
#if defined(CASE_CONTROL)
  a = std::move(b);
  const auto copy = a.duplicate();
  static_cast<void>(copy.reveal());
#elif defined(CASE_COPY)
  SecretBytes copy = a;
#elif defined(CASE_COPY_FIXED)
  Secret<32> copy = fixed;
#elif defined(CASE_ASSIGN)
  a = b;
#elif defined(CASE_COMPARE)
  static_cast<void>(a == b);
#elif defined(CASE_STREAM)
  std::ostringstream out;
  out << a;
#elif defined(CASE_FORMAT)
  static_cast<void>(fmt::format("{}", a));
#elif defined(CASE_MIXED_SPI)
  caponier::base::Spi spi{1};
  caponier::base::MessageId id = spi;
#elif defined(CASE_IGNORED_RESULT)
  a.reveal();
#endif
  static_cast<void>(fixed);
}

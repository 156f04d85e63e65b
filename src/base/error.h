#pragma once
// Results and assertions. We throw nothing: hostile or expected failure is a std::expected that
// TRY passes upward; CAPONIER_ASSERT is for our own mistakes and never for input.

#include <expected>
#include <source_location>

namespace caponier::base {

/// Reports a broken internal invariant on stderr and ends the process.
[[noreturn]] void assertion_failed(const char* condition, const std::source_location& where);

}  // namespace caponier::base

/// An invariant that only our own code can break. Never on anything a peer can reach.
#define CAPONIER_ASSERT(condition) \
  (static_cast<bool>(condition)    \
       ? static_cast<void>(0)      \
       : ::caponier::base::assertion_failed(#condition, std::source_location::current()))

/// Yields the value of a std::expected, or returns its error from the enclosing function.
/// libstdc++ 12 has no monadic members, hence the macro.
#define TRY(expression)                                                                   \
  __extension__({                                                                         \
    auto&& try_result_ = (expression);                                                    \
    if (!try_result_.has_value()) return std::unexpected{std::move(try_result_).error()}; \
    std::move(try_result_).value();                                                       \
  })

/// The same for std::expected<void, E>.
#define TRY_VOID(expression)                                                              \
  do {                                                                                    \
    auto&& try_result_ = (expression);                                                    \
    if (!try_result_.has_value()) return std::unexpected{std::move(try_result_).error()}; \
  } while (false)

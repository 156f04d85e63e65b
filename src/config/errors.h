#pragma once
// What the parts of the loader share: the list of errors, located values, and suggestions.

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace caponier::config {

/// What is wrong with a value, before its place is known.
struct Fault {
  std::string message;
  std::string fix;
};

template <class T>
using Parsed = std::expected<T, Fault>;

template <class T>
struct Located {
  T value;
  Place where;
};

inline constexpr std::size_t errors_max = 256;

/// Collects every error of one load. Beyond errors_max they are only counted.
class Errors {
 public:
  /// Files are reported in the order of these calls.
  void add_file(const std::string& file) { files_.push_back(file); }
  void add(ConfigError error);
  void add(const Place& where, std::string message, std::string fix) {
    add({where, std::move(message), std::move(fix)});
  }
  [[nodiscard]] bool empty() const { return errors_.empty(); }
  /// Everything, ordered by file, line and column.
  [[nodiscard]] std::vector<ConfigError> take();

 private:
  std::vector<std::string> files_;
  std::vector<ConfigError> errors_;
  std::size_t untold_ = 0;
};

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate that `word` was probably meant to be; empty when none is near.
[[nodiscard]] std::string_view nearest(std::string_view word,
                                       std::span<const std::string_view> candidates);

/// "a", "a or b", "a, b or c".
[[nodiscard]] std::string join(std::span<const std::string_view> words, std::string_view last);

/// "did you mean 'near'?", or `otherwise` when nothing is near.
[[nodiscard]] std::string suggest(std::string_view word,
                                  std::span<const std::string_view> candidates,
                                  std::string otherwise);

/// User text in quotes, fit to be printed.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace caponier::config

#pragma once
// Prometheus' text format: a header for each family, then its samples.

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace caponier::control {

class MetricsWriter {
 public:
  struct Label {
    std::string_view name;
    std::string_view value;  ///< escaped here
  };
  using Labels = std::initializer_list<Label>;

  /// All samples of a family stand together, after this. `type`: "gauge" or "counter".
  void family(std::string_view name, std::string_view type, std::string_view help);
  /// Of the family that was begun last.
  void sample(Labels labels, std::integral auto value) { write(labels, fmt::format("{}", value)); }
  void sample(Labels labels, double value) { write(labels, fmt::format("{:.9g}", value)); }
  [[nodiscard]] std::string finish() { return std::move(text_); }

 private:
  void write(Labels labels, std::string_view value);

  std::string text_;
  std::string name_;
};

}  // namespace caponier::control

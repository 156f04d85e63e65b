#pragma once
// One table of the document, read key by key with every mistake noted.

#include <algorithm>
#include <set>
#include <span>

#include "config/document.h"
#include "config/errors.h"

namespace caponier::config {

struct KeySpec {
  std::string_view name;
  bool required = false;
  std::string_view example;  ///< in TOML
};

inline constexpr std::size_t list_size_max = 255;  ///< what one TS or SA payload can count

class Section {
 public:
  /// `title` as it is written: "[site.branch]". Notes unknown keys and missing required ones at
  /// once. Everything referred to must outlive the section.
  Section(const Node& table, std::string title, std::span<const KeySpec> schema, Errors& errors);

  [[nodiscard]] const std::string& title() const { return title_; }
  [[nodiscard]] const Place& where() const { return table_.where; }
  [[nodiscard]] Errors& errors() { return errors_; }

  /// Nothing when the key is absent or wrong; the latter has then been noted.
  [[nodiscard]] std::optional<Located<bool>> boolean(std::string_view key);
  [[nodiscard]] std::optional<Located<std::int64_t>> integer(std::string_view key);
  /// Also checks the range.
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key, std::int64_t min,
                                                    std::int64_t max);
  /// An array of integers within the range, none of them twice; it may be empty.
  [[nodiscard]] std::vector<std::int64_t> integers(std::string_view key, std::int64_t min,
                                                   std::int64_t max);
  /// A string that `parse` turns into a Parsed<T>.
  template <class Parse>
  auto text(std::string_view key, Parse parse) {
    using T = typename decltype(parse(std::string_view{}))::value_type;
    std::optional<Located<T>> result;
    const Node* node = value(key, NodeKind::string);
    if (node == nullptr) return result;
    auto parsed = parse(node->text);
    if (parsed) {
      result = Located<T>{std::move(*parsed), node->where};
    } else {
      note(node->where, key, parsed.error());
    }
    return result;
  }
  /// The good elements of an array of strings, none of them twice.
  template <class Parse>
  auto list(std::string_view key, Parse parse) {
    using T = typename decltype(parse(std::string_view{}))::value_type;
    std::vector<Located<T>> result;
    for (const Node* item : strings(key)) {
      auto parsed = parse(item->text);
      if (!parsed) {
        note(item->where, key, parsed.error());
        continue;
      }
      const auto twin =
          std::ranges::find_if(result, [&](const auto& other) { return other.value == *parsed; });
      if (twin != result.end()) {
        note_twice(*item, key, twin->where);
      } else {
        result.push_back({std::move(*parsed), item->where});
      }
    }
    return result;
  }

  void note(const Place& where, std::string_view key, const Fault& fault);
  [[nodiscard]] bool has(std::string_view key) const { return table_.find(key) != nullptr; }
  /// Of the value; has(key).
  [[nodiscard]] const Place& place_of(std::string_view key) const {
    return table_.find(key)->value.where;
  }

 private:
  /// The key's value; nothing, and noted, when it is of another kind.
  [[nodiscard]] const Node* value(std::string_view key, NodeKind kind);
  [[nodiscard]] std::vector<const Node*> strings(std::string_view key);
  void note_kind(std::string_view key, const Node& got, NodeKind expected);
  void note_twice(const Node& item, std::string_view key, const Place& first);
  void check_keys();

  const Node& table_;
  std::string title_;
  std::span<const KeySpec> schema_;
  Errors& errors_;
};

/// What is wrong with an unknown key of `title`, and the known key it was meant to be, if any.
struct UnknownKey {
  Fault fault;
  std::string_view meant;
};
[[nodiscard]] UnknownKey explain_unknown_key(std::string_view key, std::string_view title,
                                             std::span<const KeySpec> schema);

}  // namespace caponier::config

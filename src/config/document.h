#pragma once
// A TOML document as a tree that knows where everything stood. Hides the TOML library.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace caponier::config {

enum class NodeKind : std::uint8_t {
  string,
  integer,
  floating,
  boolean,
  date_time,
  array,
  table,
};

/// With its article: "a string", "an integer".
[[nodiscard]] std::string_view name_of(NodeKind kind);

struct Entry;

struct Node {
  NodeKind kind = NodeKind::table;
  Place where;                 ///< of the value; of the header for a [table]
  std::string text;            ///< string
  std::int64_t integer = 0;    ///< integer
  bool boolean = false;        ///< boolean
  std::vector<Node> items;     ///< array
  std::vector<Entry> entries;  ///< table, in the order of the document

  /// Null when this is no table or has no such key.
  [[nodiscard]] const Entry* find(std::string_view key) const;
};

struct Entry {
  std::string key;
  Place where;  ///< of the key
  Node value;
};

inline constexpr std::size_t config_size_max = 1U << 20;
/// Segments of one dotted key; the TOML library would recurse once for each.
inline constexpr std::size_t key_depth_max = 16;

/// The root table, or the first place where `text` is not TOML.
[[nodiscard]] std::expected<Node, ConfigError> parse_document(const std::string& file,
                                                              std::string_view text);

}  // namespace caponier::config

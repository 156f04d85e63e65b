#pragma once
// The tree that strongSwan's settings are, wherever they come from: files, in which every value has
// its place, or VICI messages, in which its path is all there is to name it by.

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace caponier::swan {

struct Value {
  std::string key;
  config::Place where;  ///< of the key; without a file in messages
  std::string text;     ///< unless it is a list
  /// Messages have lists; in files it is commas that make one of a text.
  bool is_list = false;
  std::vector<std::string> items;

  /// The elements, without blanks around them and without empty ones.
  [[nodiscard]] std::vector<std::string> list() const;
  /// The text, or the elements with commas between them.
  [[nodiscard]] std::string joined() const;
};

struct Section {
  std::string name;
  config::Place where;
  std::vector<Value> values;      ///< in order of appearance, each key once
  std::vector<Section> sections;  ///< likewise

  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] const Section* find_section(std::string_view wanted) const;
  /// The text of a key that is no list; empty when there is none.
  [[nodiscard]] std::string_view text_of(std::string_view key) const;

  /// The last of a key's values counts, in the place of the first.
  void set(Value value);
  void set(std::string key, std::string text);
  void set_list(std::string key, std::vector<std::string> items);
  /// The section of that name, new at the end if there is none.
  Section& open(std::string_view wanted, const config::Place& place);
  Section& open(std::string_view wanted) { return open(wanted, {}); }
};

/// Without blanks at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);
/// At commas, trimmed, without empty elements.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

}  // namespace caponier::swan

#include "swan/section.h"

#include <algorithm>
#include <utility>

namespace caponier::swan {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  for (;;) {
    const std::size_t comma = text.find(',');
    const std::string_view item = trimmed(text.substr(0, comma));
    if (!item.empty()) items.emplace_back(item);
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

std::vector<std::string> Value::list() const {
  if (!is_list) return split_list(text);
  std::vector<std::string> all;
  for (const std::string& item : items) {
    if (const std::string_view bare = trimmed(item); !bare.empty()) all.emplace_back(bare);
  }
  return all;
}

std::string Value::joined() const {
  if (!is_list) return text;
  std::string all;
  for (const std::string& item : items) all += (all.empty() ? "" : ",") + item;
  return all;
}

const Value* Section::find(std::string_view key) const {
  const auto found = std::ranges::find(values, key, &Value::key);
  return found == values.end() ? nullptr : &*found;
}

const Section* Section::find_section(std::string_view wanted) const {
  const auto found = std::ranges::find(sections, wanted, &Section::name);
  return found == sections.end() ? nullptr : &*found;
}

std::string_view Section::text_of(std::string_view key) const {
  const Value* const value = find(key);
  return value == nullptr ? std::string_view{} : std::string_view{value->text};
}

void Section::set(Value value) {
  const auto known = std::ranges::find(values, value.key, &Value::key);
  if (known == values.end()) {
    values.push_back(std::move(value));
  } else {
    *known = std::move(value);
  }
}

void Section::set(std::string key, std::string text) {
  set({std::move(key), {}, std::move(text), false, {}});
}

void Section::set_list(std::string key, std::vector<std::string> items) {
  set({std::move(key), {}, {}, true, std::move(items)});
}

Section& Section::open(std::string_view wanted, const config::Place& place) {
  const auto known = std::ranges::find(sections, wanted, &Section::name);
  if (known != sections.end()) return *known;
  sections.push_back({std::string{wanted}, place, {}, {}});
  return sections.back();
}

}  // namespace caponier::swan

#include "config/edit.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "config/document.h"

namespace caponier::config {
namespace {

bool same_content(const Node& a, const Node& b) {
  const auto same_entry = [](const Entry& one, const Entry& other) {
    return one.key == other.key && same_content(one.value, other.value);
  };
  return a.kind == b.kind && a.text == b.text && a.integer == b.integer && a.boolean == b.boolean &&
         std::ranges::equal(a.items, b.items, same_content) &&
         std::ranges::equal(a.entries, b.entries, same_entry);
}

/// With the end of the line.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t size = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return lines;
}

char first_mark(std::string_view line) {
  const std::size_t at = line.find_first_not_of(" \t\r\n");
  return at == std::string_view::npos ? '\0' : line[at];
}

void collect_headers(const Node& node, std::vector<unsigned>& to) {
  if (node.kind == NodeKind::table) to.push_back(node.where.line);
  for (const Node& item : node.items) collect_headers(item, to);
  for (const Entry& entry : node.entries) collect_headers(entry.value, to);
}

/// Where the comment above lines[header] begins.
std::size_t with_comment(const std::vector<std::string_view>& lines, std::size_t header) {
  while (header > 0 && first_mark(lines[header - 1]) == '#') header -= 1;
  return header;
}

/// The lines of the table whose header is lines[header], to the next header or the comment above.
std::size_t end_of_table(const Node& root, const std::vector<std::string_view>& lines,
                         std::size_t header) {
  std::vector<unsigned> headers;
  collect_headers(root, headers);
  std::size_t next = lines.size();
  for (const unsigned line : headers) {  // from 1
    if (line > header + 1 && first_mark(lines[line - 1]) == '[') {
      next = std::min<std::size_t>(next, line - 1);
    }
  }
  return next == lines.size() ? next : with_comment(lines, next);
}

void erase_entry(Node& root, std::string_view section, std::string_view name) {
  const auto found = std::ranges::find(root.entries, section, &Entry::key);
  std::erase_if(found->value.entries, [&](const Entry& entry) { return entry.key == name; });
  if (found->value.entries.empty()) root.entries.erase(found);
}

}  // namespace

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char character : text) {
    const auto octet = static_cast<unsigned char>(character);
    if (character == '"' || character == '\\') {
      out += '\\';
      out += character;
    } else if (octet < 0x20 || octet == 0x7f) {
      out += fmt::format("\\u{:04X}", octet);
    } else {
      out += character;
    }
  }
  return out + '"';
}

std::string toml_strings(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) out += (out.size() > 1 ? ", " : "") + toml_string(item);
  return out + "]";
}

std::expected<std::string, ConfigError> append_table(const std::string& file, std::string_view text,
                                                     std::string_view title,
                                                     const std::vector<KeyValue>& keys) {
  static_cast<void>(TRY(parse_document(file, text)));
  std::string out{text};
  if (!out.empty()) out += out.ends_with('\n') ? "\n" : "\n\n";
  out += fmt::format("[{}]\n", title);
  for (const auto& [key, value] : keys) out += fmt::format("{} = {}\n", key, value);
  static_cast<void>(TRY(parse_document(file, out)));
  return out;
}

std::expected<std::string, ConfigError> remove_table(const std::string& file, std::string_view text,
                                                     std::string_view section,
                                                     std::string_view name) {
  Node root = TRY(parse_document(file, text));
  const Entry* const group = root.find(section);
  const Entry* const table = group == nullptr ? nullptr : group->value.find(name);
  if (table == nullptr) {
    return std::unexpected{ConfigError{{file, 0, 0},
                                       fmt::format("there is no [{}.{}]", section, name),
                                       "see the names with `caponier status`"}};
  }
  const Place where = table->value.where;
  const ConfigError by_hand{where, fmt::format("[{}.{}] does not stand by itself", section, name),
                            "remove it from the file by hand, then `caponier reload`"};
  const auto lines = lines_of(text);
  if (where.line == 0 || where.line > lines.size()) return std::unexpected{by_hand};
  const std::size_t header = where.line - 1;
  const std::size_t end = end_of_table(root, lines, header);
  const std::size_t begin = with_comment(lines, header);
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i < begin || i >= end) out += lines[i];
  }
  while (out.ends_with("\n\n")) out.pop_back();
  erase_entry(root, section, name);
  const auto after = parse_document(file, out);
  if (first_mark(lines[header]) != '[' || !after || !same_content(*after, root)) {
    return std::unexpected{by_hand};
  }
  return out;
}

}  // namespace caponier::config

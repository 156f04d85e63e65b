#include "config/document.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

// Compiled into this file: the packaged shared library has no variant without exceptions.
// Its assertions, which it turns into assumptions with NDEBUG, do not hold for texts such as "[ }";
// the checks behind them do.
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_FLOAT_CHARCONV 1
#include <toml++/toml.h>

#include "base/event.h"

namespace caponier::config {

std::string_view name_of(NodeKind kind) {
  switch (kind) {
    case NodeKind::string: return "a string";
    case NodeKind::integer: return "an integer";
    case NodeKind::floating: return "a decimal number";
    case NodeKind::boolean: return "a boolean";
    case NodeKind::date_time: return "a date or time";
    case NodeKind::array: return "an array";
    case NodeKind::table: return "a table";
  }
  return "an unknown value";
}

const Entry* Node::find(std::string_view key) const {
  const auto found = std::ranges::find(entries, key, &Entry::key);
  return found == entries.end() ? nullptr : &*found;
}

namespace {

Place place_of(const std::string& file, const toml::source_position& at) {
  return {file, at.line, at.column};
}

Node convert(const std::string& file, const toml::node& from);

std::vector<Entry> convert_table(const std::string& file, const toml::table& from) {
  std::vector<Entry> entries;
  entries.reserve(from.size());
  for (auto&& [key, value] : from) {
    entries.push_back(
        {std::string{key.str()}, place_of(file, key.source().begin), convert(file, value)});
  }
  std::ranges::sort(entries, {}, [](const Entry& entry) {
    return std::tuple{entry.where.line, entry.where.column, std::string_view{entry.key}};
  });
  return entries;
}

Node convert(const std::string& file, const toml::node& from) {
  Node node;
  node.where = place_of(file, from.source().begin);
  if (const auto* table = from.as_table()) {
    node.entries = convert_table(file, *table);
  } else if (const auto* array = from.as_array()) {
    node.kind = NodeKind::array;
    for (const toml::node& item : *array) node.items.push_back(convert(file, item));
  } else if (const auto* string = from.as_string()) {
    node.kind = NodeKind::string;
    node.text = string->get();
  } else if (const auto* integer = from.as_integer()) {
    node.kind = NodeKind::integer;
    node.integer = integer->get();
  } else if (const auto* boolean = from.as_boolean()) {
    node.kind = NodeKind::boolean;
    node.boolean = boolean->get();
  } else if (from.is_floating_point()) {
    node.kind = NodeKind::floating;
  } else {
    node.kind = NodeKind::date_time;
  }
  return node;
}

/// The size of the UTF-8 sequence at the start of `text` (RFC 3629 s4); 0 when there is none.
std::size_t utf8_size(std::string_view text) {
  const auto octet = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto follows = [&](std::size_t i, unsigned min, unsigned max) {
    return octet(i) >= min && octet(i) <= max;
  };
  const unsigned lead = octet(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1, 0x80, 0xbf) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned min = lead == 0xe0 ? 0xa0 : 0x80;
    const unsigned max = lead == 0xed ? 0x9f : 0xbf;
    return follows(1, min, max) && follows(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned min = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned max = lead == 0xf4 ? 0x8f : 0xbf;
    return follows(1, min, max) && follows(2, 0x80, 0xbf) && follows(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

/// Where `text` stops being UTF-8, on which the TOML library relies.
std::optional<std::size_t> find_foreign_octet(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = utf8_size(text.substr(at));
    if (size == 0) return at;
    at += size;
  }
  return std::nullopt;
}

/// Columns count characters, as the TOML library does.
Place place_at(const std::string& file, std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::size_t line_start = before.rfind('\n') + 1;  // 0 when there is none
  const auto column = std::ranges::count_if(before.substr(line_start), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  });
  return {file, static_cast<unsigned>(1 + std::ranges::count(before, '\n')),
          static_cast<unsigned>(1 + column)};
}

/// The offset behind the one-line string that begins at `at`.
std::size_t skip_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (++at; at < text.size() && text[at] != '\n'; ++at) {
    if (text[at] == quote) return at + 1;
    if (text[at] == '\\' && quote == '"') ++at;
  }
  return std::min(at, text.size());
}

/// What the TOML library must not see, for it overflows its stack or runs into undefined behaviour:
/// endless dotted keys, characters beyond ASCII outside of strings and comments (where TOML has
/// none), and such characters behind a line continuation, that is, in strings of many lines.
std::optional<ConfigError> find_forbidden(const std::string& file, std::string_view text) {
  if (const auto foreign = find_foreign_octet(text)) {
    return ConfigError{place_at(file, text, *foreign),
                       "TOML syntax: the file is not UTF-8 from here on", "save the file as UTF-8"};
  }
  std::size_t dots = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      if (text.substr(at).starts_with(std::string(3, c))) {
        return ConfigError{place_at(file, text, at),
                           "TOML syntax: strings of many lines are not used here",
                           "write the value on one line: key = \"value\""};
      }
      at = skip_string(text, at);
      continue;
    }
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if ((static_cast<unsigned char>(c) & 0x80) != 0) {
      return ConfigError{place_at(file, text, at),
                         "TOML syntax: a character beyond ASCII outside of quotes",
                         "put the text in quotes, or remove the character"};
    }
    if (c == '.' && ++dots >= key_depth_max) {
      return ConfigError{
          place_at(file, text, at),
          fmt::format("TOML syntax: a dotted key with more than {} parts", key_depth_max),
          "sections are [site.NAME]; no key needs more than three parts"};
    }
    if (std::string_view{"=,[]{}\n"}.find(c) != std::string_view::npos) dots = 0;
    ++at;
  }
  return std::nullopt;
}

std::string_view line_of(std::string_view text, unsigned line) {
  for (unsigned i = 1; i < line; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

std::string fix_for_syntax(std::string_view description) {
  const auto says = [&](std::string_view part) {
    return description.find(part) != std::string_view::npos;
  };
  if (says("redefine")) return "keep one of the two definitions";
  if (says("control character")) return "end the string with a quote on the same line";
  if (says("escape sequence")) return "write \\\\ for a backslash, or use 'single quotes'";
  if (says("boolean")) return "write true or false, in lower case and without quotes";
  if (says("could not determine value type") || says("expected value") || says("expected digit") ||
      says("expected decimal digit")) {
    return "put the value in quotes: key = \"value\"";
  }
  if (says("representable")) return "write a smaller number, or put the value in quotes";
  if (says("expected '='")) return "write key = value";
  if (says("expected ']'")) return "close the header with ]";
  if (says("array")) return "close the list with ] and separate its elements with commas";
  if (says("whitespace")) return "start a new line after the value";
  return "correct the TOML here: sections are [site.NAME], lines are key = value";
}

ConfigError syntax_error(const std::string& file, std::string_view text,
                         const toml::parse_error& error) {
  const Place where = place_of(file, error.source().begin);
  std::string_view description = error.description();
  const std::string fix = fix_for_syntax(description);
  const std::string_view line = line_of(text, where.line);
  const std::string_view newline = "'\\n'";
  if (line.find("psk") != std::string_view::npos || line.find("secret") != std::string_view::npos) {
    // The library quotes the text it stumbled over, which may be somebody's secret.
    description = "this line, which is about a secret, is not valid";
  } else if (const std::size_t colon = description.find(": ");
             description.starts_with("Error while parsing") && colon != std::string_view::npos) {
    description.remove_prefix(std::string_view{"Error while parsing "}.size());
  }
  if (description.ends_with(newline)) {
    description.remove_suffix(newline.size());
    return {where, fmt::format("TOML syntax: {}the end of the line", base::printable(description)),
            fix};
  }
  return {where, fmt::format("TOML syntax: {}", base::printable(description)), fix};
}

}  // namespace

std::expected<Node, ConfigError> parse_document(const std::string& file, std::string_view text) {
  if (text.size() > config_size_max) {
    return std::unexpected{ConfigError{
        {file, 0, 0},
        fmt::format("the file has {} bytes, more than {}", text.size(), config_size_max),
        "spread the configuration over files below conf.d"}};
  }
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  if (auto forbidden = find_forbidden(file, text)) return std::unexpected{std::move(*forbidden)};
  const toml::parse_result result = toml::parse(text, std::string_view{file});
  if (!result) return std::unexpected{syntax_error(file, text, result.error())};
  return convert(file, result.table());
}

}  // namespace caponier::config

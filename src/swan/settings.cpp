#include "swan/settings.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/event.h"

namespace caponier::swan {

namespace {

using config::Place;
using config::quoted;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
/// What ends a name; strongSwan's own set.
bool ends_name(char c) {
  return is_blank(c) || c == '\n' || std::string_view{"#{}:.,=\""}.contains(c);
}

/// The characters of one file, and where we are among them.
class Cursor {
 public:
  Cursor(std::string file, std::string_view text) : file_(std::move(file)), text_(text) {}

  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : text_[at_]; }
  [[nodiscard]] Place place() const { return {file_, line_, column_}; }
  [[nodiscard]] const std::string& file() const { return file_; }
  char take() {
    const char c = text_[at_++];
    if (c == '\n') {
      ++line_;
      column_ = 1;
    } else {
      ++column_;
    }
    return c;
  }
  void skip_blanks() {
    while (!at_end() && is_blank(peek())) take();
  }
  void skip_line() {
    while (!at_end() && peek() != '\n') take();
  }
  /// Blanks, line ends and comments.
  void skip_space() {
    for (;;) {
      while (!at_end() && (is_blank(peek()) || peek() == '\n')) take();
      if (peek() != '#' || at_end()) return;
      skip_line();
    }
  }
  [[nodiscard]] std::string take_name() {
    std::string name;
    while (!at_end() && !ends_name(peek())) name += take();
    return name;
  }

 private:
  std::string file_;
  std::string_view text_;
  std::size_t at_ = 0;
  unsigned line_ = 1;
  unsigned column_ = 1;
};

class Parser {
 public:
  Parser(Files& files, config::Errors& errors, Settings& settings)
      : files_(files), errors_(errors), settings_(settings) {}

  void read_file(const std::string& path, Section& into, const Place& asked);
  [[nodiscard]] const std::vector<Reference>& references() const { return references_; }

 private:
  void read_body(Cursor& in, Section& into);
  void read_statement(Cursor& in, Section& into);
  void read_section(Cursor& in, const std::string& name, const Place& where, Section& into);
  void read_references(Cursor& in, const std::string& name);
  void read_value(Cursor& in, const std::string& name, const Place& where, Section& into);
  void read_include(Cursor& in, const Place& where, Section& into);
  [[nodiscard]] std::string take_string(Cursor& in);
  [[nodiscard]] std::string take_pattern(Cursor& in);
  void refuse_name(Cursor& in, std::string name, const Place& where);
  /// To the end of the line, and with it of the braces that it opens.
  void recover(Cursor& in);
  [[nodiscard]] bool has_room(const Place& where);
  [[nodiscard]] bool checked_name(const std::string& name, const Place& where);

  Files& files_;
  config::Errors& errors_;
  Settings& settings_;
  std::vector<std::string> path_;  ///< of the section that is being read
  std::vector<Reference> references_;
  std::size_t entries_ = 0;
  std::size_t octets_ = 0;
  std::size_t files_read_ = 0;
  std::size_t include_depth_ = 0;
  bool is_full_ = false;
};

bool Parser::has_room(const Place& where) {
  if (is_full_) return false;
  if (++entries_ <= settings_entries_max) return true;
  is_full_ = true;
  errors_.add(where, fmt::format("there are more than {} settings", settings_entries_max),
              "split the configuration between several daemons");
  return false;
}

bool Parser::checked_name(const std::string& name, const Place& where) {
  if (name.size() <= settings_name_size_max) return true;
  errors_.add(where, fmt::format("a name has more than {} characters", settings_name_size_max),
              "shorten it");
  return false;
}

void Parser::read_file(const std::string& path, Section& into, const Place& asked) {
  errors_.add_file(path);
  if (++files_read_ > settings_files_max) {
    if (files_read_ == settings_files_max + 1) {
      errors_.add(asked, fmt::format("more than {} files are included", settings_files_max),
                  "combine some of them");
    }
    return;
  }
  auto text = files_.read(path);
  if (!text) {
    const config::FileError& error = text.error();
    errors_.add(asked, fmt::format("cannot read {}: {}", path, error.message),
                error.fix.empty() ? "check that the file exists and may be read" : error.fix);
    return;
  }
  octets_ += text->size();
  if (octets_ > settings_size_max) {
    errors_.add({path, 0, 0}, fmt::format("the files have more than {} octets", settings_size_max),
                "split the configuration between several daemons");
    return;
  }
  Cursor in{path, *text};
  for (;;) {
    read_body(in, into);
    if (in.at_end()) return;
    errors_.add(in.place(), "this '}' closes nothing", "remove it, or add the '{' that it closes");
    in.take();
  }
}

/// Up to the end of the file or to a '}', which is left.
void Parser::read_body(Cursor& in, Section& into) {
  for (;;) {
    in.skip_space();
    if (in.at_end() || in.peek() == '}') return;
    read_statement(in, into);
  }
}

void Parser::read_statement(Cursor& in, Section& into) {
  const Place where = in.place();
  if (in.peek() == '"') {
    const std::string text = take_string(in);
    errors_.add(where, fmt::format("{} stands where a name should", quoted(text)),
                "write names without quotes; quotes are for values");
    return recover(in);
  }
  std::string name = in.take_name();
  if (name.empty()) {
    const std::string_view close =
        in.peek() == '{' ? "write a name before '{'" : "write `name = value` or `name { ... }`";
    errors_.add(where,
                fmt::format("{} stands where a name should", quoted(std::string(1, in.peek()))),
                std::string{close});
    return recover(in);
  }
  if (in.peek() == '.') return refuse_name(in, std::move(name), where);
  const bool parted = is_blank(in.peek());
  in.skip_blanks();
  if (in.peek() == '=') {
    in.take();
    return read_value(in, name, where, into);
  }
  if (name == "include" && parted && in.peek() != '{' && in.peek() != ':') {
    return read_include(in, where, into);
  }
  in.skip_space();
  if (in.peek() == '{' || in.peek() == ':') return read_section(in, name, where, into);
  errors_.add(where, fmt::format("{} has neither a value nor a section", quoted(name)),
              fmt::format("write `{0} = value`, or `{0} {{ ... }}`", base::printable(name)));
  // What follows on the same line belongs to it; a new line may be right again.
  if (in.place().line == where.line) recover(in);
}

void Parser::refuse_name(Cursor& in, std::string name, const Place& where) {
  while (in.peek() == '.' && !in.at_end()) {
    name += in.take();
    name += in.take_name();
  }
  in.skip_space();
  const bool is_section = in.peek() == '{' || in.peek() == ':';
  errors_.add(where, fmt::format("{} contains a dot, which no name here can", quoted(name)),
              is_section
                  ? "write '-' or '_' instead"
                  : "write the section that the value belongs to in braces: a { b = value }");
  recover(in);
}

void Parser::recover(Cursor& in) {
  std::size_t depth = 0;
  while (!in.at_end()) {
    const char c = in.peek();
    if (c == '#') {
      in.skip_line();
      continue;
    }
    if (depth == 0 && (c == '\n' || c == '}')) return;
    if (c == '"') {
      in.take();
      while (!in.at_end() && in.peek() != '"' && in.peek() != '\n') in.take();
      if (in.peek() == '"' && !in.at_end()) in.take();
      continue;
    }
    in.take();
    if (c == '{') ++depth;
    if (c == '}' && --depth == 0) return;
  }
}

void Parser::read_references(Cursor& in, const std::string& name) {
  std::vector<std::string> from = path_;
  from.push_back(name);
  do {
    in.take();  // ':' or ','
    in.skip_space();
    const Place where = in.place();
    std::string target = in.take_name();
    while (!in.at_end() && in.peek() == '.') {
      target += in.take();
      target += in.take_name();
    }
    in.skip_space();
    if (target.empty()) {
      errors_.add(where, "the name of a section is missing",
                  "write the sections to inherit from by their whole path: a : b.c, d { ... }");
    } else {
      references_.push_back({from, std::move(target), where});
    }
  } while (!in.at_end() && in.peek() == ',');
}

void Parser::read_section(Cursor& in, const std::string& name, const Place& where, Section& into) {
  if (in.peek() == ':') read_references(in, name);
  if (in.at_end() || in.peek() != '{') {
    errors_.add(in.place(), fmt::format("section {} has no '{{'", quoted(name)),
                "open it with '{' and close it with '}'");
    return recover(in);
  }
  in.take();
  Section skipped;
  Section* target = &skipped;
  const bool fits = path_.size() < settings_depth_max;
  if (!fits) {
    errors_.add(where,
                fmt::format("sections lie in each other more than {} deep", settings_depth_max),
                "nothing of strongSwan's needs that: look for a missing '}'");
    // What it holds is not read: nothing may recurse as deep as a file likes.
    std::size_t depth = 1;
    while (!in.at_end() && depth > 0) {
      const char c = in.take();
      if (c == '{') ++depth;
      if (c == '}') --depth;
    }
    return;
  }
  if (checked_name(name, where) && has_room(where)) target = &into.open(name, where);
  path_.push_back(name);
  read_body(in, *target);
  path_.pop_back();
  if (in.at_end()) {
    errors_.add(where, fmt::format("section {} is not closed", quoted(name)),
                "add the '}' that is missing");
    return;
  }
  in.take();
}

std::string Parser::take_string(Cursor& in) {
  const Place where = in.place();
  in.take();
  std::string text;
  while (!in.at_end()) {
    const char c = in.take();
    if (c == '"') return text;
    if (c != '\\' || in.at_end()) {
      text += c;
      continue;
    }
    const char escaped = in.take();
    switch (escaped) {
      case 'n': text += '\n'; break;
      case 'r': text += '\r'; break;
      case 't': text += '\t'; break;
      case '\n': break;
      default: text += escaped;
    }
  }
  errors_.add(where, "the quote that opens here is never closed",
              "add '\"' at the end of the text");
  return text;
}

void Parser::read_value(Cursor& in, const std::string& name, const Place& where, Section& into) {
  std::string text;
  bool is_set = false;
  for (;;) {
    in.skip_blanks();
    const char c = in.peek();
    if (in.at_end() || c == '\n' || c == '#' || c == '}') break;
    std::string part;
    if (c == '"') {
      part = take_string(in);
    } else {
      while (!in.at_end() && !is_blank(in.peek()) &&
             !std::string_view{"\n#}\""}.contains(in.peek())) {
        part += in.take();
      }
    }
    text += (is_set ? " " : "") + part;
    is_set = true;
  }
  if (!checked_name(name, where) || !has_room(where)) return;
  // A list without elements takes back what a template or an earlier file has set.
  into.set({name, where, std::move(text), !is_set, {}});
}

std::string Parser::take_pattern(Cursor& in) {
  if (in.peek() == '"') return take_string(in);
  std::string pattern;
  while (!in.at_end() && !is_blank(in.peek()) && !std::string_view{"\n#}"}.contains(in.peek())) {
    const char c = in.take();
    const bool escapes = c == '\\' && !in.at_end() && in.peek() != '\n';
    pattern += escapes ? in.take() : c;
  }
  return pattern;
}

void Parser::read_include(Cursor& in, const Place& where, Section& into) {
  const std::string pattern = take_pattern(in);
  in.skip_blanks();
  if (!in.at_end() && !std::string_view{"\n#}"}.contains(in.peek())) {
    errors_.add(in.place(), "include takes one pattern",
                "put a path with blanks in quotes, or write one include for each");
    recover(in);
  }
  if (pattern.empty()) {
    errors_.add(where, "include names no file", "write `include conf.d/*.conf`");
    return;
  }
  if (include_depth_ >= include_depth_max) {
    errors_.add(where, fmt::format("files include each other more than {} deep", include_depth_max),
                "look for a file that includes itself");
    return;
  }
  const std::vector<std::string> paths = files_.glob(path_below(folder_of(in.file()), pattern));
  if (paths.empty()) {
    settings_.warnings.push_back({where, fmt::format("no file fits {}", quoted(pattern)),
                                  "remove the include if nothing is missing"});
  }
  ++include_depth_;
  for (const std::string& path : paths) read_file(path, into, where);
  --include_depth_;
}

/// What has no value was there to take one back.
void drop_unset(Section& section) {
  std::erase_if(section.values, [](const Value& value) { return value.is_list; });
  for (Section& inner : section.sections) drop_unset(inner);
}

}  // namespace

std::string folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  return std::string{path.substr(0, std::max<std::size_t>(slash, 1))};
}

std::string path_below(std::string_view folder, std::string_view name) {
  if (folder.empty() || name.starts_with('/')) return std::string{name};
  return fmt::format("{}{}{}", folder, folder.ends_with('/') ? "" : "/", name);
}

std::expected<Settings, std::vector<config::ConfigError>> load_settings(const std::string& path,
                                                                        Files& files) {
  config::Errors errors;
  Settings settings;
  Parser parser{files, errors, settings};
  parser.read_file(path, settings.root, {path, 0, 0});
  settings.root = inherit(settings.root, parser.references(), errors);
  drop_unset(settings.root);
  if (!errors.empty()) return std::unexpected{errors.take()};
  return settings;
}

}  // namespace caponier::swan

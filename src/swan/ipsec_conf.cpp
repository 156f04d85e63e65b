#include "swan/ipsec_conf.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace caponier::swan {

namespace {

using config::Place;
using config::quoted;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (;;) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

/// Without what stands behind a '#' that begins the line or follows a blank, outside of quotes.
std::string_view without_comment(std::string_view line) {
  bool is_quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') is_quoted = !is_quoted;
    if (line[i] == '#' && !is_quoted && (i == 0 || is_blank(line[i - 1]))) {
      return line.substr(0, i);
    }
  }
  return line;
}

std::string_view first_word(std::string_view text) {
  return text.substr(0, std::min(text.find_first_of(" \t\r"), text.size()));
}

class Parser {
 public:
  Parser(Files& files, config::Errors& errors, IpsecFile& to)
      : files_(files), errors_(errors), to_(to) {}
  void read_file(const std::string& path, const Place& asked);
  void resolve();

 private:
  void read_header(std::string_view line, const std::string& file, const Place& where);
  void read_parameter(std::string_view line, const Place& where);
  void include(std::string_view pattern, const std::string& file, const Place& where);
  void inherit(Section& conn, const Section& from, std::size_t depth);

  Files& files_;
  config::Errors& errors_;
  IpsecFile& to_;
  Section* current_ = nullptr;
  Section ignored_;
  std::size_t files_read_ = 0;
  std::size_t octets_ = 0;
  std::size_t depth_ = 0;
  std::size_t entries_ = 0;
};

void Parser::read_file(const std::string& path, const Place& asked) {
  errors_.add_file(path);
  if (++files_read_ > settings_files_max) return;
  const auto text = files_.read(path);
  if (!text) {
    errors_.add(
        asked, fmt::format("cannot read {}: {}", path, text.error().message),
        text.error().fix.empty() ? "check that the file exists and may be read" : text.error().fix);
    return;
  }
  octets_ += text->size();
  if (octets_ > settings_size_max) {
    errors_.add({path, 0, 0}, fmt::format("the files have more than {} octets", settings_size_max),
                "split the configuration between several daemons");
    return;
  }
  current_ = nullptr;
  unsigned number = 0;
  for (const std::string_view raw : lines_of(*text)) {
    ++number;
    const std::string_view line = without_comment(raw);
    const std::string_view bare = trimmed(line);
    if (bare.empty()) continue;
    const auto column = static_cast<unsigned>(line.find(bare)) + 1;
    const Place where{path, number, column};
    if (++entries_ > settings_entries_max) {
      errors_.add(where, fmt::format("there are more than {} lines", settings_entries_max),
                  "split the configuration between several daemons");
      return;
    }
    if (column == 1) {
      read_header(bare, path, where);
    } else {
      read_parameter(bare, where);
    }
  }
}

void Parser::include(std::string_view pattern, const std::string& file, const Place& where) {
  if (depth_ >= include_depth_max) {
    errors_.add(where, fmt::format("files include each other more than {} deep", include_depth_max),
                "look for a file that includes itself");
    return;
  }
  if (pattern.size() > 1 && pattern.front() == '"' && pattern.back() == '"') {
    pattern = pattern.substr(1, pattern.size() - 2);
  }
  ++depth_;
  for (const std::string& path : files_.glob(path_below(folder_of(file), pattern))) {
    read_file(path, where);
  }
  --depth_;
  current_ = nullptr;
}

void Parser::read_header(std::string_view line, const std::string& file, const Place& where) {
  const std::string_view word = first_word(line);
  const std::string_view rest = trimmed(line.substr(word.size()));
  current_ = &ignored_;
  if (word == "version") return;
  if (word == "include") return include(rest, file, where);
  if (word == "config" && rest == "setup") {
    current_ = &to_.setup;
    if (current_->name.empty()) *current_ = {"setup", where, {}, {}};
    return;
  }
  const bool is_conn = word == "conn";
  if ((is_conn || word == "ca") && !rest.empty()) {
    if (rest == "%default") {
      current_ = is_conn ? &to_.defaults : &ignored_;
      if (is_conn && current_->name.empty()) *current_ = {"%default", where, {}, {}};
      return;
    }
    auto& sections = is_conn ? to_.conns : to_.authorities;
    const auto known = std::ranges::find(sections, rest, &Section::name);
    if (known != sections.end()) {
      current_ = &*known;
      return;
    }
    sections.push_back({std::string{rest}, where, {}, {}});
    current_ = &sections.back();
    return;
  }
  if (line.find('=') != std::string_view::npos) {
    errors_.add(where,
                fmt::format("{} stands outside any section",
                            quoted(trimmed(line.substr(0, line.find('='))))),
                "indent it with a blank, below its conn");
    return;
  }
  constexpr std::array<std::string_view, 4> words{"conn", "config setup", "include", "ca"};
  errors_.add(where, fmt::format("{} opens no section", quoted(line)),
              config::suggest(word, words, "write conn NAME, config setup or include FILE"));
}

void Parser::read_parameter(std::string_view line, const Place& where) {
  if (current_ == nullptr) {
    errors_.add(where, "this line belongs to no section", "write conn NAME above it");
    return;
  }
  const std::size_t equals = line.find('=');
  if (first_word(line) == "include" && equals == std::string_view::npos) {
    return include(trimmed(line.substr(7)), where.file, where);
  }
  if (equals == std::string_view::npos) {
    errors_.add(where, fmt::format("{} is no parameter", quoted(line)), "write key=value");
    return;
  }
  const std::string key{trimmed(line.substr(0, equals))};
  std::string_view value = trimmed(line.substr(equals + 1));
  if (value.size() > 1 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  if (key == "also") {
    const Value* const before = current_->find("also");
    Value also = before == nullptr ? Value{"also", where, {}, true, {}} : *before;
    also.items.emplace_back(value);
    current_->set(std::move(also));
    return;
  }
  // An empty value takes back what %default has set.
  current_->set({key, where, std::string{value}, false, {}});
}

void Parser::inherit(Section& conn, const Section& from, std::size_t depth) {
  const Value* const found = from.find("also");
  if (found == nullptr || depth > settings_depth_max) return;
  // `from` may be `conn`, which grows here.
  const Value also = *found;
  for (const std::string& name : also.items) {
    const auto target = std::ranges::find(to_.conns, name, &Section::name);
    if (target == to_.conns.end()) {
      errors_.add(also.where, fmt::format("there is no conn {}", quoted(name)),
                  "write the name of another conn behind also=");
      continue;
    }
    if (target->name == conn.name) continue;
    for (const Value& value : target->values) {
      if (conn.find(value.key) == nullptr) conn.values.push_back(value);
    }
    inherit(conn, *target, depth + 1);
  }
}

void Parser::resolve() {
  std::vector<Section> resolved = to_.conns;
  std::size_t values = 0;
  for (Section& conn : resolved) {
    inherit(conn, conn, 0);
    for (const Value& value : to_.defaults.values) {
      if (conn.find(value.key) == nullptr) conn.values.push_back(value);
    }
    std::erase_if(conn.values, [](const Value& value) {
      return value.key == "also" || (value.text.empty() && !value.is_list);
    });
    values += conn.values.size();
    if (values > settings_entries_max) {
      errors_.add(conn.where, "conns inherit too much from each other", "use fewer also=");
      break;
    }
  }
  to_.conns = std::move(resolved);
}

/// Keys that only one of the two has; a word that begins one counts for all of them.
constexpr std::array<std::string_view, 16> strongswan_keys{
    "leftauth",   "rightauth",  "leftfirewall",  "rightfirewall", "dpdaction",    "closeaction",
    "margintime", "keylife",    "forceencaps",   "eap_identity",  "aaa_identity", "leftsigkey",
    "rightdns",   "leftgroups", "installpolicy", "lifetime"};
constexpr std::array<std::string_view, 22> libreswan_keys{
    "ikev2",          "leftrsasigkey",   "rightrsasigkey",  "leftckaid",        "rightckaid",
    "phase2alg",      "phase2",          "leftsubnets",     "rightsubnets",     "salifetime",
    "ipsec-lifetime", "narrowing",       "leftaddresspool", "rightaddresspool", "encapsulation",
    "nssdir",         "virtual-private", "virtual_private", "protostack",       "plutodebug",
    "ikev1-policy",   "modecfgdns"};

}  // namespace

std::string_view name_of(Dialect dialect) {
  return dialect == Dialect::strongswan ? "strongSwan" : "libreswan";
}

std::expected<IpsecFile, std::vector<config::ConfigError>> load_ipsec_conf(const std::string& path,
                                                                           Files& files) {
  config::Errors errors;
  IpsecFile file;
  Parser parser{files, errors, file};
  parser.read_file(path, {path, 0, 0});
  parser.resolve();
  if (!errors.empty()) return std::unexpected{errors.take()};
  return file;
}

Dialect detect_dialect(const IpsecFile& file) {
  int score = file.authorities.empty() ? 0 : 2;
  const auto judge = [&](const Section& section) {
    for (const Value& value : section.values) {
      const auto is = [&](std::string_view key) { return value.key == key; };
      if (std::ranges::any_of(strongswan_keys, is)) ++score;
      if (std::ranges::any_of(libreswan_keys, is)) --score;
      const bool is_proposal = value.key == "ike" || value.key == "esp";
      if (is_proposal && value.text.find_first_of(";+_") != std::string::npos) score -= 2;
      if (is_proposal && value.text.ends_with('!')) score += 2;
      if (value.key == "auto" && (value.text == "ondemand" || value.text == "keep")) --score;
      if (value.key == "auto" && value.text == "route") ++score;
      if (value.key == "charondebug" || value.key == "strictcrlpolicy") ++score;
    }
  };
  judge(file.setup);
  judge(file.defaults);
  for (const Section& conn : file.conns) judge(conn);
  return score < 0 ? Dialect::libreswan : Dialect::strongswan;
}

}  // namespace caponier::swan

#pragma once
// Every key of swanctl.conf, declared once: its kind, what is done with it, and why not.

#include <array>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/errors.h"
#include "swan/report.h"
#include "swan/section.h"
#include "swan/values.h"

namespace caponier::swan {

/// The sections that have keys.
enum class Scope : std::uint8_t {
  connection,
  local,
  remote,
  object,  ///< cert<suffix>, cacert<suffix>
  child,
  pool,
  authority,
  secret,
};
[[nodiscard]] std::string_view name_of(Scope scope);

enum class KeyKind : std::uint8_t { text, list, boolean, number, time, bytes, word, mark };

enum class KeyAction : std::uint8_t {
  takes,
  warns,    ///< has no effect here, unless it says what is so anyway
  refuses,  ///< likewise, but the connection cannot do without it
};

struct KeyRow {
  Scope scope{};
  std::string_view name;
  KeyKind kind{};
  KeyAction action = KeyAction::takes;
  /// With words between '|': values that change nothing.
  std::string_view idle;
  std::string_view reason;  ///< of warnings and refusals
};

[[nodiscard]] std::span<const KeyRow> all_keys();
[[nodiscard]] const KeyRow* find_key(Scope scope, std::string_view name);

template <class T>
struct Choice {
  std::string_view text;
  T value;
};

/// One section, read key by key with every mistake told.
class Reader {
 public:
  /// Tells unknown keys, and those that are warned of or refused. Everything referred to must
  /// outlive the object.
  Reader(const Section& section, Scope scope, std::string path, Report& report);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const Section& section() const { return section_; }
  [[nodiscard]] Report& report() { return report_; }
  [[nodiscard]] bool has(std::string_view key) const { return section_.find(key) != nullptr; }

  void text(std::string_view key, std::string& to);
  void list(std::string_view key, std::vector<std::string>& to);
  void boolean(std::string_view key, bool& to) { parse(key, to, parse_boolean); }
  void time(std::string_view key, base::Duration& to) { parse(key, to, parse_time); }
  void bytes(std::string_view key, std::uint64_t& to) { parse(key, to, parse_bytes); }
  void mark(std::string_view key, Mark& to) { parse(key, to, parse_mark); }
  template <class T>
  void number(std::string_view key, T& to) {
    parse(key, to, [](std::string_view text) -> Parsed<T> {
      const auto value = parse_number(text, std::numeric_limits<T>::max());
      if (!value) return std::unexpected{value.error()};
      return static_cast<T>(*value);
    });
  }
  template <class T, std::size_t N>
  void word(std::string_view key, const std::array<Choice<T>, N>& choices, T& to) {
    parse(key, to, [&](std::string_view text) -> Parsed<T> {
      std::array<std::string_view, N> words;
      for (std::size_t i = 0; i < N; ++i) {
        if (choices[i].text == text) return choices[i].value;
        words[i] = choices[i].text;
      }
      return std::unexpected{
          Fault{config::quoted(text) + " is none of " + config::join(words, "and"),
                config::suggest(text, words, "write " + config::join(words, "or"))}};
    });
  }
  /// What `parser` makes of a text; of each element with read_each().
  template <class T, class Parser>
  void parse(std::string_view key, T& to, Parser parser) {
    const Value* const value = section_.find(key);
    if (value == nullptr) return;
    auto parsed = parser(std::string_view{value->is_list ? value->joined() : value->text});
    if (parsed) {
      to = *std::move(parsed);
    } else {
      fault(key, parsed.error());
    }
  }
  template <class T, class Parser>
  void each(std::string_view key, std::vector<T>& to, Parser parser) {
    const Value* const value = section_.find(key);
    if (value == nullptr) return;
    std::vector<T> all;
    for (const std::string& item : value->list()) {
      auto parsed = parser(std::string_view{item});
      if (!parsed) {
        fault(key, parsed.error());
        continue;
      }
      all.push_back(*std::move(parsed));
    }
    if (!all.empty()) to = std::move(all);
  }

  void fault(std::string_view key, const Fault& fault);
  void warn(std::string_view key, std::string message, std::string fix = {});
  /// Of the section's own name.
  void refuse(const Fault& fault) { report_.error(section_.where, path_, fault); }
  /// A section inside that has no place here.
  void refuse_section(const Section& inner, std::span<const std::string_view> known);

 private:
  void check_keys();
  void check_action(const KeyRow& row, const Value& value);
  [[nodiscard]] config::Place place_of(std::string_view key) const;
  [[nodiscard]] std::string path_of(std::string_view key) const;

  const Section& section_;
  Scope scope_;
  std::string path_;
  Report& report_;
};

}  // namespace caponier::swan

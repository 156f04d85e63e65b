#include "cli/why.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace caponier::cli {
namespace {

/// Lines under labels; long ones go on below.
class Page {
 public:
  void add(std::string_view label, std::string_view words) {
    constexpr std::size_t label_width = 8;
    const std::size_t room = why_columns_max - label_width;
    std::string_view rest = words;
    bool is_first = true;
    do {
      const std::string_view part = rest.substr(0, break_at(rest, room));
      lines_.push_back(fmt::format("{:<{}}{}", is_first ? label : "", label_width, part));
      rest.remove_prefix(part.size());
      while (rest.starts_with(' ')) rest.remove_prefix(1);
      is_first = false;
    } while (!rest.empty());
  }
  void add_plain(std::string line) { lines_.push_back(std::move(line)); }
  [[nodiscard]] std::size_t room() const {
    return lines_.size() >= why_lines_max ? 0 : why_lines_max - lines_.size();
  }
  [[nodiscard]] std::string text() const {
    std::string out;
    for (std::size_t i = 0; i < std::min(lines_.size(), why_lines_max); ++i) {
      std::string line = lines_[i];
      while (line.ends_with(' ')) line.pop_back();
      out += line.substr(0, why_columns_max) + "\n";
    }
    return out;
  }

 private:
  static std::size_t break_at(std::string_view words, std::size_t room) {
    if (words.size() <= room) return words.size();
    const std::size_t space = words.rfind(' ', room);
    return space == std::string_view::npos || space == 0 ? room : space;
  }

  std::vector<std::string> lines_;
};

std::string cut(std::string words, std::size_t most) {
  if (words.size() > most) words = words.substr(0, most - 1) + "~";
  return words;
}

std::string_view side_of(const Json& fix) {
  const std::string side = text(fix, "side");
  if (side == "us") return "on us:   ";
  return side == "them" ? "on them: " : "between: ";
}

/// "[site.branch] ike = [...]"
std::string setting_text(const Json& setting, bool is_ours) {
  const std::string line = text(setting, "key") + " = " + text(setting, "value");
  return is_ours ? fmt::format("[{}] {}", text(setting, "table"), line) : line;
}

std::string fix_text(const Json& fix) {
  std::string lines;
  const bool is_ours = text(fix, "side") == "us";
  const Json& own = at(fix, "lines");
  if (is_ours || own.empty()) {
    for (const Json& setting : at(fix, "settings")) {
      lines += (lines.empty() ? "" : "; ") + setting_text(setting, is_ours);
    }
  } else {
    for (const Json& line : own) lines += (lines.empty() ? "" : "; ") + line.get<std::string>();
  }
  return std::string{side_of(fix)} + text(fix, "sentence") + (lines.empty() ? "" : ": " + lines);
}

void add_values(Page& page, const Json& diagnosis) {
  constexpr std::size_t values_shown_max = 3;
  constexpr std::size_t what_width = 24;
  constexpr std::size_t value_width = 30;
  const Json& values = at(diagnosis, "values");
  for (std::size_t i = 0; i < std::min(values.size(), values_shown_max); ++i) {
    const Json& one = values[i];
    std::string line = fmt::format("  {:<{}}", cut(text(one, "what"), what_width), what_width);
    const std::string ours = text(one, "ours");
    const std::string theirs = text(one, "theirs");
    if (!ours.empty()) line += fmt::format("  ours {:<{}}", cut(ours, value_width), value_width);
    if (!theirs.empty()) line += "  theirs " + cut(theirs, value_width);
    page.add_plain(std::move(line));
  }
}

void add_diagnosis(Page& page, const Json& diagnosis, std::string_view label) {
  page.add(label, fmt::format("{} ({}, {})", text(diagnosis, "cause"), text(diagnosis, "code"),
                              text(diagnosis, "certainty")));
  add_values(page, diagnosis);
  bool is_first = true;
  for (const Json& other : at(diagnosis, "others")) {
    if (page.room() <= 3) break;
    page.add(is_first ? "perhaps" : "", text(other, "cause"));
    is_first = false;
  }
  is_first = true;
  for (const Json& fix : at(diagnosis, "fixes")) {
    if (page.room() <= 1) break;
    page.add(is_first ? "fix" : "", fix_text(fix));
    is_first = false;
  }
}

/// Without the SPIs where it never came to an IKE SA.
std::string seen_text(const Json& failure) {
  constexpr std::string_view no_spi = "0000000000000000";
  const auto times = number(failure, "times");
  std::string line = fmt::format("{:.0f} time{}, last {} ago", times, times == 1 ? "" : "s",
                                 human_age(number(failure, "last_seconds")));
  if (text(failure, "spi_i") == no_spi && text(failure, "spi_r") == no_spi) return line;
  return line + fmt::format(
                    ", {} asked; {}; SPIs {} {}", text(failure, "asked_by") == "us" ? "we" : "they",
                    text(failure, "remote"), text(failure, "spi_i"), text(failure, "spi_r"));
}

std::string head_of(const Json& result) {
  std::string state = text(result, "state");
  if (state == "down") state = "DOWN";
  std::string line = fmt::format("{} is {} for {}", text(result, "name"), state,
                                 human_age(number(result, "state_seconds")));
  const auto attempts = number(result, "attempts");
  if (attempts > 0) {
    line += fmt::format(" ({:.0f} attempt{}", attempts, attempts == 1 ? "" : "s");
    const Json& next = at(result, "next_attempt_seconds");
    if (next.is_number()) line += fmt::format(", the next in {}", human_age(next.get<double>()));
    line += ")";
  }
  return line;
}

/// What holds, and the first that does not.
std::string steps_text(const Json& steps) {
  std::string good;
  std::string bad;
  for (const Json& step : steps) {
    if (flag(step, "ok")) {
      good += (good.empty() ? "" : ", ") + text(step, "what");
    } else {
      bad = text(step, "what");
    }
  }
  return good + (bad.empty() ? "" : "; not: " + bad);
}

}  // namespace

std::string why_text(const Json& result, const Style&) {
  Page page;
  page.add_plain(head_of(result));
  const Json& current = at(result, "current");
  const Json& health = at(result, "health");
  if (current.is_object()) {
    add_diagnosis(page, current, "cause");
    page.add("seen", seen_text(current));
  } else if (!health.empty()) {
    add_diagnosis(page, health.front(), "cause");
  } else if (!text(result, "note").empty()) {
    page.add("note", text(result, "note"));
  }
  if (!current.is_object() && page.room() > 1) page.add("holds", steps_text(at(result, "steps")));
  const Json& failures = at(result, "failures");
  const auto past = std::count_if(failures.begin(), failures.end(),
                                  [](const Json& one) { return flag(one, "is_past"); });
  if (past > 0 && page.room() > 0) {
    page.add("before", fmt::format("{} other failure{}; --all shows {}", past, past == 1 ? "" : "s",
                                   past == 1 ? "it" : "them"));
  }
  return page.text();
}

std::string diagnosis_text(const Json& diagnosis) {
  Page page;
  add_diagnosis(page, diagnosis, "differs");
  return page.text();
}

std::string failure_list(const Json& failures) {
  std::string out;
  for (const Json& failure : failures) {
    std::string line =
        fmt::format("{:>4} ago  {:>4.0f}x  {}  {}", human_age(number(failure, "last_seconds")),
                    number(failure, "times"), text(failure, "code"), text(failure, "cause"));
    out += cut(std::move(line), why_columns_max) + "\n";
  }
  return out;
}

std::string why_unknown_text(const Json& result, const Style&) {
  const Json& failures = at(result, "failures");
  if (failures.empty()) return "nobody that no tunnel is configured for has come\n";
  std::string out;
  for (const Json& failure : failures) {
    Page page;
    add_diagnosis(page, failure, "cause");
    page.add("seen", seen_text(failure));
    out += (out.empty() ? "" : "\n") + page.text();
  }
  return out;
}

}  // namespace caponier::cli

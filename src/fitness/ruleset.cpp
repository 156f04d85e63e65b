#include "fitness/ruleset.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace caponier::fitness {
namespace {

using Words = std::vector<std::string_view>;

Words words_of(std::string_view line) {
  Words words;
  while (!line.empty()) {
    const std::size_t begin = line.find_first_not_of(" \t,;");
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(line.find_first_of(" \t,;", begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
  return words;
}

bool has(const Words& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

/// "500", "400-600"; nft also writes the names of services.
bool names_port(std::string_view word, std::uint16_t port) {
  if ((word == "isakmp" && port == 500) || (word == "ipsec-nat-t" && port == 4500)) return true;
  const std::size_t dash = word.find('-');
  const auto number = [](std::string_view text) -> std::optional<unsigned> {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
  };
  const auto first = number(word.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : number(word.substr(dash + 1));
  return first && last && *first <= port && port <= *last;
}

enum class Verdict : std::uint8_t { none, accept, drop };

Verdict verdict_of(const Words& words) {
  if (has(words, "accept")) return Verdict::accept;
  return has(words, "drop") || has(words, "reject") ? Verdict::drop : Verdict::none;
}

/// Which new packets a question is about.
struct Question {
  bool is_esp = false;
  std::uint16_t port = 0;
};

constexpr std::string_view counted[] = {"accept",  "drop",  "reject", "counter",
                                        "packets", "bytes", "log"};

bool is_number(std::string_view word) {
  return std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
}

/// Without any condition: for everything.
bool is_unconditional(const Words& words) {
  return std::ranges::all_of(words, [](std::string_view word) {
    return std::ranges::find(counted, word) != std::end(counted) || is_number(word);
  });
}

bool is_about(const Words& words, const Question& asked) {
  if (is_unconditional(words)) return true;
  if (asked.is_esp) return has(words, "esp") || has(words, "50");
  const auto dport = std::ranges::find(words, std::string_view{"dport"});
  if (dport == words.end() || dport == words.begin())
    return has(words, "l4proto") && has(words, "udp");
  const std::string_view protocol = *(dport - 1);
  if (protocol != "udp" && protocol != "th") return false;
  return std::any_of(dport + 1, words.end(),
                     [&](std::string_view word) { return names_port(word, asked.port); });
}

/// A rule with another condition besides is not for everybody, and a drop of it proves nothing.
bool is_plain(const Words& words) {
  for (const std::string_view word :
       {"saddr", "daddr", "iif", "iifname", "ct", "limit", "mark", "meter", "fib", "over"}) {
    if (has(words, word)) return false;
  }
  return true;
}

struct Chain {
  std::string name;
  bool is_input = false;
  bool drops_by_policy = false;
  Verdict verdict = Verdict::none;

  void take(const Words& words, const Question& asked) {
    if (has(words, "hook")) {
      is_input = has(words, "input");
      const auto policy = std::ranges::find(words, std::string_view{"policy"});
      drops_by_policy = policy != words.end() && policy + 1 != words.end() && policy[1] == "drop";
      return;
    }
    // What may be let through by another chain is not called dropped.
    if (has(words, "jump") || has(words, "goto") || has(words, "vmap")) {
      if (verdict == Verdict::none) verdict = Verdict::accept;
      return;
    }
    const Verdict said = verdict_of(words);
    if (verdict != Verdict::none || said == Verdict::none || !is_about(words, asked)) return;
    if (said == Verdict::accept || is_plain(words)) verdict = said;
  }
  [[nodiscard]] bool drops() const {
    return is_input && (verdict == Verdict::drop || (verdict == Verdict::none && drops_by_policy));
  }
};

std::optional<std::string> who_drops(std::string_view ruleset, const Question& asked) {
  std::string table;
  std::optional<Chain> chain;
  while (!ruleset.empty()) {
    const std::size_t end = std::min(ruleset.find('\n'), ruleset.size());
    const Words words = words_of(ruleset.substr(0, end));
    ruleset.remove_prefix(std::min(end + 1, ruleset.size()));
    if (words.empty() || words[0].starts_with('#')) continue;
    if (words[0] == "table" && words.size() >= 3) {
      table = std::string{words[1]} + " " + std::string{words[2]};
    } else if (words[0] == "chain" && words.size() >= 2) {
      chain = Chain{table + " " + std::string{words[1]}};
    } else if (chain && words[0] == "}") {
      if (chain->drops()) return chain->name;
      chain.reset();
    } else if (chain) {
      chain->take(words, asked);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> who_drops_udp(std::string_view ruleset, std::uint16_t port) {
  return who_drops(ruleset, {false, port});
}

std::optional<std::string> who_drops_esp(std::string_view ruleset) {
  return who_drops(ruleset, {true, 0});
}

}  // namespace caponier::fitness

#include "config/errors.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "base/event.h"

namespace caponier::config {

void Errors::add(ConfigError error) {
  if (errors_.size() >= errors_max) {
    ++untold_;
    return;
  }
  errors_.push_back(std::move(error));
}

std::vector<ConfigError> Errors::take() {
  // The index keeps errors of one place in the order of their discovery.
  using Rank = std::tuple<std::ptrdiff_t, unsigned, unsigned, std::size_t>;
  std::vector<Rank> ranks;
  for (std::size_t i = 0; i < errors_.size(); ++i) {
    const Place& where = errors_[i].where;
    ranks.emplace_back(std::ranges::find(files_, where.file) - files_.begin(), where.line,
                       where.column, i);
  }
  std::ranges::sort(ranks);
  std::vector<ConfigError> ordered;
  for (const Rank& rank : ranks) ordered.push_back(std::move(errors_[std::get<3>(rank)]));
  errors_.clear();
  if (untold_ > 0) {
    ordered.push_back({{files_.empty() ? std::string{} : files_.front(), 0, 0},
                       fmt::format("{} further errors are not shown", untold_),
                       "correct those above first"});
    untold_ = 0;
  }
  return ordered;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Optimal string alignment, three rows of the table at a time.
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr std::size_t word_size_max = 64;
  if (word.size() > word_size_max) return {};
  std::string_view best;
  std::size_t best_distance = (word.size() + 1) / 3 + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string join(std::span<const std::string_view> words, std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0 && i + 1 == words.size()) {
      text += fmt::format(" {} ", last);
    } else if (i > 0) {
      text += ", ";
    }
    text += words[i];
  }
  return text;
}

std::string suggest(std::string_view word, std::span<const std::string_view> candidates,
                    std::string otherwise) {
  const std::string_view near = nearest(word, candidates);
  return near.empty() ? std::move(otherwise) : fmt::format("did you mean '{}'?", near);
}

std::string quoted(std::string_view text) { return fmt::format("'{}'", base::printable(text)); }

}  // namespace caponier::config

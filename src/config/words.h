#pragma once
// Keys whose value is one of a few words.

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "config/errors.h"
#include "config/section.h"
#include "config/values.h"

namespace caponier::config {

template <class T>
struct Word {
  std::string_view text;
  T value;
};

template <class T, std::size_t N>
void read_word(Section& section, std::string_view key, const std::array<Word<T>, N>& words, T& to) {
  const auto word = section.text(key, [&](std::string_view text) -> Parsed<T> {
    std::array<std::string_view, N> names;
    for (std::size_t i = 0; i < N; ++i) {
      if (words[i].text == text) return words[i].value;
      names[i] = words[i].text;
    }
    const std::string_view meant = nearest(text, names);
    return std::unexpected{
        Fault{fmt::format("{} is none of {}", quoted(text), join(names, "and")),
              meant.empty() ? fmt::format("write {} = \"{}\", or leave the key out", key, names[0])
                            : fmt::format("did you mean '{}'?", meant)}};
  });
  if (word) to = word->value;
}

}  // namespace caponier::config

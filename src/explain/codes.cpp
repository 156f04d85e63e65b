#include "explain/codes.h"

#include <fmt/format.h>

#include "explain/diagnosis.h"

namespace caponier::explain {

std::string text_of(Code code) { return fmt::format("CP-{}", info_of(code).number); }

std::string_view name_of(Certainty certainty) {
  switch (certainty) {
    case Certainty::proven: return "proven";
    case Certainty::strong: return "strong";
    case Certainty::possible: return "possible";
  }
  return {};
}

std::string_view name_of(Side side) {
  switch (side) {
    case Side::ours: return "us";
    case Side::theirs: return "them";
    case Side::between: return "between";
  }
  return {};
}

}  // namespace caponier::explain

#include "ike/transitions.h"

#include <fmt/format.h>

namespace caponier::ike {

std::string print_transitions() {
  std::string text;
  for (const Transition& row : transition_table) {
    text += fmt::format("{:<13} -> {:<13}  {:<29}  RFC 7296 {}\n", name_of(row.from),
                        name_of(row.to), row.cause, row.section);
  }
  return text;
}

}  // namespace caponier::ike

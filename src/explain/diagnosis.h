#pragma once
// Why something failed: the cause with both sides' values, how sure that is, and what would mend
// it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "explain/codes.h"

namespace caponier::explain {

enum class Certainty : std::uint8_t {
  proven,    ///< decided by what was seen; unprotected messages: unless somebody on the path lies
  strong,    ///< nothing else is likely
  possible,  ///< one of several; see Diagnosis::others
};
[[nodiscard]] std::string_view name_of(Certainty certainty);

/// A value that matters, as both sides have it. Empty: not known, or there is none.
struct Comparison {
  std::string what;
  std::string ours;
  std::string theirs;
};

/// A line of a configuration of ours, or of a peer's that is Caponier too.
struct Setting {
  std::string table;  ///< "site.branch"; of a peer: empty, its entry for us
  std::string key;
  std::string value;  ///< as TOML
};

enum class Side : std::uint8_t { ours, theirs, between };
[[nodiscard]] std::string_view name_of(Side side);

struct Fix {
  Side side{};
  std::string sentence;            ///< what to do; stands alone when there is no line for it
  std::vector<Setting> settings;   ///< ours; or theirs, were they Caponier
  std::vector<std::string> lines;  ///< the same, as they are written in the peer's product
};

/// What else it could be.
struct Alternative {
  Code code{};
  std::string cause;
};

struct Diagnosis {
  Code code{};
  Certainty certainty{};
  std::string cause;  ///< one sentence, without a full stop
  std::vector<Comparison> values;
  std::vector<Alternative> others;
  std::vector<Fix> fixes;
};

}  // namespace caponier::explain

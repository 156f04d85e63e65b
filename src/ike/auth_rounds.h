#pragma once
// How far authentication has come: the rounds of RFC 4739, of which nearly everybody has one.

#include <cstddef>
#include <optional>
#include <string>

#include "ike/config.h"

namespace caponier::ike {

struct AuthRounds {
  std::size_t own = 0;           ///< of ours that are through
  std::size_t named = 0;         ///< the one whose identity of ours counts: the last that was sent
  std::size_t peers = 0;         ///< of the peer's that are through
  bool is_peers_due = true;      ///< one of the peer's is under way, or begins with what comes next
  bool is_another_told = false;  ///< ANOTHER_AUTH_FOLLOWS came with the AUTH being judged
};

/// What the peer `who` has announced beyond what is configured, as a sentence; empty: nothing.
[[nodiscard]] std::optional<std::string> excess_in(const AuthRounds& rounds,
                                                   const ConnectionConfig& connection,
                                                   const std::string& who);
/// Likewise what is demanded and does not come. `is_supported`: the peer knows RFC 4739.
[[nodiscard]] std::optional<std::string> missing_in(const AuthRounds& rounds,
                                                    const ConnectionConfig& connection,
                                                    const std::string& who, bool is_supported);
/// Rounds of ours that the peer would not take.
[[nodiscard]] std::optional<std::string> unsupported_in(const ConnectionConfig& connection,
                                                        bool is_supported);

}  // namespace caponier::ike

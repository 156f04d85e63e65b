#pragma once
// A tunnel that is up and carries nothing, or less than it should: what its counters say.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "explain/diagnosis.h"

namespace caponier::explain {

/// One Child SA's past.
struct Flow {
  std::string child;
  base::Duration age{};
  std::uint64_t packets_in = 0, packets_out = 0;
  std::optional<base::Duration> silent_for;  ///< since the last packet came in; null: none ever did
  std::optional<base::Duration> sent_ago;
  std::uint64_t replayed = 0;   ///< too late for the window, or twice
  std::uint64_t corrupted = 0;  ///< wrong integrity check
  std::size_t inner_mtu = 0;
  std::size_t path_mtu = 0;
  bool in_udp = false;
};

/// Packets that leave and are not answered for so long say something.
inline constexpr base::Duration one_way_patience = std::chrono::seconds{10};
inline constexpr std::uint64_t one_way_packets_min = 5;
/// What is lost in the window, of a hundred packets.
inline constexpr std::uint64_t lost_percent_min = 1;
inline constexpr std::size_t usual_path_mtu = 1500;

/// The worst first; empty: nothing is wrong as far as this end sees.
[[nodiscard]] std::vector<Diagnosis> judge(const Flow& flow);

}  // namespace caponier::explain

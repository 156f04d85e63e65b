#pragma once
// The words for algorithms that people write in configurations (strongSwan's spelling), also those
// this project does not offer: a peer may propose them and a user may ask for them.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "wire/ike.h"

namespace caponier::policy {

struct AlgorithmName {
  std::string_view text;
  wire::TransformType type{};
  std::uint16_t id = 0;
  std::uint16_t key_bits = 0;
  /// Empty when the algorithm may be configured, else what follows "'name' " in the refusal.
  std::string_view refusal;
  /// The refusal yields to compat = "legacy".
  bool compat = false;
};

/// The first row of an algorithm is its preferred spelling.
[[nodiscard]] std::span<const AlgorithmName> all_algorithm_names();
/// By name in lower case; null when unknown.
[[nodiscard]] const AlgorithmName* find_algorithm(std::string_view text);
/// Whether an offer needs compat = "legacy" for it, and why; null when it is sound or unknown.
[[nodiscard]] const AlgorithmName* find_weakness(wire::TransformType type, std::uint16_t id);
/// The first configurable name that goes on from `text`, or else that with the fewest edits from
/// it; empty when none is near.
[[nodiscard]] std::string_view nearest_algorithm(std::string_view text);

/// "aes256gcm16"; "encr#99/256" for a number without a name.
[[nodiscard]] std::string algorithm_text(wire::TransformType type, std::uint16_t id,
                                         std::uint16_t key_bits);
/// The same, with attributes other than Key Length marked by a "*".
[[nodiscard]] std::string algorithm_text(const wire::Transform& transform);
/// "encryption", "key exchange", "transform type 9".
[[nodiscard]] std::string kind_text(wire::TransformType type);

}  // namespace caponier::policy

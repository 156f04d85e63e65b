#pragma once
// The products in whose language a peer's side can be written.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace caponier::dialect {

enum class Target : std::uint8_t {
  swanctl,
  libreswan,
  iosxe,
  asa,
  junos,
  fortios,
  panos,
  routeros,
  aws,
  azure,
  gcp,
};

struct TargetName {
  Target target{};
  std::string_view word;      ///< of the command line
  std::string_view product;   ///< for people
  std::string_view verified;  ///< the version that this was run against; empty: nobody has
};
/// In the order of the enumeration.
[[nodiscard]] std::span<const TargetName> all_targets();
[[nodiscard]] const TargetName& name_of(Target target);
[[nodiscard]] std::optional<Target> target_by_word(std::string_view word);

}  // namespace caponier::dialect

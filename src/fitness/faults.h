#pragma once
// What can be wrong with this host, each with a code that stays: the list of all checks.

#include <cstdint>
#include <span>
#include <string_view>

namespace caponier::fitness {

enum class Fault : std::uint8_t {
  no_forwarding_v4,
  no_forwarding_v6,
  strict_reverse_path,
  port_taken,
  no_capability,
  no_tun_device,
  foreign_address,
  no_route,
  ike_dropped,
  esp_dropped,
  certificate_ended,
  certificate_early,
  certificate_ends,
  certificate_identity,
  certificate_usage,
  certificate_name,
  certificate_key,
};

/// A fault keeps a tunnel from working; a hazard may.
enum class Gravity : std::uint8_t { hazard, fault };

struct FaultRow {
  Fault fault{};
  std::string_view code;
  Gravity gravity{};
  std::string_view title;
};
/// In the order of the enumeration.
[[nodiscard]] std::span<const FaultRow> all_faults();
[[nodiscard]] const FaultRow& row_of(Fault fault);

}  // namespace caponier::fitness

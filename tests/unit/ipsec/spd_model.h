#pragma once
// The SPD as RFC 4301 s4.4.1 tells it, as plainly as possible and sharing no code with the engine:
// go through the list, and through every pair of selectors, and ask of each value whether it fits.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "ipsec/engine.h"
#include "wire/ip.h"

namespace caponier::ipsec::test {

class SpdModel {
 public:
  explicit SpdModel(std::vector<Policy> policies) : policies_(std::move(policies)) {}

  /// The place of the first policy that matches.
  [[nodiscard]] std::optional<std::size_t> outbound(
      const wire::PacketSelectorFields& packet) const {
    for (std::size_t i = 0; i < policies_.size(); ++i) {
      const Policy& policy = policies_[i];
      if (policy.direction == PolicyDirection::inbound) continue;
      if (sender_fits(policy.local, packet) && receiver_fits(policy.remote, packet)) return i;
    }
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::size_t> inbound(const wire::PacketSelectorFields& packet) const {
    for (std::size_t i = 0; i < policies_.size(); ++i) {
      const Policy& policy = policies_[i];
      if (policy.direction == PolicyDirection::outbound) continue;
      if (sender_fits(policy.remote, packet) && receiver_fits(policy.local, packet)) return i;
    }
    return std::nullopt;
  }

 private:
  using Ts = policy::TrafficSelector;

  static bool address_fits(const Ts& ts, const base::IpAddress& address) {
    const auto want = address.bytes();
    const auto low = ts.first.bytes();
    const auto high = ts.last.bytes();
    if (low.size() != want.size() || high.size() != want.size()) return false;
    return !std::ranges::lexicographical_compare(want, low) &&
           !std::ranges::lexicographical_compare(high, want);
  }
  static bool protocol_fits(const Ts& ts, const wire::PacketSelectorFields& packet) {
    return ts.protocol == 0 || ts.protocol == packet.protocol;
  }
  static bool port_fits(const Ts& ts, bool has_ports, std::uint16_t port) {
    const bool any = ts.first_port == 0 && ts.last_port == 0xffff;
    const bool opaque = ts.first_port == 0xffff && ts.last_port == 0;
    if (any) return true;
    if (!has_ports) return opaque;
    return ts.first_port <= port && port <= ts.last_port;
  }
  static bool sender_fits(const policy::TrafficSelectors& all,
                          const wire::PacketSelectorFields& packet) {
    for (const Ts& ts : all) {
      if (address_fits(ts, packet.source) && protocol_fits(ts, packet) &&
          port_fits(ts, packet.has_ports, packet.source_port)) {
        return true;
      }
    }
    return false;
  }
  /// s4.4.1.3 B to D: what has one value is checked where it is sent; OPAQUE at the other end only
  /// says that nothing of the kind comes from there.
  static bool receiver_fits(const policy::TrafficSelectors& all,
                            const wire::PacketSelectorFields& packet) {
    for (const Ts& ts : all) {
      const bool has_one_value = ts.protocol == 1 || ts.protocol == 58 || ts.protocol == 135;
      const bool opaque = ts.first_port == 0xffff && ts.last_port == 0;
      if (address_fits(ts, packet.destination) && protocol_fits(ts, packet) &&
          ((has_one_value && opaque) || port_fits(ts, packet.has_ports, packet.destination_port))) {
        return true;
      }
    }
    return false;
  }

  std::vector<Policy> policies_;
};

}  // namespace caponier::ipsec::test

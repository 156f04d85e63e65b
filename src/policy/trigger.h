#pragma once
// The traffic that asked for an SA, and what the SA shall take from it (RFC 4301 s4.4.1, RFC 7296
// s2.9).

#include "policy/traffic_selector.h"
#include "wire/ip.h"

namespace caponier::policy {

/// Populate from packet: one flag per selector. An SA made for a packet has that packet's value
/// where the flag is set, and the policy's where it is not. Ports stand for ICMP type and code and
/// for the Mobility Header type as well.
struct PfpFlags {
  bool local_address = false;
  bool remote_address = false;
  bool protocol = false;
  bool local_port = false;
  bool remote_port = false;

  [[nodiscard]] bool any() const {
    return local_address || remote_address || protocol || local_port || remote_port;
  }
  friend auto operator<=>(const PfpFlags&, const PfpFlags&) = default;
};

struct Trigger {
  TrafficSelectors local;
  TrafficSelectors remote;
  /// The SA shall cover this and nothing else; otherwise it is what is offered first.
  bool is_exact = false;
  friend auto operator<=>(const Trigger&, const Trigger&) = default;
};

/// For a packet that leaves us and matches the policy `local` === `remote`.
[[nodiscard]] Trigger make_trigger(const wire::PacketSelectorFields& packet, const PfpFlags& pfp,
                                   const TrafficSelectors& local, const TrafficSelectors& remote);

/// What the initiator offers for `allowed`, one end of a child, on account of `wanted`, the same
/// end of a trigger: its own selectors first, then all others unless the trigger is exact. Never
/// more than wire::traffic_selector_count_max.
[[nodiscard]] TrafficSelectors offer_for(const TrafficSelectors& wanted, bool is_exact,
                                         const TrafficSelectors& allowed);

}  // namespace caponier::policy

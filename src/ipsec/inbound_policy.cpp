#include "ipsec/inbound_policy.h"

#include "wire/icmp.h"

namespace caponier::ipsec {

using base::DropReason;

std::optional<DropReason> InboundPolicy::check(const wire::PacketSelectorFields& packet,
                                               const Sa& sa) const {
  //= rfc4301#4.4.1.1-5 rfc4301#5.2-6 rfc4301#7.3-5..6
  if (!is_inbound_match(sa.params.local, sa.params.remote, packet)) return DropReason::esp_selector;
  const SpdEntry* const entry = spd_.match_inbound(packet);
  // SAs outlive policies that have just been taken away (RFC 4301 s4.4.2).
  if (entry == nullptr) return std::nullopt;
  switch (entry->policy.action) {
    case PolicyAction::protect: {
      const bool is_own = entry->policy.connection == sa.params.connection &&
                          entry->policy.child == sa.params.child;
      return is_own ? std::nullopt : std::optional{DropReason::esp_selector};
    }
    case PolicyAction::discard: return DropReason::clear_policy_discard;
    case PolicyAction::bypass:
      return sa.params.mode == policy::SaMode::tunnel ? std::optional{DropReason::esp_selector}
                                                      : std::nullopt;
  }
  return std::nullopt;
}

//= rfc4301#6.2-1 rfc4301#6.2-4..5
std::optional<DropReason> InboundPolicy::check_icmp_error(base::Bytes packet,
                                                          const wire::PacketSelectorFields& fields,
                                                          const Sa& sa) const {
  if (is_inbound_match(sa.params.local, sa.params.remote, fields)) return DropReason::esp_selector;
  const auto answer = wire::return_traffic_of(packet);
  if (!answer.has_value() || answer->destination != fields.destination) {
    return DropReason::esp_selector;
  }
  const SpdEntry* const entry = spd_.match_inbound(fields);
  if (entry != nullptr && entry->policy.action == PolicyAction::discard) {
    return DropReason::clear_policy_discard;
  }
  return check(*answer, sa);
}

}  // namespace caponier::ipsec

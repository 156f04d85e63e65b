#pragma once
// What policy says of packets that arrive from an SA (RFC 4301 s5.2): that they belong there. Those
// in clear are the packet filter's business, gateway/clear_filter.

#include <optional>

#include "base/bytes.h"
#include "base/drops.h"
#include "ipsec/sad.h"
#include "ipsec/spd.h"

namespace caponier::ipsec {

class InboundPolicy {
 public:
  explicit InboundPolicy(const Spd& spd) : spd_(spd) {}

  /// A packet that `sa` delivers: within the selectors that were negotiated, and not what policy
  /// has since given to another SA, discards, or (in tunnel mode, where the addresses are the
  /// peer's word) wants in clear.
  [[nodiscard]] std::optional<base::DropReason> check(const wire::PacketSelectorFields& packet,
                                                      const Sa& sa) const;
  /// An ICMP error that is outside the selectors by its own header, as when a router on the way
  /// sends it (RFC 4301 s6.2): it passes when it goes to whoever sent the packet that it quotes,
  /// and the answer to that packet would. `fields` are its own.
  [[nodiscard]] std::optional<base::DropReason> check_icmp_error(
      base::Bytes packet, const wire::PacketSelectorFields& fields, const Sa& sa) const;
  /// Changes whenever an earlier check may no longer hold.
  [[nodiscard]] std::uint64_t generation() const { return spd_.generation(); }

 private:
  const Spd& spd_;
};

}  // namespace caponier::ipsec

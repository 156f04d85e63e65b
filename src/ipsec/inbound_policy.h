#pragma once
// What policy says of packets that arrive (RFC 4301 s5.2): that one from an SA belongs there, and
// that one in clear may be in clear.

#include <optional>

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
  /// A packet that came without IPsec.
  [[nodiscard]] std::optional<base::DropReason> check_clear(
      const wire::PacketSelectorFields& packet) const;
  /// Changes whenever an earlier check may no longer hold.
  [[nodiscard]] std::uint64_t generation() const { return spd_.generation(); }

 private:
  const Spd& spd_;
};

}  // namespace caponier::ipsec

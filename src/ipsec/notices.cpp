#include "ipsec/notices.h"

#include "wire/icmp.h"
#include "wire/ip.h"

namespace caponier::ipsec {

void Notices::acquire(Acquire acquire, base::Instant now) {
  if (!acquires_.is_due(acquire, now)) return;
  if (queue_.push(acquire)) acquires_.note(acquire, now);
}

void Notices::too_big(base::Bytes offending, std::size_t mtu, base::Instant now) {
  if (!too_big_since_.has_value() || now - *too_big_since_ >= limits_.too_big_interval) {
    too_big_since_ = now;
    too_big_count_ = 0;
  }
  if (too_big_count_ >= limits_.too_big_burst_max) return;
  ++too_big_count_;
  const bool v4 = wire::ip_version(offending) == 4;
  // The engine knows no address of its own on the clear side, and the outer one may be of the other
  // family or unroutable there. The packet's own destination is what the sender certainly accepts
  // an answer from, and a stateful firewall between them lets it pass.
  const base::IpAddress from = v4 ? wire::Ipv4View::checked(offending)->destination()
                                  : wire::Ipv6View::checked(offending)->destination();
  base::ByteVec reply = wire::make_too_big(offending, static_cast<std::uint32_t>(mtu), from);
  if (!reply.empty()) (void)queue_.push(TooBig{std::move(reply)});
}

}  // namespace caponier::ipsec

#include "ipsec/audit.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ipsec/ip_headers.h"
#include "wire/ip.h"

namespace caponier::ipsec {

namespace {

using base::DropReason;

/// The events that RFC 4301, 4302 and 4303 call auditable, as far as the engine sees them.
bool is_auditable(DropReason reason) {
  constexpr std::array reasons{
      DropReason::esp_malformed, DropReason::esp_no_sa,    DropReason::esp_replay,
      DropReason::esp_bad_icv,   DropReason::esp_selector, DropReason::clear_sequence_limit,
      DropReason::clear_no_sa,
  };
  return std::ranges::find(reasons, reason) != reasons.end();
}

void set_inner(Audited& event, base::Bytes packet) {
  if (const auto fields = wire::selector_fields(packet)) event.inner = *fields;
  if (const auto v6 = wire::Ipv6View::checked(packet)) event.flow_label = v6->flow_label();
}

void set_sa(Audited& event, const Sa& sa) {
  event.connection = sa.params.connection;
  event.protocol = sa.params.protocol;
  event.local = sa.params.local;
  event.remote = sa.params.remote;
}

}  // namespace

bool Audit::is_wanted(DropReason reason) {
  if (!is_on_ || !is_auditable(reason)) return false;
  Window& window = windows_[static_cast<std::size_t>(reason)];
  if (now_ >= window.ends) window = {now_ + interval_, 0};
  if (window.told >= burst_max_) return false;
  ++window.told;
  return true;
}

//= rfc4301#5.2-4 rfc4301#5.2-7
void Audit::note(const OpenItem& item, const Sa* sa, DropReason reason) {
  if (!is_wanted(reason)) return;
  Audited event;
  event.reason = reason;
  event.protocol = item.protocol;
  event.path = item.path;
  if (sa != nullptr) {
    set_sa(event, *sa);
    event.spi = sa->params.spi_in;
  }
  const base::Bytes packet = std::as_const(*item.packet).bytes();
  if (reason == DropReason::esp_selector) {
    set_inner(event, packet);
  } else if (reason != DropReason::esp_malformed || !item.is_whole) {
    if (const auto numbers = numbers_of(packet, item.protocol, false)) {
      event.spi = numbers->spi();
      event.sequence = numbers->sequence();
    }
  }
  notices_.audited(std::move(event));
}

//= rfc4303#4-5 rfc4303#3.3.3-2 rfc4302#3.3.2-2
void Audit::note(const ProtectItem& item, const Sa* sa, DropReason reason) {
  if (!is_wanted(reason)) return;
  Audited event;
  event.reason = reason;
  event.is_outbound = true;
  if (sa != nullptr) {
    set_sa(event, *sa);
    event.path = sa->params.path;
    event.spi = sa->params.spi_out;
    event.sequence = sa->common->sequence_out.get();
  }
  set_inner(event, std::as_const(*item.packet).bytes());
  notices_.audited(std::move(event));
}

}  // namespace caponier::ipsec

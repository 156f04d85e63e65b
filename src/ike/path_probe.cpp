// Which packets the path carries: an INFORMATIONAL of that size shows it, as no ESP packet could,
// because it is answered. The large form is sent once; what is repeated is small.

#include <algorithm>
#include <utility>

#include "ike/ike_sa.h"
#include "ike/messages.h"

namespace caponier::ike {

using base::Instant;

namespace {

/// A status notify of the private range, which whoever does not know it ignores (RFC 7296 s3.10.1).
constexpr auto padding_notify = static_cast<wire::NotifyType>(64001);
/// Ciphers round sizes up, so that the right padding is found in steps.
constexpr int padding_steps_max = 8;

}  // namespace

const PathProbed* probe_in(const InFlight& request) {
  const auto* const sent = std::get_if<SentInformational>(&request.what);
  return sent == nullptr || !sent->probe ? nullptr : &*sent->probe;
}

void IkeSa::probe_path(const ProbePath& probe, Instant now) {
  if (path_.transport != base::Transport::udp) return shared_.emit(PathProbed{probe.probe});
  want(WantProbe{probe}, now);
}

std::optional<SealedMessage> IkeSa::seal_probe(std::size_t size) {
  const std::size_t overhead = overhead_of(path_);
  const bool is_stream = path_.transport != base::Transport::udp;
  if (own_.is_exhausted() || is_stream || size <= overhead) return std::nullopt;
  const std::size_t room = size - overhead;
  const auto header = header_of(wire::ExchangeType::informational, own_.next_id(), false);
  std::size_t padding = room;
  for (int step = 0; step < padding_steps_max; ++step) {
    auto inner =
        MessageProtection::enclose(header, {make_notify(padding_notify, base::ByteVec(padding))});
    if (!inner) return std::nullopt;
    auto datagrams = session_->protection.seal(*inner, wire::ike_message_size_max);
    if (!datagrams) return std::nullopt;
    const std::size_t got = datagrams->front().size();
    if (got <= room) {
      return SealedMessage{std::move(*datagrams),
                           std::make_unique<InnerMessage>(std::move(*inner))};
    }
    if (got - room > padding) return std::nullopt;
    padding -= got - room;
  }
  return std::nullopt;
}

void IkeSa::send_probe(const ProbePath& probe, Instant now) {
  auto message = seal_probe(probe.size);
  if (!message) return shared_.emit(PathProbed{probe.probe});
  SentInformational sent;
  sent.probe = PathProbed{probe.probe, message->datagrams.front().size() + overhead_of(path_)};
  launch(std::move(sent), wire::ExchangeType::informational, std::move(*message), now);
}

/// At its first repetition: that size did not pass, and what follows must not depend on it. RFC
/// 7296 s2.1 wants a repeated request to be the same, which here would be lost for ever, and in
/// fragments (RFC 7383) some peers do not take an INFORMATIONAL. The same Message ID without the
/// padding is new to a peer that has not seen the large form, and one that has answers it again.
void IkeSa::give_up_probe(InFlight& request) {
  const PathProbed* const probe = probe_in(request);
  if (probe == nullptr || request.repeats != 1) return;
  shared_.emit(*probe);
  auto small = seal(header_of(wire::ExchangeType::informational, request.id, false), {}, path_);
  if (small) request.message = std::move(*small);
}

void IkeSa::conclude_probe(const InFlight& request) {
  const PathProbed* const probe = probe_in(request);
  if (probe == nullptr || request.repeats > 0) return;
  shared_.emit(PathProbed{probe->probe, probe->size, true});
}

}  // namespace caponier::ike

// Which packets the path carries: an INFORMATIONAL of that size shows it, as no ESP packet could,
// because it is answered. The large form is sent once; what is repeated is small (RFC 7383).

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
  if (!may_fragment(path_)) return shared_.emit(PathProbed{probe.probe});
  want(WantProbe{probe}, now);
}

std::optional<SealedMessage> IkeSa::seal_probe(std::size_t size) {
  const std::size_t overhead = overhead_of(path_);
  if (own_.is_exhausted() || !may_fragment(path_) || size <= overhead) return std::nullopt;
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

/// At its first repetition: that size did not pass, and what follows must not depend on it.
void IkeSa::give_up_probe(InFlight& request) {
  const PathProbed* const probe = probe_in(request);
  if (probe == nullptr || request.repeats != 1) return;
  shared_.emit(*probe);
  if (!request.message.inner) return;
  auto pieces = session_->protection.seal(*request.message.inner, message_size_max(path_));
  if (pieces) request.message.datagrams = std::move(*pieces);
}

void IkeSa::conclude_probe(const InFlight& request) {
  const PathProbed* const probe = probe_in(request);
  if (probe == nullptr || request.repeats > 0) return;
  shared_.emit(PathProbed{probe->probe, probe->size, true});
}

}  // namespace caponier::ike

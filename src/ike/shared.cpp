#include "ike/shared.h"

#include <algorithm>
#include <utility>

#include "ike/ike_sa.h"

namespace caponier::ike {

bool RateLimit::take(base::Instant now) {
  if (interval_ > base::Duration{} && now > counted_at_) {
    const auto earned = static_cast<std::size_t>((now - counted_at_) / interval_);
    counted_at_ = counted_at_ + interval_ * static_cast<base::Duration::rep>(earned);
    tokens_ = std::min(burst_, tokens_ + std::min(earned, burst_));
  }
  if (tokens_ == 0) return false;
  --tokens_;
  return true;
}

Shared::Shared(EndpointConfig endpoint_config, base::Rng& random,
               const crypto::CryptoProvider& provider, base::Instant now)
    : config(std::move(endpoint_config)),
      rng(random),
      crypto(provider),
      fragments(config.limits.fragment_bytes_max),
      crash_tokens(provider, config.crash_secrets),
      ticket_maker(provider, random, config.limits, now),
      redirects(config.limits.redirects_max, config.limits.redirect_period),
      answers(config.limits.stranger_answers_burst_max, config.limits.stranger_answer_interval,
              now),
      exports_keys(config.export_keys),
      redirect(config.redirect),
      stranger_events_(config.limits.stranger_events_burst_max,
                       config.limits.stranger_event_interval, now),
      stranger_evidence_(config.limits.stranger_events_burst_max,
                         config.limits.stranger_event_interval, now) {}

Shared::~Shared() = default;

void Shared::emit(Action action) { actions_.push_back(std::move(action)); }

void Shared::transmit(const base::Path& path, base::Bytes message, bool dont_fragment) {
  if (is_full()) {
    drops.add(base::DropReason::io_queue_full);
    return;
  }
  base::ByteVec datagram;
  // RFC 3948 s2.2: four zero bytes where ESP has its SPI.
  const bool in_stream = path.transport == base::Transport::tcp;
  if (in_stream || path.local.port == config.natt_port) datagram.resize(4);
  base::append(datagram, message);
  actions_.emplace_back(Transmit{path, std::move(datagram), dont_fragment});
}

void Shared::transmit_keepalive(const base::Path& path) {
  if (is_full()) return;
  actions_.emplace_back(Transmit{path, base::ByteVec{std::byte{0xff}}});
}

void Shared::report(base::Event event) {
  if (is_full()) {
    ++suppressed_events_;
    return;
  }
  actions_.emplace_back(std::move(event));
}

void Shared::note(policy::Evidence evidence) {
  if (!is_full()) actions_.emplace_back(std::move(evidence));
}

bool Shared::admits_stranger_event(base::Instant now) {
  if (stranger_events_.take(now)) return true;
  ++suppressed_events_;
  return false;
}

void Shared::report_admitted(base::Event event) {
  if (suppressed_events_ > 0) {
    event.fields.emplace_back("suppressed", std::to_string(suppressed_events_));
    suppressed_events_ = 0;
  }
  report(std::move(event));
}

std::optional<Action> Shared::next_action() {
  if (actions_.empty()) return std::nullopt;
  std::optional<Action> action{std::move(actions_.front())};
  actions_.pop_front();
  return action;
}

base::ByteVec Shared::new_nonce(std::size_t size) {
  base::ByteVec nonce(size);
  rng.fill_public(nonce);
  return nonce;
}

base::Spi Shared::allocate_spi(std::optional<policy::ResourceId> resource) {
  const std::uint32_t worker = (resource ? resource->value : next_worker_++) % config.workers;
  for (;;) {
    const base::Spi drawn{rng.public_u32()};
    // At the upper end the sum starts anew from zero, where SPIs are reserved.
    const base::Spi spi{drawn.value - base::worker_of(drawn, config.workers) + worker};
    if (spi.value >= 256 && inbound_spis_.insert(spi).second) return spi;
  }
}

base::Spi Shared::allocate_expected_spi(std::optional<policy::ResourceId> resource) {
  const base::Spi spi = allocate_spi(resource);
  expected_spis_.insert(spi);
  emit(policy::ExpectSa{spi, true});
  return spi;
}

void Shared::release(base::Spi spi) {
  inbound_spis_.erase(spi);
  if (expected_spis_.erase(spi) > 0) emit(policy::ExpectSa{spi, false});
}

IkeSa* Shared::find(IkeSaId id) const {
  const auto found = sas.find(id);
  return found == sas.end() ? nullptr : found->second;
}

base::Duration Shared::jittered(base::Duration value) {
  const auto quarter = static_cast<std::uint64_t>(value.count()) / 4;
  if (quarter == 0) return value;
  return value - base::Duration{quarter} + base::Duration{rng.public_below(2 * quarter)};
}

base::IkeSpi Shared::allocate_ike_spi(IkeSaId owner) {
  const base::IkeSpi spi = new_ike_spi();
  by_spi.emplace(spi, owner);
  return spi;
}

base::IkeSpi Shared::new_ike_spi() {
  for (;;) {
    const base::IkeSpi spi{rng.public_u64()};
    if (spi.value != 0 && !by_spi.contains(spi) && !half_open.contains(spi)) return spi;
  }
}

}  // namespace caponier::ike

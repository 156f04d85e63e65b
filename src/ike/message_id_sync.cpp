// Both roles of RFC 6311: the cluster member that has taken an IKE SA over, and its peer. These
// messages have Message ID 0 and stand outside the windows; what guards them is that the values
// only ever grow.

#include "ike/message_id_sync.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "ike/ike_sa.h"
#include "ike/messages.h"

namespace caponier::ike {

using base::DropReason;
using base::EventKind;
using base::Instant;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {
/// Above every Message ID in use there must be room to go on.
constexpr std::uint32_t message_id_sync_max = std::numeric_limits<std::uint32_t>::max() - 1024;
constexpr std::size_t sync_size = 12;
}  // namespace

std::optional<MessageIdSync> MessageIdSync::find(const Payloads& payloads) {
  const auto* const notify = wire::find_notify(payloads, NotifyType::ikev2_message_id_sync);
  if (notify == nullptr || notify->data.size() != sync_size) return std::nullopt;
  const std::byte* const data = notify->data.data();
  return MessageIdSync{base::load_be<std::uint32_t>(data), base::load_be<std::uint32_t>(data + 4),
                       base::load_be<std::uint32_t>(data + 8)};
}

wire::NotifyPayload MessageIdSync::to_notify() const {
  base::ByteVec data(sync_size);
  base::store_be(data.data(), nonce);
  base::store_be(data.data() + 4, send);
  base::store_be(data.data() + 8, receive);
  return make_notify(NotifyType::ikev2_message_id_sync, std::move(data));
}

wire::NotifyPayload make_counter_sync(std::uint64_t delta, bool esn) {
  base::ByteVec data(esn ? 8 : 4);
  if (esn) {
    base::store_be(data.data(), delta);
  } else {
    constexpr std::uint64_t max = std::numeric_limits<std::uint32_t>::max();
    base::store_be(data.data(), static_cast<std::uint32_t>(std::min(delta, max)));
  }
  return make_notify(NotifyType::ipsec_replay_counter_sync, std::move(data));
}

std::optional<std::uint64_t> find_counter_sync(const Payloads& payloads) {
  const auto* const notify = wire::find_notify(payloads, NotifyType::ipsec_replay_counter_sync);
  if (notify == nullptr) return std::nullopt;
  if (notify->data.size() == 4) return base::load_be<std::uint32_t>(notify->data.data());
  if (notify->data.size() == 8) return base::load_be<std::uint64_t>(notify->data.data());
  return std::nullopt;
}

// ---- The cluster member

void IkeSa::sync_message_ids(std::uint64_t skip_inbound, Instant now) {
  if (state_ != IkeState::established) return;
  if (own_.sent<SentSync>() != nullptr) return;
  const bool with_counters = skip_inbound > 0 && support_.replay_counter_sync;
  if (!support_.message_id_sync) {
    report(EventKind::ike_ids_synced,
           fmt::format("{}: the peer cannot synchronize Message IDs; IKE SA {} goes on with those "
                       "we know",
                       who(), id_.value));
    if (with_counters) want(WantNotice{{counter_sync(skip_inbound)}}, now);
    return;
  }
  // What is under way goes on with new Message IDs when both sides have agreed.
  for (auto& [id, request] : own_.take_all()) parked_.push_back(std::move(request));
  SentSync sync;
  sync.skip_inbound = with_counters ? skip_inbound : 0;
  sync.values.send = own_.next_id().value + own_.size();
  InFlight request;
  request.what = std::move(sync);
  request.exchange = wire::ExchangeType::informational;
  request.sent_at = now;
  request.wait = shared_.limits().retransmit_first;
  request.resend_at = now + request.wait;
  request.tries_left = shared_.limits().retransmit_tries;
  InFlight& sent = own_.add_outside(std::move(request));
  if (!renew_sync(sent)) return die(EndReason::local_fault, now, false);
  transmit(path_, sent.message.datagrams);
  last_sent_ = now;
}

wire::NotifyPayload IkeSa::counter_sync(std::uint64_t delta) const {
  const bool esn =
      std::ranges::any_of(children_, [](const auto& entry) { return entry.second.info.suite.esn; });
  return make_counter_sync(delta, esn);
}

/// s5.1: the same values a second time would be dropped as a replay, so each repetition is new.
bool IkeSa::renew_sync(InFlight& request) {
  auto& sync = std::get<SentSync>(request.what);
  if (sync.values.send >= message_id_sync_max) return false;
  ++sync.values.send;
  sync.values.receive = static_cast<std::uint32_t>(peers_.end_of_seen());
  sync.values.nonce = shared_.rng.public_u32();
  Payloads payloads{sync.values.to_notify()};
  if (sync.skip_inbound > 0) payloads.emplace_back(counter_sync(sync.skip_inbound));
  auto message = seal(header_of(request.exchange, {0}, false), payloads, path_);
  if (!message) return false;
  request.message = std::move(*message);
  request.message.inner.reset();
  return true;
}

void IkeSa::handle_sync_response(const Payloads& payloads, Instant now) {
  const auto* const sent = own_.sent<SentSync>();
  const auto answer = MessageIdSync::find(payloads);
  if (sent == nullptr) return drop(DropReason::ike_duplicate);
  if (!answer || answer->nonce != sent->values.nonce || payloads.size() != 1) {
    return drop(DropReason::ike_unexpected);
  }
  const std::uint32_t next = std::max(answer->receive, sent->values.send);
  if (next >= message_id_sync_max || answer->send >= message_id_sync_max) {
    return drop(DropReason::ike_unexpected);
  }
  last_heard_ = now;
  (void)own_.take({0});
  own_.restart_at({next});
  if (answer->send > peers_.end_of_seen()) restart_peers_at(answer->send);
  report_synced();
  for (InFlight& request : std::exchange(parked_, {})) relaunch(std::move(request), now);
  send_next(now);
}

void IkeSa::restart_peers_at(std::uint32_t id) {
  peers_.restart_at({id});
  fragments_.clear();
}

void IkeSa::report_synced() const {
  report(EventKind::ike_ids_synced,
         fmt::format("{}: IKE SA {} goes on with Message ID {} of ours and {} of the peer", who(),
                     id_.value, own_.next_id().value, peers_.next_id()));
}

/// A request of ours that is under way gets the next Message ID.
void IkeSa::relaunch(InFlight request, Instant now) {
  auto& inner = request.message.inner;
  if (!inner || own_.is_exhausted() || !session_) {
    return give_back(std::move(request), EndReason::local_fault);
  }
  inner->header.message_id = own_.next_id();
  auto datagrams = session_->protection.seal(*inner, message_size_max(path_));
  if (!datagrams) return give_back(std::move(request), EndReason::local_fault);
  request.message.datagrams = std::move(*datagrams);
  request.sent_at = now;
  request.wait = shared_.limits().retransmit_first;
  request.resend_at = now + request.wait;
  request.tries_left = shared_.limits().retransmit_tries;
  request.repeats = 0;
  last_sent_ = now;
  transmit(path_, own_.add(std::move(request)).message.datagrams);
}

// ---- The peer

bool IkeSa::is_sync_request(const wire::IkeHeader& header, const Payloads& payloads) const {
  return !header.is_response() && header.message_id.value == 0 &&
         header.exchange == wire::ExchangeType::informational &&
         wire::find_notify(payloads, NotifyType::ikev2_message_id_sync) != nullptr;
}

void IkeSa::handle_sync_request(const base::Path& path, const wire::IkeHeader& header,
                                const Payloads& payloads, Instant now) {
  const auto sync = MessageIdSync::find(payloads);
  const auto skip = find_counter_sync(payloads);
  const bool is_alone = payloads.size() == (skip ? 2 : 1);
  const bool is_agreed = state_ == IkeState::established && support_.message_id_sync;
  if (!is_agreed || !sync || !is_alone) return drop(DropReason::ike_unexpected);
  const bool is_old = sync->send < peers_.end_of_seen() || sync->send < sync_floor_;
  if (is_old) return drop(DropReason::ike_duplicate);
  if (sync->send >= message_id_sync_max || sync->receive >= message_id_sync_max) {
    return drop(DropReason::ike_bad_message_id);
  }
  last_heard_ = now;
  sync_floor_ = std::uint64_t{sync->send} + 1;
  const std::uint32_t next = std::max(sync->receive, own_.next_id().value);
  auto answer = seal(header_of(header.exchange, {0}, true),
                     {MessageIdSync{sync->nonce, next, sync->send}.to_notify()}, path);
  if (!answer) return report(EventKind::local_fault, who() + ": cannot answer a Message ID sync");
  transmit(path, answer->datagrams);
  restart_peers_at(sync->send);
  // s9: nobody there remembers our requests; they go again, with Message IDs nobody has seen.
  auto requests = own_.take_all();
  own_.restart_at({next});
  report_synced();
  for (auto& [id, request] : requests) relaunch(std::move(request), now);
  if (skip) skip_outbound(*skip);
  send_next(now);
}

void IkeSa::skip_outbound(std::uint64_t count) {
  if (!support_.replay_counter_sync || count == 0) return;
  for (const auto& [id, child] : children_) shared_.emit(policy::SkipSa{id, count});
}

}  // namespace caponier::ike

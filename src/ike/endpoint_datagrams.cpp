// What arrives at the endpoint: for one of its IKE SAs, for a half-open one, or from a stranger.

#include <utility>

#include <fmt/format.h>

#include "ike/endpoint_impl.h"
#include "ike/ike_sa_init_responder.h"
#include "ike/ike_session_resume.h"
#include "ike/messages.h"

namespace caponier::ike {

using base::DropReason;
using base::EventKind;
using base::Instant;

namespace {

/// Ends with an Encrypted payload, whole or as a fragment.
bool is_protected(const wire::IkeMessage& message) {
  return !message.payloads.empty() &&
         (std::holds_alternative<wire::SkPayload>(message.payloads.back()) ||
          std::holds_alternative<wire::SkfPayload>(message.payloads.back()));
}

}  // namespace

template <class MakeText>
void IkeEndpoint::Impl::report_stranger(const base::Path& path, EventKind kind, MakeText make_text,
                                        Instant now) {
  shared.report_stranger(now, [&] {
    base::Event event{kind, {}, make_text(), {}};
    event.fields.emplace_back("remote", path.remote.to_string());
    return event;
  });
}

void IkeEndpoint::Impl::handle_datagram(const base::Path& path, base::Bytes message, Instant now) {
  base::Reader in{message};
  const auto header = wire::IkeHeader::decode(in);
  if (!header || message.size() > shared.limits().message_size_max) {
    report_stranger(
        path, EventKind::ike_malformed,
        [&] {
          return fmt::format("{}: {} bytes that are not an IKE message", path.remote.to_string(),
                             message.size());
        },
        now);
    return shared.drops.add(DropReason::ike_malformed);
  }
  if (header->major_version != 2) return refuse_version(path, *header, now);
  if (header->length != message.size() || header->spi_i.value == 0) {
    report_stranger(
        path, EventKind::ike_malformed,
        [&] {
          return fmt::format("{}: an IKE message of {} bytes that claims {}",
                             path.remote.to_string(), message.size(), header->length);
        },
        now);
    return shared.drops.add(DropReason::ike_malformed);
  }
  const bool is_resume = header->exchange == wire::ExchangeType::ike_session_resume;
  const bool is_init = (header->exchange == wire::ExchangeType::ike_sa_init || is_resume) &&
                       !header->is_response() && header->from_initiator();
  //= rfc7296#3.1-3
  if (is_init && header->spi_r.value == 0 && header->message_id.value == 0) {
    return handle_init(path, *header, message, now);
  }
  const auto found = shared.by_spi.find(header->from_initiator() ? header->spi_r : header->spi_i);
  if (found == shared.by_spi.end()) {
    HalfOpen* const half_open =
        header->from_initiator() ? shared.half_open.find(header->spi_r) : nullptr;
    if (half_open != nullptr) return continue_half_open(*half_open, path, *header, message, now);
    return handle_unknown(path, *header, message, now);
  }
  const IkeSaId id = found->second;
  IkeSa* const sa = find(id);
  if (sa == nullptr) {
    shared.counters.count_invalid_spi();
    return shared.drops.add(DropReason::ike_unknown_spi);
  }
  sa->handle_message(path, *header, message, now);
  settle(id, now);
}

void IkeEndpoint::Impl::refuse_version(const base::Path& path, const wire::IkeHeader& header,
                                       Instant now) {
  shared.drops.add(DropReason::ike_bad_version);
  shared.note_stranger(now, [&] {
    policy::Evidence evidence;
    evidence.symptom = policy::Symptom::other_version;
    evidence.we_asked = header.is_response() || shared.by_spi.contains(header.spi_i);
    evidence.path = path;
    evidence.spi_i = header.spi_i;
    evidence.spi_r = header.spi_r;
    const auto near = find_connections(shared.connections, path);
    if (!near.empty()) evidence.connection = near.front()->name;
    evidence.text = fmt::format("IKE version {}.{}", header.major_version, header.minor_version);
    return evidence;
  });
  report_stranger(
      path, EventKind::ike_malformed,
      [&] {
        return fmt::format("{} speaks IKE version {}.{}; we speak 2.0", path.remote.to_string(),
                           header.major_version, header.minor_version);
      },
      now);
  //= rfc7296#2.5-2
  if (header.major_version < 2 || header.is_response() || !shared.answers.take(now)) return;
  shared.transmit(path,
                  unprotected_answer(header, make_notify(wire::NotifyType::invalid_major_version)));
}

void IkeEndpoint::Impl::handle_init(const base::Path& path, const wire::IkeHeader& header,
                                    base::Bytes datagram, Instant now) {
  const InitKey key{header.spi_i, path.remote};
  if (const HalfOpen* const half_open = shared.half_open.find(key);
      half_open != nullptr && base::equal(half_open->request(), datagram)) {
    shared.drops.add(DropReason::ike_duplicate);
    return shared.transmit(path, half_open->response());
  }
  const auto known = by_init_.find(key);
  if (known != by_init_.end()) {
    if (IkeSa* const sa = find(known->second); sa && sa->handle_init_again(path, datagram)) return;
  }
  auto entry = header.exchange == wire::ExchangeType::ike_session_resume
                   ? judge_new_resume(path, header, datagram, now)
                   : judge_new_init(path, header, datagram, now);
  if (!entry) return;
  if (known != by_init_.end()) {
    if (const auto old = sas_.find(known->second); old != sas_.end()) old->second.init.reset();
    by_init_.erase(known);
  }
  shared.counters.count({}, header.exchange, CounterBook::Way::request_in);
  shared.counters.count({}, header.exchange, CounterBook::Way::response_out);
  shared.transmit(path, shared.half_open.add(std::move(*entry)).response());
}

std::optional<HalfOpen> IkeEndpoint::Impl::judge_new_init(const base::Path& path,
                                                          const wire::IkeHeader& header,
                                                          base::Bytes datagram, Instant now) {
  InitVerdict verdict = judge_init(shared, cookies_, path, header, datagram, now);
  if (const auto* const rejected = std::get_if<Rejected>(&verdict)) {
    answer_stranger(path, rejected->answer, datagram.size());
  }
  auto* const accepted = std::get_if<AcceptedInit>(&verdict);
  if (accepted == nullptr) return std::nullopt;
  auto entry = answer_init(shared, std::move(*accepted), now);
  if (!entry) {
    shared.report({EventKind::local_fault,
                   {},
                   fmt::format("{}: cannot answer IKE_SA_INIT", path.remote.to_string()),
                   {}});
  }
  return entry;
}

std::optional<HalfOpen> IkeEndpoint::Impl::judge_new_resume(const base::Path& path,
                                                            const wire::IkeHeader& header,
                                                            base::Bytes datagram, Instant now) {
  ResumeVerdict verdict = judge_resume(shared, cookies_, path, header, datagram, now);
  if (const auto* const rejected = std::get_if<Rejected>(&verdict)) {
    answer_stranger(path, rejected->answer, datagram.size());
  }
  if (auto* const entry = std::get_if<HalfOpen>(&verdict)) return std::move(*entry);
  return std::nullopt;
}

/// Whoever is behind this address has not shown that it asked: nothing is amplified.
void IkeEndpoint::Impl::answer_stranger(const base::Path& path, base::Bytes answer,
                                        std::size_t request_size) {
  if (answer.size() > request_size) return shared.drops.add(DropReason::ike_rate_limited);
  shared.transmit(path, answer);
}

/// A message for an IKE SA that is not there. s2.21.4 would allow INVALID_IKE_SPI, which proves
/// nothing; a token does (RFC 6290 s4.5).
void IkeEndpoint::Impl::handle_unknown(const base::Path& path, const wire::IkeHeader& header,
                                       base::Bytes datagram, Instant now) {
  shared.counters.count_invalid_spi();
  shared.drops.add(DropReason::ike_unknown_spi);
  // The token of an SA that lives, under the wrong role, must not be had for the asking.
  const bool is_alive =
      shared.by_spi.contains(header.spi_i) || shared.by_spi.contains(header.spi_r) ||
      shared.half_open.contains(header.spi_i) || shared.half_open.contains(header.spi_r);
  if (is_alive || header.is_response() || header.spi_r.value == 0 || shared.is_shutting_down) {
    return;
  }
  const auto message = wire::IkeMessage::decode(datagram);
  if (!message || !is_protected(*message)) return;
  const base::ByteVec answer = shared.crash_tokens.answer(header, datagram.size());
  if (answer.empty()) return;
  if (!shared.answers.take(now)) return shared.drops.add(DropReason::ike_rate_limited);
  shared.transmit(path, answer);
}

/// The first protected request: only now the keys are computed, and only once.
void IkeEndpoint::Impl::continue_half_open(HalfOpen& half_open, const base::Path& path,
                                           const wire::IkeHeader& header, base::Bytes datagram,
                                           Instant now) {
  if (header.exchange == wire::ExchangeType::ike_sa_init) {
    return shared.drops.add(DropReason::ike_duplicate);
  }
  if (header.spi_i != half_open.spi_i) return shared.drops.add(DropReason::ike_unknown_spi);
  const auto message = wire::IkeMessage::decode(datagram);
  if (!message) return shared.drops.add(DropReason::ike_malformed);
  const bool is_expected = !header.is_response() && header.message_id.value == 1 &&
                           (header.exchange == wire::ExchangeType::ike_auth ||
                            header.exchange == wire::ExchangeType::ike_intermediate);
  if (!is_expected || !is_protected(*message)) {
    return shared.drops.add(DropReason::ike_unexpected);
  }
  //= rfc8019#7.2.4-1..2 rfc8019#7.2.4-4
  if (!half_open.key_material && !has_solved(half_open, message->payloads)) {
    return shared.drops.add(find_solution(message->payloads) == nullptr
                                ? DropReason::ike_low_difficulty
                                : DropReason::ike_bad_puzzle);
  }
  const base::IkeSpi spi_r = half_open.spi_r;
  const IkeSaId id = half_open.id;
  IkeSa& sa = adopt(std::make_unique<IkeSa>(shared, id, false, half_open.path, now));
  if (!sa.continue_init(half_open, now)) {
    sas_.erase(id);
    (void)shared.half_open.take(spi_r);
    return;
  }
  sa.handle_message(path, header, datagram, now);
  if (!sa.is_heard()) {
    sa.hand_back(half_open);
    shared.half_open.spoil(half_open);
    sas_.erase(id);
    return;
  }
  const HalfOpen done = shared.half_open.take(spi_r);
  const auto [init, is_new] = by_init_.emplace(done.init_key(), id);
  if (is_new) sas_.at(id).init = init;
  settle(id, now);
}

/// The puzzle of our response, if there was one (RFC 8019 s7.2.4).
bool IkeEndpoint::Impl::has_solved(const HalfOpen& half_open,
                                   const std::vector<wire::Payload>& payloads) const {
  if (!has_notify(half_open.response(), wire::NotifyType::puzzle)) return true;
  const auto response = wire::IkeMessage::decode(half_open.response());
  if (!response) return false;
  const auto* const notify = wire::find_notify(response->payloads, wire::NotifyType::puzzle);
  const auto puzzle = notify == nullptr ? std::nullopt : read_puzzle(*notify);
  if (!puzzle) return true;
  const base::ByteVec* const solution = find_solution(payloads);
  const auto* const nonce = wire::find<wire::NoncePayload>(response->payloads);
  const auto prf = shared.crypto.make_prf(puzzle->prf);
  if (solution == nullptr || nonce == nullptr || !prf) return false;
  const auto bits = solved_bits(**prf, auth_puzzle_text(nonce->data, half_open.spi_r), *solution);
  return bits && *bits >= puzzle->bits;
}

void IkeEndpoint::Impl::expire_half_open(Instant now) {
  while (const HalfOpen* const old =
             shared.half_open.find_older_than(now - shared.limits().half_open_timeout)) {
    shared.note_stranger(now, [&] {
      policy::Evidence evidence;
      evidence.symptom = policy::Symptom::auth_missing;
      evidence.path = old->path;
      evidence.spi_r = old->spi_r;
      const auto near = find_connections(shared.connections, old->path);
      if (!near.empty()) evidence.connection = near.front()->name;
      return evidence;
    });
    report_stranger(
        old->path, EventKind::ike_timeout,
        [&] {
          return fmt::format("{}: IKE_AUTH did not come within {} s", old->path.remote.to_string(),
                             base::seconds_of(shared.limits().half_open_timeout));
        },
        now);
    (void)shared.half_open.take(old->spi_r);
  }
  shared.answer_keys.forget_old(shared.limits().ke_reuse_time, now);
}

}  // namespace caponier::ike

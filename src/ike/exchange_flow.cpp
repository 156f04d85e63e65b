// How requests and responses flow through an IKE SA (RFC 7296 s2.1-2.4): ours with their
// repetitions, and the peer's with the answers kept.

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "ike/twins.h"
#include "ike/witness.h"

namespace caponier::ike {

using base::DropReason;
using base::EventKind;
using base::Instant;
using wire::ExchangeType;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {

constexpr unsigned short_tries = 2;
constexpr base::Duration wait_max = std::chrono::hours{1};

base::Duration grow(base::Duration wait, double factor) {
  const double next = static_cast<double>(wait.count()) * factor;
  if (!(next < static_cast<double>(wait_max.count()))) return wait_max;
  return base::Duration{static_cast<base::Duration::rep>(next)};
}

template <class... Fs>
struct Overload : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overload(Fs...) -> Overload<Fs...>;

}  // namespace

wire::IkeHeader IkeSa::header_of(ExchangeType exchange, base::MessageId id,
                                 bool is_response) const {
  wire::IkeHeader header;
  header.spi_i = spi_i_;
  header.spi_r = spi_r_;
  header.exchange = exchange;
  header.message_id = id;
  //= rfc7296#3.1-9 rfc7296#3.1-12..13
  if (is_initiator_) header.flags |= wire::IkeHeader::flag_initiator;
  //= rfc7296#3.1-10
  if (is_response) header.flags |= wire::IkeHeader::flag_response;
  return header;
}

void IkeSa::transmit(const base::Path& path, base::Bytes message) {
  shared_.transmit(path, message);
}

void IkeSa::transmit(const base::Path& path, const Datagrams& datagrams, bool dont_fragment) {
  for (const base::ByteVec& datagram : datagrams) {
    shared_.transmit(path, datagram, dont_fragment);
  }
}

// ---- Our requests

void IkeSa::want(Wish wish, Instant now) {
  const bool is_full = wishes_.due.size() >= shared_.limits().own_requests_queue_max;
  const auto* const child = std::get_if<WantChild>(&wish);
  if (is_full && child != nullptr && !child->replaces && !child->resource) {
    return fail_child(child->name, EndReason::local_fault, "too many requests are waiting");
  }
  if (is_full) return;
  wishes_.due.push_back(std::move(wish));
  send_next(now);
}

void IkeSa::postpone(Wish wish, Instant now) {
  const IkeLimits& limits = shared_.limits();
  if (!troubles_.since || now > troubles_.until) {
    troubles_.since = now;
    troubles_.in_a_row = 0;
  }
  //= rfc7296#2.25-5
  if (now - *troubles_.since >= limits.temporary_patience) {
    report(EventKind::ike_failed,
           fmt::format("{}: the peer has put us off for {:.0f} s; the IKE SA ends", who(),
                       base::seconds_of(now - *troubles_.since)));
    return close(EndReason::protocol_error, now);
  }
  base::Duration wait = limits.temporary_retry_first;
  for (unsigned i = 0; i < troubles_.in_a_row && wait < limits.temporary_retry_max; ++i) wait *= 2;
  ++troubles_.in_a_row;
  wait = std::min(wait, limits.temporary_retry_max);
  troubles_.until = now + wait * 2 + limits.temporary_patience / 3;
  postpone(std::move(wish), wait, now);
}

void IkeSa::postpone(Wish wish, base::Duration wait, Instant now) {
  if (state_ != IkeState::established) return;
  wishes_.postponed.emplace(now + shared_.jittered(wait), std::move(wish));
}

void IkeSa::want_postponed(Instant now) {
  while (state_ == IkeState::established && !wishes_.postponed.empty() &&
         wishes_.postponed.begin()->first <= now) {
    Wish wish = std::move(wishes_.postponed.begin()->second);
    wishes_.postponed.erase(wishes_.postponed.begin());
    want(std::move(wish), now);
  }
}

void IkeSa::send_next(Instant now) {
  //= rfc7296#2.3-2..3 rfc7296#2.3-5..6
  while (!wishes_.due.empty() && own_.has_room_for(wishes_.due.front()) &&
         (state_ == IkeState::established || state_ == IkeState::deleting)) {
    Wish wish = std::move(wishes_.due.front());
    wishes_.due.pop_front();
    std::visit(Overload{
                   [&](const WantChild& wanted) { start_child(wanted, now); },
                   [&](const WantIkeRekey& wanted) { start_ike_rekey(wanted, now); },
                   [&](const WantDeleteChild& wanted) {
                     wire::DeletePayload deletion;
                     deletion.protocol = protocol_id(wanted.protocol);
                     //= rfc7296#1.4.1-1 rfc7296#2.4-11 rfc7296#3.11-3
                     deletion.spi_size = 4;
                     deletion.spis.push_back(to_bytes(wanted.spi_in));
                     send_request(SentInformational{wanted, false}, ExchangeType::informational,
                                  {deletion}, now);
                   },
                   [&](const WantLiveness&) { send_liveness(now); },
                   [&](const WantAddresses&) { send_addresses(now); },
                   [&](const WantNotice& wanted) {
                     send_request(SentInformational{}, ExchangeType::informational, wanted.payloads,
                                  now);
                   },
                   [&](const WantProbe& wanted) { send_probe(wanted.probe, now); },
                   [&](const WantFarewell& wanted) {
                     send_request(SentInformational{std::nullopt, true},
                                  ExchangeType::informational, wanted.payloads, now);
                   },
               },
               wish);
  }
}

void IkeSa::send_request(Sent what, ExchangeType exchange, const Payloads& payloads, Instant now) {
  //= rfc7296#2.2-2
  auto message = own_.is_exhausted()
                     ? std::nullopt
                     : seal(header_of(exchange, own_.next_id(), false), payloads, path_);
  if (!message) {
    report(EventKind::local_fault,
           fmt::format("{}: cannot protect the {} request", who(), wire::name_of(exchange)));
    InFlight request;
    request.what = std::move(what);
    give_back(std::move(request), EndReason::local_fault);
    return die(EndReason::local_fault, now, false);
  }
  if (exchange == ExchangeType::ike_intermediate) note_own_intermediate(*message->inner);
  launch(std::move(what), exchange, std::move(*message), now);
}

void IkeSa::launch(Sent what, ExchangeType exchange, SealedMessage message, Instant now) {
  InFlight request;
  request.what = std::move(what);
  request.exchange = exchange;
  request.message = std::move(message);
  request.sent_at = now;
  request.wait = shared_.limits().retransmit_first;
  request.resend_at = now + answer_wait(request.wait);
  request.tries_left = shared_.limits().retransmit_tries;
  last_sent_ = now;
  shared_.counters.count(name(), exchange, CounterBook::Way::request_out);
  //= rfc7296#2.1-3 rfc7296#2.3-7
  const bool is_probe = probe_in(request) != nullptr;
  transmit(path_, own_.add(std::move(request)).message.datagrams, is_probe);
  if (shared_.is_shutting_down || is_farewell_short_) shorten_in_flight(now);
}

/// A request that will have no answer any more.
void IkeSa::give_back(InFlight request, EndReason reason) {
  if (auto* const creation = std::get_if<ChildCreation>(&request.what)) {
    shared_.release(creation->offer.spi_in);
    if (creation->is_additional()) return;
    shared_.emit(ChildDown{id_, {}, name(), creation->offer.child->name, reason});
  } else if (const auto* const rekey = std::get_if<IkeCreation>(&request.what)) {
    shared_.by_spi.erase(rekey->spi);
  }
}

void IkeSa::shorten_in_flight(Instant now) {
  for (auto& [id, request] : own_.all()) {
    request.tries_left = std::min(request.tries_left, short_tries);
    request.wait = std::min(request.wait, shared_.limits().retransmit_first);
    request.resend_at = std::min(request.resend_at, now + request.wait);
  }
}

bool IkeSa::has_patience(const InFlight& request, Instant now) {
  if (!mobility_.is_agreed || state_ != IkeState::established) return false;
  // Then the peer is not away: it has come back without this SA.
  if (Twins{*this}.newer_since()) return false;
  const base::Duration limit = shared_.limits().mobile_patience;
  if (mobility_.lost_since) return now - *mobility_.lost_since < limit;
  //= rfc4555#3.11-1
  //= rfc4555#3.11-1
  // s3.11: only the initiator can find another path, and only it could come back.
  return !mobility_.decides && connection_->remote_addresses.empty() &&
         now - request.sent_at < limit;
}

void IkeSa::repeat_due(Instant now) {
  while (const InFlight* const due = own_.next_due()) {
    if (due->resend_at > now) return;
    //= rfc7296#2.1-6 rfc7296#2.4-5
    if (due->tries_left == 0 && !has_patience(*due, now)) return give_up(*due, now);
    repeat(*own_.find(due->id), now);
  }
}

void IkeSa::repeat(InFlight& request, Instant now) {
  if (request.tries_left > 0) --request.tries_left;
  ++request.repeats;
  const bool is_short = shared_.is_shutting_down || is_farewell_short_;
  //= rfc7296#2.4-8
  if (!is_short) request.wait = grow(request.wait, shared_.limits().retransmit_base);
  if (std::holds_alternative<SentSync>(request.what) && !renew_sync(request)) {
    return die(EndReason::local_fault, now, false);
  }
  give_up_probe(request);
  if (shrink(request.message, request.repeats, path_, now) && !is_short) {
    //= rfc7383#2.5.2-4
    request.wait = shared_.limits().retransmit_first;
    request.tries_left = shared_.limits().retransmit_tries;
  }
  request.resend_at = now + (is_short ? request.wait : answer_wait(request.wait));
  last_sent_ = now;
  //= rfc7296#2.1-7 rfc7296#2.2-1
  transmit(path_, request.message.datagrams);
  // What a probe suffered says nothing about its path; what is repeated since, does.
  if (probe_in(request) == nullptr || request.repeats > 1) try_other_paths(request);
}

void IkeSa::give_up(const InFlight& request, Instant now) {
  if (state_ == IkeState::init_sent && handshake_ && handshake_->resumes) {
    // The ticket was not used (RFC 5723 s4.3.1): it may serve when the network is back.
    shared_.tickets.keep(std::move(*handshake_->resumes));
    (void)fall_back_to_init("no answer", now);
    return;
  }
  Witness{*this}.note_unanswered(request);
  std::string text = fmt::format("{}: no answer to {} after {} transmissions in {:.1f} s", who(),
                                 wire::name_of(request.exchange), request.repeats + 1,
                                 base::seconds_of(now - request.sent_at));
  if (handshake_ && handshake_->refusal) {
    text += fmt::format("; an unprotected {} came", describe(*handshake_->refusal));
  }
  base::Event event = make_event(EventKind::ike_timeout, std::move(text));
  event.fields.emplace_back("retransmits", std::to_string(request.repeats));
  shared_.report(std::move(event));
  die(state_ == IkeState::deleting ? farewell_reason_ : EndReason::timeout, now, false);
}

// ---- Input

void IkeSa::handle_message(const base::Path& path, const wire::IkeHeader& header,
                           base::Bytes datagram, Instant now) {
  if (!session_) {
    const bool is_answer = state_ == IkeState::init_sent && header.is_response() &&
                           (header.exchange == ExchangeType::ike_sa_init ||
                            header.exchange == ExchangeType::ike_session_resume);
    if (!is_answer) return drop(DropReason::ike_unexpected);
    const bool is_resume = header.exchange == ExchangeType::ike_session_resume;
    if (is_resume != handshake_->resumes.has_value()) return drop(DropReason::ike_unexpected);
    return is_resume ? handle_resume_response(path, datagram, now)
                     : handle_init_response(path, datagram, now);
  }
  if (header.exchange == ExchangeType::ike_sa_init ||
      header.exchange == ExchangeType::ike_session_resume) {
    return drop(DropReason::ike_duplicate);
  }
  if (header.spi_i != spi_i_ || header.spi_r != spi_r_ ||
      header.from_initiator() == is_initiator_) {
    return drop(DropReason::ike_unknown_spi);
  }
  if (const auto numbers = find_fragment_numbers(datagram)) {
    return handle_fragment(path, header, *numbers, datagram, now);
  }
  //= rfc7296#1.2-2 rfc7296#3.14-6
  auto message = session_->protection.unseal(datagram);
  if (message) return handle_unsealed(path, header, std::move(*message), now);
  if (message.error() != MessageProtection::OpenError::bad_inner) {
    return handle_unprotected(header, datagram, message.error(), now);
  }
  handle_content(path, header, std::nullopt, now);
}

void IkeSa::handle_unsealed(const base::Path& path, const wire::IkeHeader& header, Unsealed message,
                            Instant now) {
  auto payloads = MessageProtection::decode(message);
  if (payloads && is_sync_request(header, *payloads)) {
    return handle_sync_request(path, header, *payloads, now);
  }
  if (handshake_ && header.exchange == ExchangeType::ike_intermediate) {
    handshake_->received = Received{header, std::move(message)};
  }
  handle_content(path, header, payloads ? std::optional{std::move(*payloads)} : std::nullopt, now);
}

void IkeSa::handle_content(const base::Path& path, const wire::IkeHeader& header,
                           std::optional<Payloads> payloads, Instant now) {
  is_heard_ = true;
  become_known(now);
  if (header.is_response()) {
    handle_response(path, header, std::move(payloads), now);
  } else {
    handle_request(path, header, std::move(payloads), now);
  }
}

void IkeSa::handle_unprotected(const wire::IkeHeader& header, base::Bytes datagram,
                               MessageProtection::OpenError error, Instant now) {
  const auto drop_invalid = [&](DropReason reason) {
    shared_.counters.count_invalid(name());
    drop(reason);
  };
  if (error == MessageProtection::OpenError::bad_icv) return drop_invalid(DropReason::ike_bad_icv);
  const auto message = wire::IkeMessage::decode(datagram);
  if (!message) return drop_invalid(DropReason::ike_malformed);
  if (is_crash_proven(message->payloads)) {
    report(EventKind::ike_crash_detected,
           fmt::format("{}: the peer proves that it has lost IKE SA {}", who(), id_.value));
    return die(EndReason::peer_restarted, now, false);
  }
  drop(DropReason::ike_unexpected);
  const wire::NotifyPayload* const notify = find_error(message->payloads);
  if (notify == nullptr) return;
  //= rfc7296#1.5-3 rfc7296#2.4-4 rfc7296#2.4-7 rfc7296#2.21.4-5
  // s2.21.4: anyone can send this, so it changes nothing; but it is a reason to ask.
  shared_.report_stranger(now, [&] {
    return make_event(EventKind::ike_notify_hint,
                      fmt::format("{}: an unprotected {} came in {}; not acted upon", who(),
                                  describe(*notify), wire::name_of(header.exchange)));
  });
  if (notify->type == NotifyType::invalid_ike_spi) check_liveness(now);
}

bool IkeSa::is_expecting(const wire::IkeHeader& header) const {
  switch (state_) {
    //= rfc7296#1-1 rfc7296#1.4-1
    case IkeState::init_answered:
      return header.exchange == ExchangeType::ike_auth ||
             (header.exchange == ExchangeType::ike_intermediate && support_.intermediate);
    case IkeState::auth_answered: return header.exchange == ExchangeType::ike_auth;
    case IkeState::established:
    case IkeState::deleting:
      return established_at_ && (header.exchange == ExchangeType::ike_auth ||
                                 header.exchange == ExchangeType::create_child_sa ||
                                 header.exchange == ExchangeType::informational);
    case IkeState::init_sent:
    case IkeState::auth_pending:
    case IkeState::auth_sent:
    case IkeState::dead: return false;
  }
  return false;
}

void IkeSa::handle_request(const base::Path& path, const wire::IkeHeader& header,
                           std::optional<Payloads> payloads, Instant now) {
  switch (peers_.judge(header.message_id)) {
    case PeerWindow::Verdict::fresh: break;
    //= rfc7296#2.1-5
    case PeerWindow::Verdict::outside:
      drop(DropReason::ike_bad_message_id);
      return tell_invalid_message_id(header.message_id, now);
    case PeerWindow::Verdict::repeated:
      //= rfc7296#2.1-1..2
      drop(DropReason::ike_duplicate);
      wait_for_peer_again(header.message_id, now);
      repeat_answer(path, header.message_id, now);
      return;
  }
  if (!is_expecting(header)) return drop(DropReason::ike_unexpected);
  peers_.accept(header.message_id);
  shared_.counters.count(name(), header.exchange, CounterBook::Way::request_in);
  fragments_.forget({false, header.message_id});
  answering_ = Answering{header, path};
  heard_along(path, now);
  if (!payloads) return refuse_malformed("its payloads do not parse", now);
  //= rfc7296#2.5-8 rfc7296#4-2
  if (const auto type = unknown_critical(*payloads)) {
    report_early(EventKind::ike_malformed,
                 fmt::format("{}: {} has a critical payload of unknown type {}", who(),
                             wire::name_of(header.exchange), static_cast<unsigned>(*type)),
                 now);
    respond(make_notify(NotifyType::unsupported_critical_payload,
                        base::ByteVec{static_cast<std::byte>(*type)}));
    //= rfc7296#2.21.2-3
    // s2.21.2: before the peer is authenticated this ends the SA; later only the request fails.
    if (!established_at_) die(EndReason::protocol_error, now, true);
    return;
  }
  dispatch_request(std::move(*payloads), now);
}

/// s2.3: not as an answer, and not often.
void IkeSa::tell_invalid_message_id(base::MessageId id, Instant now) {
  if (state_ != IkeState::established || !peers_.is_beyond(id)) return;
  if (next_invalid_id_notice_ && now < *next_invalid_id_notice_) return;
  //= rfc7296#2.3-9 rfc7296#2.3-10
  next_invalid_id_notice_ = now + shared_.limits().invalid_message_id_interval;
  base::ByteVec data(4);
  base::store_be(data.data(), id.value);
  want(WantNotice{{make_notify(NotifyType::invalid_message_id, std::move(data))}}, now);
}

void IkeSa::note_window_size() {
  //= rfc7296#2.3-5
  own_.set_size(std::min(support_.window_size, shared_.limits().own_window_size_max));
}

void IkeSa::repeat_answer(const base::Path& path, base::MessageId id, Instant now) {
  PeerWindow::Answer* const answer = peers_.find_answer(id);
  if (answer == nullptr) return;
  ++answer->repeats;
  (void)shrink(answer->message, answer->repeats, path, now);
  transmit(path, answer->message.datagrams);
}

void IkeSa::dispatch_request(Payloads payloads, Instant now) {
  switch (answering_->header.exchange) {
    case ExchangeType::ike_auth:
      if (state_ == IkeState::init_answered) return handle_auth_request(std::move(payloads), now);
      if (state_ == IkeState::auth_answered) return continue_auth_request(payloads, now);
      return refuse_malformed("the IKE SA is authenticated already", now);
    case ExchangeType::create_child_sa: return handle_child_request(payloads, now);
    case ExchangeType::informational: return handle_informational(payloads, now);
    case ExchangeType::ike_intermediate: return handle_intermediate_request(payloads, now);
    case ExchangeType::ike_sa_init:
    case ExchangeType::ike_session_resume: break;
  }
  answering_.reset();
}

void IkeSa::refuse_malformed(const std::string& what, Instant now) {
  report_early(EventKind::ike_malformed,
               fmt::format("{}: the {} request is malformed: {}; the IKE SA ends", who(),
                           wire::name_of(answering_->header.exchange), what),
               now);
  //= rfc7296#2.21.3-1 rfc7296#3.10.1-4
  respond(make_notify(NotifyType::invalid_syntax));
  die(EndReason::protocol_error, now, true);
}

void IkeSa::respond(const Payloads& payloads) {
  if (!answering_ || !session_) return;
  const Answering answering = *std::exchange(answering_, std::nullopt);
  auto message = seal(header_of(answering.header.exchange, answering.header.message_id, true),
                      payloads, answering.path);
  if (!message) {
    report(EventKind::local_fault, fmt::format("{}: cannot protect the {} response", who(),
                                               wire::name_of(answering.header.exchange)));
    return;
  }
  if (handshake_ && answering.header.exchange == ExchangeType::ike_intermediate) {
    note_own_intermediate(*message->inner);
  }
  if (!is_large(*message, answering.path)) message->inner.reset();
  //= rfc7296#2.11-1..2 rfc7296#2.23-1
  transmit(answering.path, message->datagrams);
  shared_.counters.count(name(), answering.header.exchange, CounterBook::Way::response_out);
  peers_.set_answer(answering.header.message_id, std::move(*message));
}

void IkeSa::handle_response(const base::Path& path, const wire::IkeHeader& header,
                            std::optional<Payloads> payloads, Instant now) {
  if (own_.sent<SentSync>() != nullptr && header.message_id.value == 0) {
    return payloads ? handle_sync_response(*payloads, now) : drop(DropReason::ike_unexpected);
  }
  InFlight* const request = own_.find(header.message_id);
  if (request == nullptr || header.exchange != request->exchange) {
    const bool is_old = header.message_id < own_.next_id();
    return drop(is_old ? DropReason::ike_duplicate : DropReason::ike_bad_message_id);
  }
  shared_.counters.count(name(), header.exchange, CounterBook::Way::response_in);
  heard_along(path, now);
  note_round_trip(*request, now);
  conclude_probe(*request);
  const auto critical = payloads ? unknown_critical(*payloads) : std::nullopt;
  if (!payloads || critical) {
    report(EventKind::ike_malformed,
           fmt::format("{}: the {} response {}; the IKE SA ends", who(),
                       wire::name_of(header.exchange),
                       critical ? "has an unknown critical payload" : "does not parse"));
    if (state_ == IkeState::deleting) return die(farewell_reason_, now, false);
    fail_wishes(EndReason::protocol_error);
    if (established_at_) return close(EndReason::protocol_error, now);
    return begin_farewell({critical ? make_notify(NotifyType::unsupported_critical_payload,
                                                  {static_cast<std::byte>(*critical)})
                                    : make_notify(NotifyType::invalid_syntax)},
                          EndReason::protocol_error, now);
  }
  fragments_.forget({true, header.message_id});
  Sent what = std::move(own_.take(header.message_id)->what);
  heed_answer_path(path, now);
  handle_answer(std::move(what), *payloads, now);
  send_next(now);
}

void IkeSa::handle_answer(Sent what, const Payloads& payloads, Instant now) {
  std::visit(
      Overload{
          [&](SentInit&) {},
          [&](SentAuth&) { handle_auth_response(payloads, now); },
          [&](SentIntermediate&) { handle_intermediate_response(payloads, now); },
          [&](SentSync&) {},
          [&](ChildCreation& sent) { handle_child_response(std::move(sent), payloads, now); },
          [&](IkeCreation& sent) { handle_ike_rekey_response(std::move(sent), payloads, now); },
          [&](SentInformational& sent) { handle_informational_response(sent, payloads, now); },
      },
      what);
  conclude_reauthentication(now);
}

void IkeSa::heard_along(const base::Path& path, Instant now) {
  last_heard_ = now;
  if (state_ == IkeState::init_answered || state_ == IkeState::auth_answered) {
    set_path(path);  // s2.23: the initiator moves to port 4500 with IKE_AUTH
  } else if (may_follow(path) && !moves_by_update(path)) {
    follow_peer(path);
  }
}

void IkeSa::note_round_trip(const InFlight& request, Instant now) {
  if (request.repeats > 0) return;
  last_round_trip_ = now - request.sent_at;
  ++round_trips_;
}

}  // namespace caponier::ike

// The two windows of an IKE SA, each of size one (RFC 7296 s2.1-2.3): our requests with their
// retransmissions, and the peer's with the answer kept for repetition.

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"

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
  if (is_initiator_) header.flags |= wire::IkeHeader::flag_initiator;
  if (is_response) header.flags |= wire::IkeHeader::flag_response;
  return header;
}

void IkeSa::transmit(const base::Path& path, base::Bytes message) {
  shared_.transmit(path, message);
}

// ---- Our requests

void IkeSa::want(Wish wish, Instant now) {
  const bool is_full = wishes_.size() >= shared_.limits().own_requests_queue_max;
  const auto* const child = std::get_if<WantChild>(&wish);
  if (is_full && child != nullptr) {
    return fail_child(child->name, EndReason::local_fault, "too many requests are waiting");
  }
  if (is_full) return;
  wishes_.push_back(std::move(wish));
  send_next(now);
}

void IkeSa::send_next(Instant now) {
  while (!in_flight_ && !wishes_.empty() &&
         (state_ == IkeState::established || state_ == IkeState::deleting)) {
    Wish wish = std::move(wishes_.front());
    wishes_.pop_front();
    std::visit(Overload{
                   [&](const WantChild& wanted) { start_child(wanted, now); },
                   [&](const WantDeleteChild& wanted) {
                     wire::DeletePayload deletion;
                     deletion.protocol = wire::ProtocolId::esp;
                     deletion.spi_size = 4;
                     deletion.spis.push_back(to_bytes(wanted.spi_in));
                     send_request(SentInformational{wanted, false}, ExchangeType::informational,
                                  {deletion}, now);
                   },
                   [&](const WantLiveness&) {
                     send_request(SentInformational{}, ExchangeType::informational, {}, now);
                   },
                   [&](const WantFarewell& wanted) {
                     send_request(SentInformational{std::nullopt, true},
                                  ExchangeType::informational, wanted.payloads, now);
                   },
               },
               wish);
  }
}

void IkeSa::send_request(Sent what, ExchangeType exchange, const Payloads& payloads, Instant now) {
  const bool is_exhausted = next_own_id_.value == std::numeric_limits<std::uint32_t>::max();
  auto message =
      is_exhausted ? std::nullopt
                   : session_->protection.seal(header_of(exchange, next_own_id_, false), payloads);
  if (!message) {
    report(EventKind::local_fault,
           fmt::format("{}: cannot protect the {} request", who(), wire::name_of(exchange)));
    in_flight_ = InFlight{};
    in_flight_->what = std::move(what);  // so that what it holds is given back
    return die(EndReason::local_fault, now, false);
  }
  launch(std::move(what), exchange, std::move(*message), now);
}

void IkeSa::launch(Sent what, ExchangeType exchange, base::ByteVec message, Instant now) {
  InFlight flight;
  flight.what = std::move(what);
  flight.id = next_own_id_;
  flight.exchange = exchange;
  flight.message = std::move(message);
  flight.sent_at = now;
  flight.wait = shared_.limits().retransmit_first;
  flight.resend_at = now + flight.wait;
  flight.tries_left = shared_.limits().retransmit_tries;
  ++next_own_id_.value;
  last_sent_ = now;
  transmit(path_, flight.message);
  in_flight_ = std::move(flight);
  if (shared_.is_shutting_down || is_farewell_short_) shorten_in_flight(now);
}

void IkeSa::shorten_in_flight(Instant now) {
  if (!in_flight_) return;
  in_flight_->tries_left = std::min(in_flight_->tries_left, short_tries);
  in_flight_->wait = std::min(in_flight_->wait, shared_.limits().retransmit_first);
  in_flight_->resend_at = std::min(in_flight_->resend_at, now + in_flight_->wait);
}

void IkeSa::retransmit(Instant now) {
  InFlight& flight = *in_flight_;
  if (flight.tries_left == 0) return give_up(now);
  --flight.tries_left;
  ++flight.repeats;
  const bool is_short = shared_.is_shutting_down || is_farewell_short_;
  if (!is_short) flight.wait = grow(flight.wait, shared_.limits().retransmit_base);
  flight.resend_at = now + flight.wait;
  last_sent_ = now;
  transmit(path_, flight.message);
}

void IkeSa::give_up(Instant now) {
  const InFlight& flight = *in_flight_;
  std::string text = fmt::format("{}: no answer to {} after {} transmissions in {:.1f} s", who(),
                                 wire::name_of(flight.exchange), flight.repeats + 1,
                                 base::seconds_of(now - flight.sent_at));
  if (handshake_ && handshake_->refusal) {
    text += fmt::format("; an unprotected {} came", describe(*handshake_->refusal));
  }
  report(EventKind::ike_timeout, std::move(text));
  die(state_ == IkeState::deleting ? farewell_reason_ : EndReason::timeout, now, false);
}

// ---- Input

void IkeSa::handle_message(const base::Path& path, const wire::IkeHeader& header,
                           base::Bytes datagram, Instant now) {
  if (!session_) {
    const bool is_answer = state_ == IkeState::init_sent && header.is_response() &&
                           header.exchange == ExchangeType::ike_sa_init;
    if (!is_answer) return drop(DropReason::ike_unexpected);
    return handle_init_response(path, datagram, now);
  }
  if (header.exchange == ExchangeType::ike_sa_init) return drop(DropReason::ike_duplicate);
  if (header.spi_i != spi_i_ || header.spi_r != spi_r_ ||
      header.from_initiator() == is_initiator_) {
    return drop(DropReason::ike_unknown_spi);
  }
  auto inner = session_->protection.open(datagram);
  std::optional<Payloads> payloads;
  if (inner) {
    payloads = std::move(*inner);
  } else if (inner.error() != MessageProtection::OpenError::bad_inner) {
    return handle_unprotected(header, datagram, inner.error(), now);
  }
  if (header.is_response()) {
    handle_response(path, header, std::move(payloads), now);
  } else {
    handle_request(path, header, std::move(payloads), now);
  }
}

void IkeSa::handle_unprotected(const wire::IkeHeader& header, base::Bytes datagram,
                               MessageProtection::OpenError error, Instant now) {
  if (error == MessageProtection::OpenError::bad_icv) return drop(DropReason::ike_bad_icv);
  const auto message = wire::IkeMessage::decode(datagram);
  if (!message) return drop(DropReason::ike_malformed);
  drop(DropReason::ike_unexpected);
  const wire::NotifyPayload* const notify = find_error(message->payloads);
  if (notify == nullptr) return;
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
    case IkeState::init_answered: return header.exchange == ExchangeType::ike_auth;
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
  if (header.message_id.value + 1 == next_peer_id_.value) {
    drop(DropReason::ike_duplicate);
    if (!last_response_.empty()) transmit(path, last_response_);
    return;
  }
  if (header.message_id != next_peer_id_) return drop(DropReason::ike_bad_message_id);
  if (!is_expecting(header)) return drop(DropReason::ike_unexpected);
  ++next_peer_id_.value;
  last_response_.clear();
  answering_ = Answering{header, path};
  heard_along(path, now);
  if (!payloads) return refuse_malformed("its payloads do not parse", now);
  if (const auto type = unknown_critical(*payloads)) {
    report_early(EventKind::ike_malformed,
                 fmt::format("{}: {} has a critical payload of unknown type {}", who(),
                             wire::name_of(header.exchange), static_cast<unsigned>(*type)),
                 now);
    respond(make_notify(NotifyType::unsupported_critical_payload,
                        base::ByteVec{static_cast<std::byte>(*type)}));
    // s2.21.2: before the peer is authenticated this ends the SA; later only the request fails.
    if (!established_at_) die(EndReason::protocol_error, now, true);
    return;
  }
  dispatch_request(*payloads, now);
}

void IkeSa::dispatch_request(const Payloads& payloads, Instant now) {
  switch (answering_->header.exchange) {
    case ExchangeType::ike_auth:
      if (state_ == IkeState::init_answered) return handle_auth_request(payloads, now);
      return refuse_malformed("the IKE SA is authenticated already", now);
    case ExchangeType::create_child_sa: return handle_child_request(payloads, now);
    case ExchangeType::informational: return handle_informational(payloads, now);
    case ExchangeType::ike_sa_init:
    case ExchangeType::ike_session_resume:
    case ExchangeType::ike_intermediate: break;
  }
  answering_.reset();
}

void IkeSa::refuse_malformed(const std::string& what, Instant now) {
  report_early(EventKind::ike_malformed,
               fmt::format("{}: the {} request is malformed: {}; the IKE SA ends", who(),
                           wire::name_of(answering_->header.exchange), what),
               now);
  respond(make_notify(NotifyType::invalid_syntax));
  die(EndReason::protocol_error, now, true);
}

void IkeSa::respond(const Payloads& payloads) {
  if (!answering_ || !session_) return;
  const Answering answering = *std::exchange(answering_, std::nullopt);
  auto message = session_->protection.seal(
      header_of(answering.header.exchange, answering.header.message_id, true), payloads);
  if (!message) {
    report(EventKind::local_fault, fmt::format("{}: cannot protect the {} response", who(),
                                               wire::name_of(answering.header.exchange)));
    return;
  }
  last_response_ = std::move(*message);
  transmit(answering.path, last_response_);
}

void IkeSa::handle_response(const base::Path& path, const wire::IkeHeader& header,
                            std::optional<Payloads> payloads, Instant now) {
  if (!in_flight_ || header.message_id != in_flight_->id ||
      header.exchange != in_flight_->exchange) {
    const bool is_old = header.message_id.value < next_own_id_.value;
    return drop(is_old ? DropReason::ike_duplicate : DropReason::ike_bad_message_id);
  }
  heard_along(path, now);
  note_round_trip(now);
  const auto critical = payloads ? unknown_critical(*payloads) : std::nullopt;
  if (!payloads || critical) {
    report(EventKind::ike_malformed,
           fmt::format("{}: the {} response {}; the IKE SA ends", who(),
                       wire::name_of(header.exchange),
                       critical ? "has an unknown critical payload" : "does not parse"));
    if (state_ == IkeState::deleting) return die(farewell_reason_, now, false);
    fail_wishes(EndReason::protocol_error);
    in_flight_.reset();
    if (established_at_) return close(EndReason::protocol_error, now);
    return begin_farewell({critical ? make_notify(NotifyType::unsupported_critical_payload,
                                                  {static_cast<std::byte>(*critical)})
                                    : make_notify(NotifyType::invalid_syntax)},
                          EndReason::protocol_error, now);
  }
  Sent what = std::move(in_flight_->what);
  in_flight_.reset();
  std::visit(
      Overload{
          [&](SentInit&) {},
          [&](SentAuth&) { handle_auth_response(*payloads, now); },
          [&](ChildCreation& sent) { handle_child_response(std::move(sent), *payloads, now); },
          [&](SentInformational& sent) { handle_informational_response(sent, *payloads, now); },
      },
      what);
  send_next(now);
}

void IkeSa::heard_along(const base::Path& path, Instant now) {
  last_heard_ = now;
  if (state_ == IkeState::init_answered) {
    path_ = path;  // s2.23: the initiator moves to port 4500 with IKE_AUTH
  } else if (remote_behind_nat_) {
    follow_peer(path);
  }
}

void IkeSa::note_round_trip(Instant now) {
  if (in_flight_->repeats > 0) return;
  last_round_trip_ = now - in_flight_->sent_at;
  ++round_trips_;
}

}  // namespace caponier::ike

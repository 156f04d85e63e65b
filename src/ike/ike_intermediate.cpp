// IKE_INTERMEDIATE (RFC 9242), both roles: rounds between IKE_SA_INIT and IKE_AUTH for what is too
// large for the one and needed before the other. Their content becomes part of what AUTH proves.
//
// An extension that has something to carry puts its payloads into Handshake::rounds_planned when
// the initiator plans, and looks at what came in take_intermediate_request (and answers there) and
// take_intermediate_answer.

#include <array>
#include <utility>

#include <fmt/format.h>

#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using Payloads = std::vector<wire::Payload>;

base::ByteVec intermediate_octets(const wire::IkeHeader& header, const Unsealed& message) {
  constexpr std::size_t sk_header_size = 4;
  wire::IkeHeader adjusted = header;
  adjusted.next_payload = message.outer_first;
  adjusted.length = static_cast<std::uint32_t>(wire::IkeHeader::size + message.outer.size() +
                                               sk_header_size + message.chain.size());
  base::Writer out;
  adjusted.encode(out);
  out.bytes(message.outer);
  out.u8(static_cast<std::uint8_t>(message.first));
  out.u8(std::to_integer<std::uint8_t>(message.flags));
  out.u16(static_cast<std::uint16_t>(sk_header_size + message.chain.size()));
  out.bytes(message.chain);
  return out.finish().value_or(base::ByteVec{});
}

void IkeSa::chain_intermediate(const wire::IkeHeader& header, const Unsealed& message) {
  const bool by_initiator = header.from_initiator();
  base::ByteVec& chained = by_initiator ? handshake_->int_auth_i : handshake_->int_auth_r;
  const base::SecretBytes& key = by_initiator ? handshake_->sk_pi : handshake_->sk_pr;
  const base::ByteVec octets = intermediate_octets(header, message);
  const std::array<base::Bytes, 2> parts{chained, octets};
  chained = base::to_vec(session_->prf->compute(key.reveal(), parts).reveal());
}

void IkeSa::note_own_intermediate(const InnerMessage& message) {
  Unsealed whole;
  whole.first = message.first;
  whole.chain = message.chain;
  chain_intermediate(message.header, whole);
}

/// s3.3.2: what all rounds add to the octets that both sides sign; nothing without a round.
base::ByteVec IkeSa::int_auth() const {
  if (handshake_->rounds == 0) return {};
  base::ByteVec octets = handshake_->int_auth_i;
  base::append(octets, handshake_->int_auth_r);
  base::ByteVec id(4);
  base::store_be(id.data(), static_cast<std::uint32_t>(handshake_->rounds + 1));
  base::append(octets, id);
  return octets;
}

// ---- Initiator

void IkeSa::begin_auth(Instant now) {
  if (support_.intermediate) {
    for (const Payloads& round : connection_->intermediate) {
      handshake_->rounds_planned.push_back(round);
    }
  }
  next_round(now);
}

void IkeSa::next_round(Instant now) {
  const bool is_done = handshake_->rounds_planned.empty() ||
                       handshake_->rounds >= shared_.limits().intermediate_rounds_max;
  if (is_done) {
    half_open_until_ = now + shared_.limits().half_open_timeout;
    return begin_own_round(now);
  }
  const Payloads payloads = std::move(handshake_->rounds_planned.front());
  handshake_->rounds_planned.pop_front();
  half_open_until_.reset();  // the repetitions of the request are the limit
  send_request(SentIntermediate{}, wire::ExchangeType::ike_intermediate, payloads, now);
}

void IkeSa::handle_intermediate_response(const Payloads& payloads, Instant now) {
  if (!handshake_ || !handshake_->received) return;
  if (const wire::NotifyPayload* const error = find_error(payloads)) {
    report(EventKind::ike_failed,
           fmt::format("{}: the peer refuses IKE_INTERMEDIATE with {}", who(), describe(*error)));
    return die(EndReason::peer_refused, now, false);
  }
  ++handshake_->rounds;
  chain_intermediate(handshake_->received->header, handshake_->received->message);
  take_intermediate_answer(payloads);
  next_round(now);
}

void IkeSa::take_intermediate_answer(const Payloads&) {}

// ---- Responder

void IkeSa::handle_intermediate_request(const Payloads& payloads, Instant now) {
  if (handshake_->rounds >= shared_.limits().intermediate_rounds_max) {
    return refuse_malformed(fmt::format("more than {} rounds of it", handshake_->rounds), now);
  }
  ++handshake_->rounds;
  chain_intermediate(handshake_->received->header, handshake_->received->message);
  respond(take_intermediate_request(payloads));
}

Payloads IkeSa::take_intermediate_request(const Payloads&) { return {}; }

}  // namespace caponier::ike

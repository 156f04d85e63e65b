// IKE_SESSION_RESUME (RFC 5723 s4.3): an IKE SA from the keys of one that ended, without a key
// exchange. IKE_AUTH follows as ever; its AUTH is made of the new keys.

#include "ike/ike_session_resume.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "ike/exchanges.h"
#include "ike/extensions.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "ike/nat_detection.h"

namespace caponier::ike {

using base::DropReason;
using base::EventKind;
using base::Instant;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {
constexpr std::size_t nonce_size = 32;
/// After these the full exchange starts: a peer that lost the ticket's key may not even answer.
constexpr unsigned resume_repeats = 1;
constexpr unsigned resume_retries_max = 3;
}  // namespace

// ---- Initiator

void IkeSa::send_resume(Instant now) {
  own_.restart_at({});
  wire::IkeMessage message;
  message.header = header_of(wire::ExchangeType::ike_session_resume, {}, false);
  Payloads& payloads = message.payloads;
  if (!handshake_->cookie.empty()) {
    payloads.emplace_back(make_notify(NotifyType::cookie, handshake_->cookie));
  }
  payloads.emplace_back(wire::NoncePayload{handshake_->nonce_i});
  payloads.emplace_back(make_notify(NotifyType::ticket_opaque, handshake_->resumes->ticket));
  append_nat_notifies(payloads, shared_.crypto, spi_i_, {}, path_, has_forced_encap_);
  append_init_request_notifies(payloads, *connection_);
  append_redirect_notifies(payloads);
  auto encoded = message.encode();
  if (!encoded) {
    (void)fall_back_to_init("the request is too long", now);
    return;
  }
  handshake_->init_request = *encoded;
  launch(SentInit{}, wire::ExchangeType::ike_session_resume, {{std::move(*encoded)}}, now);
  for (auto& [id, request] : own_.all()) request.tries_left = resume_repeats;
}

bool IkeSa::fall_back_to_init(std::string_view why, Instant now) {
  if (state_ != IkeState::init_sent || !handshake_ || !handshake_->resumes) return false;
  report(EventKind::ike_ticket,
         fmt::format("{}: not resumed: {}; a full exchange follows", who(), why));
  (void)own_.take_all();
  shared_.by_spi.erase(spi_i_);
  spi_i_ = shared_.allocate_ike_spi(id_);
  handshake_ = std::make_unique<Handshake>();
  handshake_->nonce_i = shared_.new_nonce(nonce_size);
  begin_init(now);
  return true;
}

void IkeSa::handle_resume_response(const base::Path& path, base::Bytes datagram, Instant now) {
  const auto message = wire::IkeMessage::decode(datagram);
  if (!message) return drop(DropReason::ike_malformed);
  const wire::IkeHeader& header = message->header;
  if (header.spi_i != spi_i_ || header.message_id.value != 0 || header.from_initiator() ||
      path.remote.address != path_.remote.address) {
    return drop(DropReason::ike_unexpected);
  }
  const Payloads& payloads = message->payloads;
  const auto* const cookie = wire::find_notify(payloads, NotifyType::cookie);
  if (cookie != nullptr && !cookie->data.empty() && cookie->data.size() <= 64 &&
      handshake_->retries < resume_retries_max) {
    ++handshake_->retries;
    handshake_->cookie = cookie->data;
    (void)own_.take_all();
    return send_resume(now);
  }
  if (const auto* const error = find_error(payloads)) {
    (void)fall_back_to_init("the peer answers " + describe(*error), now);
    return;
  }
  // Unprotected, but nothing worse than the full exchange comes of it.
  if (wire::find_notify(payloads, NotifyType::ticket_nack) != nullptr) {
    (void)fall_back_to_init("the peer refuses the ticket", now);
    return;
  }
  if (fault_in(Shape::resume_response, payloads) || unknown_critical(payloads) ||
      header.spi_r.value == 0) {
    return drop(DropReason::ike_malformed);
  }
  accept_resume_response(*message, datagram, now);
}

void IkeSa::accept_resume_response(const wire::IkeMessage& message, base::Bytes datagram,
                                   Instant now) {
  const Resumable& state = handshake_->resumes->state;
  handshake_->nonce_r = wire::find<wire::NoncePayload>(message.payloads)->data;
  spi_r_ = message.header.spi_r;
  auto material = derive_resumed_keys(shared_.crypto, state,
                                      {handshake_->nonce_i, handshake_->nonce_r, spi_i_, spi_r_});
  std::string why = "the keys cannot be made";
  if (!material || !open_session(state.suite, *material, why)) {
    spi_r_ = {};
    (void)fall_back_to_init(why, now);
    return;
  }
  export_keys();
  handshake_->is_resumed = true;
  accept_init(message, datagram, now);
}

/// AUTH = prf(SK_px, octets) (s4.3.3): nobody else is asked.
base::SecretBytes IkeSa::resumed_auth(bool is_initiators, base::Bytes octets) const {
  const base::SecretBytes& key = is_initiators ? handshake_->sk_pi : handshake_->sk_pr;
  return session_->prf->compute(key.reveal(), std::array{octets});
}

//= rfc5723#4.3.3-2 rfc5723#4.3.3-4
/// s4.3.3: both identities are those of the ticket.
ConnectionPtr IkeSa::resumed_connection(const Payloads& payloads) const {
  const Resumable& state = handshake_->ticket->state;
  const auto* const id_i = wire::find_id(payloads, true);
  const auto* const id_r = wire::find_id(payloads, false);
  const bool is_same =
      id_i != nullptr && *id_i == state.id_i && (id_r == nullptr || *id_r == state.id_r);
  return is_same ? find_resumed(shared_, state) : nullptr;
}

// ---- Responder

ConnectionPtr find_resumed(const Shared& shared, const Resumable& state) {
  const auto found = std::ranges::find(shared.connections, state.connection,
                                       [](const auto& connection) { return connection->name; });
  if (found == shared.connections.end()) return nullptr;
  const ConnectionConfig& connection = **found;
  const bool is_unchanged = connection.resumption &&
                            connection.credential_tag == state.credential_tag &&
                            connection.own_rounds.front().identity.to_wire(false) == state.id_r &&
                            is_offered(state.suite, connection.offers);
  const auto& expected = connection.peer_rounds.front().identity;
  const bool is_peer = !expected || expected->matches(policy::Identity::from_wire(state.id_i));
  return is_unchanged && is_peer ? *found : nullptr;
}

std::optional<base::SecretBytes> derive_resumed_keys(const crypto::CryptoProvider& crypto,
                                                     const Resumable& state,
                                                     const InitValues& init) {
  const auto prf = crypto.make_prf(state.suite.prf);
  if (!prf) return std::nullopt;
  auto material = derive_resumed_key_material(**prf, state.suite, state.sk_d, init.nonce_i,
                                              init.nonce_r, init.spi_i, init.spi_r);
  if (!material) return std::nullopt;
  return std::move(*material);
}

namespace {

/// Null when the keys cannot be made.
std::optional<HalfOpen> answer_resume(Shared& shared, const base::Path& path,
                                      const wire::IkeMessage& request, base::Bytes datagram,
                                      const Resumable& state, const ConnectionConfig& connection,
                                      bool is_proven, Instant now) {
  HalfOpen entry;
  entry.id = shared.new_sa_id();
  entry.spi_i = request.header.spi_i;
  entry.spi_r = shared.new_ike_spi();
  entry.path = path;
  entry.since = now;
  entry.suite = state.suite;
  const auto& nonce_i = wire::find<wire::NoncePayload>(request.payloads)->data;
  const base::ByteVec nonce_r = shared.new_nonce(nonce_size);
  auto material =
      derive_resumed_keys(shared.crypto, state, {nonce_i, nonce_r, entry.spi_i, entry.spi_r});
  if (!material) return std::nullopt;
  entry.key_material = std::make_unique<base::SecretBytes>(std::move(*material));

  wire::IkeMessage message;
  message.header.spi_i = entry.spi_i;
  message.header.spi_r = entry.spi_r;
  message.header.exchange = wire::ExchangeType::ike_session_resume;
  message.header.flags = wire::IkeHeader::flag_response;
  message.payloads.emplace_back(wire::NoncePayload{nonce_r});
  const NatView nat = detect_nat(shared.crypto, request.payloads, entry.spi_i, {}, path);
  if (nat.is_supported) {
    append_nat_notifies(message.payloads, shared.crypto, entry.spi_i, entry.spi_r, path,
                        connection.force_encap);
  }
  PeerSupport support;
  support.note_init(request.payloads);
  append_init_response_notifies(message.payloads, connection, support);
  const auto encoded = message.encode();
  if (!encoded) return std::nullopt;
  entry.set_messages(datagram, *encoded);
  entry.slot = HalfOpenCounts::Slot{shared.half_open_counts, path.remote.address, is_proven};
  return entry;
}

}  // namespace

ResumeVerdict judge_resume(Shared& shared, CookieJar& cookies, const base::Path& path,
                           const wire::IkeHeader& header, base::Bytes datagram, Instant now) {
  const auto ignore = [&](DropReason reason) {
    shared.drops.add(reason);
    return Ignored{};
  };
  if (shared.is_shutting_down) return ignore(DropReason::ike_unexpected);
  const auto message = wire::IkeMessage::decode(datagram);
  if (!message || fault_in(Shape::resume_request, message->payloads) ||
      unknown_critical(message->payloads)) {
    return ignore(DropReason::ike_malformed);
  }
  const auto& nonce = wire::find<wire::NoncePayload>(message->payloads)->data;
  bool is_proven = path.transport == base::Transport::tcp;
  if (!is_proven && wants_cookie(shared, path.remote.address)) {
    const auto* const cookie = wire::find_notify(message->payloads, NotifyType::cookie);
    is_proven = cookie != nullptr &&
                cookies.is_valid(cookie->data, nonce, path.remote.address, header.spi_i, now);
    if (!is_proven) {
      if (cookie != nullptr) shared.drops.add(DropReason::ike_bad_cookie);
      return Rejected{unprotected_answer(
          header, make_notify(NotifyType::cookie,
                              cookies.make(nonce, path.remote.address, header.spi_i, now)))};
    }
  }
  if (is_full(shared, path.remote.address)) return ignore(DropReason::ike_half_open_limit);
  const auto* const opaque = wire::find_notify(message->payloads, NotifyType::ticket_opaque);
  const auto ticket =
      opaque == nullptr ? std::nullopt : shared.ticket_maker.open(opaque->data, now);
  const ConnectionPtr connection = ticket ? find_resumed(shared, ticket->state) : nullptr;
  std::optional<HalfOpen> entry;
  if (connection) {
    entry =
        answer_resume(shared, path, *message, datagram, ticket->state, *connection, is_proven, now);
  }
  if (entry) return std::move(*entry);
  //= rfc5723#4.3.2-3
  shared.drops.add(DropReason::ike_bad_ticket);
  if (!shared.answers.take(now)) return ignore(DropReason::ike_rate_limited);
  return Rejected{unprotected_answer(header, make_notify(NotifyType::ticket_nack))};
}

}  // namespace caponier::ike

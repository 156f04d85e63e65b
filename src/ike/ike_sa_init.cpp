// IKE_SA_INIT (RFC 7296 s1.2, s2.6, s2.7, s2.21.1, s2.23): the initiator, and the responder once it
// has decided to keep state (ike_sa_init_responder.cpp decides).

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/auth_methods.h"
#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/ike_sa_init_responder.h"
#include "ike/ike_session_resume.h"
#include "ike/messages.h"
#include "ike/nat_detection.h"
#include "ike/witness.h"

namespace caponier::ike {

using base::DropReason;
using base::EventKind;
using base::Instant;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {
constexpr std::size_t nonce_size = 32;
/// COOKIE and INVALID_KE_PAYLOAD answers together, so that two hosts cannot play ping-pong.
constexpr unsigned init_retries_max = 5;
/// For a puzzle whose difficulty is left to us (RFC 8019 s7.1.1.1): some tenths of a second.
constexpr unsigned puzzle_bits_unasked = 16;
/// s2.21.1: an unprotected refusal may be forged, so the true answer gets this long to come.
constexpr base::Duration refusal_patience = std::chrono::seconds{3};

std::string list_groups(const policy::Offers& offers) {
  std::string text;
  for (const crypto::KeGroup group : groups_of(offers)) {
    if (!text.empty()) text += ", ";
    text += name_of(group);
  }
  return text.empty() ? "none" : text;
}
}  // namespace

void IkeSa::initiate(ConnectionPtr connection, Instant now,
                     std::optional<base::IpAddress> redirected_from, FirstChild first_child) {
  belong_to(std::move(connection), std::nullopt);
  set_path(path_);
  redirected_from_ = redirected_from;
  follows_redirects_ = connection_->follows_redirects;
  spi_i_ = shared_.allocate_ike_spi(id_);
  has_forced_encap_ = connection_->force_encap;
  handshake_ = std::make_unique<Handshake>();
  handshake_->nonce_i = shared_.new_nonce(nonce_size);
  handshake_->first_child = std::move(first_child);
  report(EventKind::ike_initiating,
         fmt::format("{}: initiating from {}{}", who(), path_.local.to_string(),
                     path_.transport == base::Transport::tcp ? " over TCP" : ""));
  handshake_->resumes = shared_.tickets.take(*connection_, now);
  if (handshake_->resumes) return send_resume(now);
  begin_init(now);
}

void IkeSa::begin_init(Instant now) {
  const auto groups = groups_of(connection_->offers);
  const auto usable = std::ranges::find_if(
      groups, [&](crypto::KeGroup group) { return shared_.crypto.supports(group); });
  const bool has_child =
      !connection_->children.empty() || connection_->childless != Childless::never;
  if (!has_child || usable == groups.end() || !make_key_exchange(*usable)) {
    report(EventKind::local_fault,
           fmt::format("{}: cannot initiate: {}", who(),
                       has_child ? "no key-exchange group of ours works here"
                                 : "the connection has no child, and childless = never"));
    return die(EndReason::local_fault, now, false);
  }
  send_init(now);
}

bool IkeSa::make_key_exchange(crypto::KeGroup group) {
  auto ke = shared_.crypto.make_key_exchange(group, shared_.rng);
  if (!ke) return false;
  handshake_->ke = std::move(*ke);
  return true;
}

void IkeSa::send_init(Instant now) {
  own_.restart_at({});
  wire::IkeMessage message;
  message.header = header_of(wire::ExchangeType::ike_sa_init, {}, false);
  Payloads& payloads = message.payloads;
  if (!handshake_->cookie.empty()) {
    //= rfc7296#2.6-4
    payloads.emplace_back(make_notify(NotifyType::cookie, handshake_->cookie));  // first: s2.6
  }
  if (!handshake_->solution.empty()) payloads.emplace_back(make_solution(handshake_->solution));
  payloads.emplace_back(policy::to_wire(connection_->offers, {}, true));
  payloads.emplace_back(wire::KePayload{static_cast<std::uint16_t>(handshake_->ke->group()),
                                        base::to_vec(handshake_->ke->public_value())});
  payloads.emplace_back(wire::NoncePayload{handshake_->nonce_i});
  if (connection_->nat_traversal) {
    //= rfc7296#2.23-7
    append_nat_notifies(payloads, shared_.crypto, spi_i_, {}, path_, has_forced_encap_);
  }
  append_init_request_notifies(payloads, *connection_);
  append_redirect_notifies(payloads);
  auto encoded = message.encode();
  if (!encoded) {
    report(EventKind::local_fault, fmt::format("{}: the IKE_SA_INIT request is too long", who()));
    return die(EndReason::local_fault, now, false);
  }
  handshake_->init_request = *encoded;
  launch(SentInit{}, wire::ExchangeType::ike_sa_init, {{std::move(*encoded)}}, now);
}

void IkeSa::append_redirect_notifies(Payloads& payloads) const {
  if (redirected_from_) payloads.emplace_back(make_redirected_from(*redirected_from_));
  if (follows_redirects_) payloads.emplace_back(make_notify(NotifyType::redirect_supported));
}

void IkeSa::heed_cookie(base::ByteVec cookie, const wire::NotifyPayload* notify, Instant now) {
  handshake_->cookie = std::move(cookie);
  handshake_->solution.clear();
  handshake_->solver.reset();
  (void)own_.take_all();
  const auto puzzle = notify == nullptr ? std::nullopt : read_puzzle(*notify);
  if (!puzzle) return send_init(now);
  auto prf = shared_.crypto.make_prf(puzzle->prf);
  const bool is_willing = prf && puzzle->bits <= shared_.limits().puzzle_bits_max;
  report(EventKind::ike_puzzle,
         fmt::format("{}: the peer is under attack and sets a puzzle of {} bits; {}", who(),
                     puzzle->bits, is_willing ? "solving it" : "too hard, not tried"));
  if (!is_willing) return send_init(now);
  const unsigned bits = puzzle->bits == 0 ? puzzle_bits_unasked : puzzle->bits;
  handshake_->solver = std::make_unique<PuzzleSolver>(std::move(*prf), handshake_->cookie, bits,
                                                      shared_.rng.public_u32());
  handshake_->solve_at = now;
}

void IkeSa::solve_puzzle(Instant now) {
  const IkeLimits& limits = shared_.limits();
  PuzzleSolver& solver = *handshake_->solver;
  const bool is_solved = solver.work(limits.puzzle_hashes_per_call);
  if (!is_solved && solver.hashes() < limits.puzzle_hashes_max) {
    handshake_->solve_at = now + limits.puzzle_pause;
    return;
  }
  report(EventKind::ike_puzzle, fmt::format("{}: the puzzle is {} after {} hashes", who(),
                                            is_solved ? "solved" : "given up", solver.hashes()));
  if (is_solved) handshake_->solution = solver.solution();
  handshake_->solver.reset();
  if (state_ == IkeState::auth_pending) return begin_auth(now);
  send_init(now);
}

void IkeSa::heed_init_redirect(const wire::NotifyPayload& notify, Instant now) {
  const auto redirect = read_redirect(notify);
  // RFC 5685 s3: with another nonce it is forged, and the true answer is still to come.
  if (!follows_redirects_ || !redirect || redirect->nonce != handshake_->nonce_i) {
    return drop(DropReason::ike_unexpected);
  }
  if (!shared_.redirects.admit(name(), now)) {
    report(EventKind::ike_redirected,
           fmt::format("{}: redirected too often; this one is not followed", who()));
    return die(EndReason::peer_refused, now, false);
  }
  announce_redirect(redirect->to);
  die(EndReason::redirected, now, false);
}

void IkeSa::handle_init_response(const base::Path& path, base::Bytes datagram, Instant now) {
  const auto message = wire::IkeMessage::decode(datagram);
  if (!message) {
    report_early(EventKind::ike_malformed,
                 fmt::format("{}: the IKE_SA_INIT response does not parse ({} in {})", who(),
                             base::name_of(message.error().fault), message.error().field),
                 now);
    return drop(DropReason::ike_malformed);
  }
  const wire::IkeHeader& header = message->header;
  if (header.spi_i != spi_i_ || header.message_id.value != 0 || header.from_initiator() ||
      path.remote.address != path_.remote.address) {
    return drop(DropReason::ike_unexpected);
  }
  if (handle_init_notify(*message, now)) return;
  const auto fault = fault_in(Shape::init_response, message->payloads);
  if (fault || unknown_critical(message->payloads) || header.spi_r.value == 0) {
    report_early(EventKind::ike_malformed,
                 fmt::format("{}: ignored an IKE_SA_INIT response: {}", who(),
                             fault.value_or("an unknown critical payload, or no SPI")),
                 now);
    return drop(DropReason::ike_malformed);
  }
  const auto choice =
      policy::accept_ike(*wire::find<wire::SaPayload>(message->payloads), connection_->offers);
  if (!choice) {
    Witness{*this}.note_early(
        Witness{*this}.saw_offers(policy::Symptom::init_answer_foreign,
                                  wire::find<wire::SaPayload>(message->payloads)),
        now);
    report_early(EventKind::ike_no_proposal,
                 fmt::format("{}: the peer's answer is not among our proposals: {}", who(),
                             describe(choice.error())),
                 now);
    return drop(DropReason::ike_unexpected);
  }
  shared_.counters.count(name(), header.exchange, CounterBook::Way::response_in);
  accept_init_response(*message, datagram, choice->suite, now);
}

bool IkeSa::handle_init_notify(const wire::IkeMessage& message, Instant now) {
  Handshake& handshake = *handshake_;
  const wire::NotifyPayload* const cookie = wire::find_notify(message.payloads, NotifyType::cookie);
  const wire::NotifyPayload* const error = find_error(message.payloads);
  if (const auto* const redirect = wire::find_notify(message.payloads, NotifyType::redirect)) {
    heed_init_redirect(*redirect, now);
    return true;
  }
  if (cookie == nullptr && error == nullptr) {
    //= rfc8019#7.1.2-2
    // RFC 8019 s7.1.2: without a cookie there is nothing to solve; a PUZZLE beside the keys is for
    // IKE_AUTH.
    const bool is_puzzle = wire::find_notify(message.payloads, NotifyType::puzzle) != nullptr &&
                           wire::find<wire::KePayload>(message.payloads) == nullptr;
    if (is_puzzle) drop(DropReason::ike_unexpected);
    return is_puzzle;
  }
  if (cookie != nullptr && !cookie->data.empty() && cookie->data.size() <= 64 &&
      handshake.retries < init_retries_max) {
    ++handshake.retries;
    heed_cookie(cookie->data, wire::find_notify(message.payloads, NotifyType::puzzle), now);
    return true;
  }
  if (error == nullptr) {
    drop(DropReason::ike_unexpected);
    return true;
  }
  const auto group =
      error->type == NotifyType::invalid_ke_payload ? wanted_group(*error) : std::nullopt;
  const auto ours = groups_of(connection_->offers);
  //= rfc7296#1.2-4..5
  if (group && *group != handshake.ke->group() && handshake.retries < init_retries_max &&
      std::ranges::find(ours, *group) != ours.end() && make_key_exchange(*group)) {
    ++handshake.retries;
    (void)own_.take_all();
    send_init(now);
    return true;
  }
  report_early(EventKind::ike_notify_hint,
               fmt::format("{}: the peer answers IKE_SA_INIT with {}; we wait {} s for a better "
                           "answer, as this one is unprotected",
                           who(), describe(*error), base::seconds_of(refusal_patience)),
               now);
  if (!handshake.refusal) {
    handshake.refusal = *error;
    //= rfc9329#6.4-1
    const bool is_final = path_.transport == base::Transport::tcp;
    handshake.refused_until = is_final ? now : now + refusal_patience;
  }
  return true;
}

void IkeSa::accept_refusal(Instant now) {
  shared_.answered.push_back(id_);
  const wire::NotifyPayload refusal = *handshake_->refusal;
  auto evidence = Witness{*this}.saw_offers(policy::Symptom::init_refused, nullptr);
  evidence.notify = refusal.type;
  if (refusal.type == NotifyType::invalid_ke_payload) evidence.theirs.group = wanted_group(refusal);
  Witness{*this}.note(std::move(evidence));
  if (refusal.type == NotifyType::no_proposal_chosen) {
    base::Event event = make_event(
        EventKind::ike_no_proposal,
        fmt::format("{}: the peer accepts none of our proposals, or does not know us "
                    "(NO_PROPOSAL_CHOSEN): {}",
                    who(), policy::to_string(policy::to_wire(connection_->offers, {}, true))));
    event.fields.emplace_back("notify", wire::name_of(refusal.type));
    shared_.report(std::move(event));
    return die(EndReason::no_proposal, now, false);
  }
  report(EventKind::ike_failed,
         fmt::format("{}: the peer refuses IKE_SA_INIT with {}; our groups are {}", who(),
                     describe(refusal), list_groups(connection_->offers)));
  die(EndReason::peer_refused, now, false);
}

void IkeSa::accept_init_response(const wire::IkeMessage& message, base::Bytes datagram,
                                 policy::IkeSuite suite, Instant now) {
  const auto& ke = *wire::find<wire::KePayload>(message.payloads);
  handshake_->nonce_r = wire::find<wire::NoncePayload>(message.payloads)->data;
  spi_r_ = message.header.spi_r;
  std::string why = "the group differs from the one we sent";
  const bool is_group_right =
      ke.group == static_cast<std::uint16_t>(suite.ke) && suite.ke == handshake_->ke->group();
  if (!is_group_right || !start_session(suite, ke.data, why)) {
    spi_r_ = {};
    report_early(EventKind::ike_malformed,
                 fmt::format("{}: ignored an IKE_SA_INIT response: key exchange: {}", who(), why),
                 now);
    return drop(DropReason::ike_unexpected);
  }
  accept_init(message, datagram, now);
}

void IkeSa::accept_init(const wire::IkeMessage& message, base::Bytes datagram, Instant now) {
  last_heard_ = now;
  for (const auto& [id, request] : own_.take_all()) note_round_trip(request, now);
  handshake_->init_response = base::to_vec(datagram);
  handshake_->ke.reset();
  handshake_->refusal.reset();
  support_.note_init(message.payloads);
  // Who answers what was not asked has agreed to nothing.
  support_.prefers_udp_encap = support_.prefers_udp_encap && connection_->prefers_udp_encap;
  note_fragmentation(*connection_);
  note_auth_methods(message.payloads, now);
  handshake_->certificate_wishes = find_certificate_wishes(message.payloads);
  if (connection_->nat_traversal) {
    note_nat(detect_nat(shared_.crypto, message.payloads, spi_i_, spi_r_, path_));
  }
  shared_.answered.push_back(id_);
  shared_.emit(IkeAnswered{id_, name(), path_});
  //= rfc7296#2.23-2..3 rfc7296#2.23-12
  // s2.23: with a NAT between, both sides go on at port 4500; RFC 4555 s3.3: also when a NAT may
  // appear on another path.
  //= rfc4555#3.3-1
  const bool may_meet_nats = mobility_.nat_traversal && wants_mobike();
  const bool is_udp = path_.transport == base::Transport::udp;
  if (is_udp && (uses_udp_encap() || may_meet_nats) &&
      path_.local.port != shared_.config.natt_port) {
    const std::uint16_t port = shared_.config.natt_port;
    set_path({{path_.local.address, port}, {path_.remote.address, port}});
  }
  move_to(IkeState::auth_pending);
  half_open_until_ = now + shared_.limits().half_open_timeout;
  handshake_->solution.clear();
  if (!start_auth_puzzle(message.payloads, now)) begin_auth(now);
}

//= rfc8019#7.2.2-1
/// RFC 8019 s7.2: the responder wants work done for its key exchange too.
bool IkeSa::start_auth_puzzle(const Payloads& payloads, Instant now) {
  const auto* const notify = wire::find_notify(payloads, NotifyType::puzzle);
  const auto puzzle = notify == nullptr ? std::nullopt : read_puzzle(*notify);
  if (!puzzle || puzzle->bits == 0 || puzzle->bits > shared_.limits().puzzle_bits_max) return false;
  auto prf = shared_.crypto.make_prf(puzzle->prf);
  if (!prf) return false;
  report(EventKind::ike_puzzle,
         fmt::format("{}: the peer sets a puzzle of {} bits for IKE_AUTH", who(), puzzle->bits));
  handshake_->solver =
      std::make_unique<PuzzleSolver>(std::move(*prf), auth_puzzle_text(handshake_->nonce_r, spi_r_),
                                     puzzle->bits, shared_.rng.public_u32());
  handshake_->solve_at = now;
  return true;
}

void IkeSa::note_nat(const NatView& view) {
  mobility_.nat_traversal = view.is_supported;
  local_behind_nat_ = view.local_behind_nat;
  remote_behind_nat_ = view.remote_behind_nat;
  // A peer without NAT traversal could not read ESP in UDP.
  has_forced_encap_ = has_forced_encap_ && view.is_supported;
}

bool IkeSa::start_session(const policy::IkeSuite& suite, base::Bytes peer_public,
                          std::string& why) {
  const auto material =
      derive_init_keys(shared_.crypto, *handshake_->ke, suite, peer_public,
                       {handshake_->nonce_i, handshake_->nonce_r, spi_i_, spi_r_}, why);
  if (!material || !open_session(suite, *material, why)) return false;
  export_keys();
  return true;
}

bool IkeSa::open_session(const policy::IkeSuite& suite, const base::SecretBytes& material,
                         std::string& why) {
  const auto fail = [&why](std::string_view what, crypto::CryptoError error) {
    why = fmt::format("{}: {}", what, crypto::name_of(error));
    return false;
  };
  auto prf = shared_.crypto.make_prf(suite.prf);
  if (!prf) return fail("PRF", prf.error());
  auto keys = cut_ike_keys(**prf, suite, material);
  auto protection =
      MessageProtection::make(shared_.crypto, suite, keys, is_initiator_, shared_.rng);
  if (!protection) return fail("cipher", protection.error());
  handshake_->sk_pi = std::move(keys.sk_pi);
  handshake_->sk_pr = std::move(keys.sk_pr);
  session_.emplace(Session{suite, std::move(*prf), std::move(keys.sk_d), std::move(*protection)});
  return true;
}

void IkeSa::export_keys() const {
  if (!shared_.exports_keys) return;
  const policy::DirectionKeys& i = session_->protection.keys_of(true);
  const policy::DirectionKeys& r = session_->protection.keys_of(false);
  shared_.emit(KeysExported{id_, spi_i_, spi_r_, session_->suite, i.encr.duplicate(),
                            r.encr.duplicate(), i.integ.duplicate(), r.integ.duplicate()});
}

// ---- Responder

bool IkeSa::continue_init(HalfOpen& half_open, Instant now) {
  spi_i_ = half_open.spi_i;
  spi_r_ = half_open.spi_r;
  shared_.by_spi.emplace(spi_r_, id_);
  created_at_ = half_open.since;
  half_open_ = std::move(half_open.slot);
  half_open_until_ = half_open.since + shared_.limits().half_open_timeout;
  const auto request = wire::IkeMessage::decode(half_open.request());
  const base::Bytes response = half_open.response();
  const auto nonce_r = peek(response, wire::PayloadType::nonce);
  if (!request || !nonce_r) return false;  // never: the one was judged, the other is ours
  handshake_ = std::make_unique<Handshake>();
  handshake_->nonce_i = wire::find<wire::NoncePayload>(request->payloads)->data;
  handshake_->nonce_r = base::to_vec(*nonce_r);
  if (request->header.exchange == wire::ExchangeType::ike_session_resume) {
    const auto* const opaque = wire::find_notify(request->payloads, NotifyType::ticket_opaque);
    handshake_->ticket = shared_.ticket_maker.open(opaque->data, now);
    handshake_->is_resumed = true;
    if (!handshake_->ticket) return false;  // used up since
    if (auto found = find_resumed(shared_, handshake_->ticket->state)) {
      handshake_->candidates.push_back(std::move(found));
    }
  } else {
    handshake_->candidates = find_connections(shared_.connections, half_open.path, half_open.suite);
  }
  std::string why;
  const bool is_first = half_open.key_material == nullptr;
  if (is_first) {
    auto material =
        derive_init_keys(shared_.crypto, *half_open.ke, half_open.suite,
                         wire::find<wire::KePayload>(request->payloads)->data,
                         {handshake_->nonce_i, handshake_->nonce_r, spi_i_, spi_r_}, why);
    if (material) {
      half_open.key_material = std::make_unique<base::SecretBytes>(std::move(*material));
    }
    half_open.ke.reset();
  }
  if (half_open.key_material == nullptr ||
      !open_session(half_open.suite, *half_open.key_material, why)) {
    report_early(EventKind::ike_failed, fmt::format("{}: key exchange: {}", who(), why), now);
    return false;
  }
  if (is_first) export_keys();
  has_forced_encap_ =
      !handshake_->candidates.empty() && handshake_->candidates.front()->force_encap;
  // What our answer said about NATs counts, as it does for fragmentation.
  if (has_notify(response, NotifyType::nat_detection_source_ip)) {
    note_nat(detect_nat(shared_.crypto, request->payloads, spi_i_, {}, half_open.path));
  }
  support_.note_init(request->payloads);
  // What we have promised counts, whatever the configuration says by now.
  support_.fragmentation = has_notify(response, NotifyType::ikev2_fragmentation_supported);
  support_.prefers_udp_encap = agrees_to_udp_encap(response);
  if (handshake_->candidates.empty()) {
    note_fragmentation(ConnectionConfig{});
  } else {
    note_fragmentation(*handshake_->candidates.front());
  }
  init_request_hash_ = shared_.crypto.nat_hash(std::vector<base::Bytes>{half_open.request()});
  handshake_->init_request = base::to_vec(half_open.request());
  handshake_->init_response = base::to_vec(half_open.response());
  peers_.restart_at({1});
  return true;
}

bool IkeSa::handle_init_again(const base::Path& path, base::Bytes datagram) {
  const auto hash = shared_.crypto.nat_hash(std::vector<base::Bytes>{datagram});
  if (hash != init_request_hash_) return false;
  drop(DropReason::ike_duplicate);
  if (state_ == IkeState::init_answered) transmit(path, handshake_->init_response);
  return true;
}

}  // namespace caponier::ike

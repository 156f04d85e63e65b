#include "gateway/peer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace caponier::gateway {
namespace {

/// `value`, up to a quarter more or less.
base::Duration jittered(base::Duration value, base::Rng& rng) {
  const auto quarter = static_cast<std::uint64_t>(value.count()) / 4;
  if (quarter == 0) return value;
  return value - base::Duration{quarter} + base::Duration{rng.public_below(2 * quarter)};
}

constexpr std::size_t credential_tag_size = 16;

}  // namespace

Peer::Peer(config::PeerConfig config, const Options& options, base::Rng& rng, base::Instant now)
    : config_(std::move(config)),
      options_(options),
      rng_(&rng),
      ladder_(config_.tcp, {options.ike_port, options.natt_port, config_.remote_port}),
      since_(now) {
  for (const config::ChildConfig& child : config_.children) {
    children_.push_back({});
    children_.back().name = child.name;
    children_.back().start = child.start;
    children_.back().is_trapped = child.start == config::Start::trap;
  }
  outer_.local = config_.local;
  if (config_.resumption) {
    credential_tag_.resize(credential_tag_size);
    rng.fill_public(credential_tag_);
  }
  if (config_.remote_address) set_remote({*config_.remote_address});
  rebuild();
  requests_.emplace_back(Refresh{});
  note_state(now);
}

void Peer::inherit(const Peer& old, base::Instant now) {
  is_off_ = old.is_off_;
  // A host's routes hang on its addresses: forgotten ones would let traffic pass unprotected.
  if (!config_.local && !old.config_.local) outer_.local = old.outer_.local;
  if (config_.remote == old.config_.remote) outer_.remote = old.outer_.remote;
  outer_.inner = old.outer_.inner;
  rebuild();
  // Initiate is ignored while the old SA is there; its end starts us, or at the latest this.
  if (old.state() != PeerState::off) next_attempt_ = now + acquire_patience;
  note_state(now);
}

bool Peer::is_wanted() const {
  return !is_off_ && std::ranges::any_of(children_, &Wanted::is_wanted);
}

bool Peer::lacks_addresses() const {
  const auto is_own = [](const config::ChildConfig& child) { return !child.local.own.empty(); };
  const bool needs_local = config_.kind != config::PeerKind::client && !outer_.local &&
                           std::ranges::any_of(config_.children, is_own);
  return (has_name() && outer_.remote.empty()) || needs_local;
}

base::Duration Peer::back_off(unsigned failures) {
  base::Duration wait = config_.retry_min;
  for (unsigned i = 1; i < failures && wait < config_.retry_max; ++i) wait *= 2;
  return jittered(std::min(wait, config_.retry_max), *rng_);
}

void Peer::down(base::Instant now) {
  is_off_ = true;
  for (Wanted& child : children_) {
    child.demanded = false;
    child.trigger.reset();
    child.pending_until.reset();
  }
  stream_.reset();
  attempts_ = 0;
  next_attempt_.reset();
  attempt_started_.reset();
  note_.clear();
  outer_.inner.clear();
  requests_.emplace_back(ike::Command{ike::DeleteIke{config_.name}});
  requests_.emplace_back(Refresh{});
  enter(Phase::waiting, now);
}

bool Peer::handle(const ike::Configured& configured) {
  if (is_off_ || outer_.inner == configured.addresses) return false;
  outer_.inner = configured.addresses;
  requests_.emplace_back(Refresh{});
  return true;
}

void Peer::handle_lookup(const std::vector<base::IpAddress>& addresses, base::Instant now) {
  if (phase_ != Phase::resolving) return;
  if (redirection_) {
    if (addresses.empty()) {
      return fail(fmt::format("the name {} does not resolve", redirection_->to.name), now);
    }
    return find_source_or_initiate(addresses.front(), now);
  }
  if (addresses.empty()) {
    tell(policy::Symptom::name_unresolved);
    return fail(fmt::format("the name {} does not resolve", config_.remote), now);
  }
  set_remote(addresses);
  if (is_wanted() || lacks_addresses()) return find_source_or_initiate(next_remote(), now);
  attempt_started_.reset();
  enter(Phase::waiting, now);
}

void Peer::set_remote(std::vector<base::IpAddress> addresses) {
  OuterAddresses outer = outer_;
  outer.remote = std::move(addresses);
  const auto& more = config_.remote_more;
  outer.remote.insert(outer.remote.end(), more.begin(), more.end());
  set_outer(std::move(outer));
}

void Peer::handle_source_address(std::optional<base::IpAddress> address, base::Instant now) {
  if (phase_ != Phase::finding_source) return;
  if (!address) {
    tell(policy::Symptom::no_source);
    return fail(fmt::format("no route to {}", target_->to_string()), now);
  }
  OuterAddresses outer = outer_;
  outer.local = address;
  set_outer(std::move(outer));
  if (is_wanted()) return initiate(now);
  attempt_started_.reset();
  enter(Phase::waiting, now);
}

void Peer::handle_local_addresses(base::Instant now) {
  // Not for every change of a network that comes and goes: one attempt per retry_min.
  if (next_attempt_) {
    next_attempt_ = std::min(*next_attempt_, std::max(now, last_failure_ + config_.retry_min));
  }
  reconcile(now);
}

bool Peer::handle_knock(const base::Path& path, base::Instant now) {
  if (config_.local || outer_.local == path.local.address) return false;
  // An address we are using is not given up for a datagram that nobody has authenticated.
  if (!ikes_.empty() || phase_ == Phase::negotiating) return false;
  const auto& known = outer_.remote;
  const bool is_peer = config_.remote_any ||
                       std::find(known.begin(), known.end(), path.remote.address) != known.end();
  if (!is_peer || (knocked_at_ && now - *knocked_at_ < knock_interval)) return false;
  knocked_at_ = now;
  OuterAddresses outer = outer_;
  outer.local = path.local.address;
  set_outer(std::move(outer));
  note_state(now);
  return true;
}

void Peer::handle(const ike::IkeAnswered& answered, base::Instant now) {
  if (answered.is_open) return ladder_.stop();
  answered_ = Answered{answered.sa, ladder_.rung_of(answered.path)};
  if (phase_ == Phase::negotiating) ladder_.handle_answer(now);
}

void Peer::note_way(const ike::IkeUp& up, const base::Path& path, base::Instant now) {
  const bool is_ours = answered_ && answered_->sa == up.sa;
  if (is_ours) ladder_.note_success(answered_->rung);
  ladder_.stop();
  rungs_out_ = 0;
  if (path.transport == base::Transport::udp) {
    stream_.reset();
    udp_retry_wait_ = udp_retry_first;
  } else if (stream_ && up.replaces == stream_->sa) {
    stream_->sa = up.sa;
  } else if (is_ours && config_.tcp == config::Tcp::fallback) {
    stream_ = Stream{up.sa, path};
    udp_retry_at_ = now + jittered(udp_retry_wait_, *rng_);
  }
}

/// Make before break: the stream goes on until an IKE SA over UDP is up.
void Peer::retry_udp(base::Instant now) {
  if (!stream_ || udp_retry_at_ > now) return;
  udp_retry_wait_ = std::min(2 * udp_retry_wait_, udp_retry_max);
  udp_retry_at_ = now + jittered(udp_retry_wait_, *rng_);
  const auto& [local, remote, transport] = stream_->path;
  const auto path = ladder_.path_of(Rung::udp_natt, local.address, remote.address, *rng_);
  requests_.emplace_back(ike::Command{ike::Reauthenticate{config_.name, path}});
}

void Peer::handle(const ike::IkeUp& up, const base::Path& path, base::Instant now) {
  if (is_off_) {
    requests_.emplace_back(ike::Command{ike::DeleteIke{config_.name}});
    return;
  }
  ikes_.insert(up.sa);
  if (config_.remote_any) note_guest(up.sa, path.remote.address);
  note_way(up, path, now);
  if (up.replaces) return note_state(now);
  redirection_.reset();
  attempts_ = 0;
  next_attempt_.reset();
  note_.clear();
  failure_text_.clear();
  const bool is_ours = answered_ && answered_->sa == up.sa;
  const Wanted* const first = is_ours ? first_child() : nullptr;
  for (Wanted& child : children_) {
    child.failures = 0;
    child.had_sa = false;
    child.pending_until.reset();
    // One comes with the IKE SA, and only when it does not is it asked for again; and who has made
    // the IKE SA makes the others.
    child.retry_at = is_ours && &child != first ? now : now + config_.retry_min;
  }
  enter(Phase::waiting, now);
  reconcile(now);
}

/// Each of several must have its policies, or our answers would leave in clear. The last one's stay
/// when it has gone.
void Peer::note_guest(ike::IkeSaId sa, const base::IpAddress& address) {
  guests_.insert_or_assign(sa, address);
  forget_guests();
}

void Peer::forget_guests() {
  if (ikes_.empty()) return;
  std::erase_if(guests_, [&](const auto& guest) { return !ikes_.contains(guest.first); });
  std::set<base::IpAddress> addresses;
  for (const auto& [sa, address] : guests_) addresses.insert(address);
  if (addresses.empty()) return;
  OuterAddresses outer = outer_;
  outer.remote.assign(addresses.begin(), addresses.end());
  set_outer(std::move(outer));
}

void Peer::handle(const ike::IkeDown& down, std::set<ike::IkeSaId> established, base::Instant now) {
  ikes_ = std::move(established);
  if (config_.remote_any) forget_guests();
  // A twin may live on, on the peer's stream: then the way back is the peer's to find.
  if (stream_ && stream_->sa == down.sa) stream_.reset();
  if (down.reason == ike::EndReason::redirected) return note_state(now);
  if (is_off_ || !ikes_.empty()) return note_state(now);
  for (Wanted& child : children_) {
    child.pending_until.reset();
    child.asked.reset();
    child.refused.clear();  // the next one may be given more
  }
  stream_.reset();
  if (!down.was_established) return end_rung(down.reason, now);
  note_ = explain(down.reason);
  forget_demands();
  attempts_ = 0;
  const bool is_ours_to_repeat = down.reason == ike::EndReason::expired ||
                                 down.reason == ike::EndReason::local_request ||
                                 down.reason == ike::EndReason::address_lost;
  const bool is_restart = down.reason == ike::EndReason::peer_restarted &&
                          (!restarted_at_ || now - *restarted_at_ >= restart_patience);
  if (is_restart) restarted_at_ = now;
  note_end(down.reason);
  next_attempt_ = is_ours_to_repeat || is_restart ? now : now + back_off(1);
  enter(Phase::waiting, now);
}

void Peer::handle(const ike::Redirected& redirected, base::Instant now) {
  if (is_off_) return;
  ikes_.erase(redirected.sa);
  redirection_ = Redirection{redirected.from, redirected.to};
  for (Wanted& child : children_) {
    child.demanded = child.demanded || child.had_sa || !is_wanted();
    child.pending_until.reset();
  }
  ladder_.stop();
  rungs_out_ = 0;
  phase_ = Phase::waiting;
  next_attempt_ = now;
  reconcile(now);
}

void Peer::end_rung(ike::EndReason reason, base::Instant now) {
  if (rungs_out_ > 0) --rungs_out_;
  // Another rung was answered.
  if (reason == ike::EndReason::replaced) return note_state(now);
  if (phase_ == Phase::negotiating) {
    if (reason != ike::EndReason::timeout) return fail(explain(reason), now);
    if (ladder_.has_next()) return climb(now);
    if (rungs_out_ > 0) return note_state(now);
    return fail(explain(reason), now);
  }
  note_ = explain(reason);
  reconcile(now);
}

void Peer::handle_failure_text(const std::string& text) {
  // "branch (192.0.2.2:500): why" in the log; who it is about is clear here.
  const bool is_prefixed = text.starts_with(config_.name);
  const auto colon = is_prefixed ? text.find(": ") : std::string::npos;
  failure_text_ = colon == std::string::npos ? text : text.substr(colon + 2);
}

void Peer::reconcile(base::Instant now) {
  if (is_off_) return note_state(now);
  if (phase_ != Phase::waiting && phase_deadline_ <= now) {
    switch (phase_) {
      case Phase::waiting:
      case Phase::queued: break;
      case Phase::resolving:
        tell(policy::Symptom::name_unresolved);
        fail(fmt::format("the name {} was not resolved in time", config_.remote), now);
        break;
      case Phase::finding_source: fail("no source address was found in time", now); break;
      case Phase::negotiating: fail("the negotiation did not end in time", now); break;
    }
  }
  if (phase_ == Phase::negotiating && ladder_.climb_at() && *ladder_.climb_at() <= now) climb(now);
  if (!ikes_.empty()) {
    retry_udp(now);
    for (Wanted& child : children_) reconcile_child(child, now);
  } else if (phase_ == Phase::waiting && !config_.remote_any &&
             (is_wanted() || lacks_addresses()) && (!next_attempt_ || *next_attempt_ <= now)) {
    start_attempt(now);
  }
  note_state(now);
}

void Peer::start_attempt(base::Instant now) {
  attempt_started_ = now;
  next_attempt_.reset();
  const bool is_name = redirection_ ? !redirection_->to.address : has_name();
  if (!is_name) {
    return find_source_or_initiate(redirection_ ? *redirection_->to.address : next_remote(), now);
  }
  phase_deadline_ = now + lookup_timeout;
  requests_.emplace_back(
      Lookup{config_.name, redirection_ ? redirection_->to.name : config_.remote});
  enter(Phase::resolving, now);
}

/// A name may have several addresses; each attempt takes the next.
base::IpAddress Peer::next_remote() const {
  return outer_.remote[attempts_ % outer_.remote.size()];
}

void Peer::find_source_or_initiate(const base::IpAddress& target, base::Instant now) {
  target_ = target;
  if (config_.local) return initiate(now);
  phase_deadline_ = now + lookup_timeout;
  requests_.emplace_back(FindSource{config_.name, *target_});
  enter(Phase::finding_source, now);
}

void Peer::initiate(base::Instant now) {
  requests_.emplace_back(AskTurn{*target_});
  enter(Phase::queued, now);
}

void Peer::handle_turn(base::Instant now) {
  if (phase_ != Phase::queued) return;
  if (!connection_) return fail("our address and the peer's are of two families", now);
  if (!is_wanted()) {
    attempt_started_.reset();
    return enter(Phase::waiting, now);
  }
  phase_deadline_ = now + negotiation_timeout;
  ladder_.begin();
  rungs_out_ = 0;
  answered_.reset();
  enter(Phase::negotiating, now);
  climb(now);
}

void Peer::climb(base::Instant now) {
  const base::Path path = ladder_.path_of(ladder_.climb(now), *outer_.local, *target_, *rng_);
  ike::Initiate command{config_.name, path, rungs_out_ > 0};
  if (redirection_) command.redirected_from = redirection_->from;
  if (const Wanted* const child = first_child()) {
    command.child = child->name;
    command.trigger = child->trigger;
  }
  requests_.emplace_back(ike::Command{std::move(command)});
  ++rungs_out_;
}

/// What no IKE SA has seen, as there is none.
void Peer::tell(policy::Symptom symptom) {
  policy::Evidence evidence;
  evidence.symptom = symptom;
  evidence.we_asked = true;
  evidence.connection = config_.name;
  if (target_) evidence.path.remote = {*target_, config_.remote_port};
  requests_.emplace_back(std::move(evidence));
}

void Peer::fail(std::string note, base::Instant now) {
  note_ = std::move(note);
  if (redirection_) {
    // Back to the configured gateway, which may be able to serve us by now.
    redirection_.reset();
    ladder_.stop();
    rungs_out_ = 0;
    next_attempt_ = now;
    phase_ = Phase::waiting;
    return note_state(now);
  }
  forget_demands();
  ++attempts_;
  last_failure_ = now;
  next_attempt_ = now + back_off(attempts_);
  attempt_started_.reset();
  ladder_.stop();
  phase_ = Phase::waiting;
  note_state(now);
}

void Peer::set_outer(OuterAddresses outer) {
  if (outer == outer_) return;
  outer_ = std::move(outer);
  rebuild();
  requests_.emplace_back(Refresh{});
}

void Peer::enter(Phase phase, base::Instant now) {
  phase_ = phase;
  note_state(now);
}

void Peer::rebuild() {
  auto connection = make_connection(config_, outer_, credential_tag_);
  // The endpoint takes another object for another connection, and refuses what is half done.
  if (connection_ && connection && is_same(*connection_, *connection)) return;
  connection_ = std::move(connection);
}

std::optional<base::Instant> Peer::next_attempt() const {
  if (config_.remote_any || is_off_ || phase_ != Phase::waiting || !ikes_.empty()) {
    return std::nullopt;
  }
  if (!is_wanted() && !lacks_addresses()) return std::nullopt;
  return next_attempt_.value_or(base::Instant{});
}

std::optional<base::Deadline> Peer::poll_deadline() const {
  if (is_off_) return std::nullopt;
  std::optional<base::Deadline> earliest;
  const auto consider = [&](std::optional<base::Instant> at, std::string_view reason) {
    if (at && (!earliest || *at < earliest->at)) earliest = base::Deadline{*at, reason};
  };
  if (phase_ == Phase::queued) return std::nullopt;
  if (phase_ != Phase::waiting) {
    consider(phase_deadline_, "an attempt's time is up");
    if (phase_ == Phase::negotiating) consider(ladder_.climb_at(), "another way to the peer");
    return earliest;
  }
  consider(next_attempt(), "next attempt");
  if (!ikes_.empty()) {
    if (stream_) consider(udp_retry_at_, "back to UDP");
    consider(child_due(), "missing child");
  }
  return earliest;
}

std::optional<PeerRequest> Peer::poll_request() {
  if (requests_.empty()) return std::nullopt;
  PeerRequest request = std::move(requests_.front());
  requests_.pop_front();
  return request;
}

std::shared_ptr<const ike::ConnectionConfig> Peer::connection() const {
  return is_off_ ? nullptr : connection_;
}

std::vector<ipsec::Policy> Peer::policies() const {
  if (is_off_) return {};
  return make_policies(config_, outer_);
}

std::vector<AddRoute> Peer::routes() const {
  if (is_off_) return {};
  return make_routes(config_, outer_);
}

PeerState Peer::state() const {
  if (is_off_) return PeerState::off;
  if (!ikes_.empty() && has_children()) return PeerState::idle;
  if (phase_ != Phase::waiting && is_wanted()) return PeerState::connecting;
  if (!ikes_.empty())
    return attempts_ + child_failures() > 0 ? PeerState::down : PeerState::connecting;
  if (!is_wanted() || config_.remote_any) return PeerState::off;
  return attempts_ > 0 ? PeerState::down : PeerState::connecting;
}

void Peer::note_state(base::Instant now) {
  const PeerState state = this->state();
  if (state == shown_state_) return;
  shown_state_ = state;
  since_ = now;
}

std::string Peer::explain(ike::EndReason reason) const {
  const std::string who =
      target_ ? base::Endpoint{*target_, config_.remote_port}.to_string() : config_.remote;
  if (reason != ike::EndReason::timeout && !failure_text_.empty()) return failure_text_;
  switch (reason) {
    case ike::EndReason::timeout:
      if (ladder_.tried_count() > 1 && target_) {
        return fmt::format("no answer from {} on {}", target_->to_string(), ladder_.tried());
      }
      return fmt::format("no answer from {} after {} tries", who, options_.tries);
    case ike::EndReason::peer_refused: return "the peer refused the negotiation";
    case ike::EndReason::authentication:
      return "authentication failed: the keys or the identities differ (AUTHENTICATION_FAILED)";
    case ike::EndReason::no_proposal:
      return "no algorithms in common with the peer (NO_PROPOSAL_CHOSEN)";
    case ike::EndReason::selectors: return "no common networks with the peer (TS_UNACCEPTABLE)";
    case ike::EndReason::local_request: return "taken down here";
    case ike::EndReason::peer_deleted: return "the peer took it down";
    case ike::EndReason::expired: return "its lifetime ended";
    case ike::EndReason::replaced: return "a newer one took its place";
    case ike::EndReason::protocol_error: return "the peer broke the protocol";
    case ike::EndReason::redirected: return "the peer sent us to another gateway";
    case ike::EndReason::peer_restarted: return "the peer has restarted";
    case ike::EndReason::local_fault: return "a fault of our own; see the log";
    case ike::EndReason::address_lost: return "our address is gone";
  }
  return {};
}

}  // namespace caponier::gateway

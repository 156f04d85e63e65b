// CREATE_CHILD_SA that replaces the IKE SA itself (RFC 7296 s1.3.2, s2.8, s2.8.2, s2.18, s2.25),
// both roles: a new IKE SA is born established, takes the children over, and whoever initiated it
// deletes the old one.
//
// Both sides may do so at once. The peer's request is answered as usual, but what it made waits
// for the answer to ours: then the four nonces tell which new SA takes over.

#include <algorithm>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "ike/exchanges.h"
#include "ike/extensions.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "ike/witness.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {

constexpr std::size_t nonce_size = 32;

base::IkeSpi to_ike_spi(base::Bytes spi) {
  return base::IkeSpi{base::load_be<std::uint64_t>(spi.data())};
}

}  // namespace

// ---- Initiator

void IkeSa::rekey(Instant now) {
  const auto is_rekey = [](const Wish& wish) { return std::holds_alternative<WantIkeRekey>(wish); };
  if (state_ != IkeState::established || is_retired()) return;
  if (own_.sent<IkeCreation>() != nullptr || wishes_.has(is_rekey)) return;
  want(WantIkeRekey{}, now);
}

void IkeSa::start_ike_rekey(const WantIkeRekey& wanted, Instant now) {
  if (state_ != IkeState::established || is_retired()) return;
  const auto groups = groups_of(connection_->offers);
  IkeCreation creation;
  creation.retries = wanted.retries;
  creation.group = wanted.group == crypto::KeGroup::none ? session_->suite.ke : wanted.group;
  if (std::ranges::find(groups, creation.group) == groups.end()) creation.group = groups.front();
  auto ke = shared_.crypto.make_key_exchange(creation.group, shared_.rng);
  if (!ke) {
    return fail_ike_rekey(
        fmt::format("{}: {}", name_of(creation.group), crypto::name_of(ke.error())), now);
  }
  creation.ke = std::move(*ke);
  creation.id = shared_.new_sa_id();
  creation.spi = shared_.allocate_ike_spi(creation.id);
  creation.nonce = shared_.new_nonce(nonce_size);
  Payloads payloads;
  payloads.emplace_back(policy::to_wire(connection_->offers, to_bytes(creation.spi), true));
  payloads.emplace_back(wire::NoncePayload{creation.nonce});
  payloads.emplace_back(wire::KePayload{static_cast<std::uint16_t>(creation.group),
                                        base::to_vec(creation.ke->public_value())});
  send_request(std::move(creation), wire::ExchangeType::create_child_sa, payloads, now);
}

void IkeSa::handle_ike_rekey_response(IkeCreation creation, const Payloads& payloads, Instant now) {
  if (const wire::NotifyPayload* const error = find_error(payloads)) {
    shared_.by_spi.erase(creation.spi);
    return handle_ike_rekey_refusal(creation, *error, now);
  }
  // From here on the peer has the new SA; without it we cannot go on with the old one.
  const auto fail = [&](const std::string& why) {
    shared_.by_spi.erase(creation.spi);
    fail_ike_rekey(why, now);
    if (IkeSa* const rival = rival_of(creation)) return rival->take_over(*this, now);
    close(EndReason::protocol_error, now);
  };
  if (const auto fault = fault_in(Shape::rekey_ike_response, payloads)) {
    return fail("the answer is malformed: " + *fault);
  }
  const auto choice =
      policy::accept_ike(*wire::find<wire::SaPayload>(payloads), connection_->offers);
  if (!choice || choice->peer_spi.size() != 8) {
    return fail(choice ? "the answer has no SPI"
                       : "the peer chose what we did not offer: " + describe(choice.error()));
  }
  const auto& ke = *wire::find<wire::KePayload>(payloads);
  if (choice->suite.ke != creation.group ||
      ke.group != static_cast<std::uint16_t>(creation.group)) {
    return fail("the answer has another key exchange group");
  }
  const auto secret = creation.ke->derive(ke.data);
  if (!secret) return fail(fmt::format("key exchange: {}", crypto::name_of(secret.error())));
  const auto& nonce = wire::find<wire::NoncePayload>(payloads)->data;
  auto heir = std::make_unique<IkeSa>(shared_, creation.id, true, path_, now);
  heir->spi_i_ = creation.spi;
  heir->spi_r_ = to_ike_spi(choice->peer_spi);
  if (!heir->continue_session(*this, choice->suite, secret->reveal(), creation.nonce, nonce)) {
    return fail("the keys cannot be made");
  }
  heir->inherit(*this, now);
  conclude_ike_rekey(std::move(heir), creation, nonce, now);
}

void IkeSa::conclude_ike_rekey(std::unique_ptr<IkeSa> heir, const IkeCreation& creation,
                               base::Bytes nonce_r, Instant now) {
  IkeSa* const rival = rival_of(creation);
  const base::ByteVec lowest = std::min(creation.nonce, base::to_vec(nonce_r));
  // A rival that the peer has deleted has lost already.
  const bool has_lost = rival != nullptr && lowest < creation.rival->lowest_nonce;
  if (creation.rival) {
    report(EventKind::ike_collision,
           fmt::format("{}: both sides rekeyed IKE SA {} at once; {} survives", who(), id_.value,
                       has_lost ? "the peer's" : "ours"));
  }
  IkeSa& ours = *heir;
  shared_.newborns.push_back(std::move(heir));
  if (has_lost) {
    rival->take_over(*this, now);
    ours.close(EndReason::replaced, now);
  } else {
    const EndReason reason = state_ == IkeState::deleting ? farewell_reason_ : EndReason::replaced;
    ours.take_over(*this, now);
    if (rival != nullptr) {
      rival->retire_at_ = now + shared_.limits().replaced_wait;
      rival->touch();
    }
    if (reason != EndReason::replaced) ours.close(reason, now);
    close(EndReason::replaced, now);
  }
}

void IkeSa::handle_ike_rekey_refusal(const IkeCreation& creation, const wire::NotifyPayload& error,
                                     Instant now) {
  if (IkeSa* const rival = rival_of(creation)) {
    report(EventKind::ike_collision,
           fmt::format("{}: both sides rekeyed IKE SA {} at once; ours is refused with {}, the "
                       "peer's stays",
                       who(), id_.value, describe(error)));
    return rival->take_over(*this, now);
  }
  if (state_ != IkeState::established) return;
  if (error.type == NotifyType::temporary_failure) {
    return postpone(WantIkeRekey{creation.group, creation.retries}, now);
  }
  const auto ours = groups_of(connection_->offers);
  const auto group =
      error.type == NotifyType::invalid_ke_payload ? wanted_group(error) : std::nullopt;
  if (group && *group != creation.group && creation.retries < ours.size() &&
      std::ranges::find(ours, *group) != ours.end()) {
    wishes_.due.push_front(WantIkeRekey{*group, creation.retries + 1});
    return;
  }
  auto evidence = Witness{*this}.saw_offers(policy::Symptom::ike_rekey_refused, nullptr);
  evidence.we_asked = true;
  evidence.is_rekey = true;
  evidence.notify = error.type;
  evidence.theirs.group = wanted_group(error);
  evidence.ours.group = creation.group;
  Witness{*this}.note(std::move(evidence));
  fail_ike_rekey("the peer refuses with " + describe(error), now);
}

void IkeSa::fail_ike_rekey(const std::string& why, Instant now) {
  report(EventKind::ike_rekey_failed,
         fmt::format("{}: cannot rekey IKE SA {}: {}", who(), id_.value, why));
  const IkeLimits& limits = shared_.limits();
  base::Duration wait = limits.rekey_retry_first;
  for (unsigned i = 0; i < lifetimes_.failed_rekeys && wait < limits.rekey_retry_max; ++i)
    wait *= 2;
  ++lifetimes_.failed_rekeys;
  postpone(WantIkeRekey{}, std::min(wait, limits.rekey_retry_max), now);
}

// ---- Responder

std::optional<ChildRefusal> IkeSa::rekey_obstacle() const {
  // s2.25.1: not while a Child SA of it is being created or closed; s2.25.2: but while it is being
  // rekeyed by us.
  const bool is_changing = std::ranges::any_of(own_.all(), [](const auto& entry) {
    const auto* const sent = std::get_if<SentInformational>(&entry.second.what);
    return sent == nullptr ? !std::holds_alternative<IkeCreation>(entry.second.what)
                           : sent->deletion.has_value();
  });
  const auto* const own = own_.sent<IkeCreation>();
  const bool has_rival = own != nullptr && rival_of(*own) != nullptr;
  const bool is_busy = state_ == IkeState::deleting || is_retired() || is_changing || has_rival;
  if (!is_busy) return std::nullopt;
  return ChildRefusal{make_notify(NotifyType::temporary_failure), EndReason::local_request,
                      "the IKE SA is being replaced, deleted, or gets another child"};
}

void IkeSa::handle_ike_rekey(const Payloads& payloads, Instant now) {
  //= rfc7296#1.3.2-1 rfc7296#2.18-1
  if (const auto fault = fault_in(Shape::rekey_ike_request, payloads)) {
    return refuse_malformed(*fault, now);
  }
  if (const auto refusal = rekey_obstacle()) return refuse_child(*refusal);
  const auto& ke = *wire::find<wire::KePayload>(payloads);
  const crypto::KeGroup group{ke.group};
  const auto choice =
      policy::choose_ike(*wire::find<wire::SaPayload>(payloads), connection_->offers, group);
  if (!choice || choice->peer_spi.size() != 8) {
    return refuse_child({make_notify(NotifyType::no_proposal_chosen), EndReason::no_proposal,
                         choice ? "the proposal to rekey the IKE SA has no SPI"
                                : "rekeying the IKE SA: " + describe(choice.error())});
  }
  if (choice->suite.ke != group) {
    return refuse_child({make_invalid_ke(choice->suite.ke), EndReason::no_proposal,
                         fmt::format("the peer came with {}, we want {}", name_of(group),
                                     name_of(choice->suite.ke))});
  }
  auto heir = std::make_unique<IkeSa>(shared_, shared_.new_sa_id(), false, path_, now);
  heir->is_known_ = false;
  heir->spi_i_ = to_ike_spi(choice->peer_spi);
  heir->spi_r_ = shared_.allocate_ike_spi(heir->id_);
  const base::ByteVec nonce = shared_.new_nonce(nonce_size);
  const auto& peer_nonce = wire::find<wire::NoncePayload>(payloads)->data;
  auto our_ke = shared_.crypto.make_key_exchange(group, shared_.rng);
  if (!our_ke) {
    return refuse_child({make_notify(NotifyType::temporary_failure), EndReason::local_fault,
                         "we cannot make a key pair"});
  }
  const auto secret = (*our_ke)->derive(ke.data);
  if (!secret) {
    return refuse_malformed(fmt::format("key exchange: {}", crypto::name_of(secret.error())), now);
  }
  if (!heir->continue_session(*this, choice->suite, secret->reveal(), peer_nonce, nonce)) {
    return refuse_child({make_notify(NotifyType::temporary_failure), EndReason::local_fault,
                         "the keys cannot be made"});
  }
  wire::SaPayload sa{{choice->answer}};
  sa.proposals.front().spi = to_bytes(heir->spi_r_);
  respond({std::move(sa), wire::NoncePayload{nonce},
           wire::KePayload{ke.group, base::to_vec((*our_ke)->public_value())}});
  // After the answer: what the heir may ask at once must not overtake it.
  heir->inherit(*this, now);
  if (IkeCreation* const own = own_.sent<IkeCreation>()) {
    own->rival = {heir->id_, std::min(peer_nonce, nonce)};
  } else {
    heir->take_over(*this, now);
  }
  shared_.newborns.push_back(std::move(heir));
}

// ---- Both

bool IkeSa::continue_session(const IkeSa& old, const policy::IkeSuite& suite, base::Bytes g_ir,
                             base::Bytes nonce_i, base::Bytes nonce_r) {
  auto prf = shared_.crypto.make_prf(suite.prf);
  if (!prf) return false;
  auto keys = derive_rekeyed_ike_keys(*old.session_->prf, old.session_->sk_d, **prf, suite, g_ir,
                                      nonce_i, nonce_r, spi_i_, spi_r_);
  if (!keys) return false;
  auto protection =
      MessageProtection::make(shared_.crypto, suite, *keys, is_initiator_, shared_.rng);
  if (!protection) return false;
  session_.emplace(Session{suite, std::move(*prf), std::move(keys->sk_d), std::move(*protection)});
  return true;
}

void IkeSa::inherit(const IkeSa& old, Instant now) {
  state_ = IkeState::established;  // born so: no handshake of its own
  established_at_ = now;
  predecessor_ = old.id_;
  remote_kind_ = old.remote_kind_;
  earlier_ids_ = old.earlier_ids_;
  user_ = old.user_;
  inner_ = old.inner_;
  networks_ = old.networks_;
  services_ = old.services_;
  belong_to(old.connection_, old.remote_id_);
  opens_streams_ = old.opens_streams_;
  set_path(old.path_);
  local_behind_nat_ = old.local_behind_nat_;
  remote_behind_nat_ = old.remote_behind_nat_;
  has_forced_encap_ = old.has_forced_encap_;
  support_ = old.support_;
  support_.window_size = 1;  // s2.18: told anew or not at all
  peers_.set_size(peer_window_size(*connection_, shared_.limits()));
  is_fragmenting_ = old.is_fragmenting_;
  fragment_size_ = old.fragment_size_;
  is_local_lost_ = old.is_local_lost_;
  follows_redirects_ = old.follows_redirects_;
  ++shared_.up_count[connection_->name];
  start_lifetime(now);
  inherit_authentication(old);
  export_keys();
}

void IkeSa::take_over(IkeSa& old, Instant now) {
  predecessor_.reset();
  take_mobility(old);
  //= rfc7296#2.8.2-1
  children_ = std::exchange(old.children_, {});
  for (const auto& [id, child] : children_) shared_.child_owner[id] = id_;
  report(EventKind::ike_rekeyed, fmt::format("{}: IKE SA {} replaces {}, {}", who(), id_.value,
                                             old.id_.value, policy::to_string(session_->suite)));
  shared_.counters.count_ike_rekey(name(), is_initiator_);
  has_lease_ = std::exchange(old.has_lease_, false);
  shared_.emit(IkeUp{id_, connection_->name, old.id_});
  const auto moves = [](const Wish& wish) {
    return std::holds_alternative<WantChild>(wish) || std::holds_alternative<WantDeleteChild>(wish);
  };
  for (auto& [at, wish] : std::exchange(old.wishes_.postponed, {})) {
    if (moves(wish)) wishes_.postponed.emplace(at, std::move(wish));
  }
  for (Wish& wish : std::exchange(old.wishes_.due, {})) {
    (moves(wish) ? wishes_.due : old.wishes_.due).push_back(std::move(wish));
  }
  old.heir_ = id_;
  if (old.state_ == IkeState::established) old.retire_at_ = now + shared_.limits().replaced_wait;
  resume_mobility(now);
  renew_gifts(now);
  send_next(now);
  touch();
}

IkeSa* IkeSa::rival_of(const IkeCreation& creation) const {
  IkeSa* const rival = creation.rival ? shared_.find(creation.rival->made) : nullptr;
  return rival == nullptr || rival->state_ != IkeState::established ? nullptr : rival;
}

void IkeSa::settle_rival(EndReason reason, Instant now) {
  const auto* const creation = own_.sent<IkeCreation>();
  IkeSa* const rival = creation == nullptr ? nullptr : rival_of(*creation);
  if (rival == nullptr) return;
  // s2.8.2: who deletes the old SA has won, and may not know that there was a race.
  if (reason == EndReason::peer_deleted) return rival->take_over(*this, now);
  if (reason == EndReason::timeout) {
    rival->forget(reason, now);
  } else {
    rival->close(reason, now);
  }
  rival->touch();
}

IkeSa& IkeSa::child_holder() {
  IkeSa* const other = heir_          ? shared_.find(*heir_)
                       : predecessor_ ? shared_.find(*predecessor_)
                                      : nullptr;
  return other == nullptr ? *this : *other;
}

// ---- Addresses that both may speak of

bool IkeSa::has_known_heir() const {
  const IkeSa* const heir = heir_ ? shared_.find(*heir_) : nullptr;
  return heir != nullptr && heir->is_known_;
}

void IkeSa::become_known(Instant now) {
  if (!std::exchange(is_known_, true)) resume_mobility(now);
}

void IkeSa::take_mobility(IkeSa& old) {
  if (!old.mobility_.is_agreed) return;
  set_path(old.path_);
  local_behind_nat_ = old.local_behind_nat_;
  remote_behind_nat_ = old.remote_behind_nat_;
  is_local_lost_ = old.is_local_lost_;
  mobility_ = old.mobility_;
  mobility_.is_asking = false;
  mobility_.newest_update.reset();
}

void IkeSa::resume_mobility(Instant now) {
  if (mobility_.has_something_to_say()) ask_about_addresses(now);
}

}  // namespace caponier::ike

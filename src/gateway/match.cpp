#include "gateway/match.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/secret.h"
#include "config/rounds.h"
#include "explain/diagnose.h"
#include "gateway/translate.h"
#include "ike/child_negotiation.h"
#include "ike/witness.h"

namespace caponier::gateway {

namespace {

using config::PeerConfig;
using policy::Evidence;
using policy::Symptom;
using Connection = std::shared_ptr<const ike::ConnectionConfig>;

/// Where an address is not configured and the other side does not tell: documentation's.
const base::IpAddress& placeholder(bool is_ours) {
  static const base::IpAddress ours = base::IpAddress::parse("192.0.2.1").value();
  static const base::IpAddress theirs = base::IpAddress::parse("192.0.2.2").value();
  return is_ours ? ours : theirs;
}

/// One end of a pair, as its daemon would see it.
struct End {
  const PeerConfig* peer = nullptr;
  base::Path path;
  Connection connection;
};

End end_of(const PeerConfig& peer, const PeerConfig& other, bool is_ours) {
  End end;
  end.peer = &peer;
  const auto local = peer.local ? peer.local : other.remote_address;
  const auto remote = peer.remote_address ? peer.remote_address : other.local;
  end.path.local = {local.value_or(placeholder(is_ours)), 500};
  end.path.remote = {remote.value_or(placeholder(!is_ours)), 500};
  end.connection = make_connection(peer, {end.path.local.address, {end.path.remote.address}, {}});
  return end;
}

/// What both addresses say: a number for each that fits, nothing when one does not.
std::optional<int> fit_of(const PeerConfig& ours, const PeerConfig& theirs) {
  int fit = 0;
  for (const auto& [mine, yours] : {std::pair{ours.remote_address, theirs.local},
                                    std::pair{ours.local, theirs.remote_address}}) {
    if (!mine || !yours) continue;
    if (*mine != *yours) return std::nullopt;
    fit += 2;
  }
  return fit + (ours.kind == theirs.kind ? 1 : 0);
}

class Comparison {
 public:
  Comparison(const End& ours, const End& theirs, const config::Config& config)
      : ours_(ours), theirs_(theirs), config_(config) {}

  [[nodiscard]] std::vector<explain::Diagnosis> compare() {
    compare_ike();
    compare_identities();
    compare_methods();
    for (const ike::ChildConfig& child : theirs_.connection->children) compare_child(child);
    return std::move(found_);
  }

 private:
  [[nodiscard]] Evidence evidence(Symptom symptom) const {
    Evidence seen;
    seen.symptom = symptom;
    seen.connection = ours_.peer->name;
    seen.path = ours_.path;
    seen.product = policy::Product::caponier;
    return seen;
  }
  void tell(const Evidence& seen) {
    explain::Diagnosis diagnosis = explain::diagnose(seen, {ours_.peer, &config_, {}});
    const auto is_same = [&](const explain::Diagnosis& one) {
      return one.code == diagnosis.code && one.cause == diagnosis.cause;
    };
    if (std::ranges::none_of(found_, is_same)) found_.push_back(std::move(diagnosis));
  }

  void compare_ike() {
    const auto offered = policy::to_wire(theirs_.connection->offers, {}, true);
    if (policy::choose_ike(offered, ours_.connection->offers, crypto::KeGroup::none)) return;
    Evidence seen = evidence(Symptom::init_no_proposal);
    seen.our_offers = ours_.connection->offers;
    seen.their_offers = policy::kept_part(offered);
    tell(seen);
  }

  void compare_identities() {
    const auto& they_are = theirs_.connection->own_rounds.front();
    const auto& we_are = ours_.connection->own_rounds.front();
    const auto& we_want = ours_.connection->peer_rounds.front().identity;
    const auto& they_want = theirs_.connection->peer_rounds.front().identity;
    if (we_want && !we_want->matches(they_are.identity)) {
      Evidence seen = evidence(Symptom::auth_identity_unknown);
      seen.theirs.identity = they_are.identity;
      seen.ours.identity = we_are.identity;
      seen.known = {we_want->to_string()};
      tell(seen);
    }
    if (they_want && !they_want->matches(we_are.identity)) {
      Evidence seen = evidence(Symptom::auth_identity_unknown);
      seen.theirs.identity = they_are.identity;
      seen.theirs.expects = they_want->to_string();
      seen.ours.identity = we_are.identity;
      seen.fault = "wanted";
      tell(seen);
    }
  }

  void compare_methods() {
    const ike::PeerRound& wanted = ours_.connection->peer_rounds.front();
    const ike::OwnRound& theirs = theirs_.connection->own_rounds.front();
    if (std::ranges::find(wanted.kinds, theirs.kind) == wanted.kinds.end()) {
      Evidence seen = evidence(Symptom::auth_method_unwanted);
      seen.ours.methods = ike::words_of(wanted.kinds);
      seen.theirs.methods = ike::words_of({theirs.kind});
      return tell(seen);
    }
    if (theirs.kind == ike::AuthKind::shared_key) compare_keys(theirs.identity);
  }

  void compare_keys(const policy::Identity& peer) {
    const auto ours = config::remote_round(*ours_.peer, 0);
    const auto theirs = config::local_round(*theirs_.peer, 0);
    if (!ours || !theirs || !ours->psk || !theirs->psk) return;
    if (base::equal_constant_time(ours->psk->reveal(), theirs->psk->reveal())) return;
    Evidence seen = evidence(Symptom::auth_proof_wrong);
    seen.ours.identity = ours_.connection->own_rounds.front().identity;
    seen.theirs.identity = peer;
    seen.theirs.methods = {"psk"};
    tell(seen);
  }

  /// They ask, we choose: at first without a key exchange, then with one (PFS).
  void compare_child(const ike::ChildConfig& child) {
    for (const bool in_ike_auth : {true, false}) {
      const ike::ChildConfigPtr shared{theirs_.connection, &child};
      const auto group = in_ike_auth ? crypto::KeGroup::none : first_group(child.offers);
      const ike::ChildOffer offer = ike::make_child_offer(
          shared, base::Spi{256}, group, {.path = theirs_.path, .in_ike_auth = in_ike_auth});
      const auto verdict =
          ike::choose_child_sa(ike::ChildPayloads::of(offer.payloads), group, *ours_.connection,
                               ours_.connection, {.path = ours_.path, .in_ike_auth = in_ike_auth});
      if (verdict) continue;
      Evidence seen = evidence(Symptom::child_other);
      if (verdict.error().seen) seen = *verdict.error().seen;
      seen.connection = ours_.peer->name;
      seen.product = policy::Product::caponier;
      seen.text = verdict.error().sentence;
      return tell(seen);
    }
  }

  [[nodiscard]] static crypto::KeGroup first_group(const policy::Offers& offers) {
    for (const policy::Offer& offer : offers) {
      if (!offer.ke.empty()) return offer.ke.front();
    }
    return crypto::KeGroup::none;
  }

  const End& ours_;
  const End& theirs_;
  const config::Config& config_;
  std::vector<explain::Diagnosis> found_;
};

Match nobody(const PeerConfig& peer) {
  explain::Diagnosis diagnosis{
      explain::Code::peer_unknown, explain::Certainty::proven, {}, {}, {}, {}};
  diagnosis.cause = "no tunnel of theirs is for these addresses";
  diagnosis.values = {{"our address", peer.local ? peer.local->to_string() : "not configured", {}},
                      {"the peer's address", peer.remote, {}}};
  diagnosis.fixes = {{explain::Side::theirs, "write our address as remote there", {}, {}}};
  return {peer.name, {}, {std::move(diagnosis)}};
}

Match compare(const PeerConfig& ours, const PeerConfig& theirs, const config::Config& config) {
  const End here = end_of(ours, theirs, true);
  const End there = end_of(theirs, ours, false);
  if (!here.connection || !there.connection) return nobody(ours);
  return {ours.name, theirs.name, Comparison{here, there, config}.compare()};
}

}  // namespace

std::vector<Match> match(const config::Config& ours, const config::Config& theirs) {
  std::vector<Match> matches;
  for (const PeerConfig& peer : ours.peers) {
    if (peer.server) continue;
    std::optional<Match> best;
    int best_fit = 0;
    for (const PeerConfig& other : theirs.peers) {
      const auto fit = other.server ? std::nullopt : fit_of(peer, other);
      if (!fit) continue;
      Match one = compare(peer, other, ours);
      const bool is_better =
          !best || *fit > best_fit ||
          (*fit == best_fit && one.differences.size() < best->differences.size());
      if (!is_better) continue;
      best = std::move(one);
      best_fit = *fit;
    }
    matches.push_back(best ? std::move(*best) : nobody(peer));
  }
  return matches;
}

}  // namespace caponier::gateway

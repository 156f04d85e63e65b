#include "ike/child_negotiation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/event.h"
#include "ike/messages.h"

namespace caponier::ike {

using policy::SaMode;
using policy::TrafficSelectors;
using wire::NotifyType;

namespace {

/// Of what both sides are to blame for.
using Observed = std::shared_ptr<const policy::Evidence>;

ChildRefusal refuse(NotifyType type, EndReason reason, std::string sentence,
                    Observed observed = {}) {
  return {make_notify(type), reason, std::move(sentence), std::move(observed)};
}

/// s2.23.1: the addresses a NAT hides mean nothing to the other side.
TrafficSelectors with_address(TrafficSelectors selectors, const base::IpAddress& address) {
  for (auto& selector : selectors) selector.first = selector.last = address;
  return selectors;
}

TrafficSelectors host(const base::IpAddress& address) {
  policy::TrafficSelector selector = policy::TrafficSelector::any(address.family());
  selector.first = selector.last = address;
  return {selector};
}

TrafficSelectors leased(const ChildScene& scene, const TrafficSelectors& before) {
  if (scene.inner.empty()) return before;
  TrafficSelectors selectors;
  for (const base::IpAddress& address : scene.inner) {
    policy::TrafficSelector selector = policy::TrafficSelector::any(address.family());
    selector.first = selector.last = address;
    selectors.push_back(selector);
  }
  return selectors;
}
TrafficSelectors local_of(const ChildConfig& child, const ChildScene& scene) {
  if (child.is_local_leased) return leased(scene, child.local);
  if (!child.is_remote_leased) return child.local;
  TrafficSelectors local = child.local;
  if (!scene.networks.empty()) {
    local = policy::narrow({scene.networks.begin(), scene.networks.end()}, child.local);
  }
  local.insert(local.end(), scene.services.begin(), scene.services.end());
  return local;
}
TrafficSelectors remote_of(const ChildConfig& child, const ChildScene& scene) {
  return child.is_remote_leased ? leased(scene, child.remote) : child.remote;
}

/// AH covers the addresses that a NAT changes.
policy::Offers possible_offers(const ChildConfig& child, const ChildScene& scene) {
  policy::Offers offers = child.offers;
  if (scene.in_udp) {
    std::erase_if(
        offers, [](const policy::Offer& offer) { return offer.protocol == wire::ProtocolId::ah; });
  }
  return offers;
}

/// What of `offers` gives the suite, whatever its key exchange.
policy::Offers narrowed(policy::Offers offers, const Model::Joined& joined) {
  const crypto::CipherSuite& cipher = joined.suite.cipher;
  const policy::Encryption encryption{cipher.encr, cipher.key_bits};
  const auto keep = [](auto& list, const auto& value) {
    const bool is_there = std::ranges::find(list, value) != list.end();
    if (is_there) list = {value};
    return is_there || list.empty();
  };
  std::erase_if(offers, [&](policy::Offer& offer) {
    return offer.protocol != protocol_id(joined.protocol) || !keep(offer.encryption, encryption) ||
           !keep(offer.integrity, cipher.integ) || !keep(offer.esn, joined.suite.esn);
  });
  return offers;
}

/// BEET has one address inside at each end.
bool is_host(const TrafficSelectors& selectors) {
  return !selectors.empty() && std::ranges::all_of(selectors, [&](const auto& selector) {
    return selector.first == selectors.front().first && selector.last == selector.first;
  });
}

std::optional<NotifyType> notify_of(SaMode mode) {
  switch (mode) {
    case SaMode::tunnel: return std::nullopt;
    case SaMode::transport: return NotifyType::use_transport_mode;
    case SaMode::beet: return NotifyType::use_beet_mode;
  }
  return std::nullopt;
}

/// Whether the notifies of a message are those of the mode; tunnel mode has none.
bool is_mode(const ChildPayloads& payloads, SaMode mode) {
  switch (mode) {
    case SaMode::tunnel: return !payloads.wants_transport && !payloads.wants_beet;
    case SaMode::transport: return payloads.wants_transport;
    case SaMode::beet: return payloads.wants_beet;
  }
  return false;
}

/// The selectors of a message as this host sees them.
struct Seen {
  TrafficSelectors local, remote;
};

Seen as_seen(TrafficSelectors local, TrafficSelectors remote, bool is_transport,
             const ChildScene& scene) {
  if (is_transport && scene.local_behind_nat) {
    local = with_address(std::move(local), scene.path.local.address);
  }
  if (is_transport && scene.remote_behind_nat) {
    remote = with_address(std::move(remote), scene.path.remote.address);
  }
  return {std::move(local), std::move(remote)};
}

policy::Evidence observe(policy::Symptom symptom, const ChildConfig& child) {
  policy::Evidence evidence;
  evidence.symptom = symptom;
  evidence.child = child.name;
  evidence.ours.mode = child.mode;
  return evidence;
}

Observed observe_offers(const ChildConfig& child, const policy::Offers& ours,
                        const wire::SaPayload& theirs, const ChildScene& scene) {
  policy::Evidence evidence = observe(policy::Symptom::child_no_proposal, child);
  evidence.has_key_exchange = !scene.in_ike_auth;
  evidence.our_offers = ours;
  evidence.their_offers = policy::kept_part(theirs);
  return std::make_shared<const policy::Evidence>(std::move(evidence));
}

Observed observe_selectors(const ChildConfig& child, const TrafficSelectors& local,
                           const TrafficSelectors& remote, const Seen& theirs) {
  policy::Evidence evidence = observe(policy::Symptom::child_no_selectors, child);
  evidence.ours.local = local;
  evidence.ours.remote = remote;
  evidence.theirs.local = theirs.local;
  evidence.theirs.remote = theirs.remote;
  return std::make_shared<const policy::Evidence>(std::move(evidence));
}

Observed observe_mode(const ChildConfig& child, const ChildPayloads& theirs) {
  policy::Evidence evidence = observe(policy::Symptom::child_mode, child);
  evidence.theirs.mode = theirs.wants_transport ? SaMode::transport
                         : theirs.wants_beet    ? SaMode::beet
                                                : SaMode::tunnel;
  return std::make_shared<const policy::Evidence>(std::move(evidence));
}

struct Candidate {
  ChildAgreement agreement;
  /// 2: all that was asked for; 1: the peer's first choices (s2.9); 0: a part.
  int fit = 0;
};

//= rfc7296#2.9-2
int fit_of(const ChildAgreement& agreement, const Seen& asked) {
  const auto holds = [&](const TrafficSelectors& local, const TrafficSelectors& remote) {
    return policy::contains(agreement.local, local) && policy::contains(agreement.remote, remote);
  };
  if (holds(asked.local, asked.remote)) return 2;
  return holds({asked.local.front()}, {asked.remote.front()}) ? 1 : 0;
}

using CandidateVerdict = std::expected<Candidate, ChildRefusal>;

CandidateVerdict try_child(const ChildPayloads& request, crypto::KeGroup ke_group,
                           const ChildConfigPtr& child, const ChildScene& scene,
                           const Model* replaced) {
  const bool is_transport = child->mode == SaMode::transport;
  const Seen asked = as_seen(policy::from_wire(*request.ts_r), policy::from_wire(*request.ts_i),
                             is_transport && request.wants_transport, scene);
  Candidate candidate;
  ChildAgreement& agreement = candidate.agreement;
  agreement.child = child;
  agreement.mode = child->mode;
  const TrafficSelectors local = local_of(*child, scene);
  const TrafficSelectors remote = remote_of(*child, scene);
  agreement.local = policy::narrow(asked.local, local);
  agreement.remote = policy::narrow(asked.remote, remote);
  const bool asks_for_replaced = replaced != nullptr &&
                                 policy::contains(agreement.local, replaced->local) &&
                                 policy::contains(agreement.remote, replaced->remote);
  if (asks_for_replaced) {
    // s2.9.2: neither wider nor narrower than what is in use.
    agreement.local = replaced->local;
    agreement.remote = replaced->remote;
  }
  if (agreement.local.empty() || agreement.remote.empty()) {
    return std::unexpected{
        refuse(NotifyType::ts_unacceptable, EndReason::selectors,
               fmt::format("child {} has {} === {}, the peer asks for {} === {}", child->name,
                           policy::to_string(local), policy::to_string(remote),
                           policy::to_string(asked.local), policy::to_string(asked.remote)),
               observe_selectors(*child, local, remote, asked))};
  }
  candidate.fit = fit_of(agreement, asked);
  // s1.3.1: a peer that asks for tunnel mode cannot be given another one.
  if (child->mode != SaMode::tunnel && !is_mode(request, child->mode)) {
    return std::unexpected{
        refuse(NotifyType::no_proposal_chosen, EndReason::no_proposal,
               fmt::format("child {} is in {} mode, the peer asks for {} mode", child->name,
                           policy::name_of(child->mode),
                           request.wants_transport ? "transport"
                                                   : (request.wants_beet ? "BEET" : "tunnel")),
               observe_mode(*child, request))};
  }
  if (child->mode == SaMode::beet && !(is_host(agreement.local) && is_host(agreement.remote))) {
    return std::unexpected{
        refuse(NotifyType::ts_unacceptable, EndReason::selectors,
               fmt::format("child {} is in BEET mode, which has one address at each end, not {} "
                           "=== {}",
                           child->name, policy::to_string(agreement.local),
                           policy::to_string(agreement.remote)))};
  }
  if (auto obstacle = find_obstacle(*child, scene)) {
    return std::unexpected{
        refuse(NotifyType::no_proposal_chosen, EndReason::no_proposal, std::move(*obstacle))};
  }
  auto choice = policy::choose_child(*request.sa, possible_offers(*child, scene), ke_group,
                                     scene.in_ike_auth);
  if (!choice) {
    return std::unexpected{
        refuse(NotifyType::no_proposal_chosen, EndReason::no_proposal,
               fmt::format("child {}: {}", child->name, describe(choice.error())),
               observe_offers(*child, possible_offers(*child, scene), *request.sa, scene))};
  }
  const auto spi = child_spi(choice->peer_spi);
  if (!spi) {
    return std::unexpected{refuse(NotifyType::invalid_syntax, EndReason::protocol_error,
                                  "the peer's proposal has no usable SPI")};
  }
  agreement.suite = choice->suite;
  agreement.spi_out = *spi;
  agreement.protocol = sa_protocol(choice->answer.protocol);
  agreement.may_pad = !request.refuses_tfc;
  agreement.is_grouped = request.is_grouped && child->resources > 0;
  agreement.answer = std::move(choice->answer);
  return candidate;
}

/// Lower is a better explanation: what failed last was nearest to success.
int distance(EndReason reason) {
  if (reason == EndReason::protocol_error) return 0;
  return reason == EndReason::no_proposal ? 1 : 2;
}

}  // namespace

ChildPayloads ChildPayloads::of(const std::vector<wire::Payload>& payloads) {
  // A number of the private range means this only to those who use it so: strongSwan's is empty.
  const wire::NotifyPayload* const beet = wire::find_notify(payloads, NotifyType::use_beet_mode);
  return {wire::find<wire::SaPayload>(payloads),
          wire::find_ts(payloads, true),
          wire::find_ts(payloads, false),
          wire::find_notify(payloads, NotifyType::use_transport_mode) != nullptr,
          beet != nullptr && beet->data.empty(),
          wire::find_notify(payloads, NotifyType::esp_tfc_padding_not_supported) != nullptr,
          wire::find_notify(payloads, NotifyType::sa_resource_info) != nullptr};
}

ChildVerdict choose_child_sa(const ChildPayloads& request, crypto::KeGroup ke_group,
                             const ConnectionConfig& connection,
                             const std::shared_ptr<const ConnectionConfig>& owner,
                             const ChildScene& scene, const Model* replaced) {
  std::optional<Candidate> best;
  ChildRefusal refusal = refuse(NotifyType::no_proposal_chosen, EndReason::no_proposal,
                                "the connection has no children");
  bool has_refusal = false;
  for (const ChildConfig& child : connection.children) {
    if (replaced != nullptr && child.name != replaced->child) continue;
    auto verdict = try_child(request, ke_group, ChildConfigPtr{owner, &child}, scene, replaced);
    if (verdict) {
      if (!best || verdict->fit > best->fit) best = std::move(*verdict);
    } else if (!has_refusal || distance(verdict.error().reason) < distance(refusal.reason)) {
      refusal = std::move(verdict.error());
      has_refusal = true;
    }
  }
  if (!best) return std::unexpected{std::move(refusal)};
  return std::move(best->agreement);
}

std::optional<std::string> find_obstacle(const ChildConfig& child, const ChildScene& scene) {
  if (!possible_offers(child, scene).empty()) return std::nullopt;
  return fmt::format(
      "child {} is of AH, which protects the outer addresses and so cannot pass a NAT or travel in "
      "UDP or TCP; use esp instead of ah, with \"null-sha256\" if nothing is to be hidden",
      child.name);
}

ChildOffer make_child_offer(ChildConfigPtr child, base::Spi spi_in, crypto::KeGroup ke_group,
                            const ChildScene& scene, const Model* replaced,
                            const std::optional<policy::Trigger>& trigger) {
  ChildOffer offer;
  offer.offers = possible_offers(*child, scene);
  if (replaced != nullptr && replaced->joined) {
    offer.offers = narrowed(std::move(offer.offers), *replaced->joined);
  }
  offer.spi_in = spi_in;
  offer.ke_group = ke_group;
  offer.local = local_of(*child, scene);
  offer.remote = remote_of(*child, scene);
  if (child->mode == SaMode::transport) {
    //= rfc7296#2.23-14 rfc7296#2.23.1-1 rfc7296#2.23.1-4..5
    // s2.23.1: exactly one address, that of the IKE SA.
    auto local = policy::narrow(host(scene.path.local.address), offer.local);
    auto remote = policy::narrow(host(scene.path.remote.address), offer.remote);
    if (!local.empty()) offer.local = std::move(local);
    if (!remote.empty()) offer.remote = std::move(remote);
  } else if (replaced != nullptr) {
    offer.local = replaced->local;
    offer.remote = replaced->remote;
    offer.is_in_use = true;
  } else if (trigger) {
    offer.local = policy::offer_for(trigger->local, trigger->is_exact, offer.local);
    offer.remote = policy::offer_for(trigger->remote, trigger->is_exact, offer.remote);
    offer.trigger = trigger;
  }
  offer.payloads.emplace_back(
      policy::to_wire(offer.offers, to_bytes(spi_in), ke_group != crypto::KeGroup::none));
  offer.payloads.emplace_back(policy::to_wire(offer.local, true));
  offer.payloads.emplace_back(policy::to_wire(offer.remote, false));
  if (const auto notify = notify_of(child->mode)) {
    offer.payloads.emplace_back(make_notify(*notify));
  }
  // RFC 9611 s3: a rekey keeps its resource without a word.
  const bool is_rekey = replaced != nullptr && !replaced->joined;
  if (child->resources > 0 && !is_rekey) {
    offer.payloads.emplace_back(make_notify(NotifyType::sa_resource_info));
  }
  offer.child = std::move(child);
  return offer;
}

ChildVerdict accept_child_sa(const ChildPayloads& response, const ChildOffer& offer,
                             const ChildScene& scene) {
  const ChildConfig& child = *offer.child;
  auto choice = policy::accept_child(*response.sa, offer.offers, scene.in_ike_auth);
  if (!choice) {
    return std::unexpected{
        refuse(NotifyType::no_proposal_chosen, EndReason::protocol_error,
               "the peer chose what we did not offer: " + describe(choice.error()),
               observe_offers(child, offer.offers, *response.sa, scene))};
  }
  const auto spi = child_spi(choice->peer_spi);
  const bool is_other_group =
      choice->suite.ke != crypto::KeGroup::none && choice->suite.ke != offer.ke_group;
  if (!spi || is_other_group) {
    return std::unexpected{refuse(NotifyType::invalid_syntax, EndReason::protocol_error,
                                  "the peer's answer has no usable SPI or another group")};
  }
  if (!is_mode(response, child.mode)) {
    if (child.mode == SaMode::tunnel) {
      return std::unexpected{refuse(NotifyType::no_proposal_chosen, EndReason::protocol_error,
                                    fmt::format("the peer chose {} mode unasked",
                                                response.wants_transport ? "transport" : "BEET"),
                                    observe_mode(child, response))};
    }
    return std::unexpected{refuse(NotifyType::no_proposal_chosen, EndReason::no_proposal,
                                  "the peer insists on tunnel mode",
                                  observe_mode(child, response))};
  }
  Seen answered = as_seen(policy::from_wire(*response.ts_i), policy::from_wire(*response.ts_r),
                          child.mode == SaMode::transport, scene);
  if (answered.local.empty() || answered.remote.empty() ||
      !policy::contains(offer.local, answered.local) ||
      !policy::contains(offer.remote, answered.remote)) {
    return std::unexpected{
        refuse(NotifyType::ts_unacceptable, EndReason::selectors,
               fmt::format("we asked for {} === {}, the peer answered {} === {}",
                           policy::to_string(offer.local), policy::to_string(offer.remote),
                           policy::to_string(answered.local), policy::to_string(answered.remote)),
               observe_selectors(child, offer.local, offer.remote, answered))};
  }
  if (offer.is_in_use && !(policy::contains(answered.local, offer.local) &&
                           policy::contains(answered.remote, offer.remote))) {
    return std::unexpected{
        refuse(NotifyType::ts_unacceptable, EndReason::selectors,
               fmt::format("{} === {} is in use, the peer narrows it to {} === {}",
                           policy::to_string(offer.local), policy::to_string(offer.remote),
                           policy::to_string(answered.local), policy::to_string(answered.remote)),
               observe_selectors(child, offer.local, offer.remote, answered))};
  }
  if (child.mode == SaMode::beet && !(is_host(answered.local) && is_host(answered.remote))) {
    return std::unexpected{refuse(NotifyType::ts_unacceptable, EndReason::selectors,
                                  "BEET mode has one address at each end")};
  }
  const policy::SaProtocol protocol = sa_protocol(choice->answer.protocol);
  return ChildAgreement{offer.child,
                        choice->suite,
                        child.mode,
                        protocol,
                        !response.refuses_tfc,
                        *spi,
                        std::move(choice->answer),
                        std::move(answered.local),
                        std::move(answered.remote),
                        response.is_grouped && child.resources > 0};
}

std::vector<wire::Payload> make_child_answer(const ChildAgreement& agreement, base::Spi spi_in) {
  wire::SaPayload sa;
  sa.proposals.push_back(agreement.answer);
  sa.proposals.back().spi = to_bytes(spi_in);
  std::vector<wire::Payload> payloads;
  payloads.emplace_back(std::move(sa));
  payloads.emplace_back(policy::to_wire(agreement.remote, true));
  payloads.emplace_back(policy::to_wire(agreement.local, false));
  if (const auto notify = notify_of(agreement.mode)) payloads.emplace_back(make_notify(*notify));
  if (agreement.is_grouped) payloads.emplace_back(make_notify(NotifyType::sa_resource_info));
  return payloads;
}

}  // namespace caponier::ike

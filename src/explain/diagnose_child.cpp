// Child SAs: algorithms, PFS, selectors, modes.

#include <algorithm>

#include <fmt/format.h>

#include "explain/diagnose_parts.h"
#include "explain/fixes.h"
#include "explain/offers.h"
#include "policy/algorithm_names.h"

namespace caponier::explain {

using policy::Evidence;
using policy::Symptom;
using wire::NotifyType;

namespace {

std::string group_text(std::optional<crypto::KeGroup> group) {
  if (!group) return "none";
  return policy::algorithm_text(wire::TransformType::ke, static_cast<std::uint16_t>(*group), 0);
}

std::string mode_text(std::optional<policy::SaMode> mode) {
  return mode ? std::string{policy::name_of(*mode)} : std::string{};
}

std::vector<Setting> network_settings(const policy::TrafficSelectors& local,
                                      const policy::TrafficSelectors& remote) {
  std::vector<Setting> settings;
  const auto ours = networks_of(local);
  const auto theirs = networks_of(remote);
  if (!ours.empty()) settings.push_back({{}, "local_nets", toml_list(ours)});
  if (!theirs.empty()) settings.push_back({{}, "remote_nets", toml_list(theirs)});
  return settings;
}

Diagnosis selectors(const Evidence& seen, const Context& context) {
  Diagnosis diagnosis{Code::selectors, Certainty::proven, {}, {}, {}, {}};
  const bool is_local = policy::narrow(seen.theirs.local, seen.ours.local).empty();
  const bool is_remote = policy::narrow(seen.theirs.remote, seen.ours.remote).empty();
  const std::string_view which = is_local && is_remote ? "neither end"
                                 : is_local            ? "our end"
                                                       : "the peer's end";
  const std::string_view theirs_are =
      seen.we_asked ? "what the peer has" : "what the peer asks for";
  diagnosis.cause =
      is_local && is_remote
          ? fmt::format("the networks of both ends differ from {}", theirs_are)
          : fmt::format("the networks at {} have nothing in common with {}", which, theirs_are);
  diagnosis.values = {{"networks at our end", policy::to_string(seen.ours.local),
                       policy::to_string(seen.theirs.local)},
                      {"networks at the peer's end", policy::to_string(seen.ours.remote),
                       policy::to_string(seen.theirs.remote)}};
  auto ours = network_settings(is_local ? seen.theirs.local : policy::TrafficSelectors{},
                               is_remote ? seen.theirs.remote : policy::TrafficSelectors{});
  diagnosis.fixes.push_back(fix_our_child(context, seen.child, "take the peer's", std::move(ours)));
  // The peer sees the same from the other end.
  auto theirs = network_settings(is_remote ? seen.ours.remote : policy::TrafficSelectors{},
                                 is_local ? seen.ours.local : policy::TrafficSelectors{});
  diagnosis.fixes.push_back(fix_theirs(seen, "or let the peer take ours", std::move(theirs)));
  return diagnosis;
}

Diagnosis mode(const Evidence& seen, const Context& context) {
  Diagnosis diagnosis{Code::child_mode, Certainty::proven, {}, {}, {}, {}};
  const std::string ours = mode_text(seen.ours.mode);
  const std::string theirs = mode_text(seen.theirs.mode);
  diagnosis.cause = fmt::format("we are in {} mode, the peer wants {} mode", ours, theirs);
  diagnosis.values = {{"mode", ours, theirs}};
  diagnosis.fixes = {
      fix_our_child(context, seen.child,
                    theirs == "tunnel" ? "configure the peer as [site.NAME], not as [host.NAME]"
                                       : fmt::format("use {} mode", theirs)),
      fix_theirs(seen, ours == "transport"
                           ? "or configure us there as [host.NAME], in transport mode"
                           : "or let the peer use " + ours + " mode")};
  return diagnosis;
}

Diagnosis group(const Evidence& seen, const Context& context) {
  Diagnosis diagnosis{Code::child_group, Certainty::proven, {}, {}, {}, {}};
  const std::string ours = group_text(seen.ours.group);
  const std::string theirs = group_text(seen.theirs.group);
  diagnosis.cause = fmt::format("for new keys of the tunnel we want {}, the peer wants {} (PFS)",
                                ours == "none" ? "no key exchange" : ours,
                                theirs == "none" ? "no key exchange" : theirs);
  diagnosis.values = {{"key exchange (PFS)", ours, theirs}};
  if (!seen.our_offers.empty()) {
    policy::Offer offer = first_choice(seen.our_offers.front());
    const std::string own = config_text(offer);
    offer.ke.clear();
    if (seen.theirs.group && *seen.theirs.group != crypto::KeGroup::none) {
      offer.ke = {*seen.theirs.group};
    }
    const std::string key = offer.protocol == wire::ProtocolId::ah ? "ah" : "esp";
    diagnosis.fixes = {
        fix_our_child(context, seen.child, "take the peer's",
                      {{{}, key, toml_list({config_text(offer)})}}),
        fix_theirs(seen, "or let the peer take ours", {{{}, key, toml_list({own})}})};
  }
  return diagnosis;
}

/// One word for algorithms, modes and PFS.
Diagnosis refused_proposals(const Evidence& seen, const std::string& word) {
  std::string offered;
  for (const policy::Offer& offer : seen.our_offers) {
    offered += (offered.empty() ? "" : " ; ") + config_text(offer);
  }
  Diagnosis diagnosis;
  diagnosis.code = Code::child_proposals;
  diagnosis.certainty = seen.is_rekey ? Certainty::strong : Certainty::possible;
  diagnosis.cause = "the peer takes none of our proposals for the tunnel (" + word + ")";
  diagnosis.values = {{"ESP proposals", offered, {}}};
  if (seen.is_rekey || seen.ours.group) {
    diagnosis.values.push_back({"key exchange (PFS)", group_text(seen.ours.group), {}});
  }
  if (seen.is_rekey) {
    // The same algorithms came up with IKE_AUTH, where there is no key exchange.
    diagnosis.code = Code::child_group;
    diagnosis.cause =
        "the peer took these algorithms at first, and refuses to renew them: PFS "
        "differs (" +
        word + ")";
    diagnosis.others = {{Code::child_proposals, "its configuration has changed meanwhile"}};
  } else {
    diagnosis.others = {{Code::child_proposals, "it has none of our algorithms"},
                        {Code::child_mode, "it wants another mode (tunnel, transport)"}};
    if (seen.ours.group) diagnosis.others.push_back({Code::child_group, "PFS differs"});
  }
  if (!seen.our_offers.empty()) {
    const std::string key = seen.our_offers.front().protocol == wire::ProtocolId::ah ? "ah" : "esp";
    diagnosis.fixes = {
        fix_theirs(seen, "let the peer accept what we offer",
                   {{{}, key, toml_list({config_text(first_choice(seen.our_offers.front()))})}})};
  }
  return diagnosis;
}

/// The peer's word, and it has proved who it is; but one word means several things.
Diagnosis refused(const Evidence& seen, const Context& context) {
  const NotifyType notify = seen.notify.value_or(NotifyType::no_proposal_chosen);
  Diagnosis diagnosis{Code::child_refused, Certainty::proven, {}, {}, {}, {}};
  const std::string word = wire::name_of(notify);
  if (notify == NotifyType::ts_unacceptable || notify == NotifyType::single_pair_required) {
    diagnosis.code = Code::selectors;
    diagnosis.cause = notify == NotifyType::ts_unacceptable
                          ? "the peer has no tunnel for the networks that we ask for"
                          : "the peer takes one pair of networks for each Child SA only";
    diagnosis.cause += " (" + word + ")";
    diagnosis.values = {{"networks at our end", policy::to_string(seen.ours.local), {}},
                        {"networks at the peer's end", policy::to_string(seen.ours.remote), {}}};
    diagnosis.fixes = {fix_theirs(seen, "let the peer have the same networks, seen from its side",
                                  network_settings(seen.ours.remote, seen.ours.local)),
                       fix_our_child(context, seen.child, "or write its networks here")};
    return diagnosis;
  }
  if (notify == NotifyType::invalid_ke_payload) {
    Diagnosis other = group(seen, context);
    return other;
  }
  if (notify == NotifyType::no_proposal_chosen) return refused_proposals(seen, word);
  if (notify == NotifyType::no_additional_sas) {
    diagnosis.code = Code::child_limit;
    diagnosis.cause = "the peer gives no more Child SAs on this IKE SA (" + word + ")";
    diagnosis.fixes = {
        fix_theirs(seen, "raise its limit, or put the networks into one child here")};
    return diagnosis;
  }
  if (notify == NotifyType::internal_address_failure || notify == NotifyType::failed_cp_required) {
    diagnosis.code = Code::no_address;
    diagnosis.cause = notify == NotifyType::failed_cp_required
                          ? "the peer wants us to ask for an inner address (" + word + ")"
                          : "the peer has no inner address for us (" + word + ")";
    diagnosis.fixes = {fix_theirs(seen, "give it a larger pool"),
                       fix_ours(context, "a site-to-site tunnel needs a site there, not a server")};
    return diagnosis;
  }
  diagnosis.cause = "the peer gives no Child SA (" + word + ")";
  diagnosis.fixes = {fix_theirs(seen, "the peer's log has its reason")};
  return diagnosis;
}

}  // namespace

Diagnosis diagnose_child(const Evidence& seen, const Context& context) {
  switch (seen.symptom) {
    case Symptom::child_no_selectors: return selectors(seen, context);
    case Symptom::child_mode: return mode(seen, context);
    case Symptom::child_group: return group(seen, context);
    case Symptom::child_refused: return refused(seen, context);
    case Symptom::child_no_proposal: {
      Diagnosis diagnosis{Code::child_proposals, Certainty::proven, {}, {}, {}, {}};
      diagnosis.cause = seen.we_asked
                            ? "none of our proposals for the tunnel is one of the peer's"
                            : "none of the peer's proposals for the tunnel is one of ours";
      compare_offers(seen, context, true, diagnosis);
      const bool is_group =
          diagnosis.values.size() == 1 && diagnosis.values.front().what == "key exchange";
      if (is_group) {
        diagnosis.code = Code::child_group;
        diagnosis.cause =
            "for new keys of the tunnel the two sides want different key exchanges (PFS)";
      }
      return diagnosis;
    }
    case Symptom::child_answer_foreign: {
      Diagnosis diagnosis{Code::answer_foreign, Certainty::proven, {}, {}, {}, {}};
      diagnosis.cause = "the peer answered with what we have not offered: " + seen.text;
      diagnosis.fixes = {fix_theirs(seen, "the peer's software is at fault (RFC 7296 s2.7, s2.9)")};
      return diagnosis;
    }
    default: {
      Diagnosis diagnosis{Code::child_other, Certainty::proven, {}, {}, {}, {}};
      diagnosis.cause = "no Child SA: " + seen.text;
      diagnosis.fixes = {fix_our_child(context, seen.child, "see docs/guide/peers.md")};
      return diagnosis;
    }
  }
}

}  // namespace caponier::explain

// IKE_SA_INIT: proposals, groups, addresses and versions.

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

std::string shown(const policy::Offers& offers) {
  std::string text;
  for (const policy::Offer& offer : offers) {
    text += (text.empty() ? "" : " ; ") + config_text(offer);
  }
  return text;
}

/// What the peer itself offered when it began, not long ago.
const Evidence* own_attempt(const Context& context) {
  const auto found = std::ranges::find_if(context.before, [](const Evidence* one) {
    return one->symptom == Symptom::init_no_proposal && !one->their_offers.proposals.empty();
  });
  return found == context.before.end() ? nullptr : *found;
}

std::string protocol_text(wire::ProtocolId protocol) {
  switch (protocol) {
    case wire::ProtocolId::ike: return "IKE";
    case wire::ProtocolId::ah: return "AH";
    case wire::ProtocolId::esp: return "ESP";
    default: return "another protocol";
  }
}

std::string group_text(crypto::KeGroup group) {
  return policy::algorithm_text(wire::TransformType::ke, static_cast<std::uint16_t>(group), 0);
}

std::string groups_of(const policy::Offers& offers) {
  std::string text;
  for (const policy::Offer& offer : offers) {
    for (const crypto::KeGroup group : offer.ke) {
      const std::string name = group_text(group);
      if (text.find(name) == std::string::npos) text += (text.empty() ? "" : ", ") + name;
    }
  }
  return text;
}

Diagnosis wants_group(const Evidence& seen, const Context& context) {
  Diagnosis diagnosis{Code::ike_group, Certainty::proven, {}, {}, {}, {}};
  const std::string wanted = seen.theirs.group ? group_text(*seen.theirs.group) : "another one";
  diagnosis.cause =
      fmt::format("the peer wants the key exchange {}, which we do not offer", wanted);
  diagnosis.values = {{"key exchange", groups_of(seen.our_offers), wanted}};
  const policy::AlgorithmName* const name = policy::find_algorithm(wanted);
  if (name != nullptr && !seen.our_offers.empty() && (name->refusal.empty() || name->compat)) {
    policy::Offer offer = first_choice(seen.our_offers.front());
    offer.ke = {*seen.theirs.group};
    std::vector<Setting> settings{{{}, "ike", toml_list({config_text(offer)})}};
    if (!name->refusal.empty()) settings.push_back({{}, "compat", toml("legacy")});
    diagnosis.fixes.push_back(fix_ours(context, "offer that group", std::move(settings)));
  }
  if (!seen.our_offers.empty()) {
    diagnosis.fixes.push_back(
        fix_theirs(seen, "or let the peer take one of ours",
                   {{{}, "ike", toml_list({config_text(first_choice(seen.our_offers.front()))})}}));
  }
  return diagnosis;
}

/// NO_PROPOSAL_CHOSEN: the RFC's answer to several things, and nobody has signed it.
Diagnosis refused_proposals(const Evidence& seen, const Context& context) {
  Diagnosis diagnosis{Code::ike_proposals, Certainty::possible, {}, {}, {}, {}};
  diagnosis.cause = "the peer refuses IKE_SA_INIT (NO_PROPOSAL_CHOSEN)";
  diagnosis.values = {{"IKE proposals", shown(seen.our_offers), {}}};
  const Evidence* const before = own_attempt(context);
  if (before != nullptr) {
    diagnosis.certainty = Certainty::strong;
    diagnosis.cause = "the peer accepts none of our IKE proposals (NO_PROPOSAL_CHOSEN)";
    Evidence both = seen;
    both.their_offers = before->their_offers;
    diagnosis.values.clear();
    compare_offers(both, context, false, diagnosis);
    return diagnosis;
  }
  diagnosis.others = {{Code::ike_proposals, "it takes none of our IKE proposals"},
                      {Code::peer_unknown, "it has no connection for our address"}};
  diagnosis.fixes = {fix_theirs(seen, "let the peer accept what we offer",
                                seen.our_offers.empty()
                                    ? std::vector<Setting>{}
                                    : std::vector<Setting>{{{},
                                                            "ike",
                                                            toml_list({config_text(first_choice(
                                                                seen.our_offers.front()))})}}),
                     fix_theirs(seen, fmt::format("or configure our address {} there",
                                                  seen.path.local.address.to_string()))};
  return diagnosis;
}

Diagnosis refused(const Evidence& seen, const Context& context) {
  const NotifyType notify = seen.notify.value_or(NotifyType::no_proposal_chosen);
  if (notify == NotifyType::no_proposal_chosen) return refused_proposals(seen, context);
  if (notify == NotifyType::invalid_ke_payload) return wants_group(seen, context);
  Diagnosis diagnosis{Code::init_refused, Certainty::proven, {}, {}, {}, {}};
  diagnosis.cause = fmt::format("the peer refuses IKE_SA_INIT with {}", wire::name_of(notify));
  if (notify == NotifyType::invalid_major_version) {
    diagnosis.code = Code::other_version;
    diagnosis.cause = "the peer does not speak IKEv2 (INVALID_MAJOR_VERSION)";
    diagnosis.fixes = {fix_theirs(seen, "switch the peer to IKEv2; IKEv1 is obsolete (RFC 9395)")};
    return diagnosis;
  }
  diagnosis.fixes = {fix_theirs(seen, "the peer's log has its reason")};
  return diagnosis;
}

Diagnosis unknown_address(const Evidence& seen, const Context& context) {
  Diagnosis diagnosis{Code::peer_unknown, Certainty::proven, {}, {}, {}, {}};
  const std::string address = seen.path.remote.address.to_string();
  diagnosis.cause =
      fmt::format("{} wants a tunnel with {}, and none of ours is for these addresses", address,
                  seen.path.local.address.to_string());
  std::string known;
  if (context.config != nullptr) {
    for (const config::PeerConfig& peer : context.config->peers) {
      if (peer.remote.empty() || known.size() > 60) continue;
      known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", peer.remote, peer.name);
    }
  }
  diagnosis.values = {{"the peer's address", known, address}};
  diagnosis.fixes = {fix_ours({}, fmt::format("configure a tunnel with remote = \"{}\", or correct "
                                              "the address of the one it is meant to be",
                                              address))};
  return diagnosis;
}

Diagnosis foreign(const Evidence& seen, const Context& context) {
  Diagnosis diagnosis{Code::answer_foreign, Certainty::proven, {}, {}, {}, {}};
  diagnosis.cause = "the peer chose IKE algorithms that we have not offered";
  compare_offers(seen, context, false, diagnosis);
  diagnosis.fixes = {fix_theirs(seen,
                                "the peer's software is at fault: it must choose from what is "
                                "offered (RFC 7296 s2.7)")};
  return diagnosis;
}

}  // namespace

void compare_offers(const Evidence& seen, const Context& context, bool is_child,
                    Diagnosis& diagnosis) {
  const bool with_ke = !is_child || seen.has_key_exchange;
  const auto difference = compare(seen.our_offers, seen.their_offers, with_ke);
  const wire::ProtocolId protocol =
      seen.our_offers.empty() ? wire::ProtocolId::ike : seen.our_offers.front().protocol;
  const std::string_view key = !is_child ? "ike" : protocol == wire::ProtocolId::ah ? "ah" : "esp";
  if (!difference) {
    const auto& theirs = seen.their_offers.proposals;
    diagnosis.values.push_back({"protocol", protocol_text(protocol),
                                theirs.empty() ? "none" : protocol_text(theirs.front().protocol)});
    const bool is_ah = protocol == wire::ProtocolId::ah;
    diagnosis.fixes.push_back(fix_our_child(
        context, seen.child,
        is_ah ? "write esp = [...] instead of ah" : "write ah = [...] instead of esp"));
    diagnosis.fixes.push_back(fix_theirs(seen, is_ah
                                                   ? "or let the peer use AH, too"
                                                   : "or let the peer use ESP, which passes NATs"));
    return;
  }
  for (const Gap& gap : difference->gaps) {
    diagnosis.values.push_back({policy::kind_text(gap.type), gap.ours, gap.theirs});
  }
  const auto adoptable = find_adoptable(seen.their_offers, protocol);
  std::vector<Setting> theirs{
      {{},
       std::string{key},
       toml_list({config_text(first_choice(seen.our_offers[difference->our_index]))})}};
  if (!policy::weaknesses_of({first_choice(seen.our_offers[difference->our_index])}).empty()) {
    theirs.push_back({{}, "compat", toml("legacy")});
  }
  Fix on_them = fix_theirs(seen, "let the peer offer and accept what we have", std::move(theirs));
  if (adoptable) {
    std::vector<Setting> settings{{{}, std::string{key}, toml_list({adoptable->text})}};
    if (adoptable->needs_compat) settings.push_back({{}, "compat", toml("legacy")});
    std::string sentence = adoptable->needs_compat
                               ? "take what the peer offers, although it is weak"
                               : "take what the peer offers";
    const std::string child = is_child ? seen.child : std::string{};
    Fix on_us = is_child ? fix_our_child(context, child, std::move(sentence), std::move(settings))
                         : fix_ours(context, std::move(sentence), std::move(settings));
    if (!adoptable->needs_compat) {
      diagnosis.fixes.push_back(std::move(on_us));
      on_them.sentence = "or let the peer offer and accept what we have";
      diagnosis.fixes.push_back(std::move(on_them));
    } else {
      diagnosis.fixes.push_back(std::move(on_them));
      on_us.sentence = "or " + on_us.sentence;
      diagnosis.fixes.push_back(std::move(on_us));
    }
    return;
  }
  diagnosis.fixes.push_back(std::move(on_them));
}

Diagnosis diagnose_init(const Evidence& seen, const Context& context) {
  switch (seen.symptom) {
    case Symptom::init_refused: return refused(seen, context);
    case Symptom::init_answer_foreign: return foreign(seen, context);
    case Symptom::init_peer_unknown: return unknown_address(seen, context);
    case Symptom::init_no_proposal: {
      Diagnosis diagnosis{Code::ike_proposals, Certainty::proven, {}, {}, {}, {}};
      diagnosis.cause = fmt::format("none of the IKE proposals of {} is one of ours",
                                    seen.path.remote.address.to_string());
      compare_offers(seen, context, false, diagnosis);
      const bool is_group =
          diagnosis.values.size() == 1 && diagnosis.values.front().what == "key exchange";
      if (is_group) {
        diagnosis.code = Code::ike_group;
        diagnosis.cause = "the peer offers no key exchange that we have";
      }
      return diagnosis;
    }
    case Symptom::other_version: {
      Diagnosis diagnosis{Code::other_version, Certainty::proven, {}, {}, {}, {}};
      diagnosis.cause = fmt::format("{} speaks {}, not IKEv2", remote_of(seen), seen.text);
      diagnosis.fixes = {
          fix_theirs(seen, "switch the peer to IKEv2; IKEv1 is obsolete (RFC 9395)")};
      return diagnosis;
    }
    case Symptom::ike_rekey_refused: {
      if (seen.notify == NotifyType::invalid_ke_payload) {
        Diagnosis diagnosis = wants_group(seen, context);
        diagnosis.code = Code::rekey_refused;
        return diagnosis;
      }
      Diagnosis diagnosis{Code::rekey_refused, Certainty::proven, {}, {}, {}, {}};
      diagnosis.cause = fmt::format("the peer refuses to renew the IKE SA with {}",
                                    wire::name_of(seen.notify.value_or(NotifyType{})));
      diagnosis.values = {{"IKE proposals", shown(seen.our_offers), {}}};
      diagnosis.fixes = {fix_theirs(seen, "let the peer accept rekeys with what it took at first")};
      return diagnosis;
    }
    default: {
      Diagnosis diagnosis{Code::protocol_error, Certainty::proven, {}, {}, {}, {}};
      diagnosis.cause = "a message of the peer breaks RFC 7296: " + seen.text;
      diagnosis.fixes = {fix_theirs(seen, "the peer's software is at fault")};
      return diagnosis;
    }
  }
}

}  // namespace caponier::explain

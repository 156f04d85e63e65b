// Choosing from a peer's offer and checking its answer: one matcher for both.

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "policy/algorithm_names.h"
#include "policy/proposal.h"

namespace caponier::policy {

namespace {

using enum wire::TransformType;
using wire::Proposal;
using wire::ProtocolId;
using wire::Transform;
using wire::TransformType;

/// What of ours a transform must equal.
struct Wanted {
  std::uint16_t id = 0;
  std::uint16_t key_bits = 0;
  friend bool operator==(const Wanted&, const Wanted&) = default;
};

struct Rules {
  ProtocolId protocol{};  ///< ike, or for a Child SA that of the offer at hand
  std::optional<crypto::KeGroup> preferred_ke;
  bool ke_ignored = false;  ///< IKE_AUTH negotiates none (RFC 7296 s1.2)
  bool is_answer = false;   ///< at most one transform of each type
};

/// Earlier types decide before later ones where several proposals fit the same offer.
constexpr std::array rank_order = {encr, integ, ke, prf, esn};

struct Match {
  std::array<Wanted, rank_order.size()> picked{};
  std::array<std::size_t, rank_order.size()> rank{};
  std::vector<Transform> transforms;
};

struct Mismatch {
  TransformType missing{};
  std::size_t matched = 0;
};

bool belongs_to(TransformType type, ProtocolId protocol) {
  switch (type) {
    case encr: return protocol != ProtocolId::ah;
    case integ:
    case ke: return true;
    case prf: return protocol == ProtocolId::ike;
    case esn: return protocol != ProtocolId::ike;
  }
  return false;
}

/// Absence says "none" or "no ESN" (RFC 7296 s3.3.3); we tolerate a missing ESN transform.
bool may_be_absent(TransformType type) { return type == integ || type == ke || type == esn; }

std::vector<Wanted> wanted_ke(const Offer& ours, const Rules& rules) {
  std::vector<Wanted> list;
  for (const crypto::KeGroup group : ours.ke) {
    //= rfc7296#2.18-2
    if (rules.protocol == ProtocolId::ike && group == crypto::KeGroup::none) continue;
    list.push_back({static_cast<std::uint16_t>(group), 0});
  }
  if (list.empty() && rules.protocol != ProtocolId::ike) list.push_back({});
  if (rules.preferred_ke) {
    const Wanted preferred{static_cast<std::uint16_t>(*rules.preferred_ke), 0};
    const auto found = std::ranges::find(list, preferred);
    if (found != list.end()) std::rotate(list.begin(), found, found + 1);
  }
  return list;
}

std::vector<Wanted> wanted_of(const Offer& ours, TransformType type, const Rules& rules) {
  std::vector<Wanted> list;
  switch (type) {
    case encr:
      for (const Encryption& e : ours.encryption) {
        list.push_back({static_cast<std::uint16_t>(e.id), e.key_bits});
      }
      break;
    case prf:
      for (const crypto::PrfId id : ours.prf) list.push_back({static_cast<std::uint16_t>(id), 0});
      break;
    case integ:
      for (const crypto::IntegId id : ours.integrity) {
        list.push_back({static_cast<std::uint16_t>(id), 0});
      }
      if (list.empty()) list.push_back({});
      break;
    case ke: return wanted_ke(ours, rules);
    case esn:
      for (const bool value : ours.esn) list.push_back({static_cast<std::uint16_t>(value), 0});
      if (list.empty()) list.push_back({});
      break;
  }
  return list;
}

/// In the places of rank_order.
using WantedLists = std::array<std::vector<Wanted>, rank_order.size()>;

WantedLists wanted_lists(const Offer& ours, const Rules& rules) {
  WantedLists lists;
  for (std::size_t place = 0; place < rank_order.size(); ++place) {
    lists[place] = wanted_of(ours, rank_order[place], rules);
  }
  return lists;
}

/// What a transform stands for; empty when an attribute makes it unacceptable (RFC 7296 s3.3.6).
std::optional<Wanted> meaning_of(const Transform& transform) {
  //= rfc7296#3.3-9 rfc7296#3.3.5-4..5 rfc7296#3.3.6-7
  if (transform.attributes.empty()) return Wanted{transform.id, 0};
  const auto key_bits = transform.key_length();
  if (transform.attributes.size() != 1 || !key_bits || *key_bits == 0) return std::nullopt;
  return Wanted{transform.id, *key_bits};
}

bool has_valid_spi(const Proposal& theirs) {
  if (theirs.protocol == ProtocolId::ike && theirs.spi.empty()) return true;
  const std::size_t size = theirs.protocol == ProtocolId::ike ? 8 : 4;
  //= rfc4303#2.1-6 rfc4302#2.4-6
  return theirs.spi.size() == size &&
         std::ranges::any_of(theirs.spi, [](std::byte b) { return b != std::byte{0}; });
}

/// Picks one transform of `type`, or says that none fits.
bool match_type(const Proposal& theirs, const std::vector<Wanted>& wanted, TransformType type,
                bool is_answer, std::size_t place, Match& match) {
  const auto is_type = [type](const Transform& t) { return t.type == type; };
  const auto count = std::ranges::count_if(theirs.transforms, is_type);
  //= rfc7296#2.7-4..5 rfc7296#3.3.6-3
  if (is_answer && count > 1) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    match.picked[place] = wanted[i];
    match.rank[place] = i;
    if (count == 0 && may_be_absent(type) && wanted[i] == Wanted{}) return true;
    const auto found = std::ranges::find_if(theirs.transforms, [&](const Transform& t) {
      return is_type(t) && meaning_of(t) == wanted[i];
    });
    if (found == theirs.transforms.end()) continue;
    match.transforms.push_back(*found);
    return true;
  }
  return false;
}

std::expected<Match, Mismatch> match_proposal(const Proposal& theirs, const WantedLists& ours,
                                              const Rules& rules) {
  Match match;
  std::optional<TransformType> missing;
  std::size_t matched = 0;
  for (std::size_t place = 0; place < rank_order.size(); ++place) {
    const TransformType type = rank_order[place];
    if (!belongs_to(type, rules.protocol) || (type == ke && rules.ke_ignored)) continue;
    if (match_type(theirs, ours[place], type, rules.is_answer, place, match)) {
      ++matched;
    } else if (!missing) {
      missing = type;
    }
  }
  for (const Transform& transform : theirs.transforms) {
    //= rfc7296#3.3.6-6 rfc7296#3.3.3-1
    if (!missing && !belongs_to(transform.type, rules.protocol)) missing = transform.type;
  }
  if (missing) return std::unexpected{Mismatch{*missing, matched}};
  std::ranges::sort(match.transforms, {}, &Transform::type);
  return match;
}

struct Selected {
  const Proposal* proposal = nullptr;
  Match match;
};

constexpr std::size_t listed_max = 16;

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < listed_max; ++i) {
    if (i > 0) text += ", ";
    text += names[i];
  }
  return names.size() > listed_max ? text + ", ..." : text;
}

NoChoice explain(const Proposal& theirs, const Offer& ours, TransformType missing,
                 const Rules& rules) {
  std::vector<std::string> our_names;
  for (const Wanted& wanted : wanted_of(ours, missing, rules)) {
    our_names.push_back(algorithm_text(missing, wanted.id, wanted.key_bits));
  }
  std::vector<std::string> their_names;
  for (const Transform& transform : theirs.transforms) {
    if (transform.type == missing) their_names.push_back(algorithm_text(transform));
  }
  return {missing, our_names.empty() ? "nothing" : list_of(our_names),
          their_names.empty() ? "nothing" : list_of(their_names)};
}

std::string_view protocol_name(ProtocolId protocol) {
  if (protocol == ProtocolId::ike) return "an IKE proposal";
  return protocol == ProtocolId::ah ? "an AH proposal" : "an ESP proposal";
}

//= rfc7296#2.7-1 rfc7296#2.7-3 rfc7296#3.3.4-5..6 rfc7296#3.3.6-1..2 rfc7296#3.14-2
std::expected<Selected, NoChoice> select(const wire::SaPayload& theirs, const Offers& ours,
                                         Rules rules) {
  if (rules.protocol != ProtocolId::ike && !ours.empty()) rules.protocol = ours.front().protocol;
  NoChoice nearest{encr, std::string{protocol_name(rules.protocol)}, "none with a valid SPI"};
  std::optional<std::size_t> nearest_matched;
  for (const Offer& offer : ours) {
    if ((offer.protocol == ProtocolId::ike) != (rules.protocol == ProtocolId::ike)) continue;
    rules.protocol = offer.protocol;
    const WantedLists wanted = wanted_lists(offer, rules);
    std::optional<Selected> best;
    for (const Proposal& proposal : theirs.proposals) {
      //= rfc7296#2.7-2
      if (proposal.protocol != rules.protocol || !has_valid_spi(proposal)) continue;
      auto match = match_proposal(proposal, wanted, rules);
      if (match && (!best || match->rank < best->match.rank)) {
        best = Selected{&proposal, std::move(*match)};
      } else if (!match && (!nearest_matched || match.error().matched > *nearest_matched)) {
        nearest_matched = match.error().matched;
        nearest = explain(proposal, offer, match.error().missing, rules);
      }
    }
    if (best) return std::move(*best);
  }
  return std::unexpected{std::move(nearest)};
}

std::uint16_t picked(const Match& match, TransformType type) {
  const auto place = std::ranges::find(rank_order, type) - rank_order.begin();
  return match.picked[static_cast<std::size_t>(place)].id;
}

crypto::CipherSuite cipher_of(const Match& match, ProtocolId protocol) {
  const auto integrity = static_cast<crypto::IntegId>(picked(match, integ));
  if (protocol == ProtocolId::ah) return {crypto::EncrId::null, 0, integrity};
  return {static_cast<crypto::EncrId>(match.picked[0].id), match.picked[0].key_bits, integrity};
}

template <class Suite>
//= rfc7296#3.3.1-3 rfc7296#3.3.6-4
Choice<Suite> make_choice(Suite suite, Selected selected) {
  const Proposal& theirs = *selected.proposal;
  return {
      suite, theirs.spi,
      Proposal{theirs.number, theirs.protocol, theirs.spi, std::move(selected.match.transforms)}};
}

std::expected<Choice<IkeSuite>, NoChoice> select_ike(const wire::SaPayload& theirs,
                                                     const Offers& ours, const Rules& rules) {
  auto selected = select(theirs, ours, rules);
  if (!selected) return std::unexpected{std::move(selected).error()};
  const Match& match = selected->match;
  const IkeSuite suite{cipher_of(match, ProtocolId::ike),
                       static_cast<crypto::PrfId>(picked(match, prf)),
                       static_cast<crypto::KeGroup>(picked(match, ke))};
  return make_choice(suite, std::move(*selected));
}

std::expected<Choice<ChildSuite>, NoChoice> select_child(const wire::SaPayload& theirs,
                                                         const Offers& ours, const Rules& rules) {
  auto selected = select(theirs, ours, rules);
  if (!selected) return std::unexpected{std::move(selected).error()};
  const Match& match = selected->match;
  const ChildSuite suite{cipher_of(match, selected->proposal->protocol),
                         static_cast<crypto::KeGroup>(picked(match, ke)), picked(match, esn) == 1};
  return make_choice(suite, std::move(*selected));
}

std::optional<NoChoice> refuse_count(const wire::SaPayload& answer) {
  //= rfc7296#2.7-3 rfc7296#3.3.6-5
  if (answer.proposals.size() == 1) return std::nullopt;
  return NoChoice{encr, "exactly one proposal", std::to_string(answer.proposals.size())};
}

}  // namespace

std::expected<Choice<IkeSuite>, NoChoice> choose_ike(const wire::SaPayload& theirs,
                                                     const Offers& ours,
                                                     crypto::KeGroup preferred_ke) {
  return select_ike(theirs, ours, {ProtocolId::ike, preferred_ke});
}

std::expected<Choice<ChildSuite>, NoChoice> choose_child(const wire::SaPayload& theirs,
                                                         const Offers& ours,
                                                         crypto::KeGroup preferred_ke,
                                                         bool in_ike_auth) {
  return select_child(theirs, ours, {ProtocolId::esp, preferred_ke, in_ike_auth});
}

std::expected<Choice<IkeSuite>, NoChoice> accept_ike(const wire::SaPayload& answer,
                                                     const Offers& ours) {
  if (auto refusal = refuse_count(answer)) return std::unexpected{std::move(*refusal)};
  return select_ike(answer, ours, {ProtocolId::ike, std::nullopt, false, true});
}

std::expected<Choice<ChildSuite>, NoChoice> accept_child(const wire::SaPayload& answer,
                                                         const Offers& ours, bool in_ike_auth) {
  if (auto refusal = refuse_count(answer)) return std::unexpected{std::move(*refusal)};
  return select_child(answer, ours, {ProtocolId::esp, std::nullopt, in_ike_auth, true});
}

}  // namespace caponier::policy

#include "explain/offers.h"

#include <algorithm>
#include <array>
#include <utility>

#include "policy/algorithm_names.h"

namespace caponier::explain {

using enum wire::TransformType;
using wire::Proposal;
using wire::Transform;
using wire::TransformType;

namespace {

constexpr std::array types = {encr, integ, prf, ke, esn};

std::vector<std::string> names_of(const Proposal& proposal, TransformType type) {
  std::vector<std::string> names;
  for (const Transform& transform : proposal.transforms) {
    if (transform.type != type) continue;
    // "None" says what absence says (RFC 7296 s3.3.3).
    const bool is_none = transform.id == 0 && transform.attributes.empty();
    names.push_back(is_none && type != esn ? "none" : policy::algorithm_text(transform));
  }
  if (names.empty()) names.emplace_back(type == esn ? "noesn" : "none");
  return names;
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

bool share(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::ranges::any_of(
      a, [&](const std::string& name) { return std::ranges::find(b, name) != b.end(); });
}

std::vector<Gap> gaps_between(const Proposal& ours, const Proposal& theirs, bool with_ke) {
  std::vector<Gap> gaps;
  for (const TransformType type : types) {
    if (type == ke && !with_ke) continue;
    const auto a = names_of(ours, type);
    const auto b = names_of(theirs, type);
    if (!share(a, b)) gaps.push_back({type, join(a), join(b)});
  }
  return gaps;
}

void append(std::string& text, std::string_view word) {
  if (!text.empty()) text += '-';
  text += word;
}

template <class T>
void keep_first(std::vector<T>& list) {
  if (list.size() > 1) list.erase(list.begin() + 1, list.end());
}

/// One algorithm of each type, the first that can be configured.
std::optional<std::string> reduced_text(const Proposal& proposal, wire::ProtocolId protocol,
                                        policy::Compat compat) {
  std::string text;
  for (const TransformType type : {encr, integ, prf, ke, esn}) {
    const auto of_type = [&](const Transform& one) { return one.type == type && one.id != 0; };
    if (std::ranges::none_of(proposal.transforms, of_type)) continue;
    // Either way with sequence numbers is what nothing said means.
    const auto is_short = [](const Transform& one) { return one.type == esn && one.id == 0; };
    if (type == esn && std::ranges::any_of(proposal.transforms, is_short)) continue;
    bool is_found = false;
    for (const Transform& transform : proposal.transforms) {
      if (!of_type(transform)) continue;
      const std::string word = policy::algorithm_text(transform);
      const std::string longer = text.empty() ? word : text + "-" + word;
      const policy::AlgorithmName* const name = policy::find_algorithm(word);
      const bool is_sound = name != nullptr && (name->refusal.empty() ||
                                                (name->compat && compat == policy::Compat::legacy));
      if (!is_sound) continue;
      text = longer;
      is_found = true;
      break;
    }
    // Without extended sequence numbers is always possible.
    if (!is_found && type != esn) return std::nullopt;
  }
  if (!policy::parse_offer(text, protocol, compat)) return std::nullopt;
  return text;
}

}  // namespace

std::optional<Difference> compare(const policy::Offers& ours, const wire::SaPayload& theirs,
                                  bool with_ke) {
  const wire::SaPayload sent = policy::to_wire(ours, {}, with_ke);
  std::optional<Difference> nearest;
  for (std::size_t i = 0; i < sent.proposals.size(); ++i) {
    for (std::size_t j = 0; j < theirs.proposals.size(); ++j) {
      if (sent.proposals[i].protocol != theirs.proposals[j].protocol) continue;
      auto gaps = gaps_between(sent.proposals[i], theirs.proposals[j], with_ke);
      if (nearest && nearest->gaps.size() <= gaps.size()) continue;
      nearest = Difference{std::move(gaps), i, j};
    }
  }
  return nearest;
}

std::string config_text(const policy::Offer& offer) {
  std::string text;
  for (const policy::Encryption& one : offer.encryption) {
    append(text, policy::algorithm_text(encr, static_cast<std::uint16_t>(one.id), one.key_bits));
  }
  for (const auto one : offer.integrity) {
    append(text, policy::algorithm_text(integ, static_cast<std::uint16_t>(one), 0));
  }
  for (const auto one : offer.prf) {
    append(text, policy::algorithm_text(prf, static_cast<std::uint16_t>(one), 0));
  }
  for (const auto one : offer.ke) {
    append(text, policy::algorithm_text(ke, static_cast<std::uint16_t>(one), 0));
  }
  // Extended sequence numbers are what nothing said means, but alone.
  const bool is_plain = offer.esn.empty() || offer.esn == std::vector<bool>{true, false};
  if (!is_plain) {
    for (const bool one : offer.esn) append(text, one ? "esn" : "noesn");
  }
  return text;
}

policy::Offer first_choice(const policy::Offer& offer) {
  policy::Offer first = offer;
  keep_first(first.encryption);
  keep_first(first.integrity);
  keep_first(first.prf);
  keep_first(first.ke);
  return first;
}

std::optional<Adoptable> find_adoptable(const wire::SaPayload& theirs, wire::ProtocolId protocol) {
  for (const auto compat : {policy::Compat::none, policy::Compat::legacy}) {
    for (const Proposal& proposal : theirs.proposals) {
      if (proposal.protocol != protocol) continue;
      if (auto text = reduced_text(proposal, protocol, compat)) {
        return Adoptable{std::move(*text), compat == policy::Compat::legacy};
      }
    }
  }
  return std::nullopt;
}

}  // namespace caponier::explain

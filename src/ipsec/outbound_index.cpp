#include "ipsec/outbound_index.h"

#include <algorithm>
#include <ranges>
#include <set>

#include "ipsec/spd.h"

namespace caponier::ipsec {

namespace {

/// The longest prefix that holds all of the selector's addresses.
base::Prefix covering_prefix(const policy::TrafficSelector& selector) {
  unsigned length = 0;
  const unsigned bits = selector.first.bit_count();
  while (length < bits && selector.first.bit(length) == selector.last.bit(length)) ++length;
  return {selector.first.with_low_bits(length, false), length};
}

std::set<base::Prefix> prefixes_of(const Sa& sa) {
  std::set<base::Prefix> prefixes;
  for (const auto& selector : sa.params.remote) prefixes.insert(covering_prefix(selector));
  return prefixes;
}

/// What has been found so far; each kind by its own rule of age.
struct Found {
  std::optional<policy::ResourceId> own;
  Sa* sending = nullptr;
  Sa* receiving = nullptr;
  Sa* stopped = nullptr;

  void consider(Sa& sa) {
    if (sa.is_expired) {
      if (stopped == nullptr || sa.rank > stopped->rank) stopped = &sa;
    } else if (!sa.sends) {
      if (receiving == nullptr || sa.rank < receiving->rank) receiving = &sa;
    } else if (sending == nullptr || order(sa) > order(*sending)) {
      sending = &sa;
    }
  }
  /// The higher, the better.
  [[nodiscard]] std::pair<int, std::uint64_t> order(const Sa& sa) const {
    const auto& resource = sa.params.resource;
    return {resource ? (resource == own ? 2 : 0) : 1, sa.rank};
  }
  [[nodiscard]] Sa* best() const {
    if (sending != nullptr) return sending;
    return receiving != nullptr ? receiving : stopped;
  }
};

}  // namespace

std::size_t OutboundIndex::HashAddress::operator()(const base::IpAddress& address) const {
  const base::Bytes bytes = address.bytes();
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint32_t)) {
    sum = (sum ^ base::load_be<std::uint32_t>(bytes.data() + at)) * 0x9e3779b97f4a7c15;
    sum ^= sum >> 32;
  }
  return static_cast<std::size_t>(sum);
}

void OutboundIndex::add(Sa& sa) {
  sa.rank = ++added_;
  if (sa.params.resource) ++bound_;
  Child& child = children_[{sa.params.connection, sa.params.child}];
  for (const base::Prefix& prefix : prefixes_of(sa)) {
    child[{prefix.address.family(), prefix.length}][prefix.address].push_back(&sa);
  }
}

void OutboundIndex::remove(const Sa& sa) {
  if (sa.params.resource) --bound_;
  const auto child = children_.find({sa.params.connection, sa.params.child});
  if (child == children_.end()) return;
  for (const base::Prefix& prefix : prefixes_of(sa)) {
    const auto of_length = child->second.find({prefix.address.family(), prefix.length});
    if (of_length == child->second.end()) continue;
    const auto sas = of_length->second.find(prefix.address);
    if (sas == of_length->second.end()) continue;
    std::erase(sas->second, &sa);
    if (sas->second.empty()) of_length->second.erase(sas);
    if (of_length->second.empty()) child->second.erase(of_length);
  }
  if (child->second.empty()) children_.erase(child);
}

Sa* OutboundIndex::find(const ChildName& child, const wire::PacketSelectorFields& packet) const {
  const auto found_child = children_.find(child);
  if (found_child == children_.end()) return nullptr;
  Found found{.own = own_};
  for (const auto& [length, by_prefix] : found_child->second) {
    if (length.first != packet.destination.family()) continue;
    const auto sas = by_prefix.find(packet.destination.with_low_bits(length.second, false));
    if (sas == by_prefix.end()) continue;
    for (Sa* const sa : std::views::reverse(sas->second)) {
      if (!is_outbound_match(sa->params.local, sa->params.remote, packet)) continue;
      found.consider(*sa);
      if (found.sending == sa && bound_ == 0) break;
    }
  }
  return found.best();
}

bool OutboundIndex::has_successor(const Sa& sa) const {
  const auto child = children_.find({sa.params.connection, sa.params.child});
  if (child == children_.end() || sa.params.remote.empty()) return false;
  const base::Prefix prefix = covering_prefix(sa.params.remote.front());
  const auto of_length = child->second.find({prefix.address.family(), prefix.length});
  if (of_length == child->second.end()) return false;
  const auto sas = of_length->second.find(prefix.address);
  if (sas == of_length->second.end()) return false;
  return std::ranges::any_of(sas->second, [&](const Sa* other) {
    return other->rank > sa.rank && other->sends && !other->is_expired &&
           other->params.resource == sa.params.resource && other->params.local == sa.params.local &&
           other->params.remote == sa.params.remote;
  });
}

}  // namespace caponier::ipsec

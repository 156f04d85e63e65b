#pragma once
// The SAs of each child by where they lead. A gateway for road warriors has thousands of one child,
// each to another address: a packet is compared only with those whose selectors share a prefix with
// its destination.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ipsec/notices.h"
#include "ipsec/sa.h"
#include "wire/ip.h"

namespace caponier::ipsec {

/// Borrows the SAs: each must be removed before it ends.
class OutboundIndex {
 public:
  /// `own`: the resource whose traffic this is about.
  explicit OutboundIndex(std::optional<policy::ResourceId> own = std::nullopt) : own_(own) {}
  void add(Sa& sa);
  void remove(const Sa& sa);

  /// The SA of the child whose selectors match: sending ones first, of these as Engine::install()
  /// says, then of those that only receive the oldest, to install which the peer has had the most
  /// time, then stopped ones. Null when there is none.
  [[nodiscard]] Sa* find(const ChildName& child, const wire::PacketSelectorFields& packet) const;
  /// Whether a newer SA of the same selectors and resource sends in place of this one.
  [[nodiscard]] bool has_successor(const Sa& sa) const;

 private:
  struct HashChildName {
    std::size_t operator()(const ChildName& name) const {
      const std::hash<std::string> hash;
      return hash(name.first) * 31 + hash(name.second);
    }
  };
  struct HashAddress {
    std::size_t operator()(const base::IpAddress& address) const;
  };
  using Sas = std::vector<Sa*>;  ///< the oldest first
  using ByPrefix = std::unordered_map<base::IpAddress, Sas, HashAddress>;
  /// By the family and the length of prefixes, of which there are few.
  using Child = std::map<std::pair<base::Family, unsigned>, ByPrefix>;

  std::unordered_map<ChildName, Child, HashChildName> children_;
  std::optional<policy::ResourceId> own_;
  std::uint64_t added_ = 0;
  std::size_t bound_ = 0;  ///< SAs that are for a resource
};

}  // namespace caponier::ipsec

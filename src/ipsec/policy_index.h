#pragma once
// First match among many ordered policies at a cost that hardly depends on their number: for each
// address family a few trees, each of which cuts the space of packets along one dimension after the
// other until few policies are left to compare (as HiCuts and EffiCuts do).
//
// That policies overlap is resolved here once, not for each packet (RFC 4301 appendix B calls it
// decorrelation): what an earlier policy covers altogether is left out of every leaf.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"

namespace caponier::ipsec {

template <class T>
struct Interval {
  T first{};
  T last{};
  friend bool operator==(const Interval&, const Interval&) = default;
};

/// The port of a packet that has none to see, in every interval of ports that means "any".
inline constexpr std::uint32_t opaque_port = 0x10000;

/// Which directions a pair or a lookup is about.
inline constexpr std::uint8_t outbound_bit = 1;
inline constexpr std::uint8_t inbound_bit = 2;

/// One local and one remote selector of a policy, as seen by a packet that leaves us.
struct PolicyPair {
  std::array<Interval<base::IpAddress>, 2> addresses;  ///< source, destination; of one family
  std::array<Interval<std::uint32_t>, 3> numbers;      ///< source port, destination port, protocol
  std::uint8_t directions = outbound_bit | inbound_bit;
  std::uint32_t policy = 0;  ///< its place in the order
};

/// What a lookup compares; a packet that arrives has its two ends exchanged.
struct PolicyKey {
  std::array<base::IpAddress, 2> addresses;
  std::array<std::uint32_t, 3> numbers{};
  std::uint8_t direction = outbound_bit;
};

/// `Address` is an unsigned integer as wide as the family's addresses.
template <class Address>
class PolicyTree {
 public:
  struct Rule {
    std::array<Interval<Address>, 2> addresses;
    std::array<Interval<std::uint32_t>, 3> numbers;
    std::uint32_t policy = 0;
    std::uint8_t directions = 0;
    bool is_last = false;  ///< of its leaf
  };
  struct Key {
    std::array<Address, 5> values;
    std::uint8_t direction;
  };

  /// `rules` in the order of their policies. At most `copies_max` of each on average.
  PolicyTree(std::vector<Rule> rules, std::size_t copies_max);

  /// The first policy that matches, if it comes before `best`; else `best`.
  [[nodiscard]] std::uint32_t find(const Key& key, std::uint32_t best) const;
  [[nodiscard]] std::uint32_t first_policy() const { return first_policy_; }
  [[nodiscard]] std::size_t copies() const { return leaves_.size(); }

 private:
  template <class>
  friend class PolicyTreeBuilder;

  /// Child number (value - base) >> shift; packets beyond the last one match nothing here.
  struct Node {
    Address base;
    std::uint32_t first_child = 0;
    std::uint32_t child_count = 0;
    std::uint8_t dimension = 0;
    std::uint8_t shift = 0;
  };
  static constexpr std::uint32_t leaf_bit = 0x80000000;
  static constexpr std::uint32_t nothing = 0x7fffffff;

  std::vector<Node> nodes_;
  std::vector<std::uint32_t> children_;  ///< a node, a leaf with leaf_bit, or nothing
  std::vector<Rule> leaves_;
  std::uint32_t root_ = nothing;
  std::uint32_t first_policy_ = UINT32_MAX;
};

__extension__ using AddressV6 = unsigned __int128;
using AddressV4 = std::uint32_t;

class PolicyIndex {
 public:
  static constexpr std::uint32_t no_policy = UINT32_MAX;

  /// `pairs` in the order of their policies.
  void build(std::span<const PolicyPair> pairs, std::size_t copies_max);
  [[nodiscard]] std::uint32_t find(const PolicyKey& key) const;
  /// Pairs held, each as often as it is.
  [[nodiscard]] std::size_t copies() const;

 private:
  std::vector<PolicyTree<AddressV4>> v4_;  ///< by their first policies
  std::vector<PolicyTree<AddressV6>> v6_;
};

}  // namespace caponier::ipsec

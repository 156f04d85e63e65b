#include "ipsec/policy_index.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/bytes.h"

namespace caponier::ipsec {

namespace {

constexpr std::size_t dimensions = 5;
/// As many are compared one after the other rather than told apart.
constexpr std::size_t leaf_rules = 8;
/// One cut makes at most so many children of each rule, and of all together.
constexpr std::size_t children_per_rule = 2;
constexpr std::size_t children_max = std::size_t{1} << 16;
constexpr std::size_t copies_per_cut = 2;
constexpr unsigned depth_max = 32;
/// Fewer rules than this share one tree.
constexpr std::size_t partition_min = 16;
/// A rule is wide that covers more than this part of the different addresses there are.
constexpr std::size_t wide_part = 16;

template <class Address>
Address to_number(const base::IpAddress& address);

template <>
AddressV4 to_number(const base::IpAddress& address) {
  return address.v4_value();
}
template <>
AddressV6 to_number(const base::IpAddress& address) {
  const std::byte* const at = address.bytes().data();
  return AddressV6{base::load_be<std::uint64_t>(at)} << 64 | base::load_be<std::uint64_t>(at + 8);
}

/// 1 or 0, to be combined without a branch.
template <class T>
unsigned lies_in(T value, const Interval<T>& interval) {
  return static_cast<T>(value - interval.first) <= static_cast<T>(interval.last - interval.first)
             ? 1U
             : 0U;
}

template <class Address>
unsigned width_of(Address value) {
  unsigned bits = 0;
  for (; value != 0; value >>= 1) ++bits;
  return bits;
}

}  // namespace

/// Makes the tree; lives no longer than that.
template <class Address>
class PolicyTreeBuilder {
 public:
  using Tree = PolicyTree<Address>;
  using Rule = typename Tree::Rule;
  using Region = std::array<Interval<Address>, dimensions>;
  using List = std::vector<std::uint32_t>;  ///< of rules, in their order

  PolicyTreeBuilder(Tree& tree, const std::vector<Rule>& rules, std::size_t copies_max)
      : tree_(tree), rules_(rules), room_(rules.size() * (copies_max > 1 ? copies_max - 1 : 0)) {}

  std::uint32_t build(List list, const Region& region, unsigned depth) {
    drop_covered(list, region);
    if (list.empty()) return Tree::nothing;
    if (list.size() <= leaf_rules || depth >= depth_max) return make_leaf(list);
    const auto cut = choose_cut(list, region);
    if (!cut) return make_leaf(list);
    room_ -= cut->cost;
    return make_node(list, region, *cut, depth);
  }

 private:
  struct Cut {
    std::size_t dimension = 0;
    Interval<Address> hull;
    unsigned shift = 0;
    std::size_t children = 0;
    std::size_t cost = 0;  ///< more rules and children than before
    double list_size = 0;  ///< of the leaf in which a rule finds itself, on average
  };

  static Interval<Address> range(const Rule& rule, std::size_t dimension) {
    if (dimension < 2) return rule.addresses[dimension];
    const auto& numbers = rule.numbers[dimension - 2];
    return {numbers.first, numbers.last};
  }
  static Interval<Address> clipped(const Rule& rule, std::size_t dimension, const Region& region) {
    const Interval<Address> whole = range(rule, dimension);
    return {std::max(whole.first, region[dimension].first),
            std::min(whole.last, region[dimension].last)};
  }

  /// What an earlier rule covers in the whole region is never reached there.
  void drop_covered(List& list, const Region& region) const {
    std::uint8_t covered = 0;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Rule& rule = rules_[list[i]];
      bool is_cover = true;
      for (std::size_t d = 0; d < dimensions; ++d) {
        const Interval<Address> whole = range(rule, d);
        is_cover = is_cover && whole.first <= region[d].first && region[d].last <= whole.last;
      }
      if (is_cover) covered |= rule.directions;
      if (covered == (outbound_bit | inbound_bit)) return list.resize(i + 1);
    }
  }

  std::uint32_t make_leaf(const List& list) {
    const auto at = static_cast<std::uint32_t>(tree_.leaves_.size());
    for (const std::uint32_t number : list) tree_.leaves_.push_back(rules_[number]);
    tree_.leaves_.back().is_last = true;
    return at | Tree::leaf_bit;
  }

  std::optional<Cut> choose_cut(const List& list, const Region& region) {
    std::optional<Cut> best;
    for (std::size_t d = 0; d < dimensions; ++d) {
      const auto cut = cut_along(d, list, region);
      if (cut && (!best || cut->list_size < best->list_size)) best = cut;
    }
    // Not worth a step unless a tenth is gained.
    if (best && best->list_size * 10 > static_cast<double>(list.size()) * 9) return std::nullopt;
    return best;
  }

  /// As fine as it may be without too many copies.
  std::optional<Cut> cut_along(std::size_t dimension, const List& list, const Region& region) {
    Cut cut;
    cut.dimension = dimension;
    cut.hull = clipped(rules_[list.front()], dimension, region);
    for (const std::uint32_t number : list) {
      const auto part = clipped(rules_[number], dimension, region);
      cut.hull.first = std::min(cut.hull.first, part.first);
      cut.hull.last = std::max(cut.hull.last, part.last);
    }
    const Address width = cut.hull.last - cut.hull.first;
    if (width == 0) return std::nullopt;
    const std::size_t wanted = std::min(children_max, list.size() * children_per_rule);
    const unsigned bits = width_of(width);
    unsigned fan_bits = width_of(static_cast<std::uint32_t>(wanted - 1));
    for (fan_bits = std::min(fan_bits, bits); fan_bits > 0; --fan_bits) {
      cut.shift = bits - fan_bits;
      cut.children = static_cast<std::size_t>(width >> cut.shift) + 1;
      if (measure(cut, list, region)) return cut;
    }
    return std::nullopt;
  }

  /// False when the cut takes too much.
  bool measure(Cut& cut, const List& list, const Region& region) {
    std::size_t copies = 0;
    const std::size_t copies_max = list.size() * copies_per_cut;
    starts_.assign(cut.children + 1, 0);
    for (const std::uint32_t number : list) {
      const auto [first, last] = children_of(cut, rules_[number], region);
      copies += last - first + 1;
      if (copies > copies_max) return false;
      ++starts_[first];
      --starts_[last + 1];
    }
    cut.cost = copies - list.size() + cut.children / children_per_rule;
    if (cut.cost > room_) return false;
    double squares = 0;
    std::int64_t count = 0;
    for (std::size_t i = 0; i < cut.children; ++i) {
      count += starts_[i];
      squares += static_cast<double>(count) * static_cast<double>(count);
    }
    cut.list_size = squares / static_cast<double>(copies);
    return true;
  }

  static std::pair<std::size_t, std::size_t> children_of(const Cut& cut, const Rule& rule,
                                                         const Region& region) {
    const auto part = clipped(rule, cut.dimension, region);
    return {static_cast<std::size_t>((part.first - cut.hull.first) >> cut.shift),
            static_cast<std::size_t>((part.last - cut.hull.first) >> cut.shift)};
  }

  std::uint32_t make_node(const List& list, const Region& region, const Cut& cut, unsigned depth) {
    std::vector<List> parts(cut.children);
    for (const std::uint32_t number : list) {
      const auto [first, last] = children_of(cut, rules_[number], region);
      for (std::size_t i = first; i <= last; ++i) parts[i].push_back(number);
    }
    const auto at = static_cast<std::uint32_t>(tree_.nodes_.size());
    const auto first_child = static_cast<std::uint32_t>(tree_.children_.size());
    tree_.nodes_.push_back({cut.hull.first, first_child, static_cast<std::uint32_t>(cut.children),
                            static_cast<std::uint8_t>(cut.dimension),
                            static_cast<std::uint8_t>(cut.shift)});
    tree_.children_.resize(first_child + cut.children, Tree::nothing);
    for (std::size_t i = 0; i < cut.children;) {
      // Neighbours with the same rules are one.
      std::size_t end = i + 1;
      while (end < cut.children && parts[end] == parts[i]) ++end;
      Region inner = region;
      inner[cut.dimension] = extent(cut, i, end);
      const std::uint32_t child = build(std::move(parts[i]), inner, depth + 1);
      std::fill_n(tree_.children_.begin() + static_cast<std::ptrdiff_t>(first_child + i), end - i,
                  child);
      i = end;
    }
    return at;
  }

  static Interval<Address> extent(const Cut& cut, std::size_t begin, std::size_t end) {
    const Address first = cut.hull.first + (static_cast<Address>(begin) << cut.shift);
    if (end == cut.children) return {first, cut.hull.last};
    const auto behind =
        static_cast<Address>(cut.hull.first + (static_cast<Address>(end) << cut.shift));
    return {first, static_cast<Address>(behind - 1)};
  }

  Tree& tree_;
  const std::vector<Rule>& rules_;
  std::size_t room_;
  std::vector<std::int64_t> starts_;
};

template <class Address>
PolicyTree<Address>::PolicyTree(std::vector<Rule> rules, std::size_t copies_max) {
  if (rules.empty()) return;
  first_policy_ = rules.front().policy;
  typename PolicyTreeBuilder<Address>::Region region;
  for (std::size_t d = 0; d < dimensions; ++d) {
    region[d] = {0, d < 2 ? static_cast<Address>(~Address{0}) : Address{opaque_port}};
  }
  typename PolicyTreeBuilder<Address>::List all(rules.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint32_t>(i);
  PolicyTreeBuilder<Address> builder{*this, rules, copies_max};
  root_ = builder.build(std::move(all), region, 0);
}

template <class Address>
std::uint32_t PolicyTree<Address>::find(const Key& key, std::uint32_t best) const {
  std::uint32_t at = root_;
  while ((at & leaf_bit) == 0) {
    if (at == nothing) return best;
    const Node& node = nodes_[at];
    const Address child =
        static_cast<Address>(key.values[node.dimension] - node.base) >> node.shift;
    if (child >= node.child_count) return best;
    at = children_[node.first_child + static_cast<std::uint32_t>(child)];
  }
  for (const Rule* rule = &leaves_[at & ~leaf_bit];; ++rule) {
    if (rule->policy >= best) return best;
    const unsigned is_match = lies_in(key.values[0], rule->addresses[0]) &
                              lies_in(key.values[1], rule->addresses[1]) &
                              lies_in(static_cast<std::uint32_t>(key.values[2]), rule->numbers[0]) &
                              lies_in(static_cast<std::uint32_t>(key.values[3]), rule->numbers[1]) &
                              lies_in(static_cast<std::uint32_t>(key.values[4]), rule->numbers[2]) &
                              ((rule->directions & key.direction) != 0 ? 1U : 0U);
    if (is_match != 0) return rule->policy;
    if (rule->is_last) return best;
  }
}

namespace {

/// Which of the rules cover a great part of all the addresses of one end: cutting along them would
/// only copy such a rule.
template <class Rule>
std::vector<bool> find_wide(const std::vector<Rule>& rules, std::size_t end) {
  using Address = decltype(rules.front().addresses[end].first);
  std::vector<std::remove_cvref_t<Address>> firsts;
  for (const Rule& rule : rules) firsts.push_back(rule.addresses[end].first);
  std::ranges::sort(firsts);
  firsts.erase(std::ranges::unique(firsts).begin(), firsts.end());
  std::vector<bool> wide;
  for (const Rule& rule : rules) {
    const auto from = std::ranges::lower_bound(firsts, rule.addresses[end].first);
    const auto to = std::ranges::upper_bound(firsts, rule.addresses[end].last);
    const auto covered = static_cast<std::size_t>(to - from);
    wide.push_back(covered * wide_part > firsts.size());
  }
  return wide;
}

template <class Address>
std::vector<PolicyTree<Address>> make_trees(std::vector<typename PolicyTree<Address>::Rule> rules,
                                            std::size_t copies_max) {
  using Rule = typename PolicyTree<Address>::Rule;
  std::array<std::vector<Rule>, 4> parts;
  if (rules.size() < partition_min) {
    parts[0] = std::move(rules);
  } else {
    const auto wide_source = find_wide(rules, 0);
    const auto wide_destination = find_wide(rules, 1);
    for (std::size_t i = 0; i < rules.size(); ++i) {
      parts[(wide_source[i] ? 1U : 0U) + (wide_destination[i] ? 2U : 0U)].push_back(rules[i]);
    }
  }
  std::vector<PolicyTree<Address>> trees;
  for (auto& part : parts) {
    if (!part.empty()) trees.emplace_back(std::move(part), copies_max);
  }
  std::ranges::sort(trees, {}, &PolicyTree<Address>::first_policy);
  return trees;
}

template <class Address>
typename PolicyTree<Address>::Rule to_rule(const PolicyPair& pair) {
  typename PolicyTree<Address>::Rule rule;
  for (std::size_t i = 0; i < 2; ++i) {
    rule.addresses[i] = {to_number<Address>(pair.addresses[i].first),
                         to_number<Address>(pair.addresses[i].last)};
  }
  rule.numbers = pair.numbers;
  rule.policy = pair.policy;
  rule.directions = pair.directions;
  return rule;
}

template <class Address>
std::uint32_t find_in(const std::vector<PolicyTree<Address>>& trees, const PolicyKey& key) {
  const typename PolicyTree<Address>::Key values{
      {to_number<Address>(key.addresses[0]), to_number<Address>(key.addresses[1]), key.numbers[0],
       key.numbers[1], key.numbers[2]},
      key.direction};
  std::uint32_t best = PolicyIndex::no_policy;
  for (const auto& tree : trees) {
    if (tree.first_policy() >= best) break;
    best = tree.find(values, best);
  }
  return best;
}

}  // namespace

void PolicyIndex::build(std::span<const PolicyPair> pairs, std::size_t copies_max) {
  std::vector<PolicyTree<AddressV4>::Rule> v4;
  std::vector<PolicyTree<AddressV6>::Rule> v6;
  for (const PolicyPair& pair : pairs) {
    if (pair.addresses[0].first.is_v4()) {
      v4.push_back(to_rule<AddressV4>(pair));
    } else {
      v6.push_back(to_rule<AddressV6>(pair));
    }
  }
  v4_ = make_trees<AddressV4>(std::move(v4), copies_max);
  v6_ = make_trees<AddressV6>(std::move(v6), copies_max);
}

std::uint32_t PolicyIndex::find(const PolicyKey& key) const {
  return key.addresses[0].is_v4() ? find_in(v4_, key) : find_in(v6_, key);
}

std::size_t PolicyIndex::copies() const {
  std::size_t sum = 0;
  for (const auto& tree : v4_) sum += tree.copies();
  for (const auto& tree : v6_) sum += tree.copies();
  return sum;
}

}  // namespace caponier::ipsec

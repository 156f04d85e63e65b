#pragma once
// A hash table in one piece of memory: open addressing with linear probing, at most half full, and
// no gaps left by removal. For keys that a peer cannot choose.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace caponier::ipsec {

/// `Key` is a base::Strong number; `Value` is a pointer or alike whose empty state means "none".
template <class Key, class Value>
class FlatTable {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }

  /// The value, or an empty one.
  [[nodiscard]] const Value& find(Key key) const {
    static const Value none{};
    if (slots_.empty()) return none;
    return slots_[slot_of(key)].value;
  }
  [[nodiscard]] bool contains(Key key) const { return static_cast<bool>(find(key)); }

  /// Brings what find(key) reads into the cache.
  [[gnu::always_inline]] void prefetch(Key key) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[home_of(key)]);
  }

  /// `key` is not in the table, `value` not empty.
  void insert(Key key, Value value) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    slots_[slot_of(key)] = {key, std::move(value)};
    ++size_;
  }

  /// Takes the value out; empty when there was none.
  Value remove(Key key) {
    if (slots_.empty()) return {};
    std::size_t gap = slot_of(key);
    if (!slots_[gap].value) return {};
    Value removed = std::exchange(slots_[gap].value, Value{});
    --size_;
    // What stands behind moves into the gap, unless it would then stand before its home.
    for (std::size_t at = next(gap); slots_[at].value; at = next(at)) {
      const std::size_t home = home_of(slots_[at].key);
      if (((at - home) & mask()) < ((at - gap) & mask())) continue;
      slots_[gap] = std::exchange(slots_[at], Slot{});
      gap = at;
    }
    return removed;
  }

 private:
  struct Slot {
    Key key{};
    Value value{};
  };

  static constexpr std::size_t slots_min = 16;

  [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }
  [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & mask(); }
  [[nodiscard]] std::size_t home_of(Key key) const {
    constexpr std::uint64_t factor = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio
    return static_cast<std::size_t>((key.value * factor) >> shift_);
  }
  /// Where the key is, or would be.
  [[nodiscard]] std::size_t slot_of(Key key) const {
    std::size_t at = home_of(key);
    while (slots_[at].value && slots_[at].key != key) at = next(at);
    return at;
  }
  void grow() {
    std::vector<Slot> old = std::exchange(slots_, {});
    slots_.resize(old.empty() ? slots_min : 2 * old.size());
    shift_ = static_cast<unsigned>(64 - std::bit_width(mask()));
    for (Slot& slot : old) {
      if (slot.value) slots_[slot_of(slot.key)] = std::move(slot);
    }
  }

  std::vector<Slot> slots_;  ///< a power of two, or none
  std::size_t size_ = 0;
  unsigned shift_ = 0;
};

}  // namespace caponier::ipsec

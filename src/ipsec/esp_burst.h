#pragma once
// The stages of a burst: all its packets go through one before any enters the next.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace caponier::ipsec {

/// Packets, of any SAs, that go through the stages together, at most.
inline constexpr std::size_t burst_packets_max = 256;
/// A key is fetched into the cache this many packets before its turn.
inline constexpr std::size_t key_distance = 3;
/// And so is what workers have in common of its SA.
inline constexpr std::size_t common_distance = 4;

enum class BurstStage : std::uint8_t { parse, policy, association, headers, crypto, unwrap, count };

/// Nobody looks how a burst goes through its stages. Who does has the same function, which is
/// called when all packets have passed one.
struct Unwatched {
  void passed(BurstStage) {}
};

/// What one stage leaves for the next; allocated once.
template <class T>
class Stage {
 public:
  Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  void clear() { count_ = 0; }
  /// At most burst_packets_max times between two clear(). What it returns may hold anything.
  [[nodiscard]] T& add() { return first_[count_++]; }
  /// What add() would return; nothing is added before take().
  [[nodiscard]] T& next() { return first_[count_]; }
  void take() { ++count_; }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] T& operator[](std::size_t index) { return first_[index]; }
  [[nodiscard]] std::span<T> all() { return {first_, count_}; }

 private:
  std::unique_ptr<T[]> items_ = std::make_unique<T[]>(burst_packets_max);
  T* first_ = items_.get();
  std::size_t count_ = 0;
};

}  // namespace caponier::ipsec

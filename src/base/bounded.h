#pragma once
// Containers that cannot grow without a named limit.

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

namespace caponier::base {

/// First in, first out, at most `limit` elements.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t limit) : limit_(limit) {}

  /// False, and nothing changed, when the queue is full.
  [[nodiscard]] bool push(T value) {
    if (queue_.size() >= limit_) return false;
    queue_.push_back(std::move(value));
    return true;
  }
  /// Makes room by discarding the oldest element; true when one was discarded.
  bool push_dropping_oldest(T value) {
    const bool dropped = queue_.size() >= limit_;
    if (dropped) queue_.pop_front();
    queue_.push_back(std::move(value));
    return dropped;
  }
  [[nodiscard]] std::optional<T> pop() {
    if (queue_.empty()) return std::nullopt;
    std::optional<T> value{std::move(queue_.front())};
    queue_.pop_front();
    return value;
  }
  [[nodiscard]] std::size_t size() const { return queue_.size(); }
  [[nodiscard]] bool empty() const { return queue_.empty(); }
  [[nodiscard]] auto begin() const { return queue_.begin(); }
  [[nodiscard]] auto end() const { return queue_.end(); }
  void clear() { queue_.clear(); }

 private:
  std::size_t limit_;
  std::deque<T> queue_;
};

}  // namespace caponier::base

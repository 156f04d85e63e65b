#include "ike/fragments.h"

#include <algorithm>
#include <utility>

namespace caponier::ike {

using base::DropReason;

namespace {
/// A fragment costs more than its content.
constexpr std::size_t overhead = 64;
std::size_t cost_of(const Unsealed& piece) { return piece.chain.size() + piece.outer.size(); }
}  // namespace

bool FragmentBudget::take(std::size_t size, bool is_stranger) {
  const std::size_t limit = is_stranger ? size_max_ / 2 : size_max_;
  if (used_ + size > limit) return false;
  used_ += size;
  return true;
}

std::optional<DropReason> FragmentAssembler::objection(const FragmentKey& key,
                                                       FragmentNumbers numbers) const {
  //= rfc7383#2.6-1
  if (numbers.number == 0 || numbers.number > numbers.total) return DropReason::ike_bad_fragment;
  if (numbers.total > limits_.fragments_per_message_max) return DropReason::ike_fragment_limit;
  const auto set = sets_.find(key);
  if (set == sets_.end()) return std::nullopt;
  if (numbers.total < set->second.total) return DropReason::ike_bad_fragment;
  if (numbers.total > set->second.total) return std::nullopt;
  //= rfc7383#2.6-2
  if (set->second.pieces.contains(numbers.number)) return DropReason::ike_duplicate;
  return std::nullopt;
}

std::expected<std::optional<FragmentAssembler::Message>, DropReason> FragmentAssembler::add(
    const FragmentKey& key, FragmentNumbers numbers, Unsealed piece, std::size_t datagram_size,
    bool is_stranger, base::Instant now) {
  // s2.6: the sender has cut the message anew, into smaller pieces.
  const auto old = sets_.find(key);
  if (old != sets_.end() && old->second.total < numbers.total) discard(old);

  const std::size_t size = cost_of(piece);
  if (!make_room(key, size, is_stranger)) {
    forget(key);
    return std::unexpected{DropReason::ike_fragment_limit};
  }
  Set& set = sets_[key];
  if (set.pieces.empty()) set.started_at = now;
  set.total = numbers.total;
  set.bytes += size;
  bytes_ += size;
  set.datagram_size_max = std::max(set.datagram_size_max, datagram_size);
  set.pieces.emplace(numbers.number, std::move(piece));
  if (set.pieces.size() < set.total) return std::nullopt;

  const auto done = sets_.find(key);
  budget_.give_back(done->second.bytes + overhead * done->second.pieces.size());
  bytes_ -= done->second.bytes;
  Message message = join(std::move(done->second));
  sets_.erase(done);
  return message;
}

bool FragmentAssembler::make_room(const FragmentKey& key, std::size_t size, bool is_stranger) {
  while (bytes_ + size > limits_.fragment_bytes_per_ike_max) {
    auto oldest = sets_.end();
    for (auto set = sets_.begin(); set != sets_.end(); ++set) {
      if (set->first == key) continue;
      if (oldest == sets_.end() || set->second.started_at < oldest->second.started_at) oldest = set;
    }
    if (oldest == sets_.end()) return false;
    discard(oldest);
  }
  return budget_.take(size + overhead, is_stranger);
}

FragmentAssembler::Message FragmentAssembler::join(Set set) {
  Message message{std::move(set.pieces.begin()->second), set.datagram_size_max, set.total};
  // The header of the whole message would name the SK payload, not the fragment's.
  if (message.inside.outer_first == wire::PayloadType::skf) {
    message.inside.outer_first = wire::PayloadType::sk;
  }
  for (auto piece = std::next(set.pieces.begin()); piece != set.pieces.end(); ++piece) {
    base::append(message.inside.chain, piece->second.chain);
  }
  return message;
}

void FragmentAssembler::discard(Sets::iterator set) {
  budget_.give_back(set->second.bytes + overhead * set->second.pieces.size());
  bytes_ -= set->second.bytes;
  sets_.erase(set);
}

void FragmentAssembler::forget(const FragmentKey& key) {
  const auto set = sets_.find(key);
  if (set != sets_.end()) discard(set);
}

void FragmentAssembler::clear() {
  while (!sets_.empty()) discard(sets_.begin());
}

std::optional<base::Instant> FragmentAssembler::next_expiry() const {
  std::optional<base::Instant> next;
  for (const auto& [key, set] : sets_) {
    const base::Instant at = set.started_at + limits_.fragment_lifetime;
    if (!next || at < *next) next = at;
  }
  return next;
}

std::size_t FragmentAssembler::expire(base::Instant now) {
  std::size_t count = 0;
  for (auto set = sets_.begin(); set != sets_.end();) {
    const auto next = std::next(set);
    if (set->second.started_at + limits_.fragment_lifetime <= now) {
      discard(set);
      ++count;
    }
    set = next;
  }
  return count;
}

}  // namespace caponier::ike

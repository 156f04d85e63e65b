#include "ike/windows.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace caponier::ike {

bool wants_quiet(const Wish& wish) {
  return std::holds_alternative<WantFarewell>(wish) || std::holds_alternative<WantIkeRekey>(wish);
}

bool wants_quiet(const Sent& sent) {
  if (const auto* const notice = std::get_if<SentInformational>(&sent)) return notice->is_farewell;
  return std::holds_alternative<SentInit>(sent) || std::holds_alternative<SentAuth>(sent) ||
         std::holds_alternative<IkeCreation>(sent) ||
         std::holds_alternative<SentIntermediate>(sent) || std::holds_alternative<SentSync>(sent);
}

// ---- Ours

bool OwnWindow::has_room_for(const Wish& next) const {
  if (requests_.empty()) return true;
  //= rfc7296#2.3-6
  const std::uint64_t end = std::uint64_t{requests_.begin()->first.value} + size_;
  if (next_id_.value >= end || wants_quiet(next)) return false;
  return std::ranges::none_of(requests_,
                              [](const auto& entry) { return wants_quiet(entry.second.what); });
}

bool OwnWindow::is_exhausted() const {
  return next_id_.value == std::numeric_limits<std::uint32_t>::max();
}

InFlight& OwnWindow::add(InFlight request) {
  request.id = next_id_;
  ++next_id_.value;
  return requests_.insert_or_assign(request.id, std::move(request)).first->second;
}

InFlight& OwnWindow::add_outside(InFlight request) {
  request.id = {};
  return requests_.insert_or_assign(request.id, std::move(request)).first->second;
}

InFlight* OwnWindow::find(base::MessageId id) {
  const auto found = requests_.find(id);
  return found == requests_.end() ? nullptr : &found->second;
}

const InFlight* OwnWindow::find(base::MessageId id) const {
  const auto found = requests_.find(id);
  return found == requests_.end() ? nullptr : &found->second;
}

std::optional<InFlight> OwnWindow::take(base::MessageId id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return std::nullopt;
  std::optional<InFlight> request{std::move(found->second)};
  requests_.erase(found);
  return request;
}

OwnWindow::Requests OwnWindow::take_all() { return std::exchange(requests_, {}); }

const InFlight* OwnWindow::next_due() const {
  const auto first = std::ranges::min_element(
      requests_, {}, [](const auto& entry) { return entry.second.resend_at; });
  return first == requests_.end() ? nullptr : &first->second;
}

// ---- The peer's

PeerWindow::Verdict PeerWindow::judge(base::MessageId id) const {
  if (received_.contains(id.value)) return Verdict::repeated;
  const bool is_inside = id.value >= next_ && id.value < next_ + size_;
  return is_inside ? Verdict::fresh : Verdict::outside;
}

void PeerWindow::accept(base::MessageId id) {
  received_.try_emplace(id.value);
  while (received_.contains(next_)) ++next_;
  //= rfc7296#2.1-4 rfc7296#2.3-8
  // s2.3: the answers to the last requests of a whole window are kept.
  while (!received_.empty() && received_.begin()->first + size_ < next_) {
    received_.erase(received_.begin());
  }
}

void PeerWindow::set_answer(base::MessageId id, SealedMessage message) {
  const auto found = received_.find(id.value);
  if (found != received_.end()) found->second = Answer{std::move(message)};
}

PeerWindow::Answer* PeerWindow::find_answer(base::MessageId id) {
  const auto found = received_.find(id.value);
  const bool is_there = found != received_.end() && !found->second.message.datagrams.empty();
  return is_there ? &found->second : nullptr;
}

bool PeerWindow::has_answers() const {
  return std::ranges::any_of(
      received_, [](const auto& entry) { return !entry.second.message.datagrams.empty(); });
}

std::uint64_t PeerWindow::end_of_seen() const {
  return received_.empty() ? next_ : std::max(next_, received_.rbegin()->first + 1);
}

void PeerWindow::restart_at(base::MessageId next) {
  received_.clear();
  next_ = next.value;
}

}  // namespace caponier::ike

#include "explain/history.h"

#include <algorithm>
#include <utility>

namespace caponier::explain {

namespace {

/// The same failure once more.
bool is_same(const Failure& known, const policy::Evidence& seen, const Diagnosis& diagnosis) {
  return known.seen.symptom == seen.symptom && known.seen.child == seen.child &&
         known.seen.we_asked == seen.we_asked && known.diagnosis.code == diagnosis.code &&
         known.diagnosis.certainty == diagnosis.certainty &&
         known.diagnosis.cause == diagnosis.cause;
}

}  // namespace

void History::note(policy::Evidence seen, const config::PeerConfig* peer,
                   const config::Config* config, base::Instant now) {
  Failures& failures = records_[seen.connection];
  std::vector<const policy::Evidence*> before;
  for (const Failure& failure : failures) before.push_back(&failure.seen);
  Diagnosis diagnosis = diagnose(seen, {peer, config, before});
  const auto known = std::ranges::find_if(
      failures, [&](const Failure& failure) { return is_same(failure, seen, diagnosis); });
  if (known != failures.end()) {
    if (std::exchange(known->is_past, false)) {
      known->first = now;
      known->times = 0;
    }
    known->seen = std::move(seen);
    known->diagnosis = std::move(diagnosis);
    known->last = now;
    ++known->times;
    failures.splice(failures.begin(), failures, known);
    return;
  }
  failures.push_front({std::move(seen), std::move(diagnosis), now, now, 1, false});
  ++size_;
  if (failures.size() > failures_per_peer_max) {
    failures.pop_back();
    --size_;
  }
  if (size_ > failures_max) drop_oldest();
}

void History::drop_oldest() {
  const auto oldest = std::ranges::min_element(
      records_, {}, [](const auto& record) { return record.second.back().last; });
  oldest->second.pop_back();
  --size_;
  if (oldest->second.empty()) records_.erase(oldest);
}

void History::note_success(const std::string& peer, const std::string& child, bool is_renewal) {
  const auto found = records_.find(peer);
  if (found == records_.end()) return;
  for (Failure& failure : found->second) {
    const bool is_of_renewal = failure.seen.is_rekey || failure.seen.has_key_exchange;
    if (is_of_renewal && !is_renewal) continue;
    if (failure.seen.child.empty() || failure.seen.child == child) failure.is_past = true;
  }
}

void History::note_change(const std::string& peer) {
  const auto found = records_.find(peer);
  if (found == records_.end()) return;
  for (Failure& failure : found->second) failure.is_past = true;
}

void History::forget(const std::string& peer) {
  const auto found = records_.find(peer);
  if (found == records_.end()) return;
  size_ -= found->second.size();
  records_.erase(found);
}

std::vector<const Failure*> History::of(const std::string& peer) const {
  std::vector<const Failure*> failures;
  const auto found = records_.find(peer);
  if (found == records_.end()) return failures;
  for (const Failure& failure : found->second) failures.push_back(&failure);
  return failures;
}

const Failure* History::current(const std::string& peer) const {
  const auto found = records_.find(peer);
  if (found == records_.end()) return nullptr;
  const Failures& failures = found->second;
  const auto newest =
      std::ranges::find_if(failures, [](const Failure& failure) { return !failure.is_past; });
  if (newest == failures.end()) return nullptr;
  const Failure* best = &*newest;
  for (const Failure& failure : failures) {
    const bool is_beside = !failure.is_past && failure.last >= newest->first;
    if (is_beside && failure.diagnosis.certainty < best->diagnosis.certainty) best = &failure;
  }
  return best;
}

}  // namespace caponier::explain

#include "ike/twins.h"

#include <algorithm>

#include "ike/ike_sa.h"
#include "ike/uniqueness.h"

namespace caponier::ike {

using base::Instant;

namespace {

bool is_lasting(const IkeSa& sa) { return sa.state() == IkeState::established && !sa.is_retired(); }

}  // namespace

std::vector<IkeSa*> Twins::all() const {
  auto found = siblings_of(sa_, sa_.shared_);
  std::erase_if(found, [](const IkeSa* sibling) { return !sibling->established_at_; });
  return found;
}

std::optional<Instant> Twins::newer_since() const {
  std::optional<Instant> newest;
  for (const IkeSa* const twin : all()) {
    const bool is_newer =
        twin->state_ == IkeState::established && *twin->established_at_ > *sa_.established_at_;
    if (is_newer && (!newest || *twin->established_at_ > *newest)) newest = twin->established_at_;
  }
  return newest;
}

bool Twins::has_lasting() const {
  return std::ranges::any_of(all(), [](const IkeSa* twin) { return is_lasting(*twin); });
}

std::optional<Instant> Twins::ready_at() const {
  std::optional<Instant> ready;
  for (const IkeSa* const twin : all()) {
    if (!is_lasting(*twin)) continue;
    for (const auto& [id, child] : twin->children_) {
      const bool is_awaited = std::ranges::any_of(sa_.children_, [&](const auto& entry) {
        return entry.second.sends && entry.second.info.name == child.info.name;
      });
      if (is_awaited && child.sends_at && (!ready || *child.sends_at > *ready)) {
        ready = child.sends_at;
      }
    }
  }
  return ready;
}

void Twins::yield() {
  for (const IkeSa* const twin : all()) {
    if (!is_lasting(*twin)) continue;
    for (auto& [id, child] : sa_.children_) {
      const bool is_carried = std::ranges::any_of(twin->children_, [&](const auto& entry) {
        return entry.second.sends && entry.second.info.name == child.info.name;
      });
      if (is_carried) sa_.switch_child(child, false);
    }
  }
}

void Twins::relieve(const std::string& child) {
  if (!is_lasting(sa_)) return;
  for (IkeSa* const twin : all()) {
    if (is_lasting(*twin)) continue;
    for (auto& [id, other] : twin->children_) {
      if (other.info.name == child) twin->switch_child(other, false);
    }
  }
}

void Twins::keep_another(Instant now) {
  IkeSa* newest = nullptr;
  for (IkeSa* const twin : all()) {
    if (is_lasting(*twin)) return;
    const bool is_there = twin->state_ == IkeState::established && twin->retire_at_ &&
                          *twin->retire_at_ > now && !twin->heir_ && !twin->predecessor_;
    if (is_there && (newest == nullptr ||
                     *newest->lifetimes_.authenticated_at < *twin->lifetimes_.authenticated_at)) {
      newest = twin;
    }
  }
  if (newest != nullptr) Twins{*newest}.keep();
}

void Twins::keep() {
  sa_.retire_at_.reset();
  for (auto& [id, child] : sa_.children_) sa_.switch_child(child, true);
  sa_.touch();
}

}  // namespace caponier::ike

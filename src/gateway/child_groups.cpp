#include "gateway/child_groups.h"

#include <algorithm>
#include <iterator>

namespace caponier::gateway {

using base::Instant;

void ChildGroups::handle_up(UpdownScene scene, Instant now) {
  const config::ChildConfig& config = scene.config;
  if (config.updown.empty() && config.inactivity == base::Duration{}) return;
  const std::string who = scene.ike.remote_id ? scene.ike.remote_id->to_string() : std::string{};
  Key key{scene.peer.name, scene.child.name, who + " " + scene.ike.user, scene.child.local,
          scene.child.remote};
  by_sa_.insert_or_assign(scene.child.id, key);
  const auto [at, is_new] = groups_.try_emplace(key);
  Group& group = at->second;
  group.sas.insert(scene.child.id);
  if (!is_new) {
    const bool is_ending = group.inactivity > base::Duration{} && !group.timer;
    if (is_ending) arm(key, group, now + group.inactivity);
    return;
  }
  group.active = now;
  group.inactivity = config.inactivity;
  if (config.inactivity > base::Duration{}) arm(key, group, now + config.inactivity);
  scene.reqid = ++last_reqid_;
  group.ups = make_updown(scene);
  std::ranges::copy(group.ups, std::back_inserter(runs_));
}

void ChildGroups::handle_down(policy::ChildSaId sa, const Workers& workers) {
  const auto found = by_sa_.find(sa);
  if (found == by_sa_.end()) return;
  const auto at = groups_.find(found->second);
  by_sa_.erase(found);
  if (at == groups_.end()) return;
  Group& group = at->second;
  note_traffic(group, sa, workers);
  group.sas.erase(sa);
  if (!group.sas.empty()) return;
  arm(at->first, group, std::nullopt);
  say_down(group);
  groups_.erase(at);
}

void ChildGroups::say_down(const Group& group) {
  // What was done first is undone last.
  for (auto up = group.ups.rbegin(); up != group.ups.rend(); ++up) runs_.push_back(as_down(*up));
}

void ChildGroups::end_all() {
  for (const auto& [key, group] : groups_) say_down(group);
  groups_.clear();
  by_sa_.clear();
  timers_.clear();
}

std::vector<IdleGroup> ChildGroups::handle_deadline(Instant now, const Workers& workers) {
  std::vector<IdleGroup> idle;
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const Key key = timers_.begin()->second;
    Group& group = groups_.at(key);
    for (const policy::ChildSaId sa : group.sas) note_traffic(group, sa, workers);
    if (group.active + group.inactivity > now) {
      arm(key, group, group.active + group.inactivity);
      continue;
    }
    arm(key, group, std::nullopt);
    idle.push_back({std::get<0>(key),
                    std::get<1>(key),
                    group.inactivity,
                    {group.sas.begin(), group.sas.end()}});
  }
  return idle;
}

std::optional<base::Deadline> ChildGroups::poll_deadline() const {
  if (timers_.empty()) return std::nullopt;
  return base::Deadline{timers_.begin()->first, "a tunnel may be idle"};
}

std::optional<RunUpdown> ChildGroups::poll_run() {
  if (runs_.empty()) return std::nullopt;
  std::optional<RunUpdown> first{std::move(runs_.front())};
  runs_.pop_front();
  return first;
}

void ChildGroups::note_traffic(Group& group, policy::ChildSaId sa, const Workers& workers) {
  const auto counters = workers.counters(sa);
  if (!counters) return;
  group.active = std::max({group.active, counters->last_in.value_or(group.active),
                           counters->last_out.value_or(group.active)});
}

void ChildGroups::arm(const Key& key, Group& group, std::optional<Instant> at) {
  if (group.timer) timers_.erase({*group.timer, key});
  group.timer = at;
  if (at) timers_.emplace(*at, key);
}

}  // namespace caponier::gateway

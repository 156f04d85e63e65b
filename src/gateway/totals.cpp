#include "gateway/totals.h"

namespace caponier::gateway {

void Totals::handle_installed(policy::ChildSaId id, const std::string& connection,
                              const std::string& child) {
  Child& entry = connections_[connection][child];
  entry.living.insert(id);
  by_sa_[id] = &entry;
}

void Totals::handle_removed(policy::ChildSaId id, const Workers& workers) {
  const auto found = by_sa_.find(id);
  if (found == by_sa_.end()) return;
  Child& child = *found->second;
  if (const auto last = workers.counters(id)) add(child.retired, *last);
  child.living.erase(id);
  by_sa_.erase(found);
}

void Totals::forget(const std::string& connection) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return;
  for (const auto& [name, child] : found->second) {
    for (const policy::ChildSaId id : child.living) by_sa_.erase(id);
  }
  connections_.erase(found);
}

std::vector<ChildTraffic> Totals::of(const std::string& connection, const Workers& workers) const {
  std::vector<ChildTraffic> children;
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return children;
  for (const auto& [name, child] : found->second) {
    ChildTraffic& entry = children.emplace_back(name, child.living.size(), child.retired);
    for (const policy::ChildSaId id : child.living) {
      if (const auto counters = workers.counters(id)) add(entry.total, *counters);
    }
  }
  return children;
}

}  // namespace caponier::gateway

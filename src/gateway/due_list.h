#pragma once
// When each of many has its deadline, and whose is first.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace caponier::gateway {

class DueList {
 public:
  /// Null: it has none any more.
  void set(const std::string& name, std::optional<base::Instant> at) {
    const auto known = due_.find(name);
    if (known != due_.end()) {
      if (at == known->second) return;
      order_.erase({known->second, name});
      due_.erase(known);
    }
    if (!at) return;
    due_.emplace(name, *at);
    order_.emplace(*at, name);
  }
  /// Empty: nobody has one.
  [[nodiscard]] std::string first() const {
    return order_.empty() ? std::string{} : order_.begin()->second;
  }
  [[nodiscard]] std::vector<std::string> until(base::Instant now) const {
    std::vector<std::string> names;
    for (const auto& [at, name] : order_) {
      if (at > now) break;
      names.push_back(name);
    }
    return names;
  }

 private:
  std::map<std::string, base::Instant> due_;
  std::set<std::pair<base::Instant, std::string>> order_;
};

}  // namespace caponier::gateway

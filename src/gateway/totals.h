#pragma once
// What each child of a connection has carried since the daemon began, whatever SAs it had.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/gateway.h"
#include "gateway/workers.h"

namespace caponier::gateway {

class Totals {
 public:
  void handle_installed(policy::ChildSaId id, const std::string& connection,
                        const std::string& child);
  /// To be called before the SA goes; what it carried stays with its child.
  void handle_removed(policy::ChildSaId id, const Workers& workers);
  /// The connection is no longer configured.
  void forget(const std::string& connection);
  /// Ordered by name; every child that has had an SA.
  [[nodiscard]] std::vector<ChildTraffic> of(const std::string& connection,
                                             const Workers& workers) const;

 private:
  struct Child {
    ipsec::SaCounters retired;
    std::set<policy::ChildSaId> living;
  };
  std::map<std::string, std::map<std::string, Child>> connections_;
  std::map<policy::ChildSaId, Child*> by_sa_;
};

}  // namespace caponier::gateway

#pragma once
// One tunnel as people see it, whatever Child SAs it has at a time: those that replace each other,
// those of an IKE SA made anew, those of workers. Its script runs when the first is up and when the
// last is gone; what all of them have carried says whether it is idle.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/time.h"
#include "gateway/updown.h"
#include "gateway/workers.h"

namespace caponier::gateway {

/// To be ended: it has carried nothing for too long.
struct IdleGroup {
  std::string connection;
  std::string child;
  base::Duration idle{};
  std::vector<policy::ChildSaId> sas;
};

class ChildGroups {
 public:
  /// `scene.reqid` is ours to choose.
  void handle_up(UpdownScene scene, base::Instant now);
  /// To be called before the SA goes.
  void handle_down(policy::ChildSaId sa, const Workers& workers);
  /// All of them, now: the process ends, and whether the peers answer to that is another matter.
  void end_all();

  [[nodiscard]] std::vector<IdleGroup> handle_deadline(base::Instant now, const Workers& workers);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  [[nodiscard]] std::optional<RunUpdown> poll_run();
  [[nodiscard]] std::size_t size() const { return groups_.size(); }

 private:
  using Key = std::tuple<std::string, std::string, std::string, policy::TrafficSelectors,
                         policy::TrafficSelectors>;  ///< connection, child, peer, selectors
  struct Group {
    std::set<policy::ChildSaId> sas;
    std::vector<RunUpdown> ups;
    base::Duration inactivity{};
    base::Instant active;  ///< as far as is known
    std::optional<base::Instant> timer;
  };

  static void note_traffic(Group& group, policy::ChildSaId sa, const Workers& workers);
  void arm(const Key& key, Group& group, std::optional<base::Instant> at);
  void say_down(const Group& group);

  std::map<Key, Group> groups_;
  std::map<policy::ChildSaId, Key> by_sa_;
  std::set<std::pair<base::Instant, Key>> timers_;
  std::deque<RunUpdown> runs_;
  std::uint64_t last_reqid_ = 0;
};

}  // namespace caponier::gateway

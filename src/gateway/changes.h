#pragma once
// What has become of IKE SAs and their children, with how they were just then: for those who watch.

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ike/endpoint.h"
#include "ipsec/engine.h"

namespace caponier::gateway {

/// Changes that nobody has fetched; behind these, the newest are lost and counted.
inline constexpr std::size_t changes_max = 16384;

/// An IKE SA, and the counters of each of its children in their order.
struct SaStatus {
  ike::IkeSaInfo ike;
  std::vector<ipsec::SaCounters> counters;
};

struct ChildChange {
  ike::ChildSaInfo sa;
  ipsec::SaCounters counters;
};

struct SaChange {
  enum class Kind : std::uint8_t {
    ike_up,
    ike_rekeyed,
    ike_moved,  ///< perhaps: addresses may be others than before
    ike_down,
    ike_failed,  ///< it was never up
    child_up,
    child_rekeyed,
    child_down,
    child_failed,  ///< there is no `child`, and perhaps no `sa` either
  };

  Kind kind{};
  std::string connection;
  std::string child_name;  ///< empty where no child is meant
  ike::EndReason reason{};
  std::optional<ike::IkeSaInfo> sa;      ///< as it is; one that has ended, as it was
  std::optional<ike::IkeSaInfo> old_sa;  ///< with ike_rekeyed
  std::optional<ChildChange> child;
  std::optional<ChildChange> old_child;  ///< with child_rekeyed
};

class Changes {
 public:
  void set_on(bool on) {
    is_on_ = on;
    if (!on) queue_.clear();
  }
  [[nodiscard]] bool is_on() const { return is_on_; }
  void add(SaChange change) {
    if (queue_.size() >= changes_max) {
      ++lost_;
      return;
    }
    queue_.push_back(std::move(change));
  }
  [[nodiscard]] std::optional<SaChange> poll() {
    if (queue_.empty()) return std::nullopt;
    std::optional<SaChange> first{std::move(queue_.front())};
    queue_.pop_front();
    return first;
  }
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

  // What was rekeyed ends without a word of its own.
  void note_rekeyed(ike::IkeSaId old) { rekeyed_.insert(old); }
  [[nodiscard]] bool take_rekeyed(ike::IkeSaId sa) { return rekeyed_.erase(sa) > 0; }
  void note_rekeyed(policy::ChildSaId old) { rekeyed_children_.insert(old); }
  [[nodiscard]] bool take_rekeyed(policy::ChildSaId sa) { return rekeyed_children_.erase(sa) > 0; }

 private:
  bool is_on_ = false;
  std::deque<SaChange> queue_;
  std::uint64_t lost_ = 0;
  std::set<ike::IkeSaId> rekeyed_;
  std::set<policy::ChildSaId> rekeyed_children_;
};

}  // namespace caponier::gateway

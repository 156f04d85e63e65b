#pragma once
// The failures of each peer, so that the answer exists after the fact: what was seen, what it meant
// then, when and how often. Equal ones are one entry.

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "explain/diagnose.h"

namespace caponier::explain {

inline constexpr std::size_t failures_per_peer_max = 64;
/// Of all peers together, strangers included; the oldest goes.
inline constexpr std::size_t failures_max = 8192;

struct Failure {
  policy::Evidence seen;
  Diagnosis diagnosis;
  base::Instant first, last;
  std::uint64_t times = 1;
  bool is_past = false;  ///< what failed has been up since
};

class History {
 public:
  /// `seen.connection` is the peer; empty: a stranger. `now` never goes back.
  void note(policy::Evidence seen, const config::PeerConfig* peer, const config::Config* config,
            base::Instant now);
  /// The IKE SA, or this child of it, is up: what failed before does not hold any more. But that
  /// new keys of it were refused, only new keys mend (`is_renewal`).
  void note_success(const std::string& peer, const std::string& child, bool is_renewal = false);
  /// The peer is configured otherwise.
  void note_change(const std::string& peer);
  /// It is configured no more.
  void forget(const std::string& peer);

  /// The newest first; strangers under "".
  [[nodiscard]] std::vector<const Failure*> of(const std::string& peer) const;
  /// What keeps the peer down now: the newest, or the surest of those that happen beside it. Null:
  /// nothing has failed since it was last up.
  [[nodiscard]] const Failure* current(const std::string& peer) const;
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  using Failures = std::list<Failure>;  ///< the newest first

  void drop_oldest();

  std::map<std::string, Failures> records_;
  std::size_t size_ = 0;
};

}  // namespace caponier::explain

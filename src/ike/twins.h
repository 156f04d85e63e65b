#pragma once
// Several IKE SAs with one peer for a while, when both sides began one at once or authenticate
// anew (RFC 7296 s2.8, s2.8.3): which of them carries traffic, and which is kept.
//
// Each end judges by what it has seen so far, and the two may come to different ends. Whoever
// deletes first has decided: what the other end would have given up is kept.

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace caponier::ike {

class IkeSa;

class Twins {
 public:
  explicit Twins(IkeSa& sa) : sa_(sa) {}

  /// One that will not be ended is there.
  [[nodiscard]] bool has_lasting() const;
  /// When the newest of those came up that have come up since this one.
  [[nodiscard]] std::optional<base::Instant> newer_since() const;
  /// When lasting ones will send on the children that only this SA still sends on.
  [[nodiscard]] std::optional<base::Instant> ready_at() const;
  /// This one goes: its children send no more where those of a lasting one do. Once the DELETE has
  /// arrived the peer does not receive on them.
  void yield();
  /// A child of this one sends now: those of others that go do not any more.
  void relieve(const std::string& child);
  /// The peer has deleted this one. What was to go for its sake stays.
  void keep_another(base::Instant now);
  /// This one, that was to go, stays.
  void keep();

 private:
  /// The others with the same peer, of the same connection, that are or were established.
  [[nodiscard]] std::vector<IkeSa*> all() const;

  IkeSa& sa_;
};

}  // namespace caponier::ike

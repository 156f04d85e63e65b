#pragma once
// What the tests of rekeying and deletion share: a pair that is up, messages held back and let go
// by hand, and nonces chosen so that the winner of a collision is known.

#include <gtest/gtest.h>

#include <vector>

#include "unit/ike/pair.h"

namespace caponier::ike::test {

inline const std::string peer_a = "to-a.example";
inline const std::string peer_b = "to-b.example";

/// Both ends up, with messages that wait to be delivered by hand.
class Collision : public Pair {
 public:
  Collision() : Collision(test_config()) {}
  explicit Collision(EndpointConfig config, std::uint64_t seed = 1);

  [[nodiscard]] policy::ChildSaId child_of(const Side& side) const;
  void rekey_child_a() { command_a(RekeyChild{child_of(a)}); }
  void rekey_child_b() { command_b(RekeyChild{child_of(b)}); }
  void delete_child_a() { command_a(DeleteChild{child_of(a)}); }
  void delete_child_b() { command_b(DeleteChild{child_of(b)}); }
  void rekey_ike_a() { command_a(RekeyIke{peer_b}); }
  void rekey_ike_b() { command_b(RekeyIke{peer_a}); }

  /// Delivers the oldest message on the wire to B (A). False: there is none.
  bool to_b_now() { return deliver_next(true); }
  bool to_a_now() { return deliver_next(false); }
  /// Loses the oldest message on the wire to B (A).
  void lose_to_b() { (void)take_next(true); }
  void lose_to_a() { (void)take_next(false); }
  /// Everything that is due, and then long enough that nothing lingers.
  void settle() { advance(45s); }
  /// The engines' side: the newest SA that is told to send, of those installed.
  [[nodiscard]] const policy::InstallSa* sender(const Side& side) const;
  /// What `from` would send now, `to` can receive.
  [[nodiscard]] bool carries(const Side& from, const Side& to) const;
  [[nodiscard]] bool carries_both_ways() const { return carries(a, b) && carries(b, a); }

 private:
  [[nodiscard]] std::optional<Datagram> take_next(bool goes_to_b);
  bool deliver_next(bool goes_to_b);
};

}  // namespace caponier::ike::test

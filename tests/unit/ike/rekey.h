#pragma once
// What the tests of rekeying and deletion share: a pair that is up, messages held back and let go
// by hand, and who must win a collision, read from the nonces on the wire.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/ike/pair.h"

namespace caponier::ike::test {

inline const std::string peer_a = "to-a.example";
inline const std::string peer_b = "to-b.example";

/// Both ends up, with messages that wait to be delivered by hand. After each delivery both ends
/// must have a Child SA to send on that the other one can receive.
class Collision : public Pair {
 public:
  explicit Collision(std::uint64_t seed = 1) : Collision(test_config(), seed) {}
  explicit Collision(EndpointConfig config, std::uint64_t seed = 1);

  [[nodiscard]] policy::ChildSaId child_of(const Side& side) const;
  void rekey_child_a() { command_a(RekeyChild{child_of(a)}); }
  void rekey_child_b() { command_b(RekeyChild{child_of(b)}); }
  void delete_child_a() { command_a(DeleteChild{child_of(a)}); }
  void delete_child_b() { command_b(DeleteChild{child_of(b)}); }
  void rekey_ike_a() { command_a(RekeyIke{peer_b}); }
  void rekey_ike_b() { command_b(RekeyIke{peer_a}); }
  void delete_ike_a() { command_a(DeleteIke{peer_b}); }
  void delete_ike_b() { command_b(DeleteIke{peer_a}); }

  /// Delivers the oldest message on the wire to B (A). False: there is none.
  bool next_to_b() { return deliver_next(true); }
  bool next_to_a() { return deliver_next(false); }
  /// Loses the oldest message on the wire to B (A).
  void lose_to_b() { (void)take_next(true); }
  void lose_to_a() { (void)take_next(false); }
  /// Everything on the wire, one by one.
  void finish();
  /// Long enough that everything lost is repeated and nothing lingers.
  void settle();

  /// The engine's choice: the newest SA that sends, or else the oldest that receives.
  [[nodiscard]] const policy::InstallSa* sender(const Side& side) const;
  /// What `from` would send now, `to` can receive.
  [[nodiscard]] bool carries(const Side& from, const Side& to) const;
  [[nodiscard]] bool carries_both_ways() const { return carries(a, b) && carries(b, a); }
  /// The exchange of A must survive: the lowest of the four nonces is in B's.
  [[nodiscard]] bool must_a_win();
  /// The notifies of a message that A or B has sent, newest first.
  [[nodiscard]] bool has_sent(bool by_a, wire::NotifyType type);
  /// Children both know, none lingering.
  [[nodiscard]] std::vector<ChildSaInfo> children(const Side& side) const;

  bool expects_traffic = true;

 private:
  [[nodiscard]] std::optional<Datagram> take_next(bool goes_to_b);
  bool deliver_next(bool goes_to_b);
  void check() const;
};

/// What B could have answered to the request of A with this header.
[[nodiscard]] Datagram refuse(const Pair& pair, Forger& forger, const wire::IkeHeader& request,
                              wire::NotifyType type, const ByteVec& data = {});

}  // namespace caponier::ike::test

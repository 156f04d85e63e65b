// IKE messages larger than the link (RFC 7383): an identity the size of a certificate on a path
// that carries little.

#include <gtest/gtest.h>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

policy::Identity large_identity(char content) {
  return {wire::IdType::key_id, base::ByteVec(4000, static_cast<std::byte>(content))};
}

struct Large {
  explicit Large(std::uint64_t seed, std::size_t mtu) : w(seed), a(w.add()), b(w.add()) {
    Tunnel tunnel = psk_tunnel();
    tunnel.a_starts = true;
    w.connect(a, b, tunnel);
    a.peers.front().local_id = large_identity('a');
    a.peers.front().remote_id = large_identity('b');
    b.peers.front().local_id = large_identity('b');
    b.peers.front().remote_id = large_identity('a');
    w.link(a, b).mtu = mtu;
    w.allow_weather();
    // A set cut anew overtakes the rest of the old one.
    w.allow({base::DropReason::ike_bad_fragment});
  }
  [[nodiscard]] bool comes_up(base::Duration limit) {
    a.start();
    b.start();
    return w.run_until([&] { return a.is_up() && b.is_up(); }, limit);
  }
  TestWorld w;
  Node& a;
  Node& b;
};

TEST(Fragmentation, large_messages_come_through_a_link_of_1280_at_once) {
  Large large{seed_from_env(1), 1280};
  EXPECT_TRUE(large.comes_up(1s));
  large.w.run_until_idle();
}

TEST(Fragmentation, a_link_of_576_carries_them_after_a_few_repetitions) {
  Large large{seed_from_env(1), 576};
  EXPECT_TRUE(large.comes_up(20s));
  EXPECT_TRUE(large.a.has_event(base::EventKind::ike_fragments));
  large.w.run_until_idle();
}

TEST(Fragmentation, loss_reordering_and_duplication_only_delay_them) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Large large{seed, seed % 2 == 0 ? std::size_t{1280} : std::size_t{576}};
    large.w.network().set_quality({.loss = 0.1, .duplicate = 0.2, .reorder = 0.3});
    EXPECT_TRUE(large.comes_up(600s)) << "seed " << seed;
    large.w.network().set_quality({});
    large.w.run_until_idle();
  }
}

}  // namespace
}  // namespace caponier::sim

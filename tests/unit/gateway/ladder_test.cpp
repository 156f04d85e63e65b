#include "gateway/ladder.h"

#include <gtest/gtest.h>

#include "unit/gateway/peers.h"

namespace caponier::gateway {
namespace {

using namespace std::chrono_literals;
using base::Transport;

constexpr base::Instant start{1h};

std::vector<Rung> all_rungs(Ladder& ladder) {
  std::vector<Rung> rungs;
  ladder.begin();
  while (ladder.has_next()) rungs.push_back(ladder.climb(start));
  return rungs;
}

//= rfc9329#5.1-1 type=test
TEST(Ladder, climbs_from_udp_to_tcp_and_from_the_usual_port_to_the_last_resort) {
  Ladder ladder{config::Tcp::fallback, {}};
  EXPECT_EQ(all_rungs(ladder),
            (std::vector{Rung::udp_ike, Rung::udp_natt, Rung::tcp_natt, Rung::tcp_https}));
  EXPECT_EQ(ladder.tried(), "UDP 500, UDP 4500, TCP 4500 and TCP 443");
}

TEST(Ladder, has_the_rungs_the_configuration_allows) {
  Ladder never{config::Tcp::never, {}};
  EXPECT_EQ(all_rungs(never), (std::vector{Rung::udp_ike, Rung::udp_natt}));
  Ladder always{config::Tcp::always, {}};
  EXPECT_EQ(all_rungs(always), (std::vector{Rung::tcp_natt, Rung::tcp_https}));
  Ladder natt_only{config::Tcp::never, {500, 4500, 4500}};
  EXPECT_EQ(all_rungs(natt_only), std::vector{Rung::udp_natt});
}

TEST(Ladder, begins_with_what_worked_last) {
  Ladder ladder{config::Tcp::fallback, {}};
  ladder.note_success(Rung::tcp_natt);
  EXPECT_EQ(all_rungs(ladder),
            (std::vector{Rung::tcp_natt, Rung::udp_ike, Rung::udp_natt, Rung::tcp_https}));
  ladder.note_success(Rung::udp_natt);
  EXPECT_EQ(all_rungs(ladder).front(), Rung::udp_natt);
}

TEST(Ladder, an_answer_gives_its_rung_more_time_and_the_last_rung_has_all_of_it) {
  Ladder ladder{config::Tcp::never, {}};
  ladder.begin();
  (void)ladder.climb(start);
  EXPECT_EQ(ladder.climb_at(), start + rung_patience);
  ladder.handle_answer(start + 1s);
  EXPECT_EQ(ladder.climb_at(), start + 1s + answered_patience);
  (void)ladder.climb(start);
  EXPECT_FALSE(ladder.climb_at());
  ladder.handle_answer(start);
  EXPECT_FALSE(ladder.climb_at());
}

TEST(Ladder, paths_say_their_rung_again) {
  base::SeededRng rng{1};
  const Ladder ladder{config::Tcp::fallback, {500, 4500, 1500}};
  const auto path = [&](Rung rung) {
    return ladder.path_of(rung, address("192.0.2.1"), address("192.0.2.2"), rng);
  };
  for (const Rung rung : {Rung::udp_ike, Rung::udp_natt, Rung::tcp_natt, Rung::tcp_https}) {
    EXPECT_EQ(ladder.rung_of(path(rung)), rung);
  }
  EXPECT_EQ(path(Rung::udp_ike).remote.port, 1500);
  EXPECT_EQ(path(Rung::udp_natt).local.port, 4500);
  EXPECT_EQ(path(Rung::tcp_natt).remote.port, 4500);
  EXPECT_GE(path(Rung::tcp_natt).local.port, 49152);
  EXPECT_NE(path(Rung::tcp_natt).local.port, path(Rung::tcp_natt).local.port);
}

}  // namespace
}  // namespace caponier::gateway

// A peer that is sent to another gateway, or whose gateway has restarted.

#include <gtest/gtest.h>

#include "gateway/peer.h"
#include "unit/gateway/peers.h"

namespace caponier::gateway {
namespace {

using namespace std::chrono_literals;

struct Redirected {
  base::SeededRng rng{1};
  base::Instant now{1h};
  Peer peer;

  explicit Redirected(config::PeerConfig config = site_peer())
      : peer(std::move(config), {500, 4500, 6}, rng, now) {
    peer.handle_deadline(now);
  }
  /// Whoever asks for a turn gets it.
  std::optional<PeerRequest> next_request() {
    auto next = peer.poll_request();
    if (next && std::holds_alternative<AskTurn>(*next)) peer.handle_turn(now);
    return next;
  }
  template <class T>
  std::optional<T> request() {
    while (auto next = next_request()) {
      if (auto* found = std::get_if<T>(&*next)) return *found;
    }
    return std::nullopt;
  }
  std::optional<ike::Initiate> initiation() {
    while (auto next = next_request()) {
      const auto* command = std::get_if<ike::Command>(&*next);
      const auto* found = command == nullptr ? nullptr : std::get_if<ike::Initiate>(command);
      if (found != nullptr) return *found;
    }
    return std::nullopt;
  }
  void redirect(const ike::GatewayName& to) {
    peer.handle(ike::Redirected{{1}, "branch", address("192.0.2.2"), to}, now);
    peer.handle(ike::IkeDown{{1}, "branch", ike::EndReason::redirected, false}, {}, now);
  }
  void fail() {
    peer.handle(ike::IkeDown{{2}, "branch", ike::EndReason::authentication, false}, {}, now);
  }
};

TEST(PeerRedirect, the_next_attempt_goes_to_the_new_gateway_and_says_from_where) {
  Redirected r;
  ASSERT_TRUE(r.initiation());
  r.redirect({address("192.0.2.9"), {}});
  const auto next = r.initiation();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->path.remote.address, address("192.0.2.9"));
  EXPECT_EQ(next->redirected_from, address("192.0.2.2"));
  EXPECT_EQ(r.peer.state(), PeerState::connecting);
}

TEST(PeerRedirect, a_name_is_looked_up_first) {
  Redirected r;
  ASSERT_TRUE(r.initiation());
  r.redirect({{}, "gw2.example.org"});
  const auto lookup = r.request<Lookup>();
  ASSERT_TRUE(lookup);
  EXPECT_EQ(lookup->name, "gw2.example.org");
  r.peer.handle_lookup({address("192.0.2.10")}, r.now);
  const auto next = r.initiation();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->path.remote.address, address("192.0.2.10"));
}

TEST(PeerRedirect, when_the_new_gateway_fails_the_configured_one_is_tried_at_once) {
  Redirected r;
  ASSERT_TRUE(r.initiation());
  r.redirect({address("192.0.2.9"), {}});
  ASSERT_TRUE(r.initiation());
  r.fail();
  ASSERT_EQ(r.peer.poll_deadline()->at, r.now);
  r.peer.handle_deadline(r.now);
  const auto next = r.initiation();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->path.remote.address, address("192.0.2.2"));
  EXPECT_FALSE(next->redirected_from);
}

TEST(PeerRedirect, the_configuration_of_the_connection_does_not_change) {
  Redirected r;
  const auto before = r.peer.connection();
  r.redirect({address("192.0.2.9"), {}});
  EXPECT_EQ(r.peer.connection(), before);
  EXPECT_TRUE(before->follows_redirects);
  Redirected host{host_peer()};
  host.peer.handle_source_address(address("192.0.2.1"), host.now);
  ASSERT_NE(host.peer.connection(), nullptr);
  EXPECT_FALSE(host.peer.connection()->follows_redirects) << "its selectors are its addresses";
}

TEST(PeerRestart, a_proven_restart_is_answered_at_once_but_not_in_a_loop) {
  Redirected r;
  ASSERT_TRUE(r.initiation());
  const auto restart = [&] {
    r.peer.handle(ike::IkeUp{{1}, "branch"}, {}, r.now);
    r.peer.handle(ike::IkeDown{{1}, "branch", ike::EndReason::peer_restarted, true}, {}, r.now);
    return r.peer.poll_deadline()->at;
  };
  EXPECT_EQ(restart(), r.now);
  EXPECT_GT(restart(), r.now) << "twice within seconds is no restart";
  r.now = r.now + 1min;
  EXPECT_EQ(restart(), r.now);
}

TEST(PeerResumption, another_configuration_is_another_credential) {
  config::PeerConfig config = site_peer();
  config.resumption = true;
  base::SeededRng rng{1};
  const Peer one{config, {500, 4500, 6}, rng, {}};
  const Peer other{config, {500, 4500, 6}, rng, {}};
  EXPECT_TRUE(one.connection()->resumption);
  EXPECT_FALSE(one.connection()->credential_tag.empty());
  EXPECT_NE(one.connection()->credential_tag, other.connection()->credential_tag);
}

}  // namespace
}  // namespace caponier::gateway

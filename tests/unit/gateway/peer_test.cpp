#include "gateway/peer.h"

#include <gtest/gtest.h>

#include "unit/gateway/peers.h"

namespace caponier::gateway {
namespace {

using namespace std::chrono_literals;

constexpr ike::IkeSaId sa{1};
constexpr policy::ChildSaId first_child{1};
constexpr policy::ChildSaId second_child{2};

struct Driven {
  base::SeededRng rng{1};
  base::Instant now{1h};
  Peer peer;

  explicit Driven(config::PeerConfig config) : peer(std::move(config), {500, 4500, 6}, rng, now) {}

  /// Whoever asks for a turn gets it.
  std::optional<PeerRequest> next_request() {
    auto next = peer.poll_request();
    if (next && std::holds_alternative<AskTurn>(*next)) peer.handle_turn(now);
    return next;
  }

  /// Until its next deadline, which is then handled.
  void advance() {
    peer.handle_turn(now);
    const auto deadline = peer.poll_deadline();
    ASSERT_TRUE(deadline.has_value());
    now = std::max(now, deadline->at);
    peer.handle_deadline(now);
    peer.handle_turn(now);
  }
  template <class T>
  std::optional<T> request() {
    while (auto next = next_request()) {
      if (auto* found = std::get_if<T>(&*next)) return *found;
    }
    return std::nullopt;
  }
  template <class T>
  std::optional<T> command() {
    while (auto next = next_request()) {
      const auto* found = std::get_if<ike::Command>(&*next);
      if (found == nullptr) continue;
      if (const auto* wanted = std::get_if<T>(found)) return *wanted;
    }
    return std::nullopt;
  }
  void establish(const base::Path& path = {}) {
    peer.handle(ike::IkeUp{sa, peer.config().name}, path, now);
    peer.handle(ike::ChildUp{sa, first_child, peer.config().name, peer.config().name}, now);
  }
  void end_rung(ike::EndReason reason) {
    peer.handle(ike::IkeDown{sa, peer.config().name, reason, false}, {}, now);
  }
  /// Every way to the peer has ended so.
  void fail(ike::EndReason reason) {
    for (int rung = 0; rung < 4; ++rung) {
      end_rung(reason);
      if (peer.next_attempt()) return;
    }
  }
  /// The path of the next initiation.
  std::optional<base::Path> way() {
    const auto initiate = command<ike::Initiate>();
    return initiate ? std::optional{initiate->path} : std::nullopt;
  }
  void lose(ike::EndReason reason) {
    peer.handle(ike::ChildDown{sa, first_child, peer.config().name, peer.config().name, reason},
                now);
    peer.handle(ike::IkeDown{sa, peer.config().name, reason, true}, {}, now);
  }
};

ipsec::Acquire acquire_of(const Driven& d) {
  return {d.peer.config().name, d.peer.config().child().name};
}

TEST(Peer, a_started_tunnel_is_initiated_at_once) {
  Driven d{site_peer()};
  EXPECT_EQ(d.peer.state(), PeerState::connecting);
  d.advance();
  const auto initiate = d.command<ike::Initiate>();
  ASSERT_TRUE(initiate.has_value());
  EXPECT_EQ(initiate->path.local, (base::Endpoint{address("192.0.2.1"), 500}));
  EXPECT_EQ(initiate->path.remote, (base::Endpoint{address("192.0.2.2"), 500}));
}

TEST(Peer, nothing_is_begun_before_its_turn) {
  Driven d{site_peer()};
  d.peer.handle_deadline(d.now);
  while (auto next = d.peer.poll_request()) {
    EXPECT_FALSE(std::holds_alternative<ike::Command>(*next));
  }
  EXPECT_TRUE(d.peer.needs_turn());
  EXPECT_FALSE(d.peer.poll_deadline().has_value());
  d.peer.handle_turn(d.now);
  EXPECT_TRUE(d.command<ike::Initiate>().has_value());
}

TEST(Peer, whoever_is_stopped_while_it_waits_does_not_take_its_turn) {
  Driven d{site_peer()};
  d.peer.handle_deadline(d.now);
  ASSERT_TRUE(d.peer.stop(std::nullopt, d.now));
  d.peer.handle_turn(d.now);
  EXPECT_FALSE(d.command<ike::Initiate>().has_value());
  EXPECT_FALSE(d.peer.needs_turn());
}

TEST(Peer, another_address_of_this_host_ends_a_long_wait) {
  Driven d{site_peer()};
  for (int i = 0; i < 8; ++i) {
    d.advance();
    ASSERT_TRUE(d.command<ike::Initiate>().has_value());
    d.fail(ike::EndReason::timeout);
  }
  ASSERT_GT(*d.peer.next_attempt() - d.now, 30s);
  d.now = d.now + 5s;
  d.peer.handle_local_addresses(d.now);
  EXPECT_TRUE(d.command<ike::Initiate>().has_value());
}

TEST(Peer, a_lost_address_is_replaced_at_once) {
  Driven d{site_peer()};
  d.advance();
  d.establish();
  d.lose(ike::EndReason::address_lost);
  EXPECT_LE(*d.peer.next_attempt(), d.now);
}

TEST(Peer, a_remote_port_of_nat_traversal_is_used_from_ours) {
  config::PeerConfig config = site_peer();
  config.remote_port = 4500;
  Driven d{config};
  d.advance();
  const auto initiate = d.command<ike::Initiate>();
  ASSERT_TRUE(initiate.has_value());
  EXPECT_EQ(initiate->path.local.port, 4500);
  EXPECT_EQ(initiate->path.remote.port, 4500);
}

TEST(Peer, an_unset_local_address_is_asked_for_before_each_attempt) {
  config::PeerConfig config = site_peer();
  config.local.reset();
  Driven d{config};
  d.advance();
  ASSERT_TRUE(d.request<FindSource>().has_value());
  d.peer.handle_source_address(address("192.0.2.9"), d.now);
  EXPECT_EQ(d.command<ike::Initiate>()->path.local.address, address("192.0.2.9"));
  d.fail(ike::EndReason::timeout);
  d.advance();
  EXPECT_TRUE(d.request<FindSource>().has_value());
}

TEST(Peer, without_a_route_to_the_peer_the_attempt_fails_with_a_sentence) {
  config::PeerConfig config = site_peer();
  config.local.reset();
  Driven d{config};
  d.advance();
  d.peer.handle_source_address(std::nullopt, d.now);
  EXPECT_EQ(d.peer.state(), PeerState::down);
  EXPECT_EQ(d.peer.note(), "no route to 192.0.2.2");
}

TEST(Peer, failures_are_repeated_after_pauses_that_double_up_to_the_limit) {
  Driven d{site_peer()};
  base::Duration pause{};
  for (int attempt = 1; attempt <= 12; ++attempt) {
    d.advance();
    ASSERT_TRUE(d.command<ike::Initiate>().has_value());
    d.fail(ike::EndReason::timeout);
    pause = *d.peer.next_attempt() - d.now;
    const base::Duration full = std::min<base::Duration>(60s, 1s * (1 << (attempt - 1)));
    EXPECT_GE(pause, full * 3 / 4);
    EXPECT_LE(pause, full * 5 / 4);
  }
  EXPECT_EQ(d.peer.attempts(), 12u);
  EXPECT_EQ(d.peer.note(), "no answer from 192.0.2.2 on UDP 500, UDP 4500, TCP 4500 and TCP 443");
}

TEST(Peer, up_forgets_the_back_off) {
  Driven d{site_peer()};
  for (int attempt = 0; attempt < 8; ++attempt) {
    d.advance();
    d.fail(ike::EndReason::timeout);
  }
  (void)d.command<ike::DeleteIke>();
  EXPECT_TRUE(d.peer.start(std::nullopt, d.now));
  EXPECT_TRUE(d.command<ike::Initiate>().has_value());
  EXPECT_EQ(d.peer.attempts(), 0u);
}

TEST(Peer, an_attempt_without_an_end_is_given_up) {
  Driven d{site_peer()};
  const base::Instant begin = d.now;
  while (d.now - begin < negotiation_timeout) d.advance();
  EXPECT_EQ(d.peer.state(), PeerState::down);
  EXPECT_EQ(d.peer.note(), "the negotiation did not end in time");
}

TEST(Peer, down_deletes_and_refuses_until_up) {
  Driven d{site_peer()};
  d.advance();
  d.establish();
  d.peer.down(d.now);
  EXPECT_TRUE(d.command<ike::DeleteIke>().has_value());
  EXPECT_FALSE(d.peer.connection());
  EXPECT_TRUE(d.peer.routes().empty());
  EXPECT_TRUE(d.peer.policies().empty());
  EXPECT_FALSE(d.peer.poll_deadline().has_value());
  EXPECT_EQ(d.peer.state(), PeerState::off);
  EXPECT_TRUE(d.peer.start(std::nullopt, d.now));
  EXPECT_TRUE(d.peer.connection());
  EXPECT_FALSE(d.peer.routes().empty());
}

TEST(Peer, an_sa_that_comes_up_after_down_is_deleted) {
  Driven d{site_peer()};
  d.peer.down(d.now);
  (void)d.command<ike::DeleteIke>();
  d.peer.handle(ike::IkeUp{sa, "branch"}, {}, d.now);
  EXPECT_TRUE(d.command<ike::DeleteIke>().has_value());
}

TEST(Peer, routes_stay_while_a_wished_tunnel_is_down) {
  Driven d{site_peer()};
  EXPECT_EQ(d.peer.routes().size(), 2u);
  d.advance();
  d.fail(ike::EndReason::timeout);
  EXPECT_EQ(d.peer.routes().size(), 2u);
}

TEST(Peer, on_demand_waits_for_traffic) {
  config::PeerConfig config = site_peer();
  config.child().start = config::Start::trap;
  Driven d{config};
  EXPECT_EQ(d.peer.state(), PeerState::off);
  EXPECT_FALSE(d.peer.poll_deadline().has_value());
  d.peer.handle_acquire(acquire_of(d), d.now);
  EXPECT_TRUE(d.command<ike::Initiate>().has_value());
}

TEST(Peer, a_host_on_demand_finds_its_address_so_that_traffic_can_ask) {
  config::PeerConfig config = host_peer();
  config.child().start = config::Start::trap;
  Driven d{config};
  EXPECT_TRUE(d.peer.routes().empty());
  d.advance();
  ASSERT_TRUE(d.request<FindSource>().has_value());
  d.peer.handle_source_address(address("192.0.2.1"), d.now);
  EXPECT_EQ(d.peer.routes().size(), 1u);
  EXPECT_EQ(d.peer.state(), PeerState::off);
  EXPECT_FALSE(d.command<ike::Initiate>().has_value());
  d.peer.handle_acquire(acquire_of(d), d.now);
  EXPECT_TRUE(d.request<FindSource>().has_value());
}

TEST(Peer, traffic_that_asks_is_offered_first) {
  config::PeerConfig config = site_peer();
  config.child().start = config::Start::trap;
  Driven d{config};
  const policy::Trigger trigger{{policy::TrafficSelector::any(base::Family::v4)}, {}, false};
  d.peer.handle_acquire({"branch", "branch", trigger}, d.now);
  const auto initiate = d.command<ike::Initiate>();
  ASSERT_TRUE(initiate.has_value());
  EXPECT_EQ(initiate->trigger, trigger);
}

TEST(Peer, on_command_traffic_brings_nothing_up) {
  config::PeerConfig config = site_peer();
  config.child().start = config::Start::on_command;
  Driven d{config};
  d.peer.handle_acquire(acquire_of(d), d.now);
  EXPECT_FALSE(d.command<ike::Initiate>().has_value());
  EXPECT_EQ(d.peer.policies().size(), 1u);
  EXPECT_TRUE(d.peer.start(std::nullopt, d.now));
  EXPECT_TRUE(d.command<ike::Initiate>().has_value());
}

TEST(Peer, traffic_shortens_a_long_pause) {
  Driven d{site_peer()};
  for (int attempt = 0; attempt < 10; ++attempt) {
    d.advance();
    d.fail(ike::EndReason::timeout);
  }
  d.peer.handle_acquire(acquire_of(d), d.now);
  EXPECT_LE(*d.peer.next_attempt() - d.now, acquire_patience);
}

TEST(Peer, a_name_is_resolved_before_each_attempt_and_its_addresses_take_turns) {
  config::PeerConfig config = site_peer();
  config.remote = "branch.example";
  config.remote_address.reset();
  Driven d{config};
  for (const char* expected : {"192.0.2.2", "192.0.2.3", "192.0.2.2"}) {
    d.advance();
    ASSERT_TRUE(d.request<Lookup>().has_value());
    d.peer.handle_lookup({address("192.0.2.2"), address("192.0.2.3")}, d.now);
    EXPECT_EQ(d.command<ike::Initiate>()->path.remote.address, address(expected));
    d.fail(ike::EndReason::timeout);
  }
}

TEST(Peer, a_name_nobody_answers_for_is_a_failure) {
  config::PeerConfig config = site_peer();
  config.remote_address.reset();
  Driven d{config};
  d.advance();
  d.advance();
  EXPECT_EQ(d.peer.state(), PeerState::down);
}

TEST(Peer, a_soft_lifetime_asks_for_a_rekey_and_nothing_else) {
  Driven d{site_peer()};
  d.establish();
  d.peer.handle_expired(first_child, false, d.now);
  EXPECT_EQ(d.command<ike::RekeyChild>()->child_sa, first_child);
  d.peer.handle(ike::ChildUp{sa, second_child, "branch", "branch", first_child}, d.now);
  d.peer.handle(ike::ChildDown{sa, first_child, "branch", "branch", ike::EndReason::replaced},
                d.now);
  EXPECT_FALSE(d.peer.poll_request().has_value());
  EXPECT_FALSE(d.peer.poll_deadline().has_value());
  EXPECT_EQ(d.peer.state(), PeerState::idle);
}

TEST(Peer, a_hard_lifetime_deletes_at_once_and_asks_for_another) {
  Driven d{site_peer()};
  d.establish();
  d.peer.handle_expired(first_child, true, d.now);
  EXPECT_EQ(d.command<ike::DeleteChild>()->child_sa, first_child);
  EXPECT_TRUE(d.command<ike::InitiateChild>().has_value());
}

TEST(Peer, a_missing_child_is_asked_for_again_with_back_off) {
  Driven d{site_peer()};
  d.peer.handle(ike::IkeUp{sa, "branch"}, {}, d.now);
  for (int failures = 1; failures <= 5; ++failures) {
    d.advance();
    ASSERT_TRUE(d.command<ike::InitiateChild>().has_value());
    d.peer.handle(ike::ChildDown{sa, {}, "branch", "branch", ike::EndReason::selectors}, d.now);
    EXPECT_GE(d.peer.poll_deadline()->at - d.now,
              base::Duration{1s} * (1 << (failures - 1)) * 3 / 4);
  }
  EXPECT_EQ(d.peer.note(), "no common networks with the peer (TS_UNACCEPTABLE)");
  EXPECT_EQ(d.peer.state(), PeerState::down);
}

policy::InstallSa negotiated(policy::ChildSaId id, const char* remote) {
  policy::InstallSa made;
  made.id = id;
  made.connection = made.child = "branch";
  made.local = {policy::TrafficSelector::any(base::Family::v4)};
  made.remote = {policy::TrafficSelector::from_prefix(base::Prefix::parse(remote).value())};
  return made;
}

ipsec::Acquire acquire_for(const char* destination) {
  const auto host = [](const char* at) {
    return policy::TrafficSelector::from_prefix(base::Prefix::parse(at).value());
  };
  return {"branch", "branch", {{host("10.1.0.9/32")}, {host(destination)}, false}};
}

TEST(Peer, traffic_that_the_peer_does_not_let_through_is_asked_for_ever_more_seldom) {
  Driven d{site_peer()};
  d.peer.note_installed(negotiated(first_child, "10.2.0.0/16"));
  d.establish();
  base::Duration before{0};
  for (std::uint64_t i = 0; i < 4; ++i) {
    const policy::ChildSaId made{100 + i};
    d.peer.handle_acquire(acquire_for("10.9.0.1/32"), d.now);
    ASSERT_TRUE(d.command<ike::InitiateChild>().has_value()) << i;
    d.peer.handle_acquire(acquire_for("10.9.0.1/32"), d.now);
    EXPECT_FALSE(d.command<ike::InitiateChild>().has_value()) << "one at a time";
    d.peer.note_installed(negotiated(made, "10.2.0.0/16"));
    const auto useless = d.peer.handle(ike::ChildUp{sa, made, "branch", "branch", {}, {}}, d.now);
    ASSERT_TRUE(useless.has_value());
    EXPECT_EQ(useless->destination, address("10.9.0.1"));
    EXPECT_GT(useless->pause, before);
    before = useless->pause;
    EXPECT_EQ(d.command<ike::DeleteChild>()->child_sa, made) << "it is one more of the same";
    d.peer.handle(ike::ChildDown{sa, made, "branch", "branch", ike::EndReason::local_request},
                  d.now);
    d.peer.handle_acquire(acquire_for("10.9.0.1/32"), d.now);
    EXPECT_FALSE(d.command<ike::InitiateChild>().has_value()) << "too early";
    // Others do not have to wait for it.
    d.peer.handle_acquire(acquire_for("10.2.7.1/32"), d.now + useless->pause / 2);
    EXPECT_TRUE(d.command<ike::InitiateChild>().has_value());
    d.now = d.now + useless->pause + negotiation_timeout;
  }
}

TEST(Peer, an_answer_that_holds_the_traffic_that_asked_stays) {
  Driven d{site_peer()};
  d.peer.note_installed(negotiated(first_child, "10.2.0.0/16"));
  d.establish();
  d.peer.handle_acquire(acquire_for("10.3.0.1/32"), d.now);
  d.peer.note_installed(negotiated(second_child, "10.3.0.0/16"));
  EXPECT_FALSE(d.peer.handle(ike::ChildUp{sa, second_child, "branch", "branch", {}, {}}, d.now));
  EXPECT_FALSE(d.command<ike::DeleteChild>().has_value());
}

// RFC 9611
TEST(Peer, a_worker_without_an_sa_of_its_own_gets_one_and_its_end_asks_for_nothing) {
  Driven d{site_peer()};
  d.establish();
  constexpr policy::ResourceId worker{1};
  d.peer.handle_acquire({"branch", "branch", {}, worker}, d.now);
  EXPECT_EQ(d.command<ike::InitiateChild>()->resource, worker);
  d.peer.handle(ike::ChildUp{sa, second_child, "branch", "branch", {}, worker}, d.now);
  d.peer.handle(ike::ChildDown{sa, second_child, "branch", "branch", ike::EndReason::peer_deleted},
                d.now);
  EXPECT_FALSE(d.peer.poll_request().has_value());
  EXPECT_FALSE(d.peer.poll_deadline().has_value());
  EXPECT_EQ(d.peer.state(), PeerState::idle);
}

TEST(Peer, the_sas_of_workers_do_not_stand_for_the_first) {
  Driven d{site_peer()};
  d.establish();
  d.peer.handle(ike::ChildUp{sa, second_child, "branch", "branch", {}, policy::ResourceId{0}},
                d.now);
  d.peer.handle(ike::ChildDown{sa, first_child, "branch", "branch", ike::EndReason::peer_deleted},
                d.now);
  EXPECT_EQ(d.peer.state(), PeerState::idle);
  d.advance();
  const auto initiate = d.command<ike::InitiateChild>();
  ASSERT_TRUE(initiate.has_value());
  EXPECT_FALSE(initiate->resource.has_value());
}

//= rfc7296#4-8 type=test
TEST(Peer, one_that_makes_no_second_child_gets_a_new_ike_sa_when_the_first_has_ended) {
  Driven d{site_peer()};
  d.establish();
  d.peer.handle_expired(first_child, true, d.now);
  const auto refuse = [&] {
    d.advance();
    ASSERT_TRUE(d.command<ike::InitiateChild>().has_value());
    d.peer.handle(ike::ChildDown{sa, {}, "branch", "branch", ike::EndReason::peer_refused}, d.now);
  };
  ASSERT_TRUE(d.command<ike::DeleteChild>().has_value());
  d.peer.handle(ike::ChildDown{sa, {}, "branch", "branch", ike::EndReason::peer_refused}, d.now);
  EXPECT_FALSE(d.command<ike::DeleteIke>().has_value()) << "once may be bad luck";
  refuse();
  ASSERT_TRUE(d.command<ike::DeleteIke>().has_value());
  d.peer.handle(ike::IkeDown{sa, "branch", ike::EndReason::local_request, true}, {}, d.now);
  d.advance();
  EXPECT_TRUE(d.command<ike::Initiate>().has_value());
}

TEST(Peer, one_that_refuses_even_the_first_child_keeps_its_ike_sa) {
  Driven d{site_peer()};
  d.peer.handle(ike::IkeUp{sa, "branch"}, {}, d.now);
  for (int i = 0; i < 5; ++i) {
    d.peer.handle(ike::ChildDown{sa, {}, "branch", "branch", ike::EndReason::peer_refused}, d.now);
    EXPECT_FALSE(d.command<ike::DeleteIke>().has_value());
  }
}

TEST(Peer, a_lost_sa_is_negotiated_again) {
  Driven d{site_peer()};
  d.establish();
  EXPECT_EQ(d.peer.state(), PeerState::idle);
  d.lose(ike::EndReason::peer_deleted);
  EXPECT_EQ(d.peer.state(), PeerState::connecting);
  d.advance();
  EXPECT_TRUE(d.command<ike::Initiate>().has_value());
}

TEST(Peer, the_end_of_one_of_two_sas_is_no_failure) {
  Driven d{site_peer()};
  d.establish();
  d.peer.handle(ike::IkeUp{{2}, "branch"}, {}, d.now);
  d.peer.handle(ike::IkeDown{{2}, "branch", ike::EndReason::replaced, true}, {sa}, d.now);
  EXPECT_EQ(d.peer.state(), PeerState::idle);
  EXPECT_EQ(d.peer.attempts(), 0u);
}

TEST(Peer, what_the_endpoint_says_of_a_failure_is_the_note) {
  Driven d{site_peer()};
  d.advance();
  d.peer.handle_failure_text("branch (192.0.2.2:500): the peer rejected our key");
  d.fail(ike::EndReason::authentication);
  EXPECT_EQ(d.peer.note(), "the peer rejected our key");
}

TEST(Peer, a_changed_host_keeps_its_addresses_and_with_them_its_routes) {
  config::PeerConfig config = host_peer();
  config.remote = "db1.example";
  config.remote_address.reset();
  Driven old{config};
  old.advance();
  old.peer.handle_lookup({address("192.0.2.2")}, old.now);
  old.peer.handle_source_address(address("192.0.2.1"), old.now);
  ASSERT_EQ(old.peer.routes().size(), 1u);
  config.dpd = 7s;
  Driven changed{config};
  EXPECT_TRUE(changed.peer.routes().empty());
  changed.peer.inherit(old.peer, old.now);
  EXPECT_EQ(changed.peer.routes().size(), 1u);
  EXPECT_TRUE(changed.peer.connection());
}

TEST(Peer, a_changed_peer_stays_down_when_a_person_said_so) {
  Driven old{site_peer()};
  old.peer.down(old.now);
  Driven changed{site_peer()};
  changed.peer.inherit(old.peer, old.now);
  EXPECT_TRUE(changed.peer.is_off());
  EXPECT_FALSE(changed.peer.connection());
}

TEST(Peer, a_knock_tells_a_host_its_own_address_but_not_every_second) {
  config::PeerConfig config = host_peer();
  config.child().start = config::Start::trap;
  Driven d{config};
  EXPECT_FALSE(d.peer.connection());
  const base::Endpoint peer{address("192.0.2.2"), 500};
  d.peer.handle_knock({{address("192.0.2.1"), 500}, {address("203.0.113.9"), 500}}, d.now);
  EXPECT_FALSE(d.peer.connection());
  d.peer.handle_knock({{address("192.0.2.1"), 500}, peer}, d.now);
  const auto connection = d.peer.connection();
  ASSERT_TRUE(connection);
  EXPECT_EQ(connection->own_rounds.front().identity,
            policy::Identity::from_address(address("192.0.2.1")));
  d.peer.handle_knock({{address("192.0.2.7"), 500}, peer}, d.now);
  EXPECT_EQ(d.peer.connection(), connection);
  d.now = d.now + knock_interval;
  d.peer.handle_knock({{address("192.0.2.7"), 500}, peer}, d.now);
  EXPECT_NE(d.peer.connection(), connection);
}

//= rfc7296#2.23-8 type=test
TEST(Peer, silence_on_one_way_puts_the_next_beside_it) {
  Driven d{site_peer()};
  d.advance();
  EXPECT_EQ(d.way()->local.port, 500);
  const base::Instant begin = d.now;
  d.advance();
  EXPECT_EQ(d.now - begin, rung_patience);
  const auto natt = d.command<ike::Initiate>();
  EXPECT_TRUE(natt->beside);
  EXPECT_EQ(natt->path.remote, (base::Endpoint{address("192.0.2.2"), 4500}));
  EXPECT_EQ(natt->path.local.port, 4500);
  d.advance();
  const auto tcp = d.way();
  EXPECT_EQ(tcp->transport, base::Transport::tcp);
  EXPECT_EQ(tcp->remote.port, 4500);
  d.advance();
  EXPECT_EQ(d.way()->remote.port, 443);
  EXPECT_EQ(d.now - begin, 3 * rung_patience);
  EXPECT_EQ(d.peer.poll_deadline()->at, begin + negotiation_timeout);
}

TEST(Peer, an_answer_keeps_the_next_way_waiting) {
  Driven d{site_peer()};
  d.advance();
  const auto path = d.way();
  d.peer.handle(ike::IkeAnswered{sa, "branch", *path}, d.now);
  EXPECT_EQ(d.peer.poll_deadline()->at, d.now + answered_patience);
  d.establish();
  EXPECT_FALSE(d.way());
  EXPECT_FALSE(d.peer.poll_deadline());
}

TEST(Peer, a_conversation_that_takes_long_is_not_begun_twice) {
  Driven d{site_peer()};
  d.advance();
  const auto path = d.way();
  d.peer.handle(ike::IkeAnswered{sa, "branch", *path}, d.now);
  d.peer.handle(ike::IkeAnswered{sa, "branch", *path, true}, d.now);
  d.now = d.now + 2 * answered_patience;
  d.peer.handle_deadline(d.now);
  EXPECT_FALSE(d.way());
}

TEST(Peer, a_refusal_is_an_answer_and_no_reason_to_go_another_way) {
  Driven d{site_peer()};
  d.advance();
  d.advance();
  while (d.way()) {
  }
  d.end_rung(ike::EndReason::no_proposal);
  d.end_rung(ike::EndReason::replaced);
  EXPECT_EQ(d.peer.state(), PeerState::down);
  EXPECT_EQ(d.peer.note(), "no algorithms in common with the peer (NO_PROPOSAL_CHOSEN)");
  EXPECT_FALSE(d.way());
}

TEST(Peer, a_way_that_ends_at_once_does_not_cost_its_patience) {
  config::PeerConfig config = site_peer();
  config.tcp = config::Tcp::always;
  Driven d{config};
  d.advance();
  EXPECT_EQ(d.way()->remote.port, 4500);
  d.end_rung(ike::EndReason::timeout);
  EXPECT_EQ(d.way()->remote.port, 443);
  EXPECT_EQ(d.peer.state(), PeerState::connecting);
  d.end_rung(ike::EndReason::timeout);
  EXPECT_EQ(d.peer.state(), PeerState::down);
  EXPECT_EQ(d.peer.note(), "no answer from 192.0.2.2 on TCP 4500 and TCP 443");
}

TEST(Peer, the_way_that_worked_last_is_the_first_next_time) {
  Driven d{site_peer()};
  d.advance();
  d.advance();
  const base::Path natt{{address("192.0.2.1"), 4500}, {address("192.0.2.2"), 4500}};
  d.peer.handle(ike::IkeAnswered{sa, "branch", natt}, d.now);
  d.establish();
  d.lose(ike::EndReason::timeout);
  while (d.way()) {
  }
  d.advance();
  EXPECT_EQ(d.way()->remote.port, 4500);
}

TEST(Peer, from_a_stream_udp_is_tried_again_ever_more_rarely_until_it_works) {
  config::PeerConfig config = site_peer();
  Driven d{config};
  d.advance();
  const base::Path stream{
      {address("192.0.2.1"), 50000}, {address("192.0.2.2"), 4500}, base::Transport::tcp};
  d.peer.handle(ike::IkeAnswered{sa, "branch", stream}, d.now);
  d.establish(stream);
  base::Duration wait = udp_retry_first;
  for (int i = 0; i < 12; ++i) {
    const base::Instant before = d.now;
    d.advance();
    EXPECT_GE(d.now - before, wait * 3 / 4);
    EXPECT_LE(d.now - before, wait * 5 / 4);
    wait = std::min<base::Duration>(2 * wait, udp_retry_max);
    const auto again = d.command<ike::Reauthenticate>();
    ASSERT_TRUE(again && again->path);
    EXPECT_EQ(again->path->transport, base::Transport::udp);
    EXPECT_EQ(again->path->remote, (base::Endpoint{address("192.0.2.2"), 4500}));
    EXPECT_EQ(again->path->local.port, 4500);
  }
  d.peer.handle(ike::IkeUp{{7}, "branch"},
                {{address("192.0.2.1"), 4500}, {address("192.0.2.2"), 4500}}, d.now);
  EXPECT_FALSE(d.peer.poll_deadline());
}

TEST(Peer, when_the_twin_on_the_peers_stream_is_the_one_that_stays_we_do_not_seek_udp) {
  Driven d{site_peer()};
  d.advance();
  const base::Path stream{
      {address("192.0.2.1"), 50000}, {address("192.0.2.2"), 4500}, base::Transport::tcp};
  d.peer.handle(ike::IkeAnswered{sa, "branch", stream}, d.now);
  d.establish(stream);
  constexpr ike::IkeSaId heir{2};
  constexpr ike::IkeSaId twin{3};
  d.peer.handle(ike::IkeUp{heir, "branch", sa}, stream, d.now);
  d.peer.handle(ike::IkeDown{sa, "branch", ike::EndReason::replaced, true}, {heir}, d.now);
  EXPECT_TRUE(d.peer.poll_deadline()) << "a rekey changes nothing";
  d.peer.handle(ike::IkeUp{twin, "branch"}, {stream.remote, stream.local, stream.transport}, d.now);
  d.peer.handle(ike::IkeDown{heir, "branch", ike::EndReason::replaced, true}, {twin}, d.now);
  EXPECT_FALSE(d.peer.poll_deadline());
}

TEST(Peer, tcp_always_stays_on_tcp_and_a_stream_of_the_peer_is_the_peers_affair) {
  const base::Path stream{
      {address("192.0.2.1"), 50000}, {address("192.0.2.2"), 4500}, base::Transport::tcp};
  config::PeerConfig config = site_peer();
  config.tcp = config::Tcp::always;
  Driven always{config};
  always.advance();
  always.peer.handle(ike::IkeAnswered{sa, "branch", stream}, always.now);
  always.establish(stream);
  EXPECT_FALSE(always.peer.poll_deadline());
  Driven responder{site_peer()};
  responder.establish({stream.remote, stream.local, stream.transport});
  EXPECT_FALSE(responder.peer.poll_deadline());
}

TEST(Peer, the_pauses_between_attempts_are_the_peers_own) {
  config::PeerConfig config = site_peer();
  config.retry_min = 10s;
  config.retry_max = 20s;
  Driven d{config};
  for (const base::Duration full : {10s, 20s, 20s}) {
    d.advance();
    d.fail(ike::EndReason::timeout);
    const base::Duration pause = *d.peer.next_attempt() - d.now;
    EXPECT_GE(pause, full * 3 / 4);
    EXPECT_LE(pause, full * 5 / 4);
  }
}

TEST(Peer, one_that_may_come_from_anywhere_is_never_initiated) {
  config::PeerConfig config = site_peer();
  config.remote_any = true;
  config.remote_address.reset();
  Driven d{config};
  EXPECT_FALSE(d.peer.poll_deadline().has_value());
  EXPECT_TRUE(d.peer.start(std::nullopt, d.now));
  EXPECT_FALSE(d.command<ike::Initiate>().has_value());
}

TEST(Peer, every_guest_of_a_host_that_answers_anybody_has_its_policies) {
  config::PeerConfig config = host_peer();
  config.remote_any = true;
  config.remote_address.reset();
  config.child().start = config::Start::on_command;
  config.local = address("192.0.2.1");
  Driven d{config};
  const auto up = [&](std::uint64_t id, const char* remote) {
    const base::Path path{{address("192.0.2.1"), 500}, {address(remote), 500}};
    d.peer.handle(ike::IkeUp{{id}, "db1"}, path, d.now);
  };
  EXPECT_TRUE(d.peer.policies().empty());
  up(1, "192.0.2.7");
  up(2, "192.0.2.8");
  const auto remotes = [&] {
    const auto policies = d.peer.policies();
    return policies.size() == 1 ? policies.front().remote.size() : 0;
  };
  EXPECT_EQ(remotes(), 2u);
  EXPECT_EQ(d.peer.routes().size(), 2u);
  d.peer.handle(ike::IkeUp{{3}, "db1", ike::IkeSaId{1}},
                {{address("192.0.2.1"), 500}, {address("192.0.2.7"), 500}}, d.now);
  d.peer.handle(ike::IkeDown{{1}, "db1", ike::EndReason::local_request, true}, {{2}, {3}}, d.now);
  EXPECT_EQ(remotes(), 2u);
  d.peer.handle(ike::IkeDown{{2}, "db1", ike::EndReason::peer_deleted, true}, {{3}}, d.now);
  ASSERT_EQ(remotes(), 1u);
  EXPECT_EQ(d.peer.policies().front().remote.front().first, address("192.0.2.7"));
  // The last one's stay: its clear packets are refused, and ours to it go nowhere.
  d.peer.handle(ike::IkeDown{{3}, "db1", ike::EndReason::timeout, true}, {}, d.now);
  EXPECT_EQ(remotes(), 1u);
}

config::PeerConfig two_children() {
  config::PeerConfig config = site_peer();
  config.children.push_back(config.child());
  config.children[0].name = "voice";
  config.children[1].name = "data";
  config.children[1].remote = config::Reach::of({prefix("10.4.0.0/16")});
  return config;
}

TEST(Peer, the_second_child_follows_as_soon_as_the_ike_sa_is_up) {
  Driven d{two_children()};
  d.advance();
  const auto initiate = d.command<ike::Initiate>();
  ASSERT_TRUE(initiate);
  EXPECT_EQ(initiate->child, "voice");
  d.peer.handle(ike::IkeAnswered{sa, "branch", initiate->path}, d.now);
  d.peer.handle(ike::IkeUp{sa, "branch"}, initiate->path, d.now);
  const auto second = d.command<ike::InitiateChild>();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->child, "data");
  EXPECT_FALSE(d.command<ike::InitiateChild>());
}

TEST(Peer, who_has_not_made_the_ike_sa_leaves_the_children_to_the_peer_for_a_while) {
  Driven d{two_children()};
  d.peer.handle(ike::IkeUp{sa, "branch"}, {}, d.now);
  EXPECT_FALSE(d.command<ike::InitiateChild>());
  d.advance();
  EXPECT_EQ(d.command<ike::InitiateChild>()->child, "voice");
}

TEST(Peer, of_several_children_only_those_that_are_wanted_are_asked_for) {
  config::PeerConfig config = two_children();
  config.children[0].start = config::Start::on_command;
  Driven d{config};
  d.advance();
  const auto initiate = d.command<ike::Initiate>();
  ASSERT_TRUE(initiate);
  EXPECT_EQ(initiate->child, "data");
  d.peer.handle(ike::IkeAnswered{sa, "branch", initiate->path}, d.now);
  d.peer.handle(ike::IkeUp{sa, "branch"}, initiate->path, d.now);
  d.peer.handle(ike::ChildUp{sa, first_child, "branch", "data"}, d.now);
  EXPECT_FALSE(d.peer.poll_deadline());
  EXPECT_TRUE(d.peer.start("voice", d.now));
  EXPECT_EQ(d.command<ike::InitiateChild>()->child, "voice");
  EXPECT_FALSE(d.peer.start("video", d.now));
}

TEST(Peer, a_child_that_was_stopped_is_not_asked_for_again) {
  Driven d{two_children()};
  d.advance();
  d.peer.handle(ike::IkeUp{sa, "branch"}, {}, d.now);
  d.peer.handle(ike::ChildUp{sa, first_child, "branch", "voice"}, d.now);
  d.peer.handle(ike::ChildUp{sa, {8}, "branch", "data"}, d.now);
  EXPECT_TRUE(d.peer.stop("data", d.now));
  EXPECT_EQ(d.command<ike::DeleteChild>()->child_sa, policy::ChildSaId{8});
  d.peer.handle(ike::ChildDown{sa, {8}, "branch", "data", ike::EndReason::local_request}, d.now);
  EXPECT_FALSE(d.peer.poll_deadline());
  EXPECT_EQ(d.peer.state(), PeerState::idle);
}

TEST(Peer, after_the_peer_has_deleted_a_child_it_is_wanted_as_the_configuration_says) {
  config::PeerConfig config = site_peer();
  config.child().after_close = config::Start::on_command;
  Driven d{config};
  d.advance();
  d.establish();
  d.peer.handle(ike::ChildDown{sa, first_child, "branch", "branch", ike::EndReason::peer_deleted},
                d.now);
  EXPECT_FALSE(d.peer.poll_deadline());
  config.child().after_close = config::Start::at_once;
  config.child().start = config::Start::on_command;
  Driven again{config};
  again.establish();
  again.peer.handle(
      ike::ChildDown{sa, first_child, "branch", "branch", ike::EndReason::peer_deleted}, again.now);
  again.advance();
  EXPECT_TRUE(again.command<ike::InitiateChild>());
}

TEST(Peer, a_peer_that_was_lost_is_sought_or_left_as_the_configuration_says) {
  config::PeerConfig config = site_peer();
  config.child().after_loss = config::Start::on_command;
  Driven d{config};
  d.advance();
  d.establish();
  d.lose(ike::EndReason::timeout);
  EXPECT_FALSE(d.peer.poll_deadline());
  config.child().start = config::Start::on_command;
  config.child().after_loss = config::Start::at_once;
  Driven sought{config};
  sought.establish();
  sought.lose(ike::EndReason::timeout);
  sought.advance();
  EXPECT_TRUE(sought.way());
}

TEST(Peer, several_addresses_of_a_peer_are_tried_in_turn) {
  config::PeerConfig config = site_peer();
  config.remote_more = {address("192.0.2.3")};
  Driven d{config};
  d.advance();
  EXPECT_EQ(d.way()->remote.address, address("192.0.2.2"));
  d.fail(ike::EndReason::no_proposal);
  d.advance();
  EXPECT_EQ(d.way()->remote.address, address("192.0.2.3"));
}

}  // namespace
}  // namespace caponier::gateway

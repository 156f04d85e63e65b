// Certificates whose status has to be fetched, and servers that do not give it, in the World.

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

const std::string url = "http://crl.example/a.crl";

/// `a` starts, and b has to find out whether a's certificate has been revoked.
Tunnel by_certificates(pki::Revocation revocation = pki::Revocation::if_present) {
  Tunnel tunnel;
  tunnel.certificates = true;
  tunnel.status_urls_a = url;
  tunnel.revocation = revocation;
  return tunnel;
}

TEST(RevocationWorld, a_good_answer_lets_in) {
  TestWorld w{seed_from_env(1)};
  w.web[url] = {.text = "good"};
  auto [a, b] = w.pair(by_certificates());
  a.initiate();
  w.run_until_idle();
  EXPECT_TRUE(a.is_up() && b.is_up());
  EXPECT_TRUE(b.has_event(base::EventKind::pki_fetched));
  EXPECT_EQ(w.web_asked[url], 1U);
}

TEST(RevocationWorld, a_revoked_peer_is_refused_under_every_mode) {
  for (const auto mode :
       {pki::Revocation::strict, pki::Revocation::if_present, pki::Revocation::relaxed}) {
    TestWorld w{seed_from_env(1)};
    w.web[url] = {.text = "revoked"};
    Tunnel tunnel = by_certificates(mode);
    tunnel.status_urls_b = "http://crl.example/b.crl";
    w.web[tunnel.status_urls_b] = {.text = "good"};
    auto [a, b] = w.pair(tunnel);
    a.initiate();
    w.run_for(30s);
    EXPECT_FALSE(a.is_up());
    EXPECT_FALSE(b.is_up());
    EXPECT_TRUE(b.has_event(base::EventKind::ike_auth_failed));
    a.take_down();
    w.run_until_idle();
  }
}

TEST(RevocationWorld, a_server_that_hangs_lets_in_by_the_mode_within_the_limit) {
  for (const auto mode : {pki::Revocation::if_present, pki::Revocation::relaxed}) {
    TestWorld w{seed_from_env(1)};
    w.allow_weather();  // whoever waits repeats its request
    w.web[url] = {.text = {}, .delay = std::chrono::hours{1}, .failure = "it took too long"};
    auto [a, b] = w.pair(by_certificates(mode));
    a.initiate();
    const bool is_relaxed = mode == pki::Revocation::relaxed;
    const Node& initiator = a;
    EXPECT_EQ(w.run_until([&] { return initiator.is_up(); }, 20s), is_relaxed);
    a.take_down();
    w.run_for(2min);
  }
}

TEST(RevocationWorld, the_initiator_waits_for_the_status_of_the_responder) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = by_certificates();
  tunnel.status_urls_a.clear();
  tunnel.status_urls_b = url;
  w.web[url] = {.text = "good", .delay = 4s};
  auto [a, b] = w.pair(tunnel);
  a.initiate();
  w.run_for(3s);
  EXPECT_FALSE(a.is_up());
  w.run_until_idle();
  EXPECT_TRUE(a.is_up());
}

TEST(RevocationWorld, a_peer_that_brings_its_own_status_needs_no_fetch) {
  TestWorld w{seed_from_env(1)};
  const std::string responder = "http://a.example/ocsp";
  Tunnel tunnel = by_certificates(pki::Revocation::strict);
  tunnel.status_urls_a = responder;
  tunnel.status_urls_b = "http://b.example/ocsp";
  w.web[responder] = {.text = "good 1000000"};
  w.web[tunnel.status_urls_b] = {.text = "good 1000000"};
  auto [a, b] = w.pair(tunnel);
  a.initiate();
  w.run_until_idle();
  EXPECT_TRUE(a.is_up() && b.is_up());
  // Each has asked for its own (RFC 4806), and nobody for the other's.
  EXPECT_EQ(w.web_asked[responder], 1U);
  EXPECT_EQ(w.web_asked[tunnel.status_urls_b], 1U);
  EXPECT_TRUE(a.has_event(base::EventKind::pki_fetched));
  EXPECT_TRUE(b.has_event(base::EventKind::pki_fetched));
}

TEST(RevocationWorld, verifications_that_are_stuck_do_not_slow_a_peer_that_needs_none) {
  constexpr int stuck = 60;
  const auto handshake = [](int others) {
    TestWorld w{seed_from_env(1)};
    w.allow_weather();
    Node& hub = w.add();
    w.web[url] = {.text = {}, .delay = std::chrono::hours{1}, .failure = "it took too long"};
    Node& prompt = w.add();
    w.connect(prompt, hub, psk_tunnel());
    std::vector<Node*> waiting;
    for (int i = 0; i < others; ++i) {
      waiting.push_back(&w.add());
      w.connect(*waiting.back(), hub, by_certificates(pki::Revocation::relaxed));
    }
    hub.start();
    prompt.start();
    for (Node* const node : waiting) node->start();
    for (Node* const node : waiting) node->initiate();
    w.run_for(2s);
    for (Node* const node : waiting) EXPECT_FALSE(node->is_up());
    const base::Instant began = w.now();
    prompt.initiate();
    EXPECT_TRUE(w.run_until([&] { return prompt.is_up(); }, 1s));
    const base::Duration took = w.now() - began;
    EXPECT_LE(w.web_asked[url], 1U);
    w.run_for(30s);
    for (Node* const node : waiting) EXPECT_TRUE(node->is_up());
    w.run_for(1min);
    return took;
  };
  EXPECT_LT(handshake(stuck) - handshake(0), 5ms);
}

}  // namespace
}  // namespace caponier::sim

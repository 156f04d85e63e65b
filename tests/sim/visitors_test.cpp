// Initiators of other makes come to our [server] as it is by default: what their products propose
// and do, and what becomes of it.

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/sim_test.h"
#include "sim/visitor.h"

namespace caponier::sim {
namespace {

using wire::ExchangeType;
using wire::NotifyType;

constexpr auto right = "a password of the simulation";

struct Reception {
  TestWorld w{seed_from_env(1)};
  Node& server = w.add();

  Reception() {
    w.serve(server);
    server.users["alice"] = right;
    // A visitor keeps what it has, and goes without a word.
    w.allow_weather();
  }
  ~Reception() {
    // Only one of the two ends of its keys is a node of this World.
    (void)w.violations().take(Broken::unproven_peer);
  }
  std::shared_ptr<Visitor> meet(Habits habits) {
    if (!server.is_running()) server.start();
    return Visitor::make(w, server, std::move(habits));
  }
  [[nodiscard]] std::string text(base::EventKind kind) const {
    std::string found;
    for (const base::Event& event : server.events()) {
      if (event.kind == kind) found = event.text;
    }
    return found;
  }
  [[nodiscard]] ike::IkeSaInfo user() const {
    const auto users = server.peer().users;
    return users.empty() ? ike::IkeSaInfo{} : users.front();
  }
  [[nodiscard]] std::size_t asked(const Visitor& visitor, ExchangeType exchange) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        visitor.asked(), [&](const auto& request) { return request.first == exchange; }));
  }
};

class EveryVisitor : public testing::TestWithParam<Habits (*)()> {};

TEST_P(EveryVisitor, comes_in_by_password_with_what_its_product_proposes_and_asks_for) {
  Reception here;
  const auto visitor = here.meet(GetParam()());
  ASSERT_TRUE(visitor->knock());
  ASSERT_TRUE(visitor->come_in("alice", right));
  ASSERT_TRUE(visitor->given());
  EXPECT_EQ(visitor->given()->to_string(), "10.200.0.1");
  EXPECT_EQ(here.user().user, "alice");
  EXPECT_EQ(here.server.status().associations, 1u);
  const auto& children = here.server.peer().children;
  ASSERT_EQ(children.size(), 1u);
  EXPECT_EQ(policy::to_string(children.front().sa.remote), "10.200.0.1/32");
  EXPECT_FALSE(children.front().sa.suite.esn);
}

TEST_P(EveryVisitor, with_a_wrong_password_gets_nothing) {
  Reception here;
  const auto visitor = here.meet(GetParam()());
  ASSERT_TRUE(visitor->knock());
  EXPECT_FALSE(visitor->come_in("alice", "guess"));
  EXPECT_EQ(here.server.status().associations, 0u);
  EXPECT_NE(here.text(base::EventKind::ike_auth_failed).find("wrong password"), std::string::npos);
}

TEST_P(EveryVisitor, rekeys_the_child_without_a_key_exchange_and_asks_for_all_again) {
  Reception here;
  const auto visitor = here.meet(GetParam()());
  ASSERT_TRUE(visitor->knock() && visitor->come_in("alice", right));
  const auto answer = visitor->rekey_child(GetParam()().esp, crypto::KeGroup::none);
  EXPECT_FALSE(Visitor::refusal(answer));
  const auto* const there = wire::find_ts(answer, false);
  ASSERT_NE(there, nullptr);
  // Neither wider nor narrower than what is in use.
  EXPECT_EQ(policy::to_string(policy::from_wire(*there)), "10.1.0.0/16");
}

TEST_P(EveryVisitor, checks_whether_we_live) {
  Reception here;
  const auto visitor = here.meet(GetParam()());
  ASSERT_TRUE(visitor->knock() && visitor->come_in("alice", right));
  here.w.run_for(1min);
  EXPECT_TRUE(visitor->ask(ExchangeType::informational, {}).empty());
  EXPECT_EQ(here.server.peer().users.size(), 1u);
  EXPECT_GE(here.asked(*visitor, ExchangeType::informational), 1u) << "our own checks";
}

INSTANTIATE_TEST_SUITE_P(Products, EveryVisitor,
                         testing::Values(&windows_with_script, &apple, &android_native,
                                         &strongswan_app));

TEST(Visitors, windows_out_of_the_box_is_refused_and_the_reason_names_the_group) {
  Reception here;
  const auto visitor = here.meet(windows_11());
  EXPECT_FALSE(visitor->knock());
  EXPECT_EQ(Visitor::refusal(visitor->last_answer()), NotifyType::no_proposal_chosen);
  const std::string why = here.text(base::EventKind::ike_no_proposal);
  EXPECT_NE(why.find("no common key-exchange group: we have x25519"), std::string::npos) << why;
  EXPECT_NE(why.find("the peer has modp1024"), std::string::npos) << why;
}

TEST(Visitors, windows_out_of_the_box_comes_in_where_weak_algorithms_are_let_in) {
  Reception here;
  config::PeerConfig& users = here.server.peers.front();
  users.ike = {
      policy::parse_offer("aes256-sha384-modp1024", wire::ProtocolId::ike, policy::Compat::legacy)
          .value()};
  users.child().esp = {
      policy::parse_offer("aes256-sha1", wire::ProtocolId::esp, policy::Compat::legacy).value()};
  const auto visitor = here.meet(windows_11());
  ASSERT_TRUE(visitor->knock());
  EXPECT_EQ(visitor->suite().ke, crypto::KeGroup::modp_1024);
  EXPECT_TRUE(visitor->come_in("alice", right));
}

TEST(Visitors, windows_with_a_strong_group_but_sha1_for_esp_is_told_that_it_is_that) {
  Reception here;
  Habits habits = windows_11();
  habits.ike.push_back("aes256-sha256-modp2048");
  const auto visitor = here.meet(std::move(habits));
  ASSERT_TRUE(visitor->knock());
  EXPECT_FALSE(visitor->come_in("alice", right));
  EXPECT_EQ(Visitor::refusal(visitor->last_answer()), NotifyType::no_proposal_chosen);
  const std::string why = here.text(base::EventKind::child_failed);
  EXPECT_NE(why.find("integrity"), std::string::npos) << why;
  EXPECT_NE(why.find("sha1"), std::string::npos) << why;
}

TEST(Visitors, products_are_recognized_by_their_first_message) {
  struct Case {
    Habits habits;
    policy::Product product;
  };
  for (const Case& one :
       {Case{windows_with_script(), policy::Product::windows},
        Case{apple(), policy::Product::apple}, Case{android_native(), policy::Product::android},
        Case{strongswan_app(), policy::Product::strongswan}}) {
    Reception here;
    const auto visitor = here.meet(one.habits);
    ASSERT_TRUE(visitor->knock() && visitor->come_in("alice", right)) << one.habits.name;
    EXPECT_EQ(here.user().product, one.product);
    EXPECT_FALSE(here.user().is_product_configured);
  }
}

TEST(Visitors, what_is_configured_counts_more_than_what_a_peer_looks_like) {
  Reception here;
  here.server.peers.front().product = policy::Product::apple;
  const auto visitor = here.meet(windows_with_script());
  ASSERT_TRUE(visitor->knock() && visitor->come_in("alice", right));
  EXPECT_EQ(here.user().product, policy::Product::apple);
  EXPECT_TRUE(here.user().is_product_configured);
}

/// A child that is due for its rekey, until shortly before it ends.
struct Aging : Reception {
  std::shared_ptr<Visitor> visitor;
  explicit Aging(Habits habits) {
    server.peers.front().child().lifetime.soft_time = 60s;
    server.peers.front().ike_lifetime = 50s;
    visitor = meet(std::move(habits));
    EXPECT_TRUE(visitor->knock() && visitor->come_in("alice", right));
    w.run_for(61s);
  }
};

TEST(Visitors, windows_is_never_asked_to_rekey) {
  const Aging here{windows_with_script()};
  EXPECT_EQ(here.asked(*here.visitor, ExchangeType::create_child_sa), 0u);
}

TEST(Visitors, apple_is_asked_to_rekey_the_child_without_a_key_exchange) {
  const Aging here{apple()};
  std::size_t children = 0;
  for (const auto& [exchange, payloads] : here.visitor->asked()) {
    if (wire::find_notify(payloads, NotifyType::rekey_sa) == nullptr) continue;
    ++children;
    EXPECT_EQ(wire::find<wire::KePayload>(payloads), nullptr);
  }
  EXPECT_GE(children, 1u);
}

TEST(Visitors, an_apple_that_wants_a_key_exchange_is_asked_again_with_one) {
  Reception here;
  here.server.peers.front().child().lifetime.soft_time = 60s;
  const auto visitor = here.meet(apple());
  ASSERT_TRUE(visitor->knock() && visitor->come_in("alice", right));
  visitor->puts_off = NotifyType::no_proposal_chosen;
  here.w.run_for(61s);
  std::vector<bool> has_ke;
  for (const auto& [exchange, payloads] : visitor->asked()) {
    if (wire::find_notify(payloads, NotifyType::rekey_sa) == nullptr) continue;
    has_ke.push_back(wire::find<wire::KePayload>(payloads) != nullptr);
  }
  ASSERT_GE(has_ke.size(), 2u);
  EXPECT_FALSE(has_ke.at(0));
  EXPECT_TRUE(has_ke.at(1));
}

TEST(Visitors, others_are_asked_to_rekey_the_child_with_a_key_exchange) {
  const Aging here{strongswan_app()};
  std::size_t children = 0;
  for (const auto& [exchange, payloads] : here.visitor->asked()) {
    if (wire::find_notify(payloads, NotifyType::rekey_sa) == nullptr) continue;
    ++children;
    EXPECT_NE(wire::find<wire::KePayload>(payloads), nullptr);
  }
  EXPECT_GE(children, 1u);
}

TEST(Visitors, a_windows_with_pfs_rekeys_with_its_group) {
  Reception here;
  const auto visitor = here.meet(windows_with_script());
  ASSERT_TRUE(visitor->knock() && visitor->come_in("alice", right));
  const auto answer = visitor->rekey_child({"aes256gcm16-ecp384"}, crypto::KeGroup::ecp_384);
  EXPECT_FALSE(Visitor::refusal(answer));
  const auto* const ke = wire::find<wire::KePayload>(answer);
  ASSERT_NE(ke, nullptr);
  EXPECT_EQ(ke->group, static_cast<std::uint16_t>(crypto::KeGroup::ecp_384));
}

TEST(Visitors, a_windows_that_falls_back_to_modp1024_at_the_rekey_is_refused_and_stays) {
  Reception here;
  const auto visitor = here.meet(windows_with_script());
  ASSERT_TRUE(visitor->knock() && visitor->come_in("alice", right));
  const auto answer = visitor->rekey_ike({"aes256-sha256-modp1024"});
  EXPECT_EQ(Visitor::refusal(answer), NotifyType::no_proposal_chosen);
  EXPECT_EQ(here.server.peer().users.size(), 1u);
}

TEST(Visitors, apple_rekeys_the_ike_sa_as_it_came) {
  Reception here;
  const auto visitor = here.meet(apple());
  ASSERT_TRUE(visitor->knock() && visitor->come_in("alice", right));
  EXPECT_FALSE(Visitor::refusal(visitor->rekey_ike(apple().ike)));
}

TEST(Visitors, mobike_is_agreed_on_where_the_product_has_it_and_not_with_a_firewall) {
  for (const bool is_firewall : {false, true}) {
    Reception here;
    if (is_firewall) here.server.peers.front().product = policy::Product::fortinet;
    const auto visitor = here.meet(apple());
    ASSERT_TRUE(visitor->knock() && visitor->come_in("alice", right));
    EXPECT_EQ(wire::find_notify(visitor->last_answer(), NotifyType::mobike_supported) == nullptr,
              is_firewall);
  }
}

TEST(Visitors, one_that_asks_for_another_server_is_refused) {
  Reception here;
  Habits habits = apple();
  habits.wants->data = base::to_vec(base::as_bytes("other.example"));
  const auto visitor = here.meet(std::move(habits));
  ASSERT_TRUE(visitor->knock());
  EXPECT_FALSE(visitor->come_in("alice", right));
  EXPECT_EQ(here.server.status().associations, 0u);
}

}  // namespace
}  // namespace caponier::sim

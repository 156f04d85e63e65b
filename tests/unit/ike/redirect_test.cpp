// Redirect (RFC 5685) in IKE_SA_INIT, in IKE_AUTH and in the middle of a session, both roles.

#include <gtest/gtest.h>

#include <utility>

#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

GatewayName elsewhere() { return {ip("192.0.2.9"), {}}; }

EndpointConfig with_policy(std::size_t above = 0) {
  EndpointConfig config = test_config();
  config.redirect = RedirectPolicy{elsewhere(), above};
  return config;
}

/// Both sides have the policy; only the one that answers shows it.
struct Redirecting : Pair {
  explicit Redirecting(std::size_t above = 0) : Pair(with_policy(above)) {}
};

std::vector<Redirected> redirects_of(Side& side) { return side.record.redirects; }

TEST(IkeRedirect, the_payload_survives_encoding_and_refuses_nonsense) {
  const ByteVec nonce(32, std::byte{7});
  for (const GatewayName& to :
       {elsewhere(), GatewayName{ip("2001:db8::1"), {}}, GatewayName{{}, "gw.example.org"}}) {
    const auto read = read_redirect(make_redirect({to, nonce}));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->to, to);
    EXPECT_EQ(read->nonce, nonce);
  }
  const auto nonsense = [](std::initializer_list<int> octets) {
    wire::NotifyPayload notify;
    for (const int octet : octets) notify.data.push_back(static_cast<std::byte>(octet));
    return !read_redirect(notify).has_value();
  };
  EXPECT_TRUE(nonsense({}));
  EXPECT_TRUE(nonsense({1}));
  EXPECT_TRUE(nonsense({1, 4, 192, 0, 2}));
  EXPECT_TRUE(nonsense({1, 3, 192, 0, 2}));
  EXPECT_TRUE(nonsense({2, 4, 192, 0, 2, 1}));
  EXPECT_TRUE(nonsense({3, 0}));
  EXPECT_TRUE(nonsense({3, 2, 'a', '\n'}));
  EXPECT_TRUE(nonsense({1, 4, 0, 0, 0, 0}));
  EXPECT_TRUE(nonsense({9, 4, 192, 0, 2, 1}));
}

TEST(IkeRedirect, ike_sa_init_sends_the_initiator_elsewhere_without_state) {
  Redirecting pair;
  pair.initiate_a();
  pair.run();
  ASSERT_EQ(redirects_of(pair.a).size(), 1u);
  EXPECT_EQ(pair.a.record.redirects[0].to, elsewhere());
  EXPECT_EQ(pair.a.record.redirects[0].from, ip(end_b.address));
  EXPECT_EQ(pair.a.record.redirects[0].connection, "to-b.example");
  ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.ike_downs[0].reason, EndReason::redirected);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
  EXPECT_LE(pair.sent.at(1).message.size(), pair.sent.at(0).message.size());
  EXPECT_EQ(pair.sent.at(1).header().spi_r.value, 0u);
}

TEST(IkeRedirect, an_initiator_that_does_not_follow_is_served) {
  Redirecting pair;
  ConnectionConfig connection = make_connection(end_a, end_b);
  connection.follows_redirects = false;
  pair.a.set(connection);
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_TRUE(pair.a.record.redirects.empty());
}

TEST(IkeRedirect, the_redirected_says_from_where) {
  Pair pair;
  pair.command_a(Initiate{.connection = "to-b.example",
                          .path = pair.path_of(true, 500),
                          .redirected_from = ip("192.0.2.9")});
  const auto message = wire::IkeMessage::decode(pair.sent.at(0).message).value();
  const auto* const from = wire::find_notify(message.payloads, NotifyType::redirected_from);
  ASSERT_NE(from, nullptr);
  EXPECT_EQ(from->data, make_redirected_from(ip("192.0.2.9")).data);
  pair.run();
  EXPECT_TRUE(pair.is_up());
}

TEST(IkeRedirect, a_redirect_with_another_nonce_is_ignored) {
  Pair pair;
  pair.initiate_a();
  wire::IkeMessage forged;
  forged.header = pair.sent.at(0).header();
  forged.header.flags = wire::IkeHeader::flag_response;
  forged.payloads.emplace_back(make_redirect({elsewhere(), ByteVec(32)}));
  pair.inject(false, *forged.encode());
  EXPECT_TRUE(pair.a.record.redirects.empty());
  EXPECT_EQ(pair.a.endpoint.drops()[DropReason::ike_unexpected], 1u);
  pair.run();
  EXPECT_TRUE(pair.is_up());
}

TEST(IkeRedirect, only_so_many_redirects_are_followed_in_a_time) {
  Redirecting pair;
  for (int i = 0; i < 8; ++i) {
    pair.initiate_a();
    pair.run();
  }
  EXPECT_EQ(pair.a.record.redirects.size(), 5u);
  EXPECT_EQ(pair.a.record.ike_downs.back().reason, EndReason::peer_refused);
  pair.now = pair.now + 301s;
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.a.record.redirects.size(), 6u);
}

TEST(IkeRedirect, a_policy_may_wait_for_a_number_of_ike_sas) {
  Redirecting pair{1};
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
}

TEST(IkeRedirect, ike_auth_sends_the_peer_elsewhere_once_both_are_authenticated) {
  Pair pair;
  ConnectionConfig connection = make_connection(end_b, end_a);
  connection.redirect_to = elsewhere();
  pair.b.set(connection);
  pair.initiate_a();
  pair.run();
  ASSERT_EQ(pair.a.record.redirects.size(), 1u);
  EXPECT_EQ(pair.a.record.redirects[0].to, elsewhere());
  EXPECT_EQ(pair.a.record.ike_ups.size(), 1u) << "the AUTH of the gateway is right";
  EXPECT_EQ(pair.a.record.ike_downs.back().reason, EndReason::redirected);
  EXPECT_TRUE(pair.a.live().empty());
  EXPECT_TRUE(pair.b.live().empty());
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
  EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
}

TEST(IkeRedirect, who_is_sent_away_and_may_not_go_stays_without_a_child) {
  EndpointConfig config = test_config();
  config.limits.redirects_max = 0;
  Pair pair{config};
  ConnectionConfig connection = make_connection(end_b, end_a);
  connection.redirect_to = elsewhere();
  pair.b.set(connection);
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.a.record.redirects.empty());
  EXPECT_TRUE(pair.a.live().empty());
  ASSERT_EQ(pair.a.record.child_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.child_downs[0].reason, EndReason::peer_refused);
}

TEST(IkeRedirect, a_redirect_in_the_answer_to_create_child_sa_is_no_answer) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  pair.filter = [&pair](Datagram& datagram) {
    if (datagram.to_b || datagram.header().exchange != ExchangeType::create_child_sa) return true;
    Forger forger{pair.a.record.keys.at(0)};
    datagram.message = forger.seal(datagram.header(), {make_redirect({elsewhere(), {}})});
    return true;
  };
  pair.command_a(InitiateChild{"to-b.example", "net"});
  pair.run();
  EXPECT_TRUE(pair.a.record.redirects.empty());
  EXPECT_LE(pair.a.live().size(), 1u);
}

TEST(IkeRedirect, a_wrong_secret_is_not_sent_anywhere) {
  Pair pair;
  ConnectionConfig connection = make_connection(end_b, end_a);
  connection.redirect_to = elsewhere();
  pair.b.set(connection);
  pair.b.secrets["to-a.example"] = "not the same";
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.a.record.redirects.empty());
  EXPECT_TRUE(pair.a.record.ike_ups.empty());
}

TEST(IkeRedirect, a_running_session_is_sent_elsewhere_by_command) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  pair.command_b(RedirectPeer{"to-a.example", {{}, "gw2.example.org"}});
  pair.run();
  ASSERT_EQ(pair.a.record.redirects.size(), 1u);
  EXPECT_EQ(pair.a.record.redirects[0].to.name, "gw2.example.org");
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty()) << "the old SA is deleted by who leaves";
  EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
}

TEST(IkeRedirect, only_the_responder_sends_and_only_the_initiator_goes) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  pair.command_a(RedirectPeer{"to-b.example", elsewhere()});
  pair.run();
  EXPECT_TRUE(pair.is_up());
  Forger forger{pair.a.record.keys.at(0)};
  pair.inject(true,
              forger.request(ExchangeType::informational, 2, {make_redirect({elsewhere(), {}})}));
  EXPECT_TRUE(pair.b.record.redirects.empty());
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
}

TEST(IkeRedirect, a_peer_that_stays_is_deleted_after_a_while) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  bool is_first = true;
  pair.filter = [&](Datagram& datagram) {
    if (datagram.to_b) return !std::exchange(is_first, false);  // its DELETE never arrives
    return true;
  };
  pair.command_b(RedirectPeer{"to-a.example", elsewhere()});
  pair.filter = [](Datagram&) { return false; };
  pair.advance(300s);
  EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
}

}  // namespace
}  // namespace caponier::ike::test

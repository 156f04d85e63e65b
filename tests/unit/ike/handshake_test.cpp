// IKE_SA_INIT and IKE_AUTH between two endpoints: the ways that work.

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

std::size_t count_sent(const Pair& pair, bool to_b, ExchangeType exchange) {
  return static_cast<std::size_t>(std::ranges::count_if(pair.sent, [&](const Datagram& d) {
    return d.to_b == to_b && d.header().exchange == exchange;
  }));
}

//= rfc7296#4-3 type=test
TEST(IkeHandshake, two_endpoints_bring_up_a_tunnel_in_four_messages) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.sent.size(), 4u);
  ASSERT_EQ(pair.a.record.installs.size(), 1u);
  const policy::InstallSa& sa = pair.a.record.installs.front();
  EXPECT_EQ(sa.mode, policy::SaMode::tunnel);
  EXPECT_EQ(sa.local, net(end_a.network));
  EXPECT_EQ(sa.remote, net(end_b.network));
  EXPECT_FALSE(sa.udp_encap);
  EXPECT_GE(sa.spi_in.value, 256u);
  EXPECT_EQ(pair.a.record.ike_ups.size(), 1u);
  EXPECT_EQ(pair.b.record.ike_ups.size(), 1u);
  EXPECT_EQ(pair.a.record.child_ups.size(), 1u);
  EXPECT_EQ(pair.b.record.child_ups.size(), 1u);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
}

TEST(IkeHandshake, the_other_side_can_initiate_too) {
  Pair pair;
  pair.initiate_b();
  pair.run();
  EXPECT_TRUE(pair.is_up());
}

//= rfc7296#2.8-9 type=test
//= rfc7296#2.8-11 type=test
TEST(IkeHandshake, the_responder_installs_before_its_answer_leaves) {
  Pair pair;
  bool was_installed = false;
  pair.filter = [&](Datagram& datagram) {
    if (!datagram.to_b && datagram.header().exchange == ExchangeType::ike_auth) {
      was_installed = pair.b.record.installs.size() == 1;
    }
    return true;
  };
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(was_installed);
}

TEST(IkeHandshake, transport_mode_is_agreed_when_both_want_it) {
  Pair pair;
  const auto host = [](const End& local, const End& remote) {
    ConnectionConfig connection = make_connection(local, remote);
    connection.children.front().mode = policy::SaMode::transport;
    connection.children.front().local = net(local.address);
    connection.children.front().remote = net(remote.address);
    return connection;
  };
  pair.a.set(host(end_a, end_b));
  pair.b.set(host(end_b, end_a));
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.a.record.installs.at(0).mode, policy::SaMode::transport);
}

TEST(IkeHandshake, a_wrong_group_is_corrected_by_invalid_ke_payload) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.offers = {ike_offer("aes256gcm16-prfsha384-ecp256")};
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(count_sent(pair, true, ExchangeType::ike_sa_init), 2u);
}

//= rfc8019#6-3 type=test
TEST(IkeHandshake, a_cookie_is_demanded_past_the_threshold_and_returned) {
  EndpointConfig config = test_config();
  config.limits.cookie_threshold = 0;
  Pair pair{config};
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(count_sent(pair, true, ExchangeType::ike_sa_init), 2u);
  EXPECT_EQ(pair.b.record.count(EventKind::ike_cookie_demanded), 1u);
}

//= rfc7296#2.6.1-1 type=test
TEST(IkeHandshake, cookie_and_wrong_group_together_still_end_well) {
  EndpointConfig config = test_config();
  config.limits.cookie_threshold = 0;
  Pair pair{config};
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.offers = {ike_offer("aes256gcm16-prfsha384-ecp256")};
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(count_sent(pair, true, ExchangeType::ike_sa_init), 3u);
}

//= rfc7296#2.9-4 rfc4301#4.4.2-2 type=test
TEST(IkeHandshake, the_responder_narrows_the_selectors) {
  Pair pair;
  ConnectionConfig at_a = make_connection(end_a, end_b);
  at_a.children.front().remote = net("10.0.0.0/8");
  pair.a.set(at_a);
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.a.record.installs.at(0).remote, net(end_b.network));
}

//= rfc7296#2.23-2 rfc7296#2.23-5 rfc7296#2.23-12 type=test
//= rfc7296#2.23-9 type=test
TEST(IkeHandshake, a_nat_moves_both_sides_to_port_4500_and_esp_into_udp) {
  Pair pair;
  pair.put_a_behind_nat("198.51.100.9", 1000);
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.remote_addresses.clear();
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  const policy::InstallSa& at_a = pair.a.record.installs.front();
  const policy::InstallSa& peer = pair.b.record.installs.front();
  EXPECT_TRUE(at_a.udp_encap);
  EXPECT_EQ(at_a.path.local.port, 4500);
  EXPECT_EQ(at_a.path.remote.port, 4500);
  EXPECT_FALSE(at_a.peer_behind_nat);
  EXPECT_TRUE(peer.peer_behind_nat);
  EXPECT_EQ(peer.path.remote, (base::Endpoint{ip("198.51.100.9"), 5500}));
  EXPECT_TRUE(pair.a.endpoint.snapshot().at(0).local_behind_nat);
  EXPECT_TRUE(pair.b.endpoint.snapshot().at(0).remote_behind_nat);
}

TEST(IkeHandshake, force_encap_pretends_a_nat) {
  Pair pair;
  ConnectionConfig at_a = make_connection(end_a, end_b);
  at_a.force_encap = true;
  pair.a.set(at_a);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  EXPECT_TRUE(pair.a.record.installs.at(0).udp_encap);
  EXPECT_EQ(pair.b.record.installs.at(0).path.remote.port, 4500);
}

TEST(IkeHandshake, force_encap_works_at_the_responder_too) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.force_encap = true;
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  EXPECT_TRUE(pair.a.record.installs.at(0).udp_encap);
  EXPECT_EQ(pair.a.record.installs.at(0).path.local.port, 4500);
}

TEST(IkeHandshake, transport_mode_behind_a_nat_uses_the_addresses_each_side_sees) {
  Pair pair;
  pair.put_a_behind_nat("198.51.100.9", 1000);
  ConnectionConfig at_a = make_connection(end_a, end_b);
  at_a.children.front().mode = policy::SaMode::transport;
  at_a.children.front().local = net("0.0.0.0/0");
  at_a.children.front().remote = net(end_b.address);
  pair.a.set(at_a);
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.remote_addresses.clear();
  at_b.children.front().mode = policy::SaMode::transport;
  at_b.children.front().local = net(end_b.address);
  at_b.children.front().remote = net("0.0.0.0/0");
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  ASSERT_EQ(pair.a.live().size(), 1u);
  ASSERT_EQ(pair.b.live().size(), 1u);
  EXPECT_EQ(pair.a.live().front()->local, net(end_a.address));
  EXPECT_EQ(pair.b.live().front()->remote, net("198.51.100.9"));
}

//= rfc4301#4.4.1.1-7 type=test
TEST(IkeHandshake, identities_choose_among_connections_of_the_same_address) {
  Pair pair;
  ConnectionConfig other = make_connection(end_b, end_a);
  other.name = "other";
  other.peer_rounds.front().identity = policy::Identity::parse("c.example");
  ConnectionConfig right = make_connection(end_b, end_a);
  right.remote_addresses.clear();
  pair.b.set(std::vector{other, right});
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.b.endpoint.snapshot().at(0).connection, "to-a.example");
}

//= rfc4301#4.4.3.1-3 type=test
TEST(IkeHandshake, the_connection_that_names_the_peer_most_exactly_is_chosen) {
  const auto below = [](std::string_view domain) {
    return policy::IdentityPattern::below(
        {wire::IdType::fqdn, base::to_vec(base::as_bytes(domain))});
  };
  ConnectionConfig any = make_connection(end_b, end_a);
  any.name = "any";
  any.peer_rounds.front().identity.reset();
  ConnectionConfig elsewhere = any;
  elsewhere.name = "elsewhere";
  elsewhere.peer_rounds.front().identity = below(".example.net");
  ConnectionConfig domain = any;
  domain.name = "domain";
  domain.peer_rounds.front().identity = below(".example");
  ConnectionConfig exact = make_connection(end_b, end_a);
  const auto chosen_of = [&](std::vector<ConnectionConfig> connections) {
    Pair fresh;
    fresh.b.set(std::move(connections));
    fresh.initiate_a();
    fresh.run();
    const auto all = fresh.b.endpoint.snapshot();
    return all.empty() ? std::string{} : all.front().connection;
  };
  EXPECT_EQ(chosen_of({any, elsewhere, domain, exact}), exact.name);
  EXPECT_EQ(chosen_of({any, elsewhere, domain}), "domain");
  EXPECT_EQ(chosen_of({elsewhere, any}), "any");
  EXPECT_EQ(chosen_of({elsewhere}), "");
}

TEST(IkeHandshake, an_initiator_that_expects_one_of_several_names_none) {
  Pair pair;
  ConnectionConfig a = make_connection(end_a, end_b);
  a.peer_rounds.front().identity = policy::IdentityPattern::below(
      {wire::IdType::fqdn, base::to_vec(base::as_bytes(".example"))});
  pair.a.set(a);
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
}

TEST(IkeHandshake, a_second_initiate_for_the_same_connection_is_ignored) {
  Pair pair;
  pair.initiate_a();
  pair.initiate_a();
  pair.run();
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.sent.size(), 4u);
}

//= rfc7296#2.4-1 type=test
TEST(IkeHandshake, initial_contact_removes_what_a_restarted_peer_forgot) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  pair.now = pair.now + 5s;
  Side restarted{77, test_config(), pair.now};  // A lost everything and comes again
  restarted.set(make_connection(end_a, end_b));
  restarted.endpoint.handle_command(Initiate{"to-b.example", pair.path_of(true, 500)}, pair.now);
  for (int i = 0; i < 10; ++i) {
    while (auto action = restarted.endpoint.poll_action()) {
      if (auto* const transmit = std::get_if<Transmit>(&*action)) {
        pair.inject(true, transmit->datagram);
      } else if (auto* const request = std::get_if<AuthRequest>(&*action)) {
        restarted.endpoint.handle_auth_reply(
            answer_by_shared_key(*request, restarted.crypto,
                                 base::as_bytes("a shared secret of both")),
            pair.now);
      }
    }
    for (const Datagram& d : std::exchange(pair.wire, {})) {
      restarted.endpoint.handle_datagram(d.path, d.message, pair.now);
    }
  }
  EXPECT_EQ(restarted.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.live().size(), 1u);
  ASSERT_EQ(pair.b.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.b.record.ike_downs.front().reason, EndReason::replaced);
}

TEST(IkeHandshake, keys_are_exported_only_when_asked) {
  EndpointConfig config = test_config();
  config.export_keys = false;
  Pair pair{config};
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_TRUE(pair.a.record.keys.empty());
}

TEST(IkeHandshake, no_answer_to_a_stranger_is_longer_than_its_request) {
  for (const bool with_cookie : {false, true}) {
    EndpointConfig config = test_config();
    if (with_cookie) config.limits.cookie_threshold = 0;
    Pair pair{config};
    std::size_t request = 0;
    std::size_t answered = 0;
    pair.filter = [&](Datagram& datagram) {
      if (datagram.header().exchange != ExchangeType::ike_sa_init) return true;
      if (datagram.to_b) {
        request = datagram.message.size();
      } else {
        EXPECT_LE(datagram.message.size(), request);
        ++answered;
      }
      return true;
    };
    pair.initiate_a();
    pair.run();
    EXPECT_TRUE(pair.is_up());
    EXPECT_EQ(answered, with_cookie ? 2u : 1u);
  }
}

}  // namespace
}  // namespace caponier::ike::test

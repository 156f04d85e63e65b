// What happens to an IKE SA that is up: deletion, liveness, further children, moves, the end.

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

void bring_up(Pair& pair) {
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  pair.sent.clear();
}

policy::ChildSaId child_of(const Side& side) { return side.live().at(0)->id; }

/// A second child on both sides, with PFS groups as given.
void add_second_child(Pair& pair, std::string_view offer_a, std::string_view offer_b) {
  const auto extend = [](ConnectionConfig connection, std::string_view offer,
                         std::string_view local, std::string_view remote) {
    ChildConfig child = connection.children.front();
    child.name = "second";
    child.offers = {esp_offer(offer)};
    child.local = net(local);
    child.remote = net(remote);
    connection.children.push_back(child);
    return connection;
  };
  pair.a.set(extend(make_connection(end_a, end_b), offer_a, "10.3.0.0/16", "10.4.0.0/16"));
  pair.b.set(extend(make_connection(end_b, end_a), offer_b, "10.4.0.0/16", "10.3.0.0/16"));
}

TEST(IkeEstablished, deleting_the_ike_sa_removes_everything_on_both_sides) {
  for (const bool by_a : {true, false}) {
    Pair fresh;
    fresh.initiate_a();
    fresh.run();
    ASSERT_TRUE(fresh.is_up());
    if (by_a) fresh.command_a(DeleteIke{"to-b.example"});
    if (!by_a) fresh.command_b(DeleteIke{"to-a.example"});
    fresh.run();
    EXPECT_TRUE(fresh.a.live().empty());
    EXPECT_TRUE(fresh.b.live().empty());
    EXPECT_TRUE(fresh.a.endpoint.snapshot().empty());
    EXPECT_TRUE(fresh.b.endpoint.snapshot().empty());
    EXPECT_EQ(fresh.a.record.ike_downs.at(0).reason,
              by_a ? EndReason::local_request : EndReason::peer_deleted);
    EXPECT_TRUE(fresh.b.record.ike_downs.at(0).was_established);
    fresh.advance(60s);
    EXPECT_FALSE(fresh.a.endpoint.poll_deadline().has_value());
    EXPECT_FALSE(fresh.b.endpoint.poll_deadline().has_value());
  }
}

TEST(IkeEstablished, a_responders_first_child_soon_sends_though_nothing_is_heard_on_it) {
  Pair pair;
  bring_up(pair);
  EXPECT_TRUE(pair.b.record.installs.at(0).receives_only);
  EXPECT_TRUE(pair.b.record.switches.empty());
  pair.advance(2s);
  ASSERT_EQ(pair.b.record.switches.size(), 1u);
  EXPECT_TRUE(pair.b.record.switches.at(0).sends);
}

//= rfc7296#1.4.1-1..3 rfc7296#2.4-11 type=test
TEST(IkeEstablished, deleting_a_child_leaves_the_ike_sa) {
  Pair pair;
  bring_up(pair);
  pair.command_b(DeleteChild{child_of(pair.b)});
  pair.run();
  EXPECT_TRUE(pair.a.live().empty());
  EXPECT_TRUE(pair.b.live().empty());
  EXPECT_EQ(pair.a.state(), IkeState::established);
  EXPECT_EQ(pair.a.record.child_downs.at(0).reason, EndReason::peer_deleted);
  EXPECT_EQ(pair.b.record.child_downs.at(0).reason, EndReason::local_request);
}

//= rfc7296#1.4.1-4 type=test
TEST(IkeEstablished, both_sides_delete_the_same_child_at_once) {
  Pair pair;
  bring_up(pair);
  pair.command_a(DeleteChild{child_of(pair.a)});
  pair.command_b(DeleteChild{child_of(pair.b)});
  pair.run();
  EXPECT_EQ(pair.a.record.removals.size(), 1u);
  EXPECT_EQ(pair.b.record.removals.size(), 1u);
  EXPECT_EQ(pair.a.state(), IkeState::established);
  EXPECT_EQ(pair.b.state(), IkeState::established);
}

//= rfc7296#2.25.2-4 type=test
TEST(IkeEstablished, both_sides_delete_the_ike_sa_at_once) {
  Pair pair;
  bring_up(pair);
  pair.command_a(DeleteIke{"to-b.example"});
  pair.command_b(DeleteIke{"to-a.example"});
  pair.run();
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
  EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
}

//= rfc7296#1-2 rfc7296#1.3-1 rfc7296#1.3-3 type=test
TEST(IkeEstablished, a_further_child_comes_up_with_and_without_pfs) {
  for (const std::string_view offer : {"aes256gcm16", "aes128gcm16-x25519", "aes256-sha256"}) {
    for (const bool by_a : {true, false}) {
      Pair pair;
      add_second_child(pair, offer, offer);
      bring_up(pair);
      if (by_a) pair.command_a(InitiateChild{"to-b.example", "second"});
      if (!by_a) pair.command_b(InitiateChild{"to-a.example", "second"});
      pair.run();
      ASSERT_EQ(pair.a.live().size(), 2u) << offer;
      ASSERT_EQ(pair.b.live().size(), 2u) << offer;
      const policy::InstallSa& x = *pair.a.live().at(1);
      const policy::InstallSa& y = *pair.b.live().at(1);
      EXPECT_TRUE(base::equal(x.keys_in.encr.reveal(), y.keys_out.encr.reveal()));
      EXPECT_TRUE(base::equal(x.keys_out.encr.reveal(), y.keys_in.encr.reveal()));
      EXPECT_EQ(x.child, "second");
      EXPECT_EQ(x.spi_in, y.spi_out);
      EXPECT_EQ(x.local, net("10.3.0.0/16"));
    }
  }
}

//= rfc4301#4.1-6 type=test
TEST(IkeEstablished, several_children_may_have_the_same_selectors) {
  Pair pair;
  const auto doubled = [](ConnectionConfig connection) {
    connection.children.push_back(connection.children.front());
    connection.children.back().name = "second";
    return connection;
  };
  pair.a.set(doubled(make_connection(end_a, end_b)));
  pair.b.set(doubled(make_connection(end_b, end_a)));
  bring_up(pair);
  pair.command_a(InitiateChild{"to-b.example", "second"});
  pair.advance(60s);
  for (const Side* side : {&pair.a, &pair.b}) {
    const auto live = side->live();
    ASSERT_EQ(live.size(), 2u);
    EXPECT_EQ(live.at(0)->local, live.at(1)->local);
    EXPECT_EQ(live.at(0)->remote, live.at(1)->remote);
  }
}

TEST(IkeEstablished, a_wrong_pfs_group_is_corrected) {
  Pair pair;
  add_second_child(pair, "aes256gcm16-x25519-ecp256", "aes256gcm16-ecp256");
  bring_up(pair);
  pair.command_a(InitiateChild{"to-b.example", "second"});
  pair.run();
  EXPECT_EQ(pair.a.live().size(), 2u);
  EXPECT_EQ(pair.a.live().at(1)->suite.ke, crypto::KeGroup::ecp_256);
  EXPECT_EQ(pair.sent.size(), 4u);
}

TEST(IkeEstablished, a_further_child_that_cannot_be_is_reported) {
  Pair pair;
  add_second_child(pair, "aes256gcm16", "chacha20poly1305");
  bring_up(pair);
  pair.command_a(InitiateChild{"to-b.example", "second"});
  pair.run();
  EXPECT_EQ(pair.a.live().size(), 1u);
  EXPECT_EQ(pair.a.record.child_downs.at(0).reason, EndReason::no_proposal);
  EXPECT_EQ(pair.a.record.child_downs.at(0).child_sa.value, 0u);
  pair.command_a(InitiateChild{"to-b.example", "nonsense"});
  EXPECT_EQ(pair.a.record.child_downs.at(1).reason, EndReason::local_fault);
}

//= rfc7296#1.3-2 type=test
TEST(IkeEstablished, children_beyond_the_limit_get_no_additional_sas) {
  EndpointConfig config = test_config();
  config.limits.children_per_ike_max = 1;
  Pair pair{config};
  add_second_child(pair, "aes256gcm16", "aes256gcm16");
  bring_up(pair);
  Forger forger{pair.a.record.keys.at(0)};
  wire::SaPayload sa = policy::to_wire({esp_offer("aes256gcm16")},
                                       ByteVec{std::byte{9}, std::byte{9}, {}, {}}, false);
  pair.inject(true, forger.request(ExchangeType::create_child_sa, 2,
                                   {sa, wire::NoncePayload{ByteVec(32)},
                                    policy::to_wire(net(end_a.network), true),
                                    policy::to_wire(net(end_b.network), false)}));
  const auto answer = forger.open(pair.b.record.transmits.back().datagram);
  EXPECT_NE(wire::find_notify(answer, NotifyType::no_additional_sas), nullptr);
  EXPECT_EQ(pair.b.live().size(), 1u);
}

//= rfc7296#2.25-5 rfc7296#2.25.1-3 type=test
TEST(IkeEstablished, a_peer_may_rekey_a_child) {
  Pair pair;
  bring_up(pair);
  Forger forger{pair.a.record.keys.at(0)};
  const base::Spi old = pair.a.live().at(0)->spi_in;
  const auto request = [&](std::uint32_t id, base::Spi rekeyed) {
    wire::NotifyPayload rekey;
    rekey.type = NotifyType::rekey_sa;
    rekey.protocol = wire::ProtocolId::esp;
    rekey.spi.resize(4);
    base::store_be(rekey.spi.data(), rekeyed.value);
    return forger.request(
        ExchangeType::create_child_sa, id,
        {rekey,
         policy::to_wire({esp_offer("aes256gcm16")}, ByteVec{std::byte{9}, std::byte{9}, {}, {}},
                         false),
         wire::NoncePayload{ByteVec(32)}, policy::to_wire(net(end_a.network), true),
         policy::to_wire(net(end_b.network), false)});
  };
  pair.inject(true, request(2, old));
  EXPECT_EQ(pair.b.live().size(), 2u) << "both live until the peer deletes the old one";
  wire::DeletePayload deletion{wire::ProtocolId::esp, 4, {ByteVec(4)}};
  base::store_be(deletion.spis[0].data(), old.value);
  pair.inject(true, forger.request(ExchangeType::informational, 3, {deletion}));
  const auto answer = forger.open(pair.b.record.transmits.back().datagram);
  pair.advance(4s);
  ASSERT_EQ(pair.b.live().size(), 1u) << "the old one received a little longer";
  EXPECT_EQ(pair.b.live().at(0)->spi_out.value, 0x09090000u);
  EXPECT_NE(wire::find<wire::DeletePayload>(answer), nullptr);
  pair.inject(true, request(4, base::Spi{0xdeadbeef}));
  const auto refusal = forger.open(pair.b.record.transmits.back().datagram);
  EXPECT_NE(wire::find_notify(refusal, NotifyType::child_sa_not_found), nullptr);
}

TEST(IkeEstablished, a_peer_may_rekey_the_ike_sa) {
  Pair pair;
  bring_up(pair);
  Forger forger{pair.a.record.keys.at(0)};
  base::SeededRng rng{5};
  crypto::NullProvider crypto{nullptr};
  const auto ke = crypto.make_key_exchange(crypto::KeGroup::curve25519, rng).value();
  const ByteVec spi(8, std::byte{0x77});
  pair.inject(
      true, forger.request(ExchangeType::create_child_sa, 2,
                           {policy::to_wire({ike_offer("aes256gcm16-prfsha384-x25519")}, spi, true),
                            wire::NoncePayload{ByteVec(32)},
                            wire::KePayload{31, base::to_vec(ke->public_value())}}));
  ASSERT_EQ(pair.b.ike_count(IkeState::established), 2u);
  EXPECT_EQ(pair.b.live().size(), 1u);
  const auto infos = pair.b.endpoint.snapshot();
  EXPECT_TRUE(infos.at(0).children.empty());
  EXPECT_EQ(infos.at(1).children.size(), 1u);
  wire::DeletePayload deletion;
  deletion.protocol = wire::ProtocolId::ike;
  pair.inject(true, forger.request(ExchangeType::informational, 3, {deletion}));
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.live().size(), 1u) << "the child moved to the heir";
  // The heir speaks with the new keys.
  Forger successor{pair.b.record.keys.at(1)};
  pair.inject(true, successor.request(ExchangeType::informational, 0, {}));
  EXPECT_TRUE(successor.open(pair.b.record.transmits.back().datagram).empty());
}

//= rfc7296#2.25.1-1 type=test
//= rfc7296#2.25-1 rfc7296#2.25.1-7 type=test
TEST(IkeEstablished, a_child_wanted_back_while_its_rekey_is_under_way_is_not_forgotten) {
  Pair pair;
  bring_up(pair);
  // B is busy with the IKE SA and refuses A's rekey; A has given the Child SA up meanwhile.
  pair.command_b(RekeyIke{"to-a.example"});
  pair.command_a(RekeyChild{child_of(pair.a)});
  pair.command_a(DeleteChild{child_of(pair.a)});
  const std::string child = pair.a.record.installs.at(0).child;
  pair.command_a(InitiateChild{"to-b.example", child});
  pair.run();
  const auto& downs = pair.a.record.child_downs;
  EXPECT_TRUE(std::ranges::any_of(downs, [](const ChildDown& down) {
    return down.child_sa == policy::ChildSaId{};
  })) << "whoever asked for the child has no answer";
}

TEST(IkeEstablished, rekeying_what_we_are_deleting_is_a_temporary_failure) {
  Pair pair;
  bring_up(pair);
  Forger forger{pair.a.record.keys.at(0)};
  const base::Spi old = pair.a.live().at(0)->spi_in;
  wire::NotifyPayload rekey;
  rekey.type = NotifyType::rekey_sa;
  rekey.protocol = wire::ProtocolId::esp;
  rekey.spi.resize(4);
  base::store_be(rekey.spi.data(), old.value);
  const ByteVec spi{std::byte{9}, std::byte{9}, {}, {}};
  pair.filter = [](Datagram&) { return false; };
  pair.command_b(DeleteChild{child_of(pair.b)});
  pair.inject(true, forger.request(
                        ExchangeType::create_child_sa, 2,
                        {rekey, policy::to_wire({esp_offer("aes256gcm16")}, spi, false),
                         wire::NoncePayload{ByteVec(32)}, policy::to_wire(net(end_a.network), true),
                         policy::to_wire(net(end_b.network), false)}));
  const auto answer = forger.open(pair.b.record.transmits.back().datagram);
  EXPECT_NE(wire::find_notify(answer, NotifyType::temporary_failure), nullptr);
  const ByteVec ike_spi(8, std::byte{0x77});
  pair.inject(
      true,
      forger.request(ExchangeType::create_child_sa, 3,
                     {policy::to_wire({ike_offer("aes256gcm16-prfsha384-x25519")}, ike_spi, true),
                      wire::NoncePayload{ByteVec(32)}, wire::KePayload{31, ByteVec(32)}}));
  const auto second = forger.open(pair.b.record.transmits.back().datagram);
  EXPECT_NE(wire::find_notify(second, NotifyType::temporary_failure), nullptr);
}

TEST(IkeEstablished, one_identity_cannot_pile_up_ike_sas) {
  EndpointConfig config = test_config();
  config.limits.ike_sas_per_peer_max = 3;
  Pair pair{config};
  for (std::uint64_t i = 0; i < 10; ++i) {
    // Each time another instance of A, which hides that it is new.
    Side again{100 + i, config, pair.now};
    again.set(make_connection(end_a, end_b));
    std::swap(again.record, pair.a.record);
    ConnectionConfig plain = make_connection(end_a, end_b);
    std::optional<KeysExported> keys;
    pair.filter = [&](Datagram& datagram) {
      if (datagram.to_b) return false;
      again.endpoint.handle_datagram(datagram.path, datagram.message, pair.now);
      return false;
    };
    again.endpoint.handle_command(Initiate{plain.name, pair.path_of(true, 500)}, pair.now);
    while (auto action = again.endpoint.poll_action()) {
      if (auto* const transmit = std::get_if<Transmit>(&*action)) {
        ByteVec message = transmit->datagram;
        const Datagram datagram{true, {}, message};
        if (datagram.header().exchange == ExchangeType::ike_auth) {
          Forger forger{*keys};
          auto payloads = forger.open(message);
          std::erase_if(payloads, [](const wire::Payload& payload) {
            const auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
            return notify != nullptr && notify->type == NotifyType::initial_contact;
          });
          message = forger.seal(datagram.header(), payloads);
        }
        pair.inject(true, message);
      } else if (auto* const exported = std::get_if<KeysExported>(&*action)) {
        keys = std::move(*exported);
      } else if (auto* const request = std::get_if<AuthRequest>(&*action)) {
        again.endpoint.handle_auth_reply(
            answer_by_shared_key(*request, again.crypto, base::as_bytes("a shared secret of both")),
            pair.now);
      }
    }
    std::swap(again.record, pair.a.record);
  }
  EXPECT_EQ(pair.b.record.ike_ups.size(), 10u);
  EXPECT_LE(pair.b.ike_count(IkeState::established), 3u);
  pair.filter = [](Datagram&) { return false; };
  pair.advance(300s);
  EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
  EXPECT_TRUE(pair.b.live().empty());
}

TEST(IkeEstablished, silence_brings_a_liveness_check_and_life_prevents_it) {
  Pair pair;
  bring_up(pair);
  pair.advance(29s);
  EXPECT_TRUE(pair.sent.empty());
  pair.command_a(PeerHeard{child_of(pair.a)});
  pair.command_b(PeerHeard{child_of(pair.b)});
  pair.advance(20s);
  EXPECT_TRUE(pair.sent.empty());
  pair.advance(15s);
  EXPECT_FALSE(pair.sent.empty());
  EXPECT_TRUE(pair.is_up());
}

//= rfc7296#2.4-5 rfc7296#2.1-6 type=test
//= rfc7296#2.4-12 type=test
TEST(IkeEstablished, a_dead_peer_is_noticed_and_its_sas_are_removed) {
  Pair pair;
  bring_up(pair);
  pair.filter = [](Datagram&) { return false; };
  pair.advance(200s);
  EXPECT_TRUE(pair.a.live().empty());
  EXPECT_TRUE(pair.b.live().empty());
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::timeout);
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
  EXPECT_FALSE(pair.a.endpoint.poll_deadline().has_value());
}

TEST(IkeEstablished, a_requested_liveness_check_measures_the_round_trip) {
  Pair pair;
  bring_up(pair);
  pair.command_a(CheckLiveness{"to-b.example"});
  const auto request = std::exchange(pair.wire, {});
  pair.now = pair.now + 40ms;
  pair.wire = request;
  pair.run();
  EXPECT_EQ(pair.a.endpoint.snapshot().at(0).last_round_trip, base::Duration{40ms});
}

TEST(IkeEstablished, every_measured_round_trip_is_counted) {
  Pair pair;
  bring_up(pair);
  const auto before = pair.a.endpoint.snapshot().at(0).round_trips;
  for (int i = 0; i < 2; ++i) {
    pair.command_a(CheckLiveness{"to-b.example"});
    pair.run();
  }
  EXPECT_EQ(pair.a.endpoint.snapshot().at(0).round_trips, before + 2);
}

//= rfc7296#2.23-11 type=test
TEST(IkeEstablished, keepalives_come_only_from_behind_the_nat) {
  Pair pair;
  pair.put_a_behind_nat("198.51.100.9", 1000);
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.remote_addresses.clear();
  pair.b.set(at_b);
  bring_up(pair);
  pair.advance(25s);
  const auto keepalives = [](const Side& side) {
    return std::ranges::count_if(side.record.transmits, [](const Transmit& t) {
      return t.datagram == ByteVec{std::byte{0xff}};
    });
  };
  EXPECT_EQ(keepalives(pair.a), 1);
  EXPECT_EQ(keepalives(pair.b), 0);
}

//= rfc7296#2.23-15 type=test
TEST(IkeEstablished, a_peer_behind_a_nat_is_followed_to_its_new_port) {
  Pair pair;
  pair.put_a_behind_nat("198.51.100.9", 1000);
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.remote_addresses.clear();
  pair.b.set(at_b);
  bring_up(pair);
  pair.put_a_behind_nat("198.51.100.77", 2000);
  pair.command_a(CheckLiveness{"to-b.example"});
  const Datagram request = pair.wire.front();
  pair.run();
  ASSERT_EQ(pair.b.record.moves.size(), 1u);
  EXPECT_EQ(pair.b.record.moves.at(0).path.remote, (base::Endpoint{ip("198.51.100.77"), 6500}));
  EXPECT_EQ(pair.b.record.count(EventKind::ike_peer_moved), 1u);
  // A replay from elsewhere moves nothing.
  Datagram replay = request;
  replay.path.remote.address = ip("203.0.113.66");
  pair.b.endpoint.handle_datagram(replay.path, replay.message, pair.now);
  pair.collect();
  EXPECT_EQ(pair.b.record.moves.size(), 1u);
}

//= rfc7296#2.23-15..16 type=test
TEST(IkeEstablished, authenticated_esp_from_elsewhere_moves_the_peer) {
  Pair pair;
  pair.put_a_behind_nat("198.51.100.9", 1000);
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.remote_addresses.clear();
  pair.b.set(at_b);
  bring_up(pair);
  const base::Path path{{ip(end_b.address), 4500}, {ip("198.51.100.9"), 7777}};
  pair.command_b(PeerMoved{child_of(pair.b), path});
  ASSERT_EQ(pair.b.record.moves.size(), 1u);
  EXPECT_EQ(pair.b.record.moves.at(0).path, path);
  // A is not behind a NAT for itself: it stays where it is.
  pair.command_a(PeerMoved{child_of(pair.a), {{ip(end_a.address), 4500}, {ip("1.2.3.4"), 1}}});
  EXPECT_TRUE(pair.a.record.moves.empty());
}

//= rfc7296#2.4-13 type=test
TEST(IkeEstablished, shutdown_deletes_at_the_peer_and_ends) {
  Pair pair;
  bring_up(pair);
  pair.command_a(Shutdown{});
  pair.run();
  EXPECT_TRUE(pair.b.live().empty());
  EXPECT_TRUE(pair.a.live().empty());
  EXPECT_FALSE(pair.a.endpoint.poll_deadline().has_value());
  pair.initiate_b();
  pair.run();
  EXPECT_EQ(pair.a.endpoint.half_open_count(), 0u);
}

TEST(IkeEstablished, shutdown_does_not_wait_long_for_a_dead_peer) {
  Pair pair;
  bring_up(pair);
  pair.filter = [](Datagram&) { return false; };
  const base::Instant began = pair.now;
  pair.command_a(Shutdown{});
  pair.advance(4s);
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
  EXPECT_EQ(std::ranges::count_if(pair.sent, [](const auto& d) { return d.to_b; }), 3);
  EXPECT_LE(pair.now - began, 4s);
}

TEST(IkeEstablished, shutdown_drops_what_is_half_open) {
  Pair pair;
  pair.initiate_a();
  pair.command_a(Shutdown{});
  EXPECT_FALSE(pair.a.endpoint.poll_deadline().has_value());
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
}

TEST(IkeEstablished, simultaneous_initiation_ends_with_one_sa_and_no_gap) {
  for (const bool swap : {false, true}) {
    Pair pair;
    if (swap) (void)pair.a.rng.public_u64();  // other SPIs: the other side loses
    pair.initiate_a();
    pair.initiate_b();
    bool had_traffic = false;
    pair.filter = [&](Datagram&) {
      if (!pair.a.live().empty() && !pair.b.live().empty()) had_traffic = true;
      if (had_traffic) {
        EXPECT_FALSE(pair.a.live().empty());
        EXPECT_FALSE(pair.b.live().empty());
      }
      return true;
    };
    pair.run();
    EXPECT_EQ(pair.a.ike_count(IkeState::established), 2u);
    pair.advance(5s);
    EXPECT_TRUE(pair.is_up());
    ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
    EXPECT_EQ(pair.a.record.ike_downs.at(0).was_established, true);
  }
}

TEST(IkeEstablished, simultaneous_initiation_survives_the_loss_of_any_message) {
  for (std::size_t lost = 0; lost < 10; ++lost) {
    Pair pair;
    std::size_t index = 0;
    pair.filter = [&](Datagram&) { return index++ != lost; };
    pair.initiate_a();
    pair.initiate_b();
    pair.advance(20s);
    EXPECT_TRUE(pair.is_up()) << "lost message " << lost;
  }
}

//= rfc7296#2.4-4 rfc7296#2.21.4-5 type=test
//= rfc7296#2.4-6 type=test
TEST(IkeEstablished, unprotected_notifies_change_nothing) {
  Pair pair;
  bring_up(pair);
  const auto info = pair.a.endpoint.snapshot().at(0);
  wire::IkeMessage message;
  message.header.spi_i = info.spi_i;
  message.header.spi_r = info.spi_r;
  message.header.exchange = ExchangeType::informational;
  message.header.flags = wire::IkeHeader::flag_initiator;
  message.header.message_id.value = 2;
  wire::NotifyPayload notify;
  notify.type = NotifyType::invalid_ike_spi;
  message.payloads.emplace_back(notify);
  pair.inject(true, *message.encode());
  EXPECT_EQ(pair.b.record.count(EventKind::ike_notify_hint), 1u);
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.sent.size(), 2u) << "it only made B ask whether A lives";
}

TEST(IkeEstablished, unknown_spis_are_counted_and_not_answered) {
  Pair pair;
  bring_up(pair);
  const auto message = pair.b.record.transmits.back().datagram;
  ByteVec foreign = message;
  foreign[0] ^= std::byte{1};
  pair.inject(false, foreign);
  EXPECT_EQ(pair.a.endpoint.drops()[DropReason::ike_unknown_spi], 1u);
  EXPECT_TRUE(pair.sent.empty());
}

}  // namespace
}  // namespace caponier::ike::test

// Addresses that change: RFC 4555 in both roles, RFC 7296 s2.23, liveness and keep-alives.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
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

SetLocalAddresses addresses(std::initializer_list<std::string_view> list) {
  SetLocalAddresses command;
  for (const std::string_view text : list) command.addresses.push_back(ip(text));
  return command;
}

TEST(IkeMobility, without_mobike_a_lost_address_ends_the_sa_at_once) {
  Pair pair;
  pair.command_a(addresses({"192.0.2.1"}));
  bring_up(pair);
  pair.command_a(addresses({"198.51.100.7"}));
  ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::address_lost);
  EXPECT_TRUE(pair.a.record.ike_downs.at(0).was_established);
  EXPECT_TRUE(pair.a.live().empty());
}

TEST(IkeMobility, a_host_without_any_address_keeps_its_sas) {
  Pair pair;
  pair.command_a(addresses({"192.0.2.1"}));
  bring_up(pair);
  pair.command_a(addresses({}));
  pair.command_a(addresses({"2001:db8::7"}));
  pair.command_a(addresses({"192.0.2.1", "198.51.100.7"}));
  EXPECT_TRUE(pair.is_up());
}

TEST(IkeMobility, an_address_that_was_never_listed_is_not_missed) {
  Pair pair;
  bring_up(pair);
  pair.command_a(addresses({"198.51.100.7"}));
  EXPECT_TRUE(pair.is_up());
}

// ---- MOBIKE

ConnectionConfig mobile(const End& local, const End& remote) {
  ConnectionConfig connection = make_connection(local, remote);
  connection.mobike = true;
  return connection;
}

/// Both sides speak MOBIKE and know their addresses.
struct MobilePair : Pair {
  MobilePair() : MobilePair(test_config()) {}
  explicit MobilePair(EndpointConfig config) : Pair(std::move(config)) {
    a.set(mobile(end_a, end_b));
    b.set(mobile(end_b, end_a));
    command_a(addresses({"192.0.2.1"}));
    command_b(addresses({"192.0.2.2"}));
  }
  void start() {
    initiate_a();
    run();
    ASSERT_TRUE(is_up());
    sent.clear();
  }
  [[nodiscard]] base::Path path_at_a() const { return a.endpoint.snapshot().at(0).path; }
  [[nodiscard]] base::Path path_at_b() const { return b.endpoint.snapshot().at(0).path; }
  [[nodiscard]] Forger forger() { return Forger{a.record.keys.at(0)}; }
  [[nodiscard]] std::size_t sent_to(bool to_b) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(sent, [&](const Datagram& d) { return d.to_b == to_b; }));
  }
};

wire::NotifyPayload notify(NotifyType type, ByteVec data = {}) {
  wire::NotifyPayload payload;
  payload.type = type;
  payload.data = std::move(data);
  return payload;
}

void deliver_to_b(Pair& pair, std::string_view from, std::string_view to, Bytes message) {
  const base::Path path{{ip(to), 4500}, {ip(from), 4500}};
  pair.b.endpoint.handle_datagram(path, message, pair.now);
  pair.collect();
}

//= rfc4555#3.2-1 type=test
//= rfc4555#3.3-1 type=test
TEST(IkeMobility, mobike_is_agreed_upon_and_moves_to_the_nat_port) {
  MobilePair pair;
  pair.start();
  EXPECT_EQ(pair.path_at_a().local.port, 4500);
  EXPECT_EQ(pair.path_at_b().remote.port, 4500);
  EXPECT_FALSE(pair.a.live().at(0)->udp_encap) << "there is no NAT";
}

TEST(IkeMobility, a_moved_initiator_takes_its_tunnel_along) {
  MobilePair pair;
  pair.start();
  pair.command_a(addresses({"198.51.100.7"}));
  ASSERT_EQ(pair.a.record.moves.size(), 1u) << "the old address is gone: nothing to lose";
  EXPECT_EQ(pair.a.record.moves.at(0).path.local.address, ip("198.51.100.7"));
  EXPECT_TRUE(pair.b.record.moves.empty());
  pair.run();
  ASSERT_FALSE(pair.b.record.moves.empty());
  EXPECT_EQ(pair.b.record.moves.back().path.remote.address, ip("198.51.100.7"));
  EXPECT_EQ(pair.path_at_b().remote.address, ip("198.51.100.7"));
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.sent.size(), 4u) << "an update and a return routability check";
  EXPECT_EQ(pair.b.record.count(EventKind::ike_peer_moved), 1u);
}

TEST(IkeMobility, an_initiator_with_two_addresses_moves_only_when_the_peer_agreed) {
  MobilePair pair;
  pair.start();
  pair.command_a(addresses({"198.51.100.7", "192.0.2.1"}));  // another default route
  EXPECT_TRUE(pair.a.record.moves.empty());
  pair.run();
  ASSERT_FALSE(pair.a.record.moves.empty());
  EXPECT_EQ(pair.a.record.moves.back().path.local.address, ip("198.51.100.7"));
  EXPECT_EQ(pair.b.record.moves.back().path.remote.address, ip("198.51.100.7"));
}

//= rfc4555#3.7-5 type=test
//= rfc4555#3.7-1,3 type=test
TEST(IkeMobility, traffic_does_not_follow_to_an_address_that_does_not_answer) {
  MobilePair pair;
  pair.start();
  pair.filter = [](Datagram& d) { return d.to_b || d.header().is_response(); };
  pair.command_a(addresses({"198.51.100.7"}));
  pair.run();
  EXPECT_TRUE(pair.b.record.moves.empty()) << "its question never arrived";
  pair.filter = nullptr;
  pair.advance(10s);
  ASSERT_FALSE(pair.b.record.moves.empty());
  EXPECT_EQ(pair.b.record.moves.back().path.remote.address, ip("198.51.100.7"));
}

//= rfc4555#3.7-6 type=test
TEST(IkeMobility, a_wrong_cookie2_closes_the_ike_sa) {
  MobilePair pair;
  pair.start();
  Forger forger = pair.forger();
  pair.filter = [&](Datagram& d) {
    if (!d.to_b || !d.header().is_response()) return true;
    d.message = forger.seal(d.header(), {notify(NotifyType::cookie2, ByteVec(16))});
    return true;
  };
  pair.command_a(addresses({"198.51.100.7"}));
  pair.run();
  EXPECT_TRUE(pair.b.record.moves.empty());
  EXPECT_TRUE(pair.b.live().empty());
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_unproven_address], 1u);
  EXPECT_EQ(pair.b.record.ike_downs.at(0).reason, EndReason::protocol_error);
}

TEST(IkeMobility, a_flood_of_updates_moves_nothing_and_is_not_amplified) {
  MobilePair pair;
  pair.start();
  Forger forger = pair.forger();
  pair.filter = [](Datagram&) { return false; };
  constexpr std::uint32_t floods = 500;
  for (std::uint32_t i = 0; i < floods; ++i) {
    deliver_to_b(pair, "203.0.113." + std::to_string(i % 250 + 1), "192.0.2.2",
                 forger.request(ExchangeType::informational, 2 + i,
                                {notify(NotifyType::update_sa_addresses)}));
  }
  EXPECT_TRUE(pair.b.record.moves.empty());
  EXPECT_LE(pair.sent_to(false), floods + 1) << "an answer each, and one check";
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  pair.filter = nullptr;
  pair.advance(60s);
}

TEST(IkeMobility, updates_that_no_host_could_send_are_refused) {
  MobilePair pair;
  ConnectionConfig fixed = mobile(end_b, end_a);
  fixed.local_address = ip(end_b.address);
  pair.b.set(fixed);
  pair.start();
  Forger forger = pair.forger();
  std::uint32_t id = 2;
  const auto answer_to = [&](std::string_view from, std::string_view to) {
    deliver_to_b(pair, from, to,
                 forger.request(ExchangeType::informational, id++,
                                {notify(NotifyType::update_sa_addresses)}));
    return forger.open(Bytes{pair.b.record.transmits.back().datagram}.subspan(4));
  };
  for (const auto& [from, to] : {std::pair{"224.0.0.5", "192.0.2.2"},
                                 {"0.0.0.0", "192.0.2.2"},
                                 {"192.0.2.2", "192.0.2.2"},
                                 {"198.51.100.7", "192.0.2.77"}}) {
    const auto answer = answer_to(from, to);
    EXPECT_NE(wire::find_notify(answer, NotifyType::unacceptable_addresses), nullptr) << from;
  }
  EXPECT_TRUE(pair.b.record.moves.empty());
  EXPECT_EQ(pair.path_at_b().remote.address, ip(end_a.address));
}

TEST(IkeMobility, an_older_update_does_not_undo_a_newer_one) {
  EndpointConfig config = test_config();
  MobilePair pair{config};
  pair.start();
  Forger forger = pair.forger();
  const auto update = [&](std::uint32_t id) {
    return forger.request(ExchangeType::informational, id,
                          {notify(NotifyType::update_sa_addresses)});
  };
  const ByteVec first = update(2);
  deliver_to_b(pair, "198.51.100.7", "192.0.2.2", first);
  deliver_to_b(pair, "198.51.100.8", "192.0.2.2", update(3));
  deliver_to_b(pair, "198.51.100.7", "192.0.2.2", first);
  EXPECT_EQ(pair.path_at_b().remote.address, ip("198.51.100.8"));
}

//= rfc4555#3.4-1 type=test
TEST(IkeMobility, a_silent_path_is_left_for_one_that_works) {
  MobilePair pair;
  pair.command_b(addresses({"192.0.2.2", "198.51.100.2"}));
  pair.start();
  pair.filter = [](Datagram& d) {
    const auto& b = d.to_b ? d.path.local : d.path.remote;
    return b.address != ip("192.0.2.2");
  };
  pair.advance(35s);
  EXPECT_EQ(pair.path_at_a().remote.address, ip("198.51.100.2"));
  EXPECT_EQ(pair.path_at_b().local.address, ip("198.51.100.2"));
  ASSERT_FALSE(pair.b.record.moves.empty());
  EXPECT_EQ(pair.a.record.moves.back().path.remote.address, ip("198.51.100.2"));
  EXPECT_EQ(pair.b.record.moves.back().path.local.address, ip("198.51.100.2"));
  EXPECT_TRUE(pair.is_up());
  pair.advance(200s);
  EXPECT_TRUE(pair.a.record.ike_downs.empty());
}

TEST(IkeMobility, when_no_path_works_the_sa_ends_as_without_mobike) {
  MobilePair pair;
  pair.command_b(addresses({"192.0.2.2", "198.51.100.2"}));
  pair.start();
  pair.filter = [](Datagram&) { return false; };
  pair.advance(120s);
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::timeout);
}

TEST(IkeMobility, a_peer_cannot_make_us_remember_or_try_more_addresses_than_the_limit) {
  EndpointConfig config = test_config();
  config.limits.peer_addresses_max = 3;
  MobilePair pair{config};
  pair.start();
  Forger forger = pair.forger();
  std::vector<wire::Payload> payloads;
  for (int i = 1; i <= 60; ++i) {
    const auto address = ip("198.51.100." + std::to_string(i));
    payloads.emplace_back(
        notify(NotifyType::additional_ip4_address, base::to_vec(address.bytes())));
  }
  payloads.emplace_back(notify(NotifyType::additional_ip4_address, ByteVec(5)));
  wire::IkeHeader header = forger.header(ExchangeType::informational, 0);
  header.flags = 0;
  pair.inject(false, forger.seal(header, payloads));
  pair.filter = [](Datagram&) { return false; };
  pair.sent.clear();
  pair.advance(120s);
  std::set<base::IpAddress> tried;
  for (const Datagram& datagram : pair.sent) {
    if (datagram.to_b) tried.insert(datagram.path.local.address);
  }
  EXPECT_EQ(tried.size(), 4u) << "the path, and three others";
}

TEST(IkeMobility, a_responder_that_lost_its_address_tells_the_initiator_who_decides) {
  MobilePair pair;
  pair.start();
  pair.command_b(addresses({"198.51.100.2"}));
  pair.run();
  EXPECT_EQ(pair.path_at_a().remote.address, ip("198.51.100.2"));
  EXPECT_EQ(pair.a.record.moves.back().path.remote.address, ip("198.51.100.2"));
  EXPECT_EQ(pair.b.record.moves.back().path.local.address, ip("198.51.100.2"));
  EXPECT_TRUE(pair.is_up());
}

TEST(IkeMobility, a_responder_only_informs_about_addresses_it_does_not_use) {
  MobilePair pair;
  pair.start();
  pair.command_b(addresses({"198.51.100.2", "192.0.2.2", "2001:db8::2", "10.2.0.1"}));
  pair.run();
  EXPECT_TRUE(pair.a.record.moves.empty());
  EXPECT_TRUE(pair.b.record.moves.empty());
  Forger forger = pair.forger();
  const auto notice = forger.open(pair.sent.at(0).message);
  EXPECT_NE(wire::find_notify(notice, NotifyType::additional_ip6_address), nullptr);
  const auto* const v4 = wire::find_notify(notice, NotifyType::additional_ip4_address);
  ASSERT_NE(v4, nullptr);
  EXPECT_EQ(v4->data, base::to_vec(ip("198.51.100.2").bytes()));
  const auto named = std::ranges::count_if(notice, [](const wire::Payload& payload) {
    const auto* const one = std::get_if<wire::NotifyPayload>(&payload);
    return one != nullptr && one->type == NotifyType::additional_ip4_address;
  });
  EXPECT_EQ(named, 1) << "10.2.0.1 lies inside the tunnel";
  pair.sent.clear();
  pair.command_b(addresses({"192.0.2.2"}));
  pair.run();
  const auto end = forger.open(pair.sent.at(0).message);
  EXPECT_NE(wire::find_notify(end, NotifyType::no_additional_addresses), nullptr);
}

TEST(IkeMobility, a_nat_on_the_new_path_switches_encapsulation_on_and_its_end_off) {
  MobilePair pair;
  pair.start();
  pair.put_a_behind_nat("203.0.113.9", 1000, "198.51.100.7");
  pair.command_a(addresses({"198.51.100.7"}));
  pair.run();
  ASSERT_FALSE(pair.b.record.moves.empty());
  EXPECT_TRUE(pair.a.record.moves.back().udp_encap);
  EXPECT_TRUE(pair.b.record.moves.back().udp_encap);
  EXPECT_TRUE(pair.b.record.moves.back().peer_behind_nat);
  EXPECT_EQ(pair.b.record.moves.back().path.remote, (base::Endpoint{ip("203.0.113.9"), 5500}));
  EXPECT_TRUE(pair.a.endpoint.snapshot().at(0).local_behind_nat);
  pair.put_a_behind_nat("192.0.2.1", 0);  // none
  pair.command_a(addresses({"192.0.2.1"}));
  pair.run();
  EXPECT_FALSE(pair.a.record.moves.back().udp_encap);
  EXPECT_FALSE(pair.b.record.moves.back().udp_encap);
  EXPECT_FALSE(pair.a.endpoint.snapshot().at(0).local_behind_nat);
}

//= rfc4555#3.9-3 type=test
//= rfc4555#3.9-2 type=test
TEST(IkeMobility, where_nats_are_forbidden_a_nat_ends_the_negotiation) {
  MobilePair pair;
  ConnectionConfig strict = mobile(end_a, end_b);
  strict.nat_traversal = false;
  pair.a.set(strict);
  ConnectionConfig any = mobile(end_b, end_a);
  any.remote_addresses.clear();
  pair.b.set(any);
  pair.put_a_behind_nat("203.0.113.9", 0);
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.a.live().empty());
  EXPECT_TRUE(pair.b.live().empty());
  EXPECT_NE(pair.a.record.text(EventKind::ike_failed).find("UNEXPECTED_NAT_DETECTED"),
            std::string::npos);
}

TEST(IkeMobility, where_nats_are_forbidden_a_path_without_one_is_taken) {
  MobilePair pair;
  ConnectionConfig strict = mobile(end_a, end_b);
  strict.nat_traversal = false;
  pair.a.set(strict);
  pair.start();
  EXPECT_EQ(pair.path_at_a().local.port, 500) << "no NAT traversal, no port for it";
  pair.command_a(addresses({"198.51.100.7"}));
  pair.run();
  EXPECT_EQ(pair.b.record.moves.back().path.remote.address, ip("198.51.100.7"));
  EXPECT_TRUE(pair.is_up());
}

//= rfc4555#3.9-2..3 type=test
TEST(IkeMobility, where_nats_are_forbidden_a_new_nat_is_asked_again_and_then_given_up) {
  MobilePair pair;
  ConnectionConfig strict = mobile(end_a, end_b);
  strict.nat_traversal = false;
  pair.a.set(strict);
  pair.start();
  pair.put_a_behind_nat("203.0.113.9", 0, "198.51.100.7");
  pair.command_a(addresses({"198.51.100.7"}));
  pair.run();
  EXPECT_TRUE(pair.b.record.moves.empty());
  const auto limit = test_config().limits.nat_refusals_max;
  EXPECT_EQ(pair.sent_to(true), limit + 1) << "the updates, and the deletion";
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::address_lost);
}

TEST(IkeMobility, without_the_peers_consent_there_is_no_mobike) {
  for (const bool a_offers : {true, false}) {
    MobilePair pair;
    (a_offers ? pair.b : pair.a)
        .set(a_offers ? make_connection(end_b, end_a) : make_connection(end_a, end_b));
    pair.start();
    Forger forger = pair.forger();
    deliver_to_b(
        pair, "198.51.100.7", "192.0.2.2",
        forger.request(ExchangeType::informational, 2, {notify(NotifyType::update_sa_addresses)}));
    EXPECT_TRUE(pair.b.record.moves.empty());
    EXPECT_EQ(pair.path_at_b().remote.address, ip(end_a.address));
  }
}

TEST(IkeMobility, transport_mode_stays_where_it_is) {
  MobilePair pair;
  for (Side* side : {&pair.a, &pair.b}) {
    ConnectionConfig connection = side == &pair.a ? mobile(end_a, end_b) : mobile(end_b, end_a);
    const bool is_a = side == &pair.a;
    connection.children.front().mode = policy::SaMode::transport;
    connection.children.front().local = net(is_a ? "192.0.2.1/32" : "192.0.2.2/32");
    connection.children.front().remote = net(is_a ? "192.0.2.2/32" : "192.0.2.1/32");
    side->set(connection);
  }
  pair.start();
  pair.command_a(addresses({"198.51.100.7"}));
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::address_lost);
}

TEST(IkeMobility, two_moves_in_a_row_end_at_the_last) {
  MobilePair pair;
  pair.start();
  pair.command_a(addresses({"198.51.100.7"}));
  pair.command_a(addresses({"198.51.100.8"}));
  pair.run();
  EXPECT_EQ(pair.path_at_b().remote.address, ip("198.51.100.8"));
  EXPECT_EQ(pair.b.record.moves.back().path.remote.address, ip("198.51.100.8"));
  EXPECT_TRUE(pair.is_up());
  pair.sent.clear();
  pair.advance(20s);
  EXPECT_TRUE(pair.sent.empty()) << "everything is said";
}

TEST(IkeMobility, a_move_survives_the_loss_of_any_message) {
  for (std::size_t lost = 0; lost < 6; ++lost) {
    MobilePair pair;
    pair.start();
    std::size_t index = 0;
    pair.filter = [&](Datagram&) { return index++ != lost; };
    pair.command_a(addresses({"198.51.100.7"}));
    pair.advance(20s);
    EXPECT_EQ(pair.b.record.moves.back().path.remote.address, ip("198.51.100.7")) << lost;
    EXPECT_TRUE(pair.is_up()) << lost;
  }
}

TEST(IkeMobility, a_host_without_a_network_waits_for_one) {
  MobilePair pair;
  pair.start();
  pair.filter = [](Datagram&) { return false; };
  pair.command_a(addresses({}));
  pair.advance(200s);
  EXPECT_TRUE(pair.a.record.ike_downs.empty()) << "longer than a retransmission cycle";
  pair.advance(400s);
  EXPECT_FALSE(pair.a.record.ike_downs.empty()) << "not for ever";
}

//= rfc4555#3.11-1 type=test
TEST(IkeMobility, a_responder_that_cannot_call_back_gives_the_initiator_minutes) {
  MobilePair pair;
  ConnectionConfig any = mobile(end_b, end_a);
  any.remote_addresses.clear();
  pair.b.set(any);
  pair.start();
  pair.filter = [](Datagram&) { return false; };
  pair.advance(5min);
  EXPECT_TRUE(pair.b.record.ike_downs.empty());
  pair.advance(10min);
  EXPECT_FALSE(pair.b.record.ike_downs.empty());
}

//= rfc4555#3.8-2..3 type=test
TEST(IkeMobility, a_liveness_check_notices_a_new_mapping_of_our_nat) {
  MobilePair pair;
  pair.put_a_behind_nat("203.0.113.9", 1000);
  ConnectionConfig any = mobile(end_b, end_a);
  any.remote_addresses.clear();
  pair.b.set(any);
  pair.start();
  pair.command_a(CheckLiveness{"to-b.example"});
  pair.run();
  pair.sent.clear();
  pair.command_a(CheckLiveness{"to-b.example"});
  pair.run();
  EXPECT_EQ(pair.sent.size(), 2u) << "nothing has changed";
  pair.put_a_behind_nat("203.0.113.9", 2000);
  pair.command_a(CheckLiveness{"to-b.example"});
  pair.run();
  EXPECT_EQ(pair.b.record.moves.back().path.remote, (base::Endpoint{ip("203.0.113.9"), 6500}));
}

TEST(IkeMobility, a_liveness_check_notices_a_nat_that_has_come_between) {
  MobilePair pair;
  ConnectionConfig any = mobile(end_b, end_a);
  any.remote_addresses.clear();
  pair.b.set(any);
  pair.start();
  pair.sent.clear();
  pair.command_a(CheckLiveness{"to-b.example"});
  pair.run();
  EXPECT_EQ(pair.sent.size(), 2u) << "nothing has changed";
  pair.put_a_behind_nat("203.0.113.9", 1000);
  pair.command_a(CheckLiveness{"to-b.example"});
  pair.run();
  ASSERT_FALSE(pair.b.record.moves.empty());
  EXPECT_EQ(pair.b.record.moves.back().path.remote, (base::Endpoint{ip("203.0.113.9"), 5500}));
}

//= rfc4555#3.8-5 type=test
TEST(IkeMobility, with_mobike_no_ike_message_but_an_update_moves_the_peer) {
  MobilePair pair;
  pair.put_a_behind_nat("203.0.113.9", 1000);
  ConnectionConfig any = mobile(end_b, end_a);
  any.remote_addresses.clear();
  pair.b.set(any);
  pair.start();
  Forger forger = pair.forger();
  const auto moves = pair.b.record.moves.size();
  deliver_to_b(pair, "203.0.113.66", "192.0.2.2",
               forger.request(ExchangeType::informational, 2, {}));
  EXPECT_EQ(pair.b.record.moves.size(), moves);
  EXPECT_EQ(pair.path_at_b().remote.address, ip("203.0.113.9"));
}

TEST(IkeMobility, late_esp_of_the_old_path_does_not_bring_it_back) {
  MobilePair pair;
  pair.put_a_behind_nat("203.0.113.9", 1000);
  ConnectionConfig any = mobile(end_b, end_a);
  any.remote_addresses.clear();
  pair.b.set(any);
  pair.start();
  const base::Path old = pair.path_at_b();
  pair.put_a_behind_nat("203.0.113.77", 1000, "198.51.100.7");
  pair.command_a(addresses({"198.51.100.7"}));
  pair.run();
  const auto moves = pair.b.record.moves.size();
  ASSERT_EQ(pair.b.record.moves.back().path.remote.address, ip("203.0.113.77"));
  pair.command_b(PeerMoved{pair.b.live().at(0)->id, old});
  EXPECT_EQ(pair.b.record.moves.size(), moves);
  base::Path rebound = pair.path_at_b();
  rebound.remote.port = 7777;
  pair.command_b(PeerMoved{pair.b.live().at(0)->id, rebound});
  ASSERT_EQ(pair.b.record.moves.size(), moves + 1);
  EXPECT_EQ(pair.b.record.moves.back().path, rebound);
}

//= rfc4555#3.12-1..2 type=test
TEST(IkeMobility, esp_from_elsewhere_is_no_sign_of_life) {
  MobilePair pair;
  pair.start();
  base::Path elsewhere = pair.path_at_a();
  elsewhere.remote.address = ip("203.0.113.5");
  pair.advance(29s);
  pair.command_a(PeerHeard{pair.a.live().at(0)->id, elsewhere});
  pair.advance(2s);
  EXPECT_GE(pair.sent_to(true), 1u);
  pair.sent.clear();
  pair.advance(28s);
  pair.command_a(PeerHeard{pair.a.live().at(0)->id, pair.path_at_a()});
  pair.command_b(PeerHeard{pair.b.live().at(0)->id, pair.path_at_b()});
  pair.advance(10s);
  EXPECT_TRUE(pair.sent.empty());
}

TEST(IkeMobility, the_state_of_mobility_survives_a_rekey_of_the_ike_sa) {
  MobilePair pair;
  pair.start();
  Forger forger = pair.forger();
  base::SeededRng rng{5};
  crypto::NullProvider crypto{nullptr};
  const auto ke = crypto.make_key_exchange(crypto::KeGroup::curve25519, rng).value();
  deliver_to_b(pair, "192.0.2.1", "192.0.2.2",
               forger.request(ExchangeType::create_child_sa, 2,
                              {policy::to_wire({ike_offer("aes256gcm16-prfsha384-x25519")},
                                               ByteVec(8, std::byte{0x77}), true),
                               wire::NoncePayload{ByteVec(32)},
                               wire::KePayload{31, base::to_vec(ke->public_value())}}));
  Forger successor{pair.b.record.keys.at(1)};
  pair.sent.clear();
  deliver_to_b(
      pair, "198.51.100.7", "192.0.2.2",
      successor.request(ExchangeType::informational, 0, {notify(NotifyType::update_sa_addresses)}));
  ASSERT_EQ(pair.sent.size(), 2u) << "the answer, and the question whether A is there";
  const auto check = successor.open(pair.sent.back().message);
  const auto* const cookie = wire::find_notify(check, NotifyType::cookie2);
  ASSERT_NE(cookie, nullptr);
  wire::IkeHeader header = successor.header(ExchangeType::informational, 0);
  header.flags |= wire::IkeHeader::flag_response;
  deliver_to_b(pair, "198.51.100.7", "192.0.2.2", successor.seal(header, {*cookie}));
  EXPECT_EQ(pair.b.record.moves.back().path.remote.address, ip("198.51.100.7"));
}

// ---- Keep-alives and floating NATs

TEST(IkeMobility, esp_that_left_takes_the_place_of_a_keepalive) {
  Pair pair;
  pair.put_a_behind_nat("203.0.113.9", 1000);
  ConnectionConfig quick = make_connection(end_a, end_b);
  quick.keepalive_interval = 10s;
  quick.dpd_interval = 300s;
  pair.a.set(quick);
  ConnectionConfig any = make_connection(end_b, end_a);
  any.remote_addresses.clear();
  any.dpd_interval = 300s;
  pair.b.set(any);
  bring_up(pair);
  const auto keepalives = [&] {
    return std::ranges::count_if(pair.a.record.transmits, [](const Transmit& t) {
      return t.datagram == ByteVec{std::byte{0xff}};
    });
  };
  for (int i = 0; i < 5; ++i) {
    pair.advance(5s);
    pair.command_a(EspSent{pair.a.live().at(0)->id});
  }
  EXPECT_EQ(keepalives(), 0);
  pair.advance(11s);
  EXPECT_EQ(keepalives(), 1);
}

TEST(IkeMobility, esp_with_a_mapping_of_its_own_and_ike_do_not_chase_each_other) {
  Pair pair;
  pair.put_a_behind_nat("203.0.113.9", 1000);
  ConnectionConfig any = make_connection(end_b, end_a);
  any.remote_addresses.clear();
  pair.b.set(any);
  bring_up(pair);
  const base::Path ike = pair.b.endpoint.snapshot().at(0).path;
  base::Path esp = ike;
  esp.remote.port = 7777;
  pair.command_b(PeerMoved{pair.b.live().at(0)->id, esp});
  EXPECT_EQ(pair.b.record.moves.size(), 1u);
  for (int i = 0; i < 3; ++i) {
    pair.command_a(CheckLiveness{"to-b.example"});
    pair.run();
  }
  EXPECT_EQ(pair.b.record.moves.size(), 1u) << "IKE from its own port does not move ESP back";
  EXPECT_EQ(pair.b.endpoint.snapshot().at(0).path, ike);
  // When IKE's mapping falls silent, ESP's is tried.
  pair.sent.clear();
  pair.filter = [&](Datagram& d) { return d.to_b; };
  pair.command_b(CheckLiveness{"to-a.example"});
  pair.advance(2s);
  const auto along_esp = std::ranges::count_if(
      pair.b.record.transmits, [&](const Transmit& t) { return t.path.remote == esp.remote; });
  EXPECT_GE(along_esp, 1);
}

TEST(IkeMobility, a_host_behind_a_nat_itself_does_not_follow) {
  Pair pair;
  bring_up(pair);
  const base::Path elsewhere{{ip(end_b.address), 4500}, {ip("203.0.113.5"), 4500}};
  pair.command_b(PeerMoved{pair.b.live().at(0)->id, elsewhere});
  EXPECT_TRUE(pair.b.record.moves.empty());
}

}  // namespace
}  // namespace caponier::ike::test

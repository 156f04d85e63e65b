// RFC 4555, MOBIKE: what unit/ike/mobility_test.cpp does not say already.

#include <set>

#include "conformance/conversation.h"

namespace caponier::ike::test {
namespace {

ConnectionConfig mobile(const End& local, const End& remote, bool nat_traversal = true) {
  ConnectionConfig connection = make_connection(local, remote);
  connection.mobike = true;
  connection.nat_traversal = nat_traversal;
  return connection;
}

SetLocalAddresses addresses(std::initializer_list<std::string_view> list) {
  SetLocalAddresses command;
  for (const std::string_view text : list) command.addresses.push_back(ip(text));
  return command;
}

struct MobilePair : Pair {
  explicit MobilePair(bool nat_traversal = true) {
    a.set(mobile(end_a, end_b, nat_traversal));
    b.set(mobile(end_b, end_a));
    command_a(addresses({end_a.address}));
    command_b(addresses({end_b.address}));
  }
  /// The requests about addresses that A has sent, opened.
  [[nodiscard]] std::vector<Payloads> asked_by_a() const {
    std::vector<Payloads> requests;
    Forger forger = forger_of(a);
    for (const Datagram& datagram : said(*this, true, ExchangeType::informational)) {
      if (!datagram.header().is_response()) requests.push_back(forger.open(datagram.message));
    }
    return requests;
  }
};

bool has(const Payloads& payloads, NotifyType type) {
  return wire::find_notify(payloads, type) != nullptr;
}

base::IpAddress source_of(const Datagram& datagram) { return datagram.path.remote.address; }

//= rfc4555#4.2.1-1 type=test
TEST(MobikeSupported, is_sent_empty_and_its_contents_are_ignored) {
  MobilePair pair;
  edit_first(pair, true, ExchangeType::ike_auth, [](Payloads& payloads) {
    for (wire::Payload& payload : payloads) {
      auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
      if (notify == nullptr || notify->type != NotifyType::mobike_supported) continue;
      EXPECT_TRUE(notify->data.empty());
      notify->data = ByteVec(5, std::byte{7});
    }
  });
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  pair.filter = nullptr;
  Forger forger = forger_of(pair.a);
  const auto answer = forger.open(said(pair, false, ExchangeType::ike_auth).at(0).message);
  const auto* const agreed = wire::find_notify(answer, NotifyType::mobike_supported);
  ASSERT_NE(agreed, nullptr);
  EXPECT_TRUE(agreed->data.empty());
  pair.command_a(addresses({"198.51.100.7"}));
  pair.run();
  EXPECT_EQ(pair.b.record.moves.back().path.remote.address, ip("198.51.100.7"));
}

//= rfc4555#3.7-4 rfc4555#4.2.5-2 type=test
TEST(Cookie2, of_any_informational_request_comes_back_as_it_was) {
  MobilePair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  std::uint32_t id = 2;
  for (const std::size_t size : {8u, 9u, 64u}) {
    ByteVec data(size);
    for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::byte>(i * 7);
    const auto answer = answer_of_b(
        pair, forger,
        forger.request(ExchangeType::informational, id++, {notify_of(NotifyType::cookie2, data)}));
    const auto* const cookie = wire::find_notify(answer, NotifyType::cookie2);
    ASSERT_NE(cookie, nullptr) << size;
    EXPECT_EQ(cookie->data, data);
  }
  EXPECT_TRUE(pair.b.record.moves.empty());
}

//= rfc4555#4.2.5-1 rfc4555#4.2.5-3 type=test
TEST(Cookie2, of_ours_has_a_legal_size_and_is_never_the_same) {
  MobilePair pair;
  bring_up(pair);
  std::set<ByteVec> seen;
  constexpr std::size_t moves = 6;
  for (std::size_t i = 1; i <= moves; ++i) {
    pair.command_a(addresses({"198.51.100." + std::to_string(i)}));
    pair.run();
  }
  for (const Payloads& request : pair.asked_by_a()) {
    const auto* const cookie = wire::find_notify(request, NotifyType::cookie2);
    ASSERT_NE(cookie, nullptr);
    EXPECT_GE(cookie->data.size(), 8u);
    EXPECT_LE(cookie->data.size(), 64u);
    EXPECT_TRUE(seen.insert(cookie->data).second);
  }
  EXPECT_EQ(seen.size(), moves);
}

//= rfc4555#3.8-1 type=test
TEST(NatDetection, in_any_informational_request_is_answered_in_kind_and_moves_nothing) {
  MobilePair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const auto answer = answer_of_b(
      pair, forger,
      forger.request(ExchangeType::informational, 2,
                     {notify_of(NotifyType::nat_detection_source_ip, ByteVec(20)),
                      notify_of(NotifyType::nat_detection_destination_ip, ByteVec(20))}));
  EXPECT_TRUE(has(answer, NotifyType::nat_detection_source_ip));
  EXPECT_TRUE(has(answer, NotifyType::nat_detection_destination_ip));
  EXPECT_TRUE(pair.b.record.moves.empty());
  EXPECT_FALSE(pair.b.endpoint.snapshot().at(0).remote_behind_nat);
}

//= rfc4555#3.9-1 type=test
TEST(NoNatsAllowed, is_in_every_message_that_can_change_an_address) {
  MobilePair pair{false};
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  Forger forger = forger_of(pair.a);
  const auto auth = forger.open(said(pair, true, ExchangeType::ike_auth).at(0).message);
  EXPECT_TRUE(has(auth, NotifyType::no_nats_allowed));
  pair.sent.clear();
  pair.command_a(addresses({end_a.address, "198.51.100.9"}));
  pair.run();
  pair.command_a(addresses({end_a.address}));
  pair.run();
  pair.command_a(addresses({"2001:db8::9", "198.51.100.7"}));
  pair.run();
  std::set<NotifyType> kinds;
  for (const Payloads& request : pair.asked_by_a()) {
    EXPECT_TRUE(has(request, NotifyType::no_nats_allowed));
    for (const NotifyType kind :
         {NotifyType::update_sa_addresses, NotifyType::additional_ip4_address,
          NotifyType::additional_ip6_address, NotifyType::no_additional_addresses}) {
      if (has(request, kind)) kinds.insert(kind);
    }
  }
  EXPECT_EQ(kinds.size(), 4u) << "each of them was sent";
}

//= rfc4555#3.6-1 type=test
TEST(AdditionalAddresses, travel_with_the_update_when_both_change) {
  MobilePair pair;
  bring_up(pair);
  pair.command_a(addresses({"198.51.100.7", "198.51.100.8"}));
  pair.run();
  const auto requests = pair.asked_by_a();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_TRUE(has(requests.at(0), NotifyType::update_sa_addresses));
  EXPECT_TRUE(has(requests.at(0), NotifyType::additional_ip4_address));
}

/// NO_NATS_ALLOWED as it leaves one address for another, ports 4500.
wire::NotifyPayload no_nats(std::string_view from, std::string_view to) {
  ByteVec data = base::to_vec(ip(from).bytes());
  base::append(data, ip(to).bytes());
  base::append(data, ByteVec{std::byte{0x11}, std::byte{0x94}, std::byte{0x11}, std::byte{0x94}});
  return notify_of(NotifyType::no_nats_allowed, data);
}

//= rfc4555#3.9-2,5 type=test
TEST(NoNatsAllowed, that_does_not_fit_is_refused_and_used_for_nothing) {
  MobilePair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const base::Path path = pair.path_of(false, 4500);
  std::uint32_t id = 2;
  const auto answer_to = [&](wire::NotifyPayload check) {
    pair.b.endpoint.handle_datagram(
        path,
        forger.request(ExchangeType::informational, id++,
                       {notify_of(NotifyType::update_sa_addresses), std::move(check),
                        notify_of(NotifyType::additional_ip4_address,
                                  base::to_vec(ip("198.51.100.66").bytes()))}),
        pair.now);
    pair.collect();
    return forger.open(Bytes{pair.b.record.transmits.back().datagram}.subspan(4));
  };
  EXPECT_FALSE(
      has(answer_to(no_nats(end_a.address, end_b.address)), NotifyType::unexpected_nat_detected));
  const auto moves = pair.b.record.moves.size();
  for (const auto& [from, to] :
       {std::pair{"198.51.100.66", "192.0.2.2"}, {"192.0.2.1", "198.51.100.66"}}) {
    EXPECT_TRUE(has(answer_to(no_nats(from, to)), NotifyType::unexpected_nat_detected)) << from;
  }
  EXPECT_TRUE(has(answer_to(notify_of(NotifyType::no_nats_allowed, ByteVec(3))),
                  NotifyType::unexpected_nat_detected));
  EXPECT_EQ(pair.b.record.moves.size(), moves);
  EXPECT_EQ(pair.b.endpoint.snapshot().at(0).path.remote.address, ip(end_a.address));
  pair.sent.clear();
  pair.filter = [](Datagram&) { return false; };
  pair.command_b(CheckLiveness{"to-a.example"});
  pair.advance(30s);
  for (const Datagram& datagram : pair.sent) {
    EXPECT_TRUE(datagram.to_b || datagram.path.local.address != ip("198.51.100.66"));
  }
}

/// A moves to two addresses of which the first loses what `is_lost` says.
void move_with_loss(MobilePair& pair, std::function<bool(const Datagram&)> is_lost) {
  bring_up(pair);
  pair.filter = [is_lost = std::move(is_lost)](Datagram& d) { return !is_lost(d); };
  pair.command_a(addresses({"198.51.100.7", "198.51.100.8"}));
  pair.advance(20s);
}

//= rfc4555#3.6-2 type=test
TEST(AddressUpdate, repeated_from_several_sources_is_followed_by_a_new_request) {
  // The first address is dead; then: it only loses what comes back until B knows the other one.
  for (const bool is_dead : {true, false}) {
    MobilePair pair;
    std::size_t lost = 0;
    move_with_loss(pair, [&](const Datagram& d) {
      const bool is_first =
          d.to_b ? source_of(d) == ip("198.51.100.7") : d.path.local.address == ip("198.51.100.7");
      if (is_dead) return is_first;
      // B hears the copy from the second address first; A hears the answer at the first only.
      if (d.to_b && is_first && lost == 0) return ++lost > 0;
      return !d.to_b && d.path.local.address == ip("198.51.100.8") &&
             d.header().message_id.value == 2;
    });
    const base::Path at_a = pair.a.endpoint.snapshot().at(0).path;
    const base::Path at_b = pair.b.endpoint.snapshot().at(0).path;
    EXPECT_EQ(at_a.local, at_b.remote) << is_dead;
    EXPECT_EQ(pair.a.record.moves.back().path.local, pair.b.record.moves.back().path.remote);
    std::set<std::uint32_t> updates;
    Forger forger = forger_of(pair.a);
    for (const Datagram& datagram : said(pair, true, ExchangeType::informational)) {
      if (datagram.header().is_response()) continue;
      if (has(forger.open(datagram.message), NotifyType::update_sa_addresses)) {
        updates.insert(datagram.header().message_id.value);
      }
    }
    EXPECT_GE(updates.size(), 2u) << is_dead;
    EXPECT_TRUE(pair.is_up());
  }
}

//= rfc4555#3.5-2 type=test
TEST(AddressUpdate, that_the_peer_refuses_is_tried_with_another_address) {
  MobilePair pair;
  bring_up(pair);
  pair.filter = [&](Datagram& d) {
    const bool is_refused =
        !d.to_b && d.header().is_response() && d.path.local.address == ip("198.51.100.7");
    if (!is_refused) return true;
    Forger forger = forger_of(pair.a);
    d.message = forger.seal(d.header(), {notify_of(NotifyType::unacceptable_addresses)});
    return true;
  };
  pair.command_a(addresses({"198.51.100.7", "198.51.100.8"}));
  pair.advance(10s);
  EXPECT_EQ(pair.a.endpoint.snapshot().at(0).path.local.address, ip("198.51.100.8"));
  EXPECT_EQ(pair.b.record.moves.back().path.remote.address, ip("198.51.100.8"));
  EXPECT_TRUE(pair.is_up());
}

}  // namespace
}  // namespace caponier::ike::test

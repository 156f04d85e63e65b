// RFC 7296 sections 2.5 to 2.25: versions, cookies, nonces, selectors, addresses, NAT, keys.

#include <set>

#include "conformance/conversation.h"
#include "ike/nat_detection.h"
#include "policy/proposal.h"

namespace caponier::ike::test {
namespace {

//= rfc7296#2.5-1 rfc7296#3.1-8 type=test
TEST(Version, minor_numbers_are_ignored) {
  Pair pair;
  pair.initiate_a();
  ByteVec init = pair.wire.front().message;
  pair.wire.clear();
  init[17] = std::byte{0x2f};
  const auto answers = sent_by_b(pair, init);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_NE(wire::find<wire::SaPayload>(decoded(answers[0]).payloads), nullptr);

  Pair established;
  bring_up(established);
  Forger forger = forger_of(established.a);
  wire::IkeHeader header = forger.header(ExchangeType::informational, 2);
  header.minor_version = 7;
  EXPECT_EQ(sent_by_b(established, forger.seal(header, {})).size(), 1u);
}

/// Everything both sides say from the first message to the end of both SAs.
std::vector<Datagram> whole_conversation() {
  Pair pair;
  configure_second_child(pair, "aes256gcm16-x25519", "aes256gcm16-x25519");
  pair.initiate_a();
  pair.run();
  pair.command_a(InitiateChild{"to-b.example", "second"});
  pair.command_b(CheckLiveness{"to-a.example"});
  pair.run();
  pair.command_b(DeleteChild{child_of(pair.b)});
  pair.run();
  Forger forger = forger_of(pair.a);
  for (const auto exchange : {ExchangeType::informational, ExchangeType::create_child_sa}) {
    const std::uint32_t id = exchange == ExchangeType::informational ? 3 : 4;
    pair.inject(true, forger.request(exchange, id, {notify_of(NotifyType::rekey_sa)}));
  }
  EXPECT_GE(pair.sent.size(), 12u);
  return pair.sent;
}

//= rfc7296#2.5-4 rfc7296#3.1-4 rfc7296#3.1-7 type=test
TEST(Version, of_everything_we_send_is_2_0) {
  for (const Datagram& datagram : whole_conversation()) {
    EXPECT_EQ(datagram.message.at(17), std::byte{0x20});
  }
}

//= rfc7296#3.1-2..3 rfc7296#3.1-9..10 rfc7296#3.1-12..13 type=test
TEST(Header, of_everything_we_send_has_the_flags_and_spis_of_its_role) {
  constexpr auto known = wire::IkeHeader::flag_initiator | wire::IkeHeader::flag_response;
  for (const Datagram& datagram : whole_conversation()) {
    const wire::IkeHeader header = datagram.header();
    EXPECT_NE(header.spi_i.value, 0u);
    EXPECT_EQ(header.flags & ~known, 0) << "reserved bits and the version bit are clear";
    EXPECT_EQ(header.from_initiator(), datagram.to_b) << "A began this IKE SA";
    const bool is_first = header.exchange == ExchangeType::ike_sa_init && !header.is_response();
    EXPECT_EQ(header.spi_r.value == 0, is_first);
  }
}

//= rfc7296#3.1-9 rfc7296#3.1-12 type=test
TEST(Header, reserved_bits_and_the_version_bit_of_the_peer_are_ignored) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  wire::IkeHeader header = forger.header(ExchangeType::informational, 2);
  header.flags |= 0xc7 | wire::IkeHeader::flag_version;
  const auto answers = sent_by_b(pair, forger.seal(header, {}));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(decoded(answers[0]).header.flags, wire::IkeHeader::flag_response);
}

//= rfc7296#3.1-11 type=test
TEST(Header, a_response_is_never_answered) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  for (const std::uint32_t id : {0U, 1U, 2U, 3U}) {
    for (const auto exchange : {ExchangeType::ike_auth, ExchangeType::create_child_sa,
                                ExchangeType::informational, ExchangeType{77}}) {
      wire::IkeHeader header = forger.header(exchange, id);
      header.flags |= wire::IkeHeader::flag_response;
      EXPECT_TRUE(sent_by_b(pair, forger.seal(header, {delete_ike()})).empty());
    }
  }
  EXPECT_TRUE(pair.is_up());
}

void reverse_payloads(Payloads& payloads) { std::ranges::reverse(payloads); }

//= rfc7296#1.7-5 rfc7296#2.5-11 type=test
TEST(PayloadOrder, of_protected_messages_is_free) {
  for (const bool to_b : {true, false}) {
    Pair pair;
    edit_first(pair, to_b, ExchangeType::ike_auth, reverse_payloads);
    pair.initiate_a();
    pair.run();
    EXPECT_TRUE(pair.is_up());
  }
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  Payloads child = child_request("aes256gcm16");
  reverse_payloads(child);
  const auto answer =
      answer_of_b(pair, forger, forger.request(ExchangeType::create_child_sa, 2, child));
  EXPECT_NE(wire::find<wire::SaPayload>(answer), nullptr);
  Payloads rekey = ike_rekey_request();
  reverse_payloads(rekey);
  const auto heir =
      answer_of_b(pair, forger, forger.request(ExchangeType::create_child_sa, 3, rekey));
  EXPECT_NE(wire::find<wire::KePayload>(heir), nullptr);
}

//= rfc7296#1.7-5 rfc7296#2.5-11 type=test
TEST(PayloadOrder, of_ike_sa_init_is_free) {
  Pair pair;
  pair.initiate_a();
  wire::IkeMessage message = decoded(pair.wire.front().message);
  pair.wire.clear();
  reverse_payloads(message.payloads);
  const auto answers = sent_by_b(pair, *message.encode());
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_NE(wire::find<wire::SaPayload>(decoded(answers[0]).payloads), nullptr);
}

/// Says everything twice, so that what must be unique collides.
class StutteringRng final : public base::Rng {
 public:
  void fill_public(base::MutBytes out) override {
    if (is_repeating_ && last_.size() == out.size()) {
      base::copy_into(out, last_);
      is_repeating_ = false;
      return;
    }
    inner_.fill_public(out);
    last_ = base::to_vec(out);
    is_repeating_ = true;
  }
  void fill_secret(base::MutBytes out) override { inner_.fill_secret(out); }

 private:
  base::SeededRng inner_{3};
  ByteVec last_;
  bool is_repeating_ = false;
};

//= rfc7296#2.6-1 type=test
TEST(IkeSpis, are_unique_even_when_the_generator_repeats_itself) {
  StutteringRng rng;
  crypto::NullProvider crypto{nullptr};
  IkeEndpoint endpoint{test_config(), rng, crypto, base::Instant{1h}};
  Connections connections;
  for (int i = 0; i < 20; ++i) {
    ConnectionConfig connection = make_connection(end_a, end_b);
    connection.name = "c" + std::to_string(i);
    connections.push_back(std::make_shared<const ConnectionConfig>(std::move(connection)));
  }
  endpoint.set_connections(connections);
  const base::Path path{{ip(end_a.address), 500}, {ip(end_b.address), 500}};
  for (const auto& connection : connections) {
    endpoint.handle_command(Initiate{connection->name, path}, base::Instant{1h});
  }
  std::set<std::uint64_t> spis;
  for (const IkeSaInfo& info : endpoint.snapshot()) spis.insert(info.spi_i.value);
  EXPECT_EQ(spis.size(), 20u);
}

EndpointConfig with_cookies() {
  EndpointConfig config = test_config();
  config.limits.cookie_threshold = 0;
  return config;
}

//= rfc7296#2.6-2..4 rfc7296#3.1-3 type=test
TEST(Cookie, is_returned_first_with_everything_else_unchanged) {
  for (const bool pretends_nat : {false, true}) {
    Pair pair{with_cookies()};
    ConnectionConfig at_a = make_connection(end_a, end_b);
    at_a.force_encap = pretends_nat;
    pair.a.set(at_a);
    pair.initiate_a();
    pair.run();
    ASSERT_TRUE(pair.is_up());
    const auto requests = said(pair, true, ExchangeType::ike_sa_init);
    ASSERT_EQ(requests.size(), 2u);
    const auto demand = decoded(said(pair, false, ExchangeType::ike_sa_init).at(0).message);
    const auto* const cookie = wire::find_notify(demand.payloads, NotifyType::cookie);
    ASSERT_NE(cookie, nullptr);
    EXPECT_GE(cookie->data.size(), 1u);
    EXPECT_LE(cookie->data.size(), 64u);
    wire::IkeMessage first = decoded(requests[0].message);
    wire::IkeMessage second = decoded(requests[1].message);
    EXPECT_EQ(second.payloads.at(0), wire::Payload{*cookie});
    second.payloads.erase(second.payloads.begin());
    EXPECT_EQ(second.payloads, first.payloads);
    EXPECT_EQ(second.header.spi_i, first.header.spi_i);
    EXPECT_EQ(second.header.spi_r.value, 0u);
  }
}

//= rfc7296#2.6-4 type=test
TEST(Cookie, of_any_allowed_length_is_returned_as_it_came) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{64}}) {
    Pair pair;
    pair.initiate_a();
    wire::IkeMessage demand;
    demand.header = pair.wire.front().header();
    pair.wire.clear();
    demand.header.flags = wire::IkeHeader::flag_response;
    demand.payloads = {notify_of(NotifyType::cookie, ByteVec(size, std::byte{0xc0}))};
    pair.inject(false, *demand.encode());
    const auto requests = said(pair, true, ExchangeType::ike_sa_init);
    ASSERT_EQ(requests.size(), 2u) << size;
    EXPECT_EQ(decoded(requests[1].message).payloads.at(0), demand.payloads.at(0));
  }
}

//= rfc7296#2.6-6 type=test
TEST(Cookie, that_is_wrong_counts_as_none) {
  for (const bool is_demanded : {true, false}) {
    Pair pair{is_demanded ? with_cookies() : test_config()};
    pair.initiate_a();
    wire::IkeMessage message = decoded(pair.wire.front().message);
    pair.wire.clear();
    message.payloads.insert(message.payloads.begin(),
                            notify_of(NotifyType::cookie, ByteVec(33, std::byte{1})));
    const auto answers = sent_by_b(pair, *message.encode());
    ASSERT_EQ(answers.size(), 1u);
    const auto payloads = decoded(answers[0]).payloads;
    EXPECT_EQ(wire::find_notify(payloads, NotifyType::cookie) != nullptr, is_demanded);
    EXPECT_EQ(wire::find<wire::SaPayload>(payloads) != nullptr, !is_demanded);
  }
}

//= rfc7296#2.7-2 type=test
TEST(ChosenProposal, has_the_protocol_that_was_proposed) {
  const policy::Offers ours{esp_offer("aes256gcm16")};
  wire::SaPayload theirs = policy::to_wire(ours, ByteVec(4, std::byte{9}), false);
  theirs.proposals.insert(theirs.proposals.begin(), theirs.proposals.front());
  theirs.proposals.front().protocol = ProtocolId::ah;
  theirs.proposals.back().number = 2;
  const auto choice = policy::choose_child(theirs, ours, crypto::KeGroup::none, true);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->answer.protocol, ProtocolId::esp);
  EXPECT_EQ(choice->answer.number, 2);
  theirs.proposals.pop_back();
  EXPECT_FALSE(policy::choose_child(theirs, ours, crypto::KeGroup::none, true));
}

//= rfc7296#2.9-2 type=test
TEST(Narrowing, keeps_the_first_selectors_of_the_initiator_where_policy_allows_them) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  ChildConfig other = at_b.children.front();
  other.name = "other";
  other.local = net("10.9.0.0/16");
  at_b.children.insert(at_b.children.begin(), other);  // fits too, and comes first
  pair.b.set(at_b);
  edit_first(pair, true, ExchangeType::ike_auth, [](Payloads& payloads) {
    for (wire::Payload& payload : payloads) {
      auto* const ts = std::get_if<wire::TsPayload>(&payload);
      if (ts == nullptr || ts->initiator) continue;
      policy::TrafficSelectors wanted = net("10.2.0.7/32");  // the packet's
      wanted.push_back(net("10.0.0.0/8").front());
      *ts = policy::to_wire(wanted, false);
    }
  });
  pair.initiate_a();
  pair.run();
  ASSERT_EQ(pair.b.live().size(), 1u);
  EXPECT_EQ(pair.b.live().at(0)->child, "net");
  EXPECT_TRUE(policy::contains(pair.b.live().at(0)->local, net("10.2.0.7/32")));
}

//= rfc7296#2.10-1 rfc7296#3.9-2 type=test
TEST(Nonces, are_random_and_at_least_128_bits_and_half_the_prf_key) {
  std::set<ByteVec> nonces;
  for (const std::string_view prf : {"prfsha256", "prfsha384", "prfsha512"}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      Pair pair{test_config(), seed};
      const std::string offer = "aes256gcm16-" + std::string{prf} + "-x25519";
      for (const bool a : {true, false}) {
        ConnectionConfig connection = make_connection(a ? end_a : end_b, a ? end_b : end_a);
        connection.offers = {ike_offer(offer)};
        (a ? pair.a : pair.b).set(connection);
      }
      // The responder must not follow the initiator below what the PRF asks.
      pair.filter = [&](Datagram& datagram) {
        if (!is_request(datagram, ExchangeType::ike_sa_init)) return true;
        wire::IkeMessage message = decoded(datagram.message);
        for (wire::Payload& payload : message.payloads) {
          auto* const nonce = std::get_if<wire::NoncePayload>(&payload);
          if (nonce == nullptr) continue;
          EXPECT_GE(nonce->data.size(), 32u);
          nonces.insert(nonce->data);
          nonce->data.resize(16);
        }
        datagram.message = *message.encode();
        return true;
      };
      pair.initiate_a();
      pair.run();
      const auto answer = decoded(said(pair, false, ExchangeType::ike_sa_init).at(0).message);
      const auto& nonce = wire::find<wire::NoncePayload>(answer.payloads)->data;
      const std::size_t half = prf == "prfsha256" ? 16 : prf == "prfsha384" ? 24 : 32;
      EXPECT_GE(nonce.size(), half) << prf;
      nonces.insert(nonce);
    }
  }
  EXPECT_GE(nonces.size(), 20u) << "five seeds, each with fresh nonces of both sides";
}

//= rfc7296#2.11-1..2 rfc7296#2.23-1 type=test
TEST(Ports, of_a_request_are_swapped_in_the_response_whatever_they_are) {
  for (const std::uint16_t port : {std::uint16_t{1}, std::uint16_t{4501}, std::uint16_t{65535}}) {
    for (const std::uint16_t local : {std::uint16_t{500}, std::uint16_t{4500}}) {
      Pair pair;
      pair.initiate_a();
      const Datagram init = pair.wire.front();
      pair.wire.clear();
      const base::Path path{{ip(end_b.address), local}, {ip(end_a.address), port}};
      pair.b.endpoint.handle_datagram(path, init.message, pair.now);
      pair.collect();
      ASSERT_EQ(pair.b.record.transmits.size(), 1u);
      EXPECT_EQ(pair.b.record.transmits.at(0).path, path);
    }
  }
}

//= rfc7296#2.11-1..2 rfc7296#2.23-1 type=test
TEST(Ports, of_a_protected_request_are_swapped_in_its_response_without_moving_the_sa) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const base::Path elsewhere{{ip(end_b.address), 4500}, {ip(end_a.address), 33333}};
  pair.b.endpoint.handle_datagram(elsewhere, forger.request(ExchangeType::informational, 2, {}),
                                  pair.now);
  pair.collect();
  EXPECT_EQ(pair.b.record.transmits.back().path, elsewhere);
}

//= rfc7296#2.12-1 type=test
TEST(KeyExchangeValues, are_fresh_for_every_sa) {
  std::set<ByteVec> values;
  Pair pair;
  for (int i = 0; i < 5; ++i) {
    pair.sent.clear();
    pair.initiate_a();
    pair.run();
    for (const bool to_b : {true, false}) {
      const auto message = decoded(said(pair, to_b, ExchangeType::ike_sa_init).at(0).message);
      values.insert(wire::find<wire::KePayload>(message.payloads)->data);
    }
    pair.command_a(DeleteIke{"to-b.example"});
    pair.run();
    pair.advance(30s);
  }
  EXPECT_EQ(values.size(), 10u);
}

//= rfc7296#2.18-3 type=test
TEST(IkeRekey, begins_both_message_counters_at_zero) {
  Pair pair;
  bring_up(pair);
  Forger old = forger_of(pair.a);
  pair.inject(true, old.request(ExchangeType::create_child_sa, 2, ike_rekey_request()));
  pair.inject(true, old.request(ExchangeType::informational, 3, {delete_ike()}));
  Forger heir = forger_of(pair.b);
  EXPECT_EQ(sent_by_b(pair, heir.request(ExchangeType::informational, 0, {})).size(), 1u);
  pair.sent.clear();
  pair.command_b(DeleteChild{child_of(pair.b)});
  ASSERT_EQ(pair.sent.size(), 1u);
  EXPECT_EQ(pair.sent.at(0).header().message_id.value, 0u);
}

//= rfc7296#2.23-7 type=test
TEST(NatDetection, notifies_are_in_both_ike_sa_init_messages) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  for (const bool to_b : {true, false}) {
    const auto payloads = decoded(said(pair, to_b, ExchangeType::ike_sa_init).at(0).message);
    for (const auto type :
         {NotifyType::nat_detection_source_ip, NotifyType::nat_detection_destination_ip}) {
      const auto* const notify = wire::find_notify(payloads.payloads, type);
      ASSERT_NE(notify, nullptr);
      EXPECT_EQ(notify->data.size(), 20u);
    }
  }
}

//= rfc7296#2.23-8 type=test
TEST(NatDetection, one_match_among_several_source_addresses_is_no_nat) {
  const crypto::NullProvider crypto{nullptr};
  const base::Path path{{ip(end_b.address), 500}, {ip(end_a.address), 500}};
  const base::IkeSpi spi{77};
  const auto foreign = notify_of(NotifyType::nat_detection_source_ip, ByteVec(20, std::byte{1}));
  const auto right =
      notify_of(NotifyType::nat_detection_source_ip, nat_hash(crypto, spi, {}, path.remote));
  const auto destination =
      notify_of(NotifyType::nat_detection_destination_ip, nat_hash(crypto, spi, {}, path.local));
  const auto is_behind_nat = [&](const Payloads& payloads) {
    return detect_nat(crypto, payloads, spi, {}, path).remote_behind_nat;
  };
  EXPECT_FALSE(is_behind_nat({foreign, right, foreign, destination}));
  EXPECT_TRUE(is_behind_nat({foreign, foreign, destination}));
}

//= rfc7296#2.23-2..3 rfc7296#2.23-5 rfc7296#2.23-12 type=test
TEST(NatTraversal, moves_ike_and_esp_to_port_4500_and_never_encapsulates_on_500) {
  for (const bool forced : {false, true}) {
    Pair pair;
    if (forced) {
      ConnectionConfig at_a = make_connection(end_a, end_b);
      at_a.force_encap = true;
      pair.a.set(at_a);
    } else {
      configure_nat(pair);
    }
    pair.initiate_a();
    pair.run();
    ASSERT_EQ(pair.a.record.installs.size(), 1u);
    ASSERT_EQ(pair.b.record.installs.size(), 1u);
    for (const Side* side : {&pair.a, &pair.b}) {
      const policy::InstallSa& sa = side->record.installs.front();
      EXPECT_TRUE(sa.udp_encap);
      EXPECT_EQ(sa.path.local.port, 4500);
    }
    pair.a.record.transmits.clear();
    pair.command_a(CheckLiveness{"to-b.example"});
    EXPECT_EQ(pair.a.record.transmits.at(0).path.local.port, 4500);
    EXPECT_EQ(pair.a.record.transmits.at(0).path.remote.port, 4500);
  }
}

//= rfc7296#2.23-14 rfc7296#2.23.1-1 rfc7296#2.23.1-4..5 type=test
TEST(NatTraversal, selectors_of_transport_mode_are_the_single_addresses_of_the_ike_sa) {
  Pair pair;
  configure_nat(pair);
  ConnectionConfig at_a = make_connection(end_a, end_b);
  at_a.children.front().mode = policy::SaMode::transport;
  at_a.children.front().local = net("0.0.0.0/0");
  at_a.children.front().remote = net("0.0.0.0/0");
  pair.a.set(at_a);
  pair.initiate_a();
  pair.run();
  const auto request = forger_of(pair.a).open(said(pair, true, ExchangeType::ike_auth)[0].message);
  for (const bool initiator : {true, false}) {
    const auto* const ts = wire::find_ts(request, initiator);
    ASSERT_NE(ts, nullptr);
    ASSERT_EQ(ts->selectors.size(), 1u);
    EXPECT_EQ(ts->selectors[0].first, ts->selectors[0].last);
    EXPECT_EQ(ts->selectors[0].first, ip(initiator ? end_a.address : end_b.address));
  }
}

//= rfc7296#5-1 type=test
TEST(Strength, no_prf_of_ours_gives_less_than_128_bits) {
  EXPECT_FALSE(crypto::all_prf().empty());
  for (const crypto::PrfInfo& prf : crypto::all_prf()) EXPECT_GE(prf.size, 16u) << prf.name;
}

//= rfc7296#5-2 type=test
TEST(Strength, an_ike_sa_without_encryption_or_integrity_is_never_agreed) {
  for (const std::string_view text : {"null-sha256-x25519", "aes256-prfsha256-x25519"}) {
    EXPECT_FALSE(policy::parse_offer(text, ProtocolId::ike)) << text;
  }
  const policy::Offers ours{ike_offer("aes256-sha256-x25519")};
  constexpr std::uint16_t encr_null = 11;
  for (const auto type : {wire::TransformType::encr, wire::TransformType::integ}) {
    wire::SaPayload theirs = policy::to_wire(ours, {}, true);
    for (wire::Transform& transform : theirs.proposals.at(0).transforms) {
      if (transform.type != type) continue;
      transform = wire::make_transform(type, type == wire::TransformType::encr ? encr_null : 0);
    }
    EXPECT_FALSE(policy::choose_ike(theirs, ours, crypto::KeGroup::curve25519));
    EXPECT_FALSE(policy::accept_ike(theirs, ours));
  }
}

}  // namespace
}  // namespace caponier::ike::test

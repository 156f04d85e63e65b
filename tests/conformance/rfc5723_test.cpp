// RFC 5723, session resumption: what unit/ike/resumption_test.cpp does not say already.

#include <set>

#include "conformance/conversation.h"
#include "crypto/openssl/provider.h"
#include "ike/resumption.h"

namespace caponier::ike::test {
namespace {

ConnectionConfig resumable(const End& local, const End& remote) {
  ConnectionConfig connection = make_connection(local, remote);
  connection.resumption = true;
  connection.credential_tag = ByteVec(8, std::byte{1});
  return connection;
}

struct ResumingPair : Pair {
  explicit ResumingPair(EndpointConfig config = test_config()) : Pair(std::move(config)) {
    a.set(resumable(end_a, end_b));
    b.set(resumable(end_b, end_a));
  }
  /// A gives up on B, and B knows nothing of it.
  void lose_touch() {
    filter = [](Datagram&) { return false; };
    command_a(CheckLiveness{"to-b.example"});
    advance(80s);
    ASSERT_TRUE(a.endpoint.snapshot().empty());
    filter = nullptr;
    sent.clear();
  }
  void resume() {
    lose_touch();
    initiate_a();
    run();
  }
  [[nodiscard]] std::size_t count(ExchangeType exchange) const {
    return said(*this, true, exchange).size() + said(*this, false, exchange).size();
  }
  /// With the keys of the IKE SA it belongs to.
  [[nodiscard]] Payloads open(const Datagram& datagram) const {
    const wire::IkeHeader header = datagram.header();
    if (header.next_payload != PayloadType::sk) return {};
    for (const KeysExported& keys : a.record.keys) {
      if (keys.spi_i == header.spi_i && keys.spi_r == header.spi_r) {
        return Forger{keys}.open(datagram.message);
      }
    }
    return {};
  }
  /// The first of this kind that went in this direction.
  [[nodiscard]] std::optional<wire::NotifyPayload> told(bool to_b, NotifyType type) const {
    for (const Datagram& datagram : sent) {
      if (datagram.to_b != to_b) continue;
      Payloads payloads = decoded(datagram.message).payloads;
      if (wire::find_notify(payloads, type) == nullptr) payloads = open(datagram);
      if (const auto* const found = wire::find_notify(payloads, type)) return *found;
    }
    return std::nullopt;
  }
  [[nodiscard]] base::Duration given_lifetime() const {
    const auto notify = told(false, NotifyType::ticket_lt_opaque);
    const auto given = notify ? read_given_ticket(*notify) : std::nullopt;
    return given ? given->lifetime : base::Duration{};
  }
};

//= rfc5723#4.1-1..2 rfc5723#4.1-4 rfc5723#6.2-3 type=test
TEST(TicketRequest, comes_from_the_initiator_only_whoever_rekeys) {
  for (const bool by_a : {true, false}) {
    ResumingPair pair;
    bring_up(pair);
    const auto tickets = pair.a.record.count(EventKind::ike_ticket);
    if (by_a) pair.command_a(RekeyIke{"to-b.example"});
    if (!by_a) pair.command_b(RekeyIke{"to-a.example"});
    pair.advance(5s);
    EXPECT_TRUE(pair.told(true, NotifyType::ticket_request)) << "the old ticket is worth nothing";
    EXPECT_FALSE(pair.told(false, NotifyType::ticket_request));
    EXPECT_GT(pair.a.record.count(EventKind::ike_ticket), tickets);
    pair.resume();
    EXPECT_EQ(pair.count(ExchangeType::ike_sa_init), 0u);
    EXPECT_TRUE(pair.is_up());
  }
}

//= rfc5723#4.1-3 rfc5723#4.1-5 type=test
TEST(TicketRequest, is_granted_or_refused_and_the_exchange_goes_on_as_ever) {
  ResumingPair granted;
  granted.initiate_a();
  granted.run();
  EXPECT_TRUE(granted.told(false, NotifyType::ticket_lt_opaque));
  EndpointConfig config = test_config();
  config.limits.ticket_size_max = 64;
  ResumingPair refused{config};
  refused.initiate_a();
  refused.run();
  EXPECT_TRUE(refused.told(false, NotifyType::ticket_nack));
  EXPECT_TRUE(refused.is_up());
  ResumingPair failed;
  failed.b.secrets["to-a.example"] = "another secret";
  failed.initiate_a();
  failed.run();
  EXPECT_TRUE(failed.told(false, NotifyType::authentication_failed));
  EXPECT_FALSE(failed.told(false, NotifyType::ticket_lt_opaque));
}

//= rfc5723#7-1 type=test
TEST(TicketNotifies, have_neither_protocol_nor_spi) {
  EndpointConfig config = test_config();
  ResumingPair pair{config};
  pair.initiate_a();
  pair.run();
  const auto is_bare = [](const std::optional<wire::NotifyPayload>& notify) {
    return notify && notify->protocol == ProtocolId::none && notify->spi.empty();
  };
  EXPECT_TRUE(is_bare(pair.told(true, NotifyType::ticket_request)));
  EXPECT_TRUE(is_bare(pair.told(false, NotifyType::ticket_lt_opaque)));
  ConnectionConfig changed = resumable(end_b, end_a);
  changed.credential_tag = ByteVec(8, std::byte{2});
  pair.b.set(changed);
  pair.resume();
  EXPECT_TRUE(is_bare(pair.told(true, NotifyType::ticket_opaque)));
  EXPECT_TRUE(is_bare(pair.told(false, NotifyType::ticket_nack)));
}

//= rfc5723#4.2-2 rfc5723#4.3.2-1 rfc5723#5-4 type=test
//= rfc5723#4.3.3-1..4 rfc5723#6.1-4 type=test
TEST(ResumedSession, has_the_identities_and_algorithms_of_the_ticket_and_spis_of_its_own) {
  ResumingPair pair;
  ConnectionConfig at_a = resumable(end_a, end_b);
  at_a.offers = {ike_offer("aes128gcm16-prfsha256-ecp256")};
  pair.a.set(at_a);
  ConnectionConfig at_b = resumable(end_b, end_a);
  at_b.offers = {ike_offer("aes256gcm16-prfsha384-x25519"),
                 ike_offer("aes128gcm16-prfsha256-ecp256")};
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  const IkeSaInfo before = pair.b.endpoint.snapshot().at(0);
  at_a.offers.insert(at_a.offers.begin(), ike_offer("aes256gcm16-prfsha384-x25519"));
  pair.a.set(at_a);  // a new negotiation would end with these
  pair.resume();
  ASSERT_TRUE(pair.is_up());
  const IkeSaInfo after = pair.b.endpoint.snapshot().at(0);
  EXPECT_EQ(after.suite, before.suite);
  EXPECT_EQ(after.remote_id, before.remote_id);
  EXPECT_NE(after.spi_i, before.spi_i);
  EXPECT_NE(after.spi_r, before.spi_r);
  EXPECT_EQ(pair.count(ExchangeType::ike_session_resume), 2u);
  EXPECT_EQ(pair.count(ExchangeType::ike_auth), 2u);
  for (const bool to_b : {true, false}) {
    const Payloads auth = pair.open(said(pair, to_b, ExchangeType::ike_auth).at(0));
    EXPECT_TRUE(std::ranges::none_of(auth, [](const wire::Payload& payload) {
      return wire::type_of(payload) == PayloadType::cert;
    }));
    const auto* const id = wire::find_id(auth, to_b);
    ASSERT_NE(id, nullptr);
    EXPECT_EQ(*id, (to_b ? at_a : at_b).own_rounds.front().identity.to_wire(to_b));
  }
}

//= rfc5723#4.3.3-2 rfc5723#4.3.3-4 type=test
TEST(ResumedSession, with_another_identity_than_the_tickets_is_refused_by_either_side) {
  for (const bool to_b : {true, false}) {
    ResumingPair pair;
    bring_up(pair);
    pair.lose_touch();
    edit_first(pair, to_b, ExchangeType::ike_auth, [](Payloads& payloads) {
      for (wire::Payload& payload : payloads) {
        if (auto* const id = std::get_if<wire::IdPayload>(&payload))
          id->data.back() ^= std::byte{1};
      }
    });
    pair.initiate_a();
    pair.run();
    EXPECT_EQ((to_b ? pair.b : pair.a).record.count(EventKind::ike_resumed), 0u) << to_b;
  }
}

//= rfc5723#4.3.1-2 rfc5723#6.2-5 type=test
TEST(Ticket, that_has_expired_is_not_shown) {
  ResumingPair pair;
  pair.initiate_a();
  pair.run();
  const base::Duration lifetime = pair.given_lifetime();
  EXPECT_GT(lifetime, base::Duration{});
  pair.lose_touch();
  pair.advance(lifetime);
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.count(ExchangeType::ike_session_resume), 0u);
  EXPECT_TRUE(pair.is_up());
}

//= rfc5723#4.3.1-3 type=test
TEST(Ticket, that_has_brought_an_sa_up_is_not_shown_again) {
  ResumingPair pair;
  bring_up(pair);
  pair.lose_touch();
  edit_first(pair, false, ExchangeType::ike_auth, [](Payloads& payloads) {
    std::erase_if(payloads, [](const wire::Payload& payload) {
      const auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
      return notify != nullptr && notify->type == NotifyType::ticket_lt_opaque;
    });
  });
  pair.initiate_a();
  pair.run();
  ASSERT_EQ(pair.a.record.count(EventKind::ike_resumed), 1u);
  pair.resume();
  EXPECT_EQ(pair.count(ExchangeType::ike_session_resume), 0u);
  EXPECT_TRUE(pair.is_up());
}

//= rfc5723#4.3.2-2 rfc5723#6.2-1 type=test
TEST(Ticket, goes_with_its_ike_sa_whoever_deletes_it) {
  for (const bool by_a : {true, false}) {
    ResumingPair pair;
    bring_up(pair);
    if (by_a) pair.command_a(DeleteIke{"to-b.example"});
    if (!by_a) pair.command_b(DeleteIke{"to-a.example"});
    pair.run();
    pair.sent.clear();
    pair.initiate_a();
    pair.run();
    EXPECT_EQ(pair.count(ExchangeType::ike_session_resume), 0u);
    EXPECT_EQ(pair.count(ExchangeType::ike_sa_init), 2u);
  }
}

//= rfc5723#6.2-4 type=test
TEST(Ticket, lives_no_longer_than_the_ike_sa_or_its_authentication) {
  struct Case {
    base::Duration ike_lifetime;
    std::optional<base::Duration> auth_lifetime;
    base::Duration expected;
  };
  for (const Case& c : {Case{8h, std::nullopt, test_config().limits.ticket_lifetime},
                        Case{0s, std::nullopt, test_config().limits.ticket_lifetime},
                        Case{20min, std::nullopt, 20min}, Case{8h, 10min, 10min}}) {
    ResumingPair pair;
    ConnectionConfig at_b = resumable(end_b, end_a);
    at_b.ike_lifetime = c.ike_lifetime;
    at_b.auth_lifetime = c.auth_lifetime;
    pair.b.set(at_b);
    pair.initiate_a();
    pair.run();
    EXPECT_EQ(pair.given_lifetime(), c.expected);
  }
}

TEST(Ticket, given_after_a_rekey_ends_with_the_authentication_too) {
  ResumingPair pair;
  ConnectionConfig at_b = resumable(end_b, end_a);
  at_b.auth_lifetime = 1h;
  pair.b.set(at_b);
  bring_up(pair);
  pair.advance(10min);
  pair.sent.clear();
  pair.command_b(RekeyIke{"to-a.example"});
  pair.advance(1s);
  EXPECT_GT(pair.given_lifetime(), 45min);
  EXPECT_LE(pair.given_lifetime(), 51min);
}

//= rfc5723#9.4-1 type=test
TEST(Resumption, is_not_tried_because_of_anything_unprotected) {
  ResumingPair pair;
  bring_up(pair);
  const IkeSaInfo info = pair.a.endpoint.snapshot().at(0);
  for (const NotifyType type : {NotifyType::invalid_ike_spi, NotifyType::invalid_spi,
                                NotifyType::ticket_nack, NotifyType::authentication_failed}) {
    wire::IkeMessage message;
    message.header.spi_i = info.spi_i;
    message.header.spi_r = info.spi_r;
    message.header.exchange = ExchangeType::informational;
    message.payloads.emplace_back(notify_of(type));
    for (const bool is_response : {false, true}) {
      message.header.flags = is_response ? wire::IkeHeader::flag_response : std::uint8_t{0};
      pair.inject(false, *message.encode());
    }
  }
  pair.advance(20s);
  EXPECT_EQ(pair.count(ExchangeType::ike_session_resume), 0u);
  EXPECT_EQ(pair.a.endpoint.snapshot().at(0).spi_i, info.spi_i);
  EXPECT_TRUE(pair.is_up());
}

//= rfc5723#4.3.2-4 rfc5723#4.3.2-7 type=test
TEST(Resumption, from_behind_a_nat_that_was_not_there_before_encapsulates) {
  for (const bool is_behind : {true, false}) {
    ResumingPair pair;
    ConnectionConfig any = resumable(end_b, end_a);
    any.remote_addresses.clear();
    pair.b.set(any);
    if (!is_behind) pair.put_a_behind_nat("203.0.113.5", 1000);
    bring_up(pair);
    EXPECT_EQ(pair.a.live().back()->udp_encap, !is_behind);
    pair.put_a_behind_nat(is_behind ? "203.0.113.5" : end_a.address, is_behind ? 1000 : 0);
    pair.resume();
    EXPECT_EQ(pair.b.record.count(EventKind::ike_resumed), 1u);
    EXPECT_EQ(pair.a.live().back()->udp_encap, is_behind);
    EXPECT_EQ(pair.b.live().back()->udp_encap, is_behind);
  }
}

// ---- Inside the ticket

struct Maker {
  [[nodiscard]] Resumable state(base::Duration lifetime = 4h) const {
    Resumable state;
    state.connection = "peer";
    state.id_i = policy::Identity::parse("initiator.example").to_wire(true);
    state.id_r = policy::Identity::parse("responder.example").to_wire(false);
    state.suite = {{crypto::EncrId::aes_gcm_16, 256, crypto::IntegId::none},
                   crypto::PrfId::hmac_sha2_384,
                   crypto::KeGroup::curve25519};
    state.sk_d = base::SecretBytes{base::as_bytes(secret)};
    state.expires = now + lifetime;
    return state;
  }
  static constexpr std::string_view secret = "forty-eight octets that only two sides may know.";
  base::Instant now{1h};
  base::SeededRng rng{3};
  crypto::OpensslProvider crypto;
  TicketMaker maker{crypto, rng, {}, now};
};

bool holds(Bytes ticket, std::string_view text) {
  return base::as_text(ticket).find(text) != std::string_view::npos;
}

//= rfc5723#6.1-1 rfc5723#9.1-1 rfc5723#9.9-1 rfc5723#9.10-1 type=test
TEST(TicketByValue, is_encrypted_and_every_changed_octet_is_noticed) {
  Maker m;
  const ByteVec ticket = m.maker.seal(m.state(), m.now);
  ASSERT_FALSE(ticket.empty());
  ASSERT_TRUE(m.maker.open(ticket, m.now));
  for (std::size_t at = 0; at + 4 <= Maker::secret.size(); ++at) {
    EXPECT_FALSE(holds(ticket, Maker::secret.substr(at, 4)));
  }
  for (const std::string_view text : {"initiator", "responder", "example", "peer"}) {
    EXPECT_FALSE(holds(ticket, text)) << text;
  }
  for (std::size_t at = 0; at < ticket.size(); ++at) {
    ByteVec changed = ticket;
    changed[at] ^= std::byte{0x10};
    EXPECT_FALSE(m.maker.open(changed, m.now)) << at;
  }
  const ByteVec again = m.maker.seal(m.state(), m.now);
  constexpr std::size_t header_size = 8;
  std::size_t same = 0;
  for (std::size_t i = header_size; i < ticket.size(); ++i) same += ticket[i] == again[i] ? 1 : 0;
  EXPECT_LT(same, ticket.size() / 4) << "two tickets of one SA cannot be told to belong together";
}

//= rfc5723#6.1-6..7 rfc5723#6.2-6 type=test
TEST(TicketByValue, names_its_key_which_outlives_it_and_carries_its_end) {
  const IkeLimits limits;
  EXPECT_GE(limits.ticket_key_lifetime, 2 * ConnectionConfig{}.ike_lifetime);
  EXPECT_GE(limits.ticket_key_lifetime, 2 * limits.ticket_lifetime);
  Maker m;
  (void)m.maker.seal(m.state(), m.now);
  m.now = m.now + limits.ticket_key_lifetime - 1s;
  const ByteVec before = m.maker.seal(m.state(limits.ticket_lifetime), m.now);
  m.now = m.now + 2s;
  const ByteVec after = m.maker.seal(m.state(limits.ticket_lifetime), m.now);
  constexpr std::size_t key_id = 1;
  EXPECT_NE(before[key_id], after[key_id]);
  m.now = m.now + limits.ticket_lifetime - 3s;
  EXPECT_TRUE(m.maker.open(before, m.now)) << "although the key has changed since";
  EXPECT_TRUE(m.maker.open(after, m.now));
  m.now = m.now + 1s;
  EXPECT_FALSE(m.maker.open(before, m.now));
  EXPECT_TRUE(m.maker.open(after, m.now));
}

}  // namespace
}  // namespace caponier::ike::test

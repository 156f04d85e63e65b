// Session resumption (RFC 5723): tickets given, kept, shown once; keys made anew from old ones.

#include <gtest/gtest.h>

#include <utility>

#include "ike/resumption.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

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
    initiate_a();
    run();
    sent.clear();
  }
  /// A loses touch with B long enough to give up, and B knows nothing of it.
  void lose_touch() {
    filter = [](Datagram&) { return false; };
    command_a(CheckLiveness{"to-b.example"});
    advance(80s);
    EXPECT_TRUE(a.endpoint.snapshot().empty());
    filter = nullptr;
    sent.clear();
  }
  [[nodiscard]] std::size_t count(ExchangeType exchange) const {
    std::size_t n = 0;
    for (const Datagram& datagram : sent) n += datagram.header().exchange == exchange ? 1 : 0;
    return n;
  }
};

//= rfc5723#4.3.2-3 rfc5723#4.3.4-1 type=test
TEST(IkeResume, a_lost_session_is_resumed_without_a_key_exchange) {
  ResumingPair pair;
  ASSERT_TRUE(pair.is_up());
  EXPECT_EQ(pair.a.record.count(EventKind::ike_ticket), 1u);
  pair.lose_touch();
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.count(ExchangeType::ike_session_resume), 2u);
  EXPECT_EQ(pair.count(ExchangeType::ike_sa_init), 0u);
  EXPECT_EQ(pair.count(ExchangeType::informational), 0u) << "nothing is deleted on the wire";
  EXPECT_EQ(pair.a.record.count(EventKind::ike_resumed), 1u);
  EXPECT_EQ(pair.b.record.count(EventKind::ike_resumed), 1u);
  EXPECT_EQ(pair.a.live().size(), 1u);
  EXPECT_EQ(pair.b.live().size(), 1u) << "the old SA went silently";
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  EXPECT_TRUE(pair.is_up());
  for (const auto& keys : pair.a.record.keys) {
    const bool is_old = &keys == &pair.a.record.keys.front();
    EXPECT_EQ(base::equal(keys.sk_ei.reveal(), pair.a.record.keys.front().sk_ei.reveal()), is_old);
  }
}

TEST(IkeResume, it_can_be_resumed_again_and_again_with_a_new_ticket_each_time) {
  ResumingPair pair;
  for (int i = 0; i < 4; ++i) {
    pair.lose_touch();
    pair.initiate_a();
    pair.run();
    ASSERT_TRUE(pair.is_up()) << i;
    EXPECT_EQ(pair.count(ExchangeType::ike_sa_init), 0u);
  }
}

//= rfc5723#4.3.2-6 type=test
TEST(IkeResume, cookies_are_demanded_before_a_ticket_is_looked_at) {
  EndpointConfig config = test_config();
  config.limits.cookie_threshold = 0;
  ResumingPair pair{config};
  pair.lose_touch();
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.count(ExchangeType::ike_session_resume), 4u);
}

TEST(IkeResume, it_works_through_a_nat) {
  Pair pair;
  pair.a.set(resumable(end_a, end_b));
  ConnectionConfig any = resumable(end_b, end_a);
  any.remote_addresses.clear();
  pair.b.set(any);
  pair.put_a_behind_nat("203.0.113.5", 1000);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  pair.filter = [](Datagram&) { return false; };
  pair.command_a(CheckLiveness{"to-b.example"});
  pair.advance(80s);
  pair.filter = nullptr;
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.b.record.count(EventKind::ike_resumed), 1u);
  EXPECT_TRUE(pair.a.live().front()->udp_encap);
}

TEST(IkeResume, a_peer_that_forgot_refuses_and_the_full_exchange_follows_at_once) {
  ResumingPair pair;
  pair.lose_touch();
  // B restarts: its ticket key is gone.
  ConnectionConfig changed = resumable(end_b, end_a);
  changed.credential_tag = ByteVec(8, std::byte{2});
  pair.b.set(changed);
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.count(ExchangeType::ike_session_resume), 2u);
  EXPECT_EQ(pair.count(ExchangeType::ike_sa_init), 2u);
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_bad_ticket], 1u);
  EXPECT_EQ(pair.a.live().size(), 1u);
  EXPECT_EQ(pair.b.record.count(EventKind::ike_resumed), 0u);
}

TEST(IkeResume, silence_leads_to_the_full_exchange_and_keeps_the_ticket) {
  ResumingPair pair;
  pair.lose_touch();
  pair.filter = [](Datagram& datagram) {
    return datagram.header().exchange != ExchangeType::ike_session_resume;
  };
  pair.initiate_a();
  pair.advance(5s);
  EXPECT_EQ(pair.count(ExchangeType::ike_session_resume), 2u) << "one repetition";
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.b.record.count(EventKind::ike_resumed), 0u);
}

TEST(IkeResume, an_outage_that_lasts_does_not_use_the_ticket_up) {
  ResumingPair pair;
  pair.lose_touch();
  pair.filter = [](Datagram&) { return false; };
  pair.initiate_a();
  pair.advance(200s);
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
  pair.filter = nullptr;
  pair.sent.clear();
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.count(ExchangeType::ike_sa_init), 0u);
  EXPECT_EQ(pair.b.record.count(EventKind::ike_resumed), 1u);
}

//= rfc5723#6.2-1..2 type=test
TEST(IkeResume, a_deleted_or_reconfigured_sa_is_not_resumed) {
  ResumingPair deleted;
  deleted.command_a(DeleteIke{"to-b.example"});
  deleted.run();
  deleted.sent.clear();
  deleted.initiate_a();
  deleted.run();
  EXPECT_EQ(deleted.count(ExchangeType::ike_session_resume), 0u);
  ResumingPair changed;
  changed.lose_touch();
  ConnectionConfig other = resumable(end_a, end_b);
  other.credential_tag = ByteVec(8, std::byte{9});
  changed.a.set(other);
  changed.initiate_a();
  changed.run();
  EXPECT_EQ(changed.count(ExchangeType::ike_session_resume), 0u);
}

//= rfc8019#4.5-4 type=test
//= rfc5723#4.3.1-4 rfc5723#4.3.2-3 rfc5723#9.10-2 type=test
TEST(IkeResume, a_ticket_serves_once) {
  ResumingPair pair;
  pair.lose_touch();
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  // Somebody shows what was seen on the wire again, as another initiator.
  auto again = wire::IkeMessage::decode(pair.sent.at(0).message).value();
  again.header.spi_i.value += 1;
  pair.inject(true, *again.encode());
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_bad_ticket], 1u);
  const auto answer = wire::IkeMessage::decode(pair.sent.back().message).value();
  EXPECT_NE(wire::find_notify(answer.payloads, NotifyType::ticket_nack), nullptr);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
}

TEST(IkeResume, a_stolen_ticket_opens_nothing_without_the_keys) {
  ResumingPair pair;
  pair.lose_touch();
  pair.filter = [](Datagram& datagram) {
    return datagram.header().exchange != ExchangeType::ike_auth;
  };
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 1u);
  pair.filter = nullptr;
  ByteVec message = pair.sent.back().message;
  message.back() ^= std::byte{1};
  pair.inject(true, message);
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_bad_icv], 1u);
  EXPECT_EQ(pair.b.record.count(EventKind::ike_resumed), 0u);
}

TEST(IkeResume, without_the_setting_no_ticket_is_asked_for_or_given) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.a.record.count(EventKind::ike_ticket), 0u);
  EXPECT_EQ(pair.b.record.count(EventKind::ike_ticket), 0u);
}

// ---- The maker alone

struct Maker {
  explicit Maker(IkeLimits limits = {}) : maker(crypto, rng, limits, now) {}
  [[nodiscard]] Resumable state() const {
    Resumable state;
    state.connection = "peer";
    state.id_i = policy::Identity::parse("a.example").to_wire(true);
    state.id_r = policy::Identity::parse("b.example").to_wire(false);
    state.suite = {{crypto::EncrId::aes_gcm_16, 256, crypto::IntegId::none},
                   crypto::PrfId::hmac_sha2_384,
                   crypto::KeGroup::curve25519};
    state.sk_d =
        base::SecretBytes{base::as_bytes("forty-eight octets that only two sides may know.")};
    state.credential_tag = ByteVec(16, std::byte{5});
    state.expires = now + 1h;
    return state;
  }
  base::Instant now{1h};
  base::SeededRng rng{3};
  crypto::NullProvider crypto{nullptr};
  TicketMaker maker;
};

//= rfc5723#6.1-4 type=test
TEST(IkeTicket, what_was_sealed_comes_out_again) {
  Maker m;
  const ByteVec ticket = m.maker.seal(m.state(), m.now);
  ASSERT_FALSE(ticket.empty());
  const auto opened = m.maker.open(ticket, m.now);
  ASSERT_TRUE(opened);
  const Resumable expected = m.state();
  EXPECT_EQ(opened->state.connection, expected.connection);
  EXPECT_EQ(opened->state.id_i, expected.id_i);
  EXPECT_EQ(opened->state.id_r, expected.id_r);
  EXPECT_EQ(opened->state.suite, expected.suite);
  EXPECT_EQ(opened->state.credential_tag, expected.credential_tag);
  EXPECT_TRUE(base::equal(opened->state.sk_d.reveal(), expected.sk_d.reveal()));
}

TEST(IkeTicket, every_flipped_bit_and_every_cut_is_refused) {
  Maker m;
  const ByteVec ticket = m.maker.seal(m.state(), m.now);
  for (std::size_t at = 0; at < ticket.size(); ++at) {
    ByteVec flipped = ticket;
    flipped[at] ^= std::byte{1};
    EXPECT_FALSE(m.maker.open(flipped, m.now)) << at;
    EXPECT_FALSE(m.maker.open(Bytes{ticket}.first(at), m.now)) << at;
  }
}

TEST(IkeTicket, it_expires_and_its_key_does_too) {
  IkeLimits limits;
  limits.ticket_key_lifetime = 30min;
  Maker m{limits};
  const ByteVec ticket = m.maker.seal(m.state(), m.now);
  EXPECT_TRUE(m.maker.open(ticket, m.now + 31min)) << "the key before is still good";
  EXPECT_FALSE(m.maker.open(ticket, m.now + 60min)) << "expired";
  Resumable lasting = m.state();
  lasting.expires = m.now + 10h;
  Maker n{limits};
  const ByteVec other = n.maker.seal(lasting, n.now);
  EXPECT_FALSE(n.maker.open(other, n.now + 61min)) << "the key is gone";
}

TEST(IkeTicket, more_used_ones_than_can_be_remembered_end_all_tickets) {
  IkeLimits limits;
  limits.tickets_used_max = 3;
  Maker m{limits};
  const ByteVec spare = m.maker.seal(m.state(), m.now);
  for (int i = 0; i < 3; ++i) {
    const ByteVec ticket = m.maker.seal(m.state(), m.now);
    m.maker.use_up(*m.maker.open(ticket, m.now), m.now);
    EXPECT_FALSE(m.maker.open(ticket, m.now));
  }
  EXPECT_TRUE(m.maker.open(spare, m.now));
  const ByteVec last = m.maker.seal(m.state(), m.now);
  m.maker.use_up(*m.maker.open(last, m.now), m.now);
  EXPECT_FALSE(m.maker.open(spare, m.now));
  EXPECT_FALSE(m.maker.open(last, m.now));
  EXPECT_TRUE(m.maker.open(m.maker.seal(m.state(), m.now), m.now)) << "new ones work";
}

TEST(IkeTicket, what_does_not_fit_is_not_made) {
  IkeLimits limits;
  limits.ticket_size_max = 64;
  Maker m{limits};
  EXPECT_TRUE(m.maker.seal(m.state(), m.now).empty());
}

}  // namespace
}  // namespace caponier::ike::test

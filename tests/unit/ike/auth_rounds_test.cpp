// Several rounds of authentication (RFC 4739), both roles.

#include <gtest/gtest.h>

#include <algorithm>

#include <fmt/format.h>

#include "ike/messages.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using wire::NotifyType;
using Outcome = EapReply::Outcome;
using Payloads = std::vector<wire::Payload>;

ByteVec bytes(std::string_view text) { return base::to_vec(base::as_bytes(text)); }

OwnRound own(AuthKind kind, std::string_view identity) {
  return {kind, policy::Identity::parse(std::string{identity})};
}
PeerRound peers(AuthKind kind, std::string_view identity = {}) {
  PeerRound round{{kind}, std::nullopt};
  if (!identity.empty()) round.identity = policy::Identity::parse(std::string{identity});
  return round;
}

constexpr auto psk = AuthKind::shared_key;
constexpr auto eap = AuthKind::eap;
constexpr auto signature = AuthKind::signature;

/// A is the initiator. Every round of each side has a key of its own.
struct RoundsPair : Pair {
  ConnectionConfig first = make_connection(end_a, end_b);
  ConnectionConfig second = make_connection(end_b, end_a);
  std::string password = "right";
  std::string spoiled;  ///< A's key of this round is another one: "a1"

  RoundsPair() {
    a.keyholder = [this](const AuthRequest& request) { return keep(request, true); };
    b.keyholder = [this](const AuthRequest& request) { return keep(request, false); };
    b.eap = [](const EapRequest& request) { return serve(request); };
    a.eap = [this](const EapRequest& request) { return answer(request); };
  }

  AuthReply keep(const AuthRequest& request, bool is_a) const {
    const bool is_of_a = request.proof ? !is_a : is_a;
    std::string key = fmt::format("{}{}", is_of_a ? "a" : "b", request.round);
    const ConnectionConfig& signer = is_of_a ? first : second;
    if (is_a && key == spoiled) key += " old";
    if (signer.own_rounds.at(request.round).kind == psk) {
      return answer_by_shared_key(request, a.crypto, base::as_bytes(key));
    }
    AuthReply reply;
    reply.method = wire::AuthMethod::digital_signature;
    reply.auth = bytes(key);
    base::append(reply.auth, request.signed_octets);
    reply.certificates = {{4, bytes("certificate of " + key)}};
    reply.outcome = AuthOutcome::made;
    if (!request.proof) return reply;
    const bool is_right = request.proof->auth == reply.auth &&
                          request.proof->certificates.size() == 1 &&
                          request.proof->certificates.front() == reply.certificates.front();
    reply.outcome = is_right ? AuthOutcome::right : AuthOutcome::wrong;
    reply.grant.units = {key};
    return reply;
  }

  /// Of two users, one for each round.
  static EapReply serve(const EapRequest& request) {
    const std::string user = fmt::format("user{}", request.round);
    EapReply reply;
    reply.outcome = Outcome::proceed;
    if (!request.packet) {
      reply.packet = bytes("who?");
    } else if (*request.packet == bytes(user)) {
      reply.packet = bytes("password?");
    } else if (*request.packet == bytes("right")) {
      reply.outcome = Outcome::success;
      reply.packet = bytes("success");
      reply.msk = base::SecretBytes{base::as_bytes("key of " + user)};
      reply.identity = user;
    } else {
      reply.outcome = Outcome::failure;
      reply.packet = bytes("failure");
      reply.why = "wrong password";
    }
    return reply;
  }
  EapReply answer(const EapRequest& request) const {
    const std::string user = fmt::format("user{}", request.round);
    EapReply reply;
    reply.outcome = Outcome::proceed;
    if (*request.packet == bytes("who?")) {
      reply.packet = bytes(user);
    } else if (*request.packet == bytes("password?")) {
      reply.packet = bytes(password);
    } else if (*request.packet == bytes("success")) {
      reply.outcome = Outcome::success;
      reply.msk = base::SecretBytes{base::as_bytes("key of " + user)};
      reply.is_mutual = true;
    } else {
      reply.outcome = Outcome::failure;
      reply.why = "the server refuses";
    }
    return reply;
  }

  void start() {
    a.set(first);
    b.set(second);
    initiate_a();
    run();
  }
  /// Nothing of the responder has happened.
  [[nodiscard]] bool is_untouched() const {
    return b.record.ike_ups.empty() && b.record.installs.empty() &&
           b.record.lease_requests.empty() && a.record.installs.empty();
  }
  /// The payloads of the messages of IKE_AUTH, in their order.
  [[nodiscard]] std::vector<Payloads> auth_messages() const {
    Forger forger{a.record.keys.front()};
    std::vector<Payloads> messages;
    for (const Datagram& datagram : sent) {
      if (datagram.header().exchange != wire::ExchangeType::ike_auth) continue;
      messages.push_back(forger.open(datagram.message));
    }
    return messages;
  }
};

std::string describe(const Payloads& payloads) {
  std::string text;
  for (const wire::Payload& payload : payloads) {
    const auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
    std::string_view name;
    if (notify == nullptr) {
      name = wire::name_of(wire::type_of(payload));
    } else if (notify->type == NotifyType::another_auth_follows) {
      name = "another";
    } else if (notify->type == NotifyType::multiple_auth_supported) {
      name = "several";
    }
    if (!name.empty()) text += (text.empty() ? "" : " ") + std::string{name};
  }
  return text;
}

/// A machine by certificate, then a user by EAP.
struct MachineAndUser : RoundsPair {
  MachineAndUser() {
    first.own_rounds = {own(signature, "pc.example"), own(eap, "user1")};
    second.peer_rounds = {peers(signature, "pc.example"), peers(eap)};
    second.gives_leases = true;
    first.wish = AddressWish{true, false};
    first.children.front().is_local_leased = true;
    second.children.front().is_remote_leased = true;
    b.leases = [](const LeaseRequest&) {
      LeaseReply reply;
      reply.addresses = {ip("10.1.0.9")};
      reply.attributes = {{1, base::to_vec(ip("10.1.0.9").bytes())}};
      return reply;
    };
  }
};

TEST(AuthRounds, a_machine_by_certificate_and_then_its_user_by_eap_come_in) {
  MachineAndUser pair;
  pair.start();
  ASSERT_EQ(pair.b.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.a.live().size(), 1u);
  EXPECT_EQ(pair.b.live().size(), 1u);
  const IkeSaInfo info = pair.b.endpoint.snapshot().front();
  EXPECT_EQ(info.user, "user1");
  EXPECT_EQ(info.remote_id->to_string(), "user1");
  ASSERT_EQ(info.earlier_ids.size(), 1u);
  EXPECT_EQ(info.earlier_ids.front().to_string(), "pc.example");
  EXPECT_NE(pair.b.record.text(EventKind::ike_established).find("user1 after pc.example"),
            std::string::npos);
}

TEST(AuthRounds, leases_and_groups_go_by_the_last_round_alone) {
  MachineAndUser pair;
  pair.start();
  ASSERT_EQ(pair.b.record.lease_requests.size(), 1u);
  EXPECT_EQ(pair.b.record.lease_requests.front().identity, "user1");
  EXPECT_TRUE(pair.b.record.lease_requests.front().grant.units.empty());
}

//= rfc4739#2.3 type=test
TEST(AuthRounds, the_messages_are_those_of_the_second_example) {
  MachineAndUser pair;
  pair.start();
  std::vector<std::string> texts;
  for (const Payloads& payloads : pair.auth_messages()) texts.push_back(describe(payloads));
  const std::vector<std::string> expected{
      "IDi IDr several CERT AUTH another CP SA TSi TSr",
      "IDr AUTH",
      "IDi",
      "EAP",
      "EAP",
      "EAP",
      "EAP",
      "EAP",
      "AUTH",
      "AUTH CP SA TSi TSr",
  };
  EXPECT_EQ(texts, expected);
}

//= rfc4739#2.2 type=test
TEST(AuthRounds, two_conversations_of_eap_follow_each_other) {
  RoundsPair pair;
  pair.first.own_rounds = {own(eap, "user0"), own(eap, "user1")};
  pair.second.peer_rounds = {peers(eap), peers(eap)};
  pair.start();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.a.record.eap_ended, 2u);
  EXPECT_EQ(pair.b.record.eap_ended, 2u);
  const IkeSaInfo info = pair.b.endpoint.snapshot().front();
  EXPECT_EQ(info.user, "user1");
  EXPECT_EQ(info.earlier_ids.front().to_string(), "user0");
}

//= rfc4739#2.4 type=test
TEST(AuthRounds, two_certificates_of_the_initiator_need_no_second_auth_of_the_responder) {
  RoundsPair pair;
  pair.first.own_rounds = {own(signature, "pc.example"), own(signature, "person.example")};
  pair.second.peer_rounds = {peers(signature), peers(signature, "person.example")};
  pair.start();
  EXPECT_TRUE(pair.is_up());
  const auto messages = pair.auth_messages();
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(describe(messages[2]), "IDi CERT AUTH");
  EXPECT_EQ(describe(messages[3]), "SA TSi TSr");
}

//= rfc4739#2.5 type=test
TEST(AuthRounds, two_certificates_of_the_responder_are_asked_for_with_an_empty_request) {
  RoundsPair pair;
  pair.second.own_rounds = {own(signature, "b.example"), own(signature, "owner.example")};
  pair.first.peer_rounds = {peers(signature, "b.example"), peers(signature, "owner.example")};
  pair.start();
  EXPECT_TRUE(pair.is_up());
  const auto messages = pair.auth_messages();
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(describe(messages[1]), "IDr CERT AUTH another");
  EXPECT_EQ(describe(messages[2]), "");
  EXPECT_EQ(describe(messages[3]), "IDr CERT AUTH SA TSi TSr");
  EXPECT_EQ(pair.a.endpoint.snapshot().front().remote_id->to_string(), "owner.example");
}

TEST(AuthRounds, the_rounds_of_both_sides_go_on_beside_each_other) {
  for (const std::size_t owns : {1u, 2u, 3u, 4u}) {
    for (const AuthKind kind : {psk, signature, eap}) {
      RoundsPair pair;
      pair.first.own_rounds = {own(kind, "user0"), own(psk, "person.example"), own(kind, "user2")};
      pair.second.peer_rounds = {peers(kind), peers(psk, "person.example"), peers(kind)};
      pair.second.own_rounds.clear();
      pair.first.peer_rounds.clear();
      for (std::size_t i = 0; i < owns; ++i) {
        const std::string name = fmt::format("b{}.example", i);
        pair.second.own_rounds.push_back(own(i % 2 == 0 ? psk : signature, name));
        pair.first.peer_rounds.push_back(peers(i % 2 == 0 ? psk : signature, name));
      }
      pair.start();
      EXPECT_TRUE(pair.is_up()) << owns << " " << describe(kind) << " "
                                << pair.a.record.text(EventKind::ike_auth_failed)
                                << pair.b.record.text(EventKind::ike_auth_failed);
      EXPECT_EQ(pair.b.endpoint.snapshot().front().earlier_ids.size(), 2u);
      EXPECT_EQ(pair.a.endpoint.snapshot().front().earlier_ids.size(), owns - 1);
    }
  }
}

TEST(AuthRounds, eap_alone_may_prove_the_server_while_the_user_has_another_round) {
  RoundsPair pair;
  pair.first.own_rounds = {own(eap, "user0"), own(psk, "person.example")};
  pair.second.peer_rounds = {peers(eap), peers(psk)};
  pair.first.eap_only = pair.second.eap_only = true;
  pair.start();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.b.record.auth_requests.size(), 1u) << "the user's second round";
}

TEST(AuthRounds, who_stops_after_one_of_two_rounds_is_refused_and_the_operator_hears_why) {
  RoundsPair pair;
  pair.second.peer_rounds = {peers(psk, "a.example"), peers(eap)};
  pair.start();
  EXPECT_EQ(pair.b.record.text(EventKind::ike_auth_failed),
            "192.0.2.1:500: a.example has authenticated once, but the configuration demands 2 "
            "rounds; next: EAP");
  EXPECT_NE(pair.a.record.text(EventKind::ike_auth_failed).find("AUTHENTICATION_FAILED"),
            std::string::npos);
  EXPECT_TRUE(pair.is_untouched());
  EXPECT_EQ(pair.a.endpoint.snapshot().size(), 0u);
}

TEST(AuthRounds, a_responder_that_stops_after_one_of_two_rounds_is_left) {
  RoundsPair pair;
  pair.first.peer_rounds = {peers(psk, "b.example"), peers(psk, "owner.example")};
  pair.start();
  EXPECT_NE(pair.a.record.text(EventKind::ike_auth_failed)
                .find("b.example has authenticated once, but the configuration demands 2 rounds"),
            std::string::npos);
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 0u);
  EXPECT_TRUE(pair.a.live().empty());
}

TEST(AuthRounds, more_rounds_than_are_configured_are_refused) {
  RoundsPair pair;
  pair.first.own_rounds = {own(psk, "a.example"), own(psk, "x.example"), own(psk, "y.example")};
  pair.second.peer_rounds = {peers(psk), peers(psk)};
  pair.start();
  EXPECT_NE(
      pair.b.record.text(EventKind::ike_auth_failed).find("has authenticated twice and wants"),
      std::string::npos);
  EXPECT_TRUE(pair.is_untouched());
}

TEST(AuthRounds, an_initiator_with_two_rounds_does_not_come_in_by_one_where_two_are_not_taken) {
  RoundsPair pair;
  pair.first.own_rounds = {own(psk, "a.example"), own(eap, "user1")};
  pair.start();
  EXPECT_NE(pair.a.record.text(EventKind::ike_failed)
                .find("we are configured to authenticate twice, and the peer does not take that"),
            std::string::npos);
  EXPECT_TRUE(pair.is_untouched());
}

TEST(AuthRounds, what_is_wrong_in_the_last_round_leaves_nothing_of_the_first) {
  for (const bool is_eap : {true, false}) {
    RoundsPair pair;
    pair.first.own_rounds = {own(psk, "a.example"), is_eap ? own(eap, "user1") : own(psk, "x")};
    pair.second.peer_rounds = {peers(psk), peers(is_eap ? eap : psk)};
    pair.password = "wrong";
    pair.spoiled = "a1";
    pair.start();
    EXPECT_TRUE(pair.is_untouched());
    EXPECT_EQ(pair.b.ike_count(IkeState::established), 0u);
    EXPECT_EQ(pair.a.ike_count(IkeState::established), 0u);
    EXPECT_GE(pair.b.record.count(EventKind::ike_auth_failed), 1u);
  }
}

TEST(AuthRounds, each_round_has_its_own_identity_and_ways) {
  RoundsPair other_id;
  other_id.first.own_rounds = {own(psk, "a.example"), own(psk, "mallory.example")};
  other_id.second.peer_rounds = {peers(psk), peers(psk, "alice.example")};
  other_id.start();
  EXPECT_NE(other_id.b.record.text(EventKind::ike_auth_failed)
                .find("says in round 2 that it is mallory.example, we expect alice.example"),
            std::string::npos);
  RoundsPair other_way;
  other_way.first.own_rounds = {own(psk, "a.example"), own(psk, "user1")};
  other_way.second.peer_rounds = {peers(psk), peers(eap)};
  other_way.start();
  EXPECT_NE(other_way.b.record.text(EventKind::ike_auth_failed)
                .find("authenticates by a pre-shared key in round 2, we expect EAP"),
            std::string::npos);
  EXPECT_TRUE(other_way.is_untouched());
}

TEST(AuthRounds, an_older_sa_of_the_peer_stays_until_the_last_round_is_through) {
  RoundsPair pair;
  pair.first.own_rounds = {own(psk, "a.example"), own(eap, "user1")};
  pair.second.peer_rounds = {peers(psk), peers(eap)};
  pair.second.dpd_interval = 1h;
  pair.start();
  ASSERT_TRUE(pair.is_up());
  pair.filter = [](Datagram&) { return false; };
  pair.command_a(DeleteIke{pair.first.name});
  pair.advance(200s);
  pair.filter = nullptr;
  ASSERT_EQ(pair.b.ike_count(IkeState::established), 1u);
  // Whoever comes with INITIAL_CONTACT has to prove all of it.
  pair.password = "wrong";
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  pair.password = "right";
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  EXPECT_TRUE(pair.is_up());
}

TEST(AuthRounds, between_rounds_the_peer_counts_as_half_open_and_its_time_is_limited) {
  RoundsPair pair;
  pair.first.own_rounds = {own(psk, "a.example"), own(psk, "x.example")};
  pair.second.peer_rounds = {peers(psk), peers(psk)};
  pair.filter = [](Datagram& datagram) {
    return datagram.header().message_id.value < 2 || !datagram.to_b;
  };
  pair.start();
  ASSERT_EQ(pair.b.state(), IkeState::auth_answered);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 1u);
  pair.advance(31s);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
  EXPECT_EQ(pair.b.endpoint.snapshot().size(), 0u);
  EXPECT_TRUE(pair.is_untouched());
}

TEST(AuthRounds, a_round_that_nobody_announced_is_malformed) {
  RoundsPair pair;
  pair.second.own_rounds = {own(psk, "b.example"), own(psk, "owner.example")};
  pair.first.peer_rounds = {peers(psk), peers(psk)};
  pair.filter = [&](Datagram& datagram) {
    return !datagram.to_b || datagram.header().message_id.value < 2;
  };
  pair.start();
  ASSERT_EQ(pair.b.state(), IkeState::auth_answered);
  Forger forger{pair.b.record.keys.front()};
  const Payloads again{policy::Identity::parse("root.example").to_wire(true),
                       wire::AuthPayload{wire::AuthMethod::shared_key_mic, ByteVec(48)}};
  pair.inject(true, forger.request(wire::ExchangeType::ike_auth, 2, again));
  EXPECT_NE(pair.b.record.text(EventKind::ike_malformed).find("was not announced"),
            std::string::npos);
  EXPECT_TRUE(pair.is_untouched());
}

TEST(AuthRounds, a_refused_child_in_a_last_answer_without_auth_leaves_the_ike_sa) {
  RoundsPair pair;
  pair.first.own_rounds = {own(psk, "a.example"), own(psk, "x.example")};
  pair.second.peer_rounds = {peers(psk), peers(psk)};
  pair.second.children.front().local = net("10.77.0.0/16");
  pair.start();
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  ASSERT_EQ(pair.a.record.child_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.child_downs.front().reason, EndReason::selectors);
}

TEST(AuthRounds, of_two_connections_the_one_with_as_many_rounds_as_announced_is_chosen) {
  for (const bool has_two : {true, false}) {
    RoundsPair pair;
    if (has_two) pair.first.own_rounds = {own(psk, "a.example"), own(psk, "x.example")};
    ConnectionConfig one = pair.second;
    one.name = "one";
    pair.second.name = "two";
    pair.second.peer_rounds = {peers(psk, "a.example"), peers(psk)};
    pair.a.set(pair.first);
    pair.b.set(std::vector{has_two ? one : pair.second, has_two ? pair.second : one});
    pair.initiate_a();
    pair.run();
    ASSERT_EQ(pair.b.ike_count(IkeState::established), 1u);
    EXPECT_EQ(pair.b.endpoint.snapshot().front().connection, has_two ? "two" : "one");
  }
}

TEST(AuthRounds, a_rekeyed_ike_sa_still_tells_every_identity) {
  MachineAndUser pair;
  pair.start();
  ASSERT_EQ(pair.b.ike_count(IkeState::established), 1u);
  pair.command_b(RekeyIke{pair.second.name});
  pair.run();
  pair.advance(40s);
  ASSERT_EQ(pair.b.endpoint.snapshot().size(), 1u);
  EXPECT_EQ(pair.b.endpoint.snapshot().front().earlier_ids.size(), 1u);
}

//= rfc4739#3.1-1 rfc4739#3.2-1 type=test
TEST(AuthRounds, the_notifies_are_sent_where_rounds_are_configured_and_name_no_protocol) {
  MachineAndUser pair;
  pair.start();
  std::size_t found = 0;
  for (const Payloads& payloads : pair.auth_messages()) {
    for (const auto type :
         {NotifyType::multiple_auth_supported, NotifyType::another_auth_follows}) {
      const auto* const notify = wire::find_notify(payloads, type);
      if (notify == nullptr) continue;
      ++found;
      EXPECT_EQ(static_cast<int>(notify->protocol), 0);
      EXPECT_TRUE(notify->spi.empty());
      EXPECT_TRUE(notify->data.empty());
    }
  }
  EXPECT_EQ(found, 2u);
  RoundsPair plain;
  plain.start();
  for (const Payloads& payloads : plain.auth_messages()) {
    EXPECT_EQ(wire::find_notify(payloads, NotifyType::multiple_auth_supported), nullptr);
  }
}

}  // namespace
}  // namespace caponier::ike::test

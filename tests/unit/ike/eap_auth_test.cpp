// EAP in IKE_AUTH (RFC 7296 s2.16, RFC 5998), inner addresses (s2.19), and signatures: the IKE side
// alone, what is inside the packets being somebody else's.

#include <gtest/gtest.h>

#include <algorithm>

#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using Outcome = EapReply::Outcome;

ByteVec bytes(std::string_view text) { return base::to_vec(base::as_bytes(text)); }
base::SecretBytes key(std::string_view text) { return base::SecretBytes{base::as_bytes(text)}; }

/// A server that asks twice, and a client that answers; both end with the same key.
EapReply serve(const EapRequest& request) {
  EapReply reply;
  if (!request.packet) {
    reply.outcome = Outcome::proceed;
    reply.packet = bytes("who?");
  } else if (*request.packet == bytes("alice")) {
    reply.outcome = Outcome::proceed;
    reply.packet = bytes("password?");
  } else if (*request.packet == bytes("right")) {
    reply.outcome = Outcome::success;
    reply.packet = bytes("success");
    reply.msk = key("the master session key");
    reply.identity = "alice";
  } else {
    reply.packet = bytes("failure");
    reply.why = "wrong password";
  }
  return reply;
}

EapReply answer(const EapRequest& request, std::string_view password) {
  EapReply reply;
  reply.outcome = Outcome::proceed;
  if (*request.packet == bytes("who?")) {
    reply.packet = bytes("alice");
  } else if (*request.packet == bytes("password?")) {
    reply.packet = bytes(password);
  } else if (*request.packet == bytes("success")) {
    reply.outcome = Outcome::success;
    reply.msk = key("the master session key");
    reply.is_mutual = true;
  } else {
    reply.outcome = Outcome::failure;
    reply.why = "the server refuses";
  }
  return reply;
}

/// A is the user, B the gateway with a shared key of its own.
struct EapPair : Pair {
  ConnectionConfig user = make_connection(end_a, end_b);
  ConnectionConfig gateway = make_connection(end_b, end_a);
  std::string password = "right";

  EapPair() {
    user.own_rounds.front().kind = AuthKind::eap;
    gateway.peer_rounds.front().kinds = {AuthKind::eap};
    gateway.peer_rounds.front().identity.reset();
    b.eap = serve;
    a.eap = [this](const EapRequest& request) { return answer(request, password); };
  }
  void start() {
    a.set(user);
    b.set(gateway);
    initiate_a();
    run();
  }
};

//= rfc7296#2.16-1..3,7,10 rfc7296#5-5 type=test
TEST(IkeEap, a_user_comes_in_and_both_ends_prove_the_key) {
  EapPair pair;
  pair.start();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.b.endpoint.snapshot().front().user, "alice");
  EXPECT_EQ(pair.b.endpoint.snapshot().front().remote_id->to_string(), "alice");
  EXPECT_EQ(pair.a.record.eap_ended, 1u);
  EXPECT_EQ(pair.b.record.eap_ended, 1u);
  ASSERT_EQ(pair.a.record.answered.size(), 2u);
  EXPECT_FALSE(pair.a.record.answered[0].is_open);
  EXPECT_TRUE(pair.a.record.answered[1].is_open);
  // IKE_SA_INIT, the first message, two packets of EAP, and AUTH.
  EXPECT_EQ(pair.sent.size(), 10u);
}

//= rfc7296#2.16-6 type=test
TEST(IkeEap, without_a_key_both_ends_prove_that_they_are_the_same_as_before) {
  EapPair pair;
  pair.b.eap = [](const EapRequest& request) {
    EapReply reply = serve(request);
    reply.msk = {};
    return reply;
  };
  pair.a.eap = [](const EapRequest& request) {
    EapReply reply = answer(request, "right");
    reply.msk = {};
    return reply;
  };
  pair.start();
  EXPECT_TRUE(pair.is_up());
}

//= rfc7296#2.16-8..9 type=test
TEST(IkeEap, a_wrong_password_ends_it_and_says_so_on_both_sides) {
  EapPair pair;
  pair.password = "wrong";
  pair.start();
  EXPECT_EQ(pair.b.record.text(EventKind::ike_auth_failed),
            "192.0.2.1:500: EAP with a.example failed: wrong password");
  EXPECT_EQ(pair.a.record.text(EventKind::ike_auth_failed),
            "192.0.2.2:500: EAP with b.example failed: the server refuses");
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 0u);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 0u);
  EXPECT_EQ(pair.b.record.eap_ended, 1u);
}

TEST(IkeEap, a_refusal_in_the_middle_is_told_as_what_it_is) {
  EapPair pair;
  pair.b.eap = [](const EapRequest& request) {
    EapReply reply = serve(request);
    if (!request.packet) return reply;
    reply.outcome = Outcome::failure;
    reply.packet.clear();
    reply.why = "no server\nanswers";
    return reply;
  };
  pair.start();
  EXPECT_EQ(pair.b.record.text(EventKind::ike_auth_failed),
            "192.0.2.1:500: EAP with a.example failed: no server\\x0aanswers");
  EXPECT_NE(pair.a.record.text(EventKind::ike_auth_failed).find("AUTHENTICATION_FAILED"),
            std::string::npos);
  EXPECT_EQ(pair.a.endpoint.snapshot().size(), 0u);
}

TEST(IkeEap, a_client_that_gives_up_says_its_last_word_and_no_more) {
  EapPair pair;
  pair.a.eap = [](const EapRequest& request) {
    EapReply reply = answer(request, "right");
    if (reply.packet != bytes("right")) return reply;
    reply.outcome = Outcome::failure;
    reply.packet = bytes("alert");
    reply.why = "the server's certificate has expired";
    return reply;
  };
  pair.start();
  EXPECT_EQ(pair.a.record.text(EventKind::ike_auth_failed),
            "192.0.2.2:500: EAP with b.example failed: the server's certificate has expired");
  EXPECT_EQ(pair.b.record.eap_requests.back().packet, bytes("alert"));
  EXPECT_EQ(pair.sent.size(), 8u) << "no farewell to an IKE SA that is gone";
  EXPECT_EQ(pair.a.endpoint.snapshot().size(), 0u);
  EXPECT_EQ(pair.a.record.eap_ended, 1u);
}

//= rfc7296#2.16-3 type=test
TEST(IkeEap, ends_with_different_keys_do_not_believe_each_other) {
  EapPair pair;
  pair.b.eap = [](const EapRequest& request) {
    EapReply reply = serve(request);
    if (reply.outcome == Outcome::success) reply.msk = key("another one");
    return reply;
  };
  pair.start();
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 0u);
  EXPECT_EQ(pair.b.record.count(EventKind::ike_auth_failed), 1u);
}

TEST(IkeEap, a_server_that_proves_nothing_is_refused) {
  EapPair pair;
  pair.gateway.eap_only = true;
  pair.user.eap_only = false;
  pair.start();
  EXPECT_TRUE(pair.is_up()) << "the user does not ask for EAP alone, so the gateway proves itself";

  EapPair alone;
  alone.gateway.eap_only = alone.user.eap_only = true;
  alone.start();
  EXPECT_TRUE(alone.is_up());
  EXPECT_EQ(alone.b.record.auth_requests.size(), 0u);
}

//= rfc5998#3-2 type=test
TEST(IkeEap, eap_alone_needs_a_method_that_proves_the_server) {
  EapPair pair;
  pair.gateway.eap_only = pair.user.eap_only = true;
  pair.a.eap = [](const EapRequest& request) {
    EapReply reply = answer(request, "right");
    reply.is_mutual = false;
    return reply;
  };
  pair.start();
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 0u);
  EXPECT_NE(pair.a.record.text(EventKind::ike_auth_failed).find("does not prove who the server is"),
            std::string::npos);
}

TEST(IkeEap, a_conversation_without_end_is_ended) {
  EapPair pair;
  pair.b.eap = [](const EapRequest&) {
    EapReply reply;
    reply.outcome = Outcome::proceed;
    reply.packet = bytes("who?");
    return reply;
  };
  pair.start();
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 0u);
  EXPECT_EQ(pair.b.record.eap_requests.size(), IkeLimits{}.eap_rounds_max);
  EXPECT_EQ(pair.b.record.eap_ended, 1u);
}

TEST(IkeEap, a_back_end_that_is_silent_costs_one_half_open_sa_for_two_minutes) {
  EapPair pair;
  pair.b.eap = nullptr;
  pair.start();
  pair.advance(IkeLimits{}.eap_timeout + 1s);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
  EXPECT_EQ(pair.b.endpoint.snapshot().size(), 0u);
  EXPECT_EQ(pair.b.record.eap_ended, 1u);
}

TEST(IkeEap, lost_messages_cost_time_and_nothing_else) {
  for (std::size_t lost = 0; lost < 10; ++lost) {
    EapPair pair;
    std::size_t seen = 0;
    pair.filter = [&](Datagram&) { return seen++ != lost; };
    pair.start();
    pair.advance(10s);
    EXPECT_TRUE(pair.is_up()) << lost;
    EXPECT_EQ(pair.b.record.eap_requests.size(), 3u) << lost;
  }
}

// ---- Inner addresses

/// A asks for an address, B gives one.
struct LeasePair : Pair {
  ConnectionConfig user = make_connection(end_a, end_b);
  ConnectionConfig gateway = make_connection(end_b, end_a);

  LeasePair() {
    user.wish = AddressWish{};
    user.children.front().local = net("0.0.0.0/0");
    user.children.front().is_local_leased = true;
    gateway.gives_leases = true;
    gateway.children.front().remote = net("10.9.0.0/24");
    gateway.children.front().is_remote_leased = true;
    b.leases = [](const LeaseRequest&) {
      LeaseReply reply;
      reply.addresses = {ip("10.9.0.7")};
      reply.attributes = {{1, base::to_vec(ip("10.9.0.7").bytes())},
                          {3, base::to_vec(ip("10.2.0.53").bytes())}};
      return reply;
    };
  }
  void start() {
    a.set(user);
    b.set(gateway);
    initiate_a();
    run();
  }
};

//= rfc7296#2.19-1 rfc7296#2.19-4..5 rfc7296#4-9..11 type=test
TEST(IkeLeases, the_child_is_for_the_address_that_was_given) {
  LeasePair pair;
  pair.start();
  ASSERT_TRUE(pair.is_up());
  EXPECT_EQ(pair.a.live().front()->local, net("10.9.0.7/32"));
  EXPECT_EQ(pair.b.live().front()->remote, net("10.9.0.7/32"));
  ASSERT_EQ(pair.a.record.configured.size(), 1u);
  EXPECT_EQ(pair.a.record.configured.front().addresses, std::vector{ip("10.9.0.7")});
  EXPECT_EQ(pair.a.record.configured.front().attributes.size(), 2u);
  ASSERT_EQ(pair.b.record.lease_requests.size(), 1u);
  EXPECT_EQ(pair.b.record.lease_requests.front().identity, "a.example");
}

//= rfc7296#2.19-2..3 rfc7296#3.15.1-7,16 type=test
TEST(IkeLeases, the_configuration_payload_stands_before_the_sa_and_asks_without_saying) {
  for (const bool with_eap : {false, true}) {
    EapPair eap;
    LeasePair plain;
    Pair& pair = with_eap ? static_cast<Pair&>(eap) : plain;
    if (with_eap) {
      eap.user.wish = plain.user.wish;
      eap.user.children = plain.user.children;
      eap.gateway.gives_leases = true;
      eap.gateway.children = plain.gateway.children;
      eap.b.leases = plain.b.leases;
      eap.start();
    } else {
      plain.start();
    }
    ASSERT_TRUE(pair.is_up());
    ASSERT_FALSE(pair.a.record.keys.empty());
    Forger reader{pair.a.record.keys.front()};
    std::size_t with_sa = 0;
    for (std::size_t i = 2; i < pair.sent.size(); ++i) {
      const auto payloads = reader.open(pair.sent[i].message);
      const auto place_of = [&](wire::PayloadType type) {
        return std::ranges::find(payloads, type, &wire::type_of) - payloads.begin();
      };
      const auto end = std::ssize(payloads);
      const auto sa = place_of(wire::PayloadType::sa);
      const auto config = place_of(wire::PayloadType::cp);
      EXPECT_EQ(sa == end, config == end);
      if (sa == end) continue;
      ++with_sa;
      EXPECT_LT(config, sa);
      const auto* const asked = wire::find<wire::ConfigPayload>(payloads);
      if (!pair.sent[i].to_b) continue;
      for (const wire::ConfigAttribute& attribute : asked->attributes) {
        EXPECT_TRUE(attribute.value.empty()) << attribute.type;
      }
    }
    EXPECT_EQ(with_sa, 2u);
  }
}

TEST(IkeLeases, what_is_rekeyed_keeps_the_address_and_the_end_gives_it_back) {
  LeasePair pair;
  pair.start();
  ASSERT_TRUE(pair.is_up());
  pair.command_a(RekeyIke{"to-b.example"});
  pair.run();
  pair.command_a(RekeyChild{pair.a.live().front()->id});
  pair.run();
  pair.advance(10s);
  EXPECT_EQ(pair.a.live().front()->local, net("10.9.0.7/32"));
  EXPECT_EQ(pair.b.record.leases_ended.size(), 0u);
  pair.command_a(DeleteIke{"to-b.example"});
  pair.run();
  EXPECT_EQ(pair.b.record.leases_ended.size(), 1u);
}

TEST(IkeLeases, a_user_that_is_ended_by_name_takes_nobody_else_along) {
  LeasePair pair;
  pair.start();
  ASSERT_TRUE(pair.is_up());
  pair.command_b(DeleteIke{"to-a.example", "somebody.else"});
  pair.run();
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  pair.command_b(DeleteIke{"to-a.example", "a.example"});
  pair.run();
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 0u);
  EXPECT_EQ(pair.b.record.leases_ended.size(), 1u);
}

TEST(IkeLeases, who_authenticates_anew_asks_for_the_address_he_has) {
  LeasePair pair;
  pair.start();
  ASSERT_TRUE(pair.is_up());
  pair.command_a(Reauthenticate{"to-b.example", {}});
  pair.run();
  ASSERT_EQ(pair.b.record.lease_requests.size(), 2u);
  const auto wished = [&](std::size_t request) {
    return pair.b.record.lease_requests.at(request).asked.front().value;
  };
  EXPECT_TRUE(wished(0).empty());
  EXPECT_EQ(wished(1), base::to_vec(ip("10.9.0.7").bytes()));
}

//= rfc7296#3.15.4-1 type=test
TEST(IkeLeases, without_an_address_there_is_no_child) {
  LeasePair pair;
  pair.b.leases = [](const LeaseRequest&) {
    LeaseReply reply;
    reply.why = "the pool is used up";
    return reply;
  };
  pair.start();
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.live().size(), 0u);
  EXPECT_NE(pair.b.record.text(EventKind::child_failed).find("the pool is used up"),
            std::string::npos);
  EXPECT_NE(pair.a.record.text(EventKind::child_failed).find("INTERNAL_ADDRESS_FAILURE"),
            std::string::npos);
}

//= rfc7296#2.19-6..7 type=test
TEST(IkeLeases, who_does_not_ask_is_told_to) {
  LeasePair pair;
  pair.user.wish.reset();
  pair.start();
  EXPECT_EQ(pair.b.live().size(), 0u);
  EXPECT_NE(pair.a.record.text(EventKind::child_failed).find("FAILED_CP_REQUIRED"),
            std::string::npos);
}

TEST(IkeLeases, a_lease_that_comes_too_late_goes_back) {
  LeasePair pair;
  pair.b.leases = nullptr;
  pair.start();
  ASSERT_EQ(pair.b.record.lease_requests.size(), 1u);
  const LeaseRequest request = pair.b.record.lease_requests.front();
  pair.advance(5min);
  LeaseReply reply;
  reply.sa = request.sa;
  reply.request = request.request;
  reply.addresses = {ip("10.9.0.7")};
  pair.b.endpoint.handle_lease_reply(reply, pair.now);
  pair.collect();
  EXPECT_EQ(pair.b.record.leases_ended, std::vector{request.sa});
}

// ---- Signatures

/// Each side signs with a name, and knows the other's.
AuthReply sign_or_verify(const AuthRequest& request, std::string_view own, std::string_view peers) {
  AuthReply reply;
  if (request.proof) {
    ByteVec expected = bytes(peers);
    base::append(expected, request.signed_octets);
    const bool is_right =
        request.proof->auth == expected && request.proof->certificates.size() == 2;
    reply.outcome = is_right ? AuthOutcome::right : AuthOutcome::wrong;
    reply.why = "the certificate has expired";
    return reply;
  }
  reply.outcome = AuthOutcome::made;
  reply.method = wire::AuthMethod::digital_signature;
  reply.auth = bytes(own);
  base::append(reply.auth, request.signed_octets);
  reply.certificates = {{4, bytes("leaf")}, {4, bytes("intermediate")}};
  return reply;
}

struct SignedPair : Pair {
  ConnectionConfig first = make_connection(end_a, end_b);
  ConnectionConfig second = make_connection(end_b, end_a);

  SignedPair() {
    for (ConnectionConfig* connection : {&first, &second}) {
      connection->own_rounds.front().kind = AuthKind::signature;
      connection->peer_rounds.front().kinds = {AuthKind::signature};
      connection->authorities = ByteVec(20, std::byte{7});
    }
    a.keyholder = [](const AuthRequest& r) { return sign_or_verify(r, "a's key", "b's key"); };
    b.keyholder = [](const AuthRequest& r) { return sign_or_verify(r, "b's key", "a's key"); };
  }
  void start() {
    a.set(first);
    b.set(second);
    initiate_a();
    run();
  }
};

//= rfc7427#4-1 rfc7296#3.6-1 rfc7296#3.7-3 type=test
TEST(IkeSignatures, certificates_hashes_and_wishes_reach_the_keyholder) {
  SignedPair pair;
  pair.start();
  ASSERT_TRUE(pair.is_up());
  for (const Side* side : {&pair.a, &pair.b}) {
    ASSERT_EQ(side->record.auth_requests.size(), 2u);
    for (const AuthRequest& request : side->record.auth_requests) {
      if (request.proof) continue;
      EXPECT_EQ(request.hashes, (std::vector<std::uint16_t>{2, 3, 4, 5}));
      ASSERT_EQ(request.wishes.size(), 1u);
      EXPECT_EQ(request.wishes.front().authorities, ByteVec(20, std::byte{7}));
    }
  }
}

TEST(IkeSignatures, what_is_wrong_with_the_peers_proof_is_told_here_and_not_there) {
  SignedPair pair;
  pair.a.keyholder = [](const AuthRequest& r) { return sign_or_verify(r, "old key", "b's key"); };
  pair.start();
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 0u);
  EXPECT_EQ(pair.b.record.text(EventKind::ike_auth_failed),
            "192.0.2.1:500: the peer's AUTH as a.example is wrong: the certificate has expired");
  EXPECT_EQ(pair.a.record.text(EventKind::ike_auth_failed).find("expired"), std::string::npos);
}

TEST(IkeSignatures, one_side_may_sign_while_the_other_has_a_shared_key) {
  SignedPair pair;
  pair.first.peer_rounds.front().kinds = {AuthKind::shared_key};
  pair.second.own_rounds.front().kind = AuthKind::shared_key;
  const auto by_kind = [](const AuthRequest& r, crypto::CryptoProvider& crypto, bool is_shared) {
    return is_shared ? answer_by_shared_key(r, crypto, base::as_bytes("key"))
                     : sign_or_verify(r, "a's key", "a's key");
  };
  pair.a.keyholder = [&](const AuthRequest& r) {
    return by_kind(r, pair.a.crypto, r.proof.has_value());
  };
  pair.b.keyholder = [&](const AuthRequest& r) {
    return by_kind(r, pair.b.crypto, !r.proof.has_value());
  };
  pair.start();
  EXPECT_TRUE(pair.is_up());
}

TEST(IkeSignatures, more_certificates_than_the_limit_are_not_looked_at) {
  SignedPair pair;
  pair.a.keyholder = [](const AuthRequest& r) {
    AuthReply reply = sign_or_verify(r, "a's key", "b's key");
    if (!r.proof) reply.certificates.resize(40, {4, bytes("more")});
    return reply;
  };
  pair.start();
  ASSERT_FALSE(pair.b.record.auth_requests.empty());
  EXPECT_EQ(pair.b.record.auth_requests.front().proof->certificates.size(),
            IkeLimits{}.certificates_max);
}

}  // namespace
}  // namespace caponier::ike::test

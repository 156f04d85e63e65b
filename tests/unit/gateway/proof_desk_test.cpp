// Who is let in while a CRL or an OCSP answer is fetched, and what waits meanwhile.

#include "gateway/proof_desk.h"

#include <gtest/gtest.h>

#include "unit/gateway/fake_pki.h"
#include "unit/gateway/peers.h"

namespace caponier::gateway {
namespace {

using namespace std::chrono_literals;
using base::Instant;
using ike::AuthOutcome;

constexpr pki::UnixTime wall_clock{1'800'000'000};
const std::string crl = "http://crl.example.org/a.crl";
const std::string ocsp = "http://ocsp.example.org/ocsp";

struct Desk {
  explicit Desk(pki::Revocation revocation = pki::Revocation::strict, ProofLimits limits = {})
      : desk(&pki, limits) {
    apply(revocation);
  }

  test::FakePki pki;
  ProofDesk desk;
  Instant now{std::chrono::hours{1}};
  std::shared_ptr<test::FakeStore> store;
  std::shared_ptr<const config::Config> desk_config;
  std::vector<HttpRequest> requests;
  std::vector<ike::AuthReply> replies;
  std::vector<base::Event> events;
  std::vector<KeepCrl> kept;
  std::uint64_t asked = 0;

  void apply(pki::Revocation revocation) {
    auto config = std::make_shared<config::Config>();
    config::PeerConfig peer = site_peer();
    peer.psk.reset();
    peer.exchange.auth = peer.exchange.remote_auth = config::Auth::pubkey;
    peer.proof.authorities = {"ca.pem"};
    peer.proof.revocation = revocation;
    peer.proof.credential = std::make_shared<const pki::Credential>(
        test::fake_credential("us", "http://us.example.org/ocsp"));
    config->peers.push_back(std::move(peer));
    store = std::make_shared<test::FakeStore>();
    config->store = store;
    desk.apply(config);
    desk_config = config;
  }
  /// A peer of this name, whose certificate names these URLs, has signed.
  void prove(const std::string& name, const std::string& urls, std::size_t filler = 0) {
    ike::AuthRequest request;
    request.sa = {++asked};
    request.request = asked;
    request.connection = "branch";
    request.signed_octets = base::to_vec(base::as_bytes("octets"));
    ike::PeerProof proof;
    proof.method = wire::AuthMethod::digital_signature;
    proof.auth = test::fake_signature(name, request.signed_octets);
    proof.certificates = {test::fake_certificate(name + " " + urls)};
    if (filler > 0) proof.certificates.push_back({4, base::ByteVec(filler)});
    request.proof = std::move(proof);
    desk.handle(std::move(request), now, wall_clock);
    drain();
  }
  /// Our own AUTH is to be made; the keyholder answers at once.
  void sign(bool is_ocsp_asked, bool has_keyholder = true) {
    ike::AuthRequest request;
    request.sa = {++asked};
    request.request = asked;
    request.connection = "branch";
    if (is_ocsp_asked) request.wishes = {{4, base::ByteVec(20)}, {14, {}}};
    desk.note(request, now, wall_clock);
    if (has_keyholder) answer_as_keyholder(asked);
    drain();
  }
  void answer_as_keyholder(std::uint64_t number) {
    ike::AuthReply reply;
    reply.sa = {number};
    reply.request = number;
    reply.outcome = AuthOutcome::made;
    reply.certificates = {test::fake_certificate("us")};
    desk.complete(std::move(reply), now, wall_clock);
    drain();
  }
  void drain() {
    while (auto request = desk.poll_request()) requests.push_back(std::move(*request));
    while (auto reply = desk.poll_reply()) replies.push_back(std::move(*reply));
    while (auto event = desk.poll_event()) events.push_back(std::move(*event));
    while (auto one = desk.poll_kept()) kept.push_back(std::move(*one));
  }
  void answer(std::size_t index, const std::string& text) {
    desk.handle_answer({requests.at(index).id, base::to_vec(base::as_bytes(text))}, now,
                       wall_clock);
    settle();
  }
  void fail(std::size_t index, const std::string& why) {
    desk.handle_answer({requests.at(index).id, std::unexpected{why}}, now, wall_clock);
    settle();
  }
  /// Until nobody's turn has come; how many turns that took.
  std::size_t settle() {
    std::size_t turns = 0;
    drain();
    for (auto due = desk.poll_deadline(); due && due->at <= now; due = desk.poll_deadline()) {
      desk.handle_deadline(now, wall_clock);
      ++turns;
      drain();
    }
    return turns;
  }
  void pass(base::Duration time) {
    now = now + time;
    settle();
  }
  [[nodiscard]] std::string outcome() const {
    if (replies.empty()) return "waits";
    return replies.back().outcome == AuthOutcome::right ? "right" : replies.back().why;
  }
};

TEST(ProofDesk, a_proof_waits_for_the_crl_and_is_right_when_that_is_good) {
  Desk desk;
  desk.prove("gw", crl);
  EXPECT_EQ(desk.outcome(), "waits");
  ASSERT_EQ(desk.requests.size(), 1U);
  EXPECT_EQ(desk.requests[0].url, crl);
  EXPECT_TRUE(desk.requests[0].body.empty());
  EXPECT_EQ(desk.requests[0].size_max, pki::crl_size_max);
  desk.answer(0, "good");
  EXPECT_EQ(desk.outcome(), "right");
  EXPECT_EQ(desk.replies.at(0).sa.value, 1U);
  EXPECT_EQ(desk.events.at(0).kind, base::EventKind::pki_fetched);
  ASSERT_EQ(desk.kept.size(), 1U);
  EXPECT_EQ(desk.kept[0].url, crl);
  // The next one finds it.
  desk.prove("gw", crl);
  EXPECT_EQ(desk.replies.size(), 2U);
  EXPECT_EQ(desk.requests.size(), 1U);
}

TEST(ProofDesk, a_revocation_that_was_fetched_refuses_under_every_mode) {
  for (const auto mode :
       {pki::Revocation::strict, pki::Revocation::if_present, pki::Revocation::relaxed}) {
    Desk desk{mode};
    desk.prove("gw", ocsp);
    EXPECT_EQ(desk.requests.at(0).content_type, "application/ocsp-request");
    desk.answer(0, "revoked");
    EXPECT_EQ(desk.outcome(), "it has been revoked");
    EXPECT_TRUE(desk.kept.empty());
  }
}

TEST(ProofDesk, nothing_is_fetched_for_a_certificate_of_a_stranger) {
  Desk desk;
  desk.prove("stranger", crl);
  EXPECT_EQ(desk.outcome(), "it is a stranger's");
  EXPECT_TRUE(desk.requests.empty());
}

TEST(ProofDesk, a_certificate_without_urls_is_decided_at_once) {
  Desk relaxed{pki::Revocation::if_present};
  relaxed.prove("gw", "");
  EXPECT_EQ(relaxed.outcome(), "right");
  Desk strict;
  strict.prove("gw", "");
  EXPECT_EQ(strict.outcome(), "it is not known whether it is revoked");
}

TEST(ProofDesk, a_server_that_fails_decides_by_the_mode) {
  for (const auto mode :
       {pki::Revocation::strict, pki::Revocation::if_present, pki::Revocation::relaxed}) {
    Desk desk{mode};
    desk.prove("gw", crl);
    desk.fail(0, "the server has fallen silent");
    EXPECT_EQ(desk.outcome() == "right", mode == pki::Revocation::relaxed);
    EXPECT_EQ(desk.events.at(0).kind, base::EventKind::pki_fetch_failed);
    EXPECT_NE(desk.events.at(0).text.find("the server has fallen silent"), std::string::npos);
  }
}

TEST(ProofDesk, a_server_that_never_answers_decides_by_the_mode_when_the_time_is_up) {
  for (const auto mode :
       {pki::Revocation::strict, pki::Revocation::if_present, pki::Revocation::relaxed}) {
    Desk desk{mode};
    desk.prove("gw", crl);
    desk.pass(ProofLimits{}.patience - 1ns);
    EXPECT_EQ(desk.outcome(), "waits");
    desk.pass(1ns);
    EXPECT_EQ(desk.outcome() == "right", mode == pki::Revocation::relaxed);
    EXPECT_EQ(desk.desk.waiting(), 0U);
  }
}

TEST(ProofDesk, what_comes_too_late_for_one_is_there_for_the_next) {
  Desk desk;
  desk.prove("gw", crl);
  desk.pass(16s);
  EXPECT_EQ(desk.outcome(), "it is not known whether it is revoked");
  desk.answer(0, "good");
  desk.prove("gw", crl);
  EXPECT_EQ(desk.outcome(), "right");
}

TEST(ProofDesk, wrong_content_is_a_failure) {
  Desk desk;
  desk.prove("gw", crl);
  desk.answer(0, "<html>");
  EXPECT_EQ(desk.outcome(), "it is not known whether it is revoked");
  EXPECT_NE(desk.events.at(0).text.find("it is not a CRL"), std::string::npos);
  EXPECT_TRUE(desk.kept.empty());
}

TEST(ProofDesk, one_of_two_sources_is_enough) {
  Desk desk;
  desk.prove("gw", ocsp + " " + crl);
  ASSERT_EQ(desk.requests.size(), 2U);
  desk.fail(0, "the server answers with status 500");
  EXPECT_EQ(desk.outcome(), "waits");
  desk.answer(1, "good");
  EXPECT_EQ(desk.outcome(), "right");
}

TEST(ProofDesk, many_who_need_the_same_share_one_fetch) {
  Desk desk;
  for (int i = 0; i < 100; ++i) desk.prove("gw", crl);
  EXPECT_EQ(desk.requests.size(), 1U);
  desk.answer(0, "good");
  EXPECT_EQ(desk.replies.size(), 100U);
}

TEST(ProofDesk, others_get_their_turn_while_many_are_judged) {
  Desk desk;
  for (int i = 0; i < 100; ++i) desk.prove("gw", crl);
  const std::size_t before = desk.store->verified;
  desk.desk.handle_answer({desk.requests.at(0).id, base::to_vec(base::as_bytes("good"))}, desk.now,
                          wall_clock);
  EXPECT_LE(desk.store->verified - before, ProofLimits{}.judged_per_turn_max);
  EXPECT_GE(desk.settle(), 10U);
  EXPECT_EQ(desk.replies.size(), 100U);
}

TEST(ProofDesk, so_many_wait_and_more_are_decided_at_once_by_the_mode) {
  for (const auto mode : {pki::Revocation::strict, pki::Revocation::relaxed}) {
    Desk desk{mode};
    for (int i = 0; i < 3000; ++i) desk.prove("gw", crl);
    EXPECT_EQ(desk.desk.waiting(), ProofLimits{}.waiting_max);
    EXPECT_EQ(desk.replies.size(), 3000 - ProofLimits{}.waiting_max);
    EXPECT_EQ(desk.outcome() == "right", mode == pki::Revocation::relaxed);
    EXPECT_EQ(desk.requests.size(), 1U);
  }
}

TEST(ProofDesk, the_octets_of_what_waits_have_a_limit) {
  ProofLimits limits;
  limits.waiting_octets_max = std::size_t{1} << 20;
  Desk desk{pki::Revocation::relaxed, limits};
  for (int i = 0; i < 100; ++i) desk.prove("gw", crl, 100'000);
  EXPECT_EQ(desk.desk.waiting(), 10U);
  EXPECT_EQ(desk.replies.size(), 90U);
}

TEST(ProofDesk, so_many_are_fetched_at_once) {
  Desk desk;
  for (int i = 0; i < 1000; ++i) desk.prove("gw", "http://x.example.org/" + std::to_string(i));
  EXPECT_EQ(desk.requests.size(), ProofLimits{}.fetches_max);
  EXPECT_EQ(desk.desk.waiting(), ProofLimits{}.fetches_max);
  EXPECT_EQ(desk.outcome(), "it is not known whether it is revoked");
}

TEST(ProofDesk, a_new_configuration_keeps_what_was_fetched_and_judges_by_its_own_rules) {
  Desk desk;
  desk.prove("gw", crl);
  desk.answer(0, "good");
  desk.prove("other", "http://other.example.org/");
  desk.apply(pki::Revocation::relaxed);
  desk.prove("gw", crl);
  EXPECT_EQ(desk.requests.size(), 2U);
  EXPECT_EQ(desk.outcome(), "right");
  desk.fail(1, "no");
  EXPECT_EQ(desk.replies.size(), 3U);
  EXPECT_EQ(desk.outcome(), "right");
}

TEST(ProofDesk, a_crl_that_was_kept_need_not_be_fetched) {
  Desk desk;
  EXPECT_TRUE(desk.desk.restore({crl, base::to_vec(base::as_bytes("good"))}, wall_clock));
  desk.prove("gw", crl);
  EXPECT_EQ(desk.outcome(), "right");
  EXPECT_TRUE(desk.requests.empty());
}

TEST(ProofDesk, a_wrong_signature_and_an_unknown_connection_are_no_proof) {
  Desk desk;
  ike::AuthRequest request;
  request.sa = {7};
  request.connection = "branch";
  request.signed_octets = base::to_vec(base::as_bytes("octets"));
  request.proof = ike::PeerProof{{},
                                 wire::AuthMethod::digital_signature,
                                 base::to_vec(base::as_bytes("forged")),
                                 {test::fake_certificate("gw " + crl)}};
  desk.store->restore_crl(crl, base::as_bytes("good"), wall_clock);
  desk.desk.handle(request, desk.now, wall_clock);
  desk.drain();
  EXPECT_EQ(desk.outcome(), "the signature is wrong");
  request.connection = "other";
  desk.desk.handle(request, desk.now, wall_clock);
  desk.drain();
  EXPECT_EQ(desk.replies.at(1).outcome, AuthOutcome::unavailable);
}

TEST(ProofDesk, what_somebody_wants_who_cannot_wait_is_fetched_once) {
  Desk desk;
  const std::vector wanted{test::FakeStore::fetch_of(crl), test::FakeStore::fetch_of(crl)};
  desk.desk.want(wanted);
  desk.drain();
  EXPECT_EQ(desk.requests.size(), 1U);
  desk.answer(0, "good");
  desk.prove("gw", crl);
  EXPECT_EQ(desk.outcome(), "right");
}

const std::string good = "good " + std::to_string(wall_clock.value + 1000);

TEST(ProofDeskOwn, an_ocsp_answer_goes_with_our_certificate_when_it_is_asked_for) {
  Desk desk;
  desk.sign(true);
  EXPECT_TRUE(desk.replies.empty());
  EXPECT_EQ(desk.requests.at(0).url, "http://us.example.org/ocsp");
  desk.answer(0, good);
  ASSERT_EQ(desk.replies.size(), 1U);
  ASSERT_EQ(desk.replies[0].certificates.size(), 2U);
  EXPECT_EQ(desk.replies[0].certificates[1].encoding, 14);
  EXPECT_EQ(base::as_text(desk.replies[0].certificates[1].data), good);
  // The next peer gets the same.
  desk.sign(true);
  ASSERT_EQ(desk.replies.size(), 2U);
  EXPECT_EQ(desk.replies[1].certificates.size(), 2U);
  EXPECT_EQ(desk.requests.size(), 1U);
}

TEST(ProofDeskOwn, nothing_is_fetched_when_nobody_asks) {
  Desk desk;
  desk.sign(false);
  EXPECT_EQ(desk.replies.at(0).certificates.size(), 1U);
  EXPECT_TRUE(desk.requests.empty());
}

TEST(ProofDeskOwn, a_responder_that_hangs_delays_us_by_its_limit_and_no_longer) {
  Desk desk;
  desk.sign(true);
  desk.pass(ProofLimits{}.own_patience - 1ns);
  EXPECT_TRUE(desk.replies.empty());
  desk.pass(1ns);
  EXPECT_EQ(desk.replies.at(0).certificates.size(), 1U);
  EXPECT_FALSE(desk.desk.poll_deadline());
}

TEST(ProofDeskOwn, a_responder_that_fails_is_not_asked_for_every_peer) {
  for (const char* text : {"", "revoked"}) {
    Desk desk;
    desk.sign(true);
    *text == '\0' ? desk.fail(0, "no") : desk.answer(0, text);
    EXPECT_EQ(desk.replies.at(0).certificates.size(), 1U);
    desk.sign(true);
    EXPECT_EQ(desk.replies.at(1).certificates.size(), 1U);
    EXPECT_EQ(desk.requests.size(), 1U);
  }
}

TEST(ProofDeskOwn, a_keyholder_that_is_slow_or_silent_is_not_remembered_for_ever) {
  Desk desk;
  desk.sign(true, false);
  desk.answer(0, good);
  desk.answer_as_keyholder(1);
  EXPECT_EQ(desk.replies.at(0).certificates.size(), 2U);
  for (int i = 0; i < 3000; ++i) desk.sign(true, false);
  desk.pass(2min);
  EXPECT_FALSE(desk.desk.poll_deadline());
}

// ---- by hash and URL (RFC 7296 s3.6)

const std::string certs = "http://certs.example.org/";

struct Lookups : Desk {
  explicit Lookups(std::vector<std::string> prefixes = {certs}) {
    auto config = std::make_shared<config::Config>(*desk_config);
    config->peers.front().proof.hash_and_url = std::move(prefixes);
    config->peers.front().proof.cert_url = certs + "us.der";
    desk.apply(config);
    desk_config = config;
  }
  void prove_by_url(const std::string& url, const std::string& certificate = "gw ") {
    ike::AuthRequest request;
    request.sa = {++asked};
    request.request = asked;
    request.connection = "branch";
    request.signed_octets = base::to_vec(base::as_bytes("octets"));
    ike::PeerProof proof;
    proof.method = wire::AuthMethod::digital_signature;
    proof.auth = test::fake_signature("gw", request.signed_octets);
    const auto hash = test::fake_hash(base::as_bytes(certificate));
    base::ByteVec data{hash.begin(), hash.end()};
    base::append(data, base::as_bytes(url));
    proof.certificates = {{12, std::move(data)}};
    request.proof = std::move(proof);
    desk.handle(std::move(request), now, wall_clock);
    drain();
  }
};

//= rfc7296#3.6-4 type=test
//= rfc7296#3.7-4 type=test
TEST(ProofDeskLookup, a_certificate_of_an_allowed_place_is_fetched_once_and_judged) {
  Lookups desk;
  desk.store->restore_crl(crl, base::as_bytes("good"), wall_clock);
  desk.prove_by_url(certs + "gw.der", "gw " + crl);
  ASSERT_EQ(desk.requests.size(), 1U);
  EXPECT_EQ(desk.requests[0].url, certs + "gw.der");
  EXPECT_EQ(desk.requests[0].size_max, pki::certificate_size_max);
  EXPECT_FALSE(desk.requests[0].follows_redirects);
  desk.answer(0, "gw " + crl);
  EXPECT_EQ(desk.outcome(), "right");
  desk.prove_by_url(certs + "gw.der", "gw " + crl);
  EXPECT_EQ(desk.replies.size(), 2U);
  EXPECT_EQ(desk.requests.size(), 1U);
}

TEST(ProofDeskLookup, nothing_is_fetched_unless_the_configuration_names_the_place) {
  Lookups off{{}};
  off.prove_by_url(certs + "gw.der");
  EXPECT_TRUE(off.requests.empty());
  EXPECT_EQ(off.outcome(), "no certificate");
  for (const std::string& url :
       {std::string{"http://other.example.org/gw.der"}, std::string{"http://certs.example.org"},
        certs, certs + "../x", certs + "%2e%2e/x", certs + "a b", certs + "a\r\nHost: x"}) {
    Lookups desk;
    desk.prove_by_url(url);
    EXPECT_TRUE(desk.requests.empty()) << url;
    EXPECT_EQ(desk.replies.size(), 1U) << url;
  }
}

TEST(ProofDeskLookup,
     what_is_not_the_certificate_of_that_hash_is_none_and_not_asked_again_at_once) {
  Lookups desk;
  desk.prove_by_url(certs + "gw.der");
  desk.answer(0, "mallory");
  EXPECT_EQ(desk.replies.at(0).outcome, AuthOutcome::wrong);
  desk.prove_by_url(certs + "gw.der");
  EXPECT_EQ(desk.replies.size(), 2U);
  EXPECT_EQ(desk.requests.size(), 1U);
}

TEST(ProofDeskLookup, two_hashes_of_one_place_are_two_questions) {
  Lookups desk;
  desk.prove_by_url(certs + "gw.der", "gw ");
  desk.prove_by_url(certs + "gw.der", "other ");
  ASSERT_EQ(desk.requests.size(), 2U);
  desk.answer(0, "gw ");
  desk.answer(1, "gw ");
  EXPECT_EQ(desk.desk.waiting(), 0U);
  EXPECT_EQ(desk.replies.size(), 2U);
}

TEST(ProofDeskLookup, strangers_take_few_places_from_those_who_are_known) {
  Lookups desk;
  for (int i = 0; i < 1000; ++i) desk.prove_by_url(certs + std::to_string(i));
  EXPECT_EQ(desk.requests.size(), ProofLimits{}.lookups_max);
  desk.prove("gw", crl);
  EXPECT_EQ(desk.requests.size(), ProofLimits{}.lookups_max + 1);
}

TEST(ProofDeskLookup, what_is_kept_has_a_limit) {
  Lookups desk;
  for (std::size_t i = 0; i < 2 * ProofLimits{}.certificates_max; ++i) {
    desk.prove_by_url(certs + std::to_string(i));
    desk.fail(i, "no");
  }
  EXPECT_EQ(desk.replies.size(), 2 * ProofLimits{}.certificates_max);
  desk.prove_by_url(certs + "0");
  EXPECT_EQ(desk.requests.size(), 2 * ProofLimits{}.certificates_max + 1)
      << "the oldest is forgotten";
}

TEST(ProofDeskLookup, our_certificate_goes_as_hash_and_url_to_who_looks_up) {
  for (const bool looks_up : {true, false}) {
    Lookups desk;
    ike::AuthRequest request;
    request.sa = {1};
    request.request = 1;
    request.connection = "branch";
    request.peer_looks_up = looks_up;
    desk.desk.note(request, desk.now, wall_clock);
    desk.answer_as_keyholder(1);
    const wire::CertPayload& first = desk.replies.at(0).certificates.at(0);
    EXPECT_EQ(first.encoding, looks_up ? 12 : 4);
    if (looks_up) {
      EXPECT_EQ(base::as_text(base::Bytes{first.data}.subspan(20)), certs + "us.der");
    }
  }
}

TEST(ProofDesk, judges_signatures_of_peers_and_nothing_else) {
  ike::AuthRequest request;
  EXPECT_FALSE(ProofDesk::judges(request));
  request.proof = ike::PeerProof{{}, wire::AuthMethod::shared_key_mic, {}, {}};
  EXPECT_FALSE(ProofDesk::judges(request));
  request.proof->method = wire::AuthMethod::rsa_signature;
  EXPECT_TRUE(ProofDesk::judges(request));
}

}  // namespace
}  // namespace caponier::gateway

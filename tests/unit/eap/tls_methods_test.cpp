// EAP-TLS, TTLS and PEAP with both ends in one process, with TLS 1.2 and 1.3.

#include <algorithm>

#include <gtest/gtest.h>

#include "eap/mschapv2.h"
#include "unit/eap/tls_parts.h"

namespace caponier::eap {
namespace {

using namespace test;
using base::to_hex;
using Inner = ClientSettings::TtlsInner;

struct Case {
  const char* name;
  Type method;
  TlsVersion version;
  Inner ttls_inner = Inner::eap;
  Type inner_method = Type::none;  ///< none: no EAP inside
};

constexpr Case cases[] = {
    {"tls_12", Type::tls, TlsVersion::tls12},
    {"tls_13", Type::tls, TlsVersion::tls13},
    {"ttls_pap_12", Type::ttls, TlsVersion::tls12, Inner::pap},
    {"ttls_pap_13", Type::ttls, TlsVersion::tls13, Inner::pap},
    {"ttls_mschapv2_12", Type::ttls, TlsVersion::tls12, Inner::mschapv2},
    {"ttls_mschapv2_13", Type::ttls, TlsVersion::tls13, Inner::mschapv2},
    {"ttls_eap_mschapv2_12", Type::ttls, TlsVersion::tls12, Inner::eap, Type::mschapv2},
    {"ttls_eap_mschapv2_13", Type::ttls, TlsVersion::tls13, Inner::eap, Type::mschapv2},
    {"ttls_eap_md5_12", Type::ttls, TlsVersion::tls12, Inner::eap, Type::md5_challenge},
    {"ttls_eap_md5_13", Type::ttls, TlsVersion::tls13, Inner::eap, Type::md5_challenge},
    {"ttls_eap_gtc_13", Type::ttls, TlsVersion::tls13, Inner::eap, Type::gtc},
    {"peap_mschapv2_12", Type::peap, TlsVersion::tls12, Inner::eap, Type::mschapv2},
    {"peap_mschapv2_13", Type::peap, TlsVersion::tls13, Inner::eap, Type::mschapv2},
    {"peap_gtc_12", Type::peap, TlsVersion::tls12, Inner::eap, Type::gtc},
};

TlsPair make_pair(const Case& which) {
  TlsPair pair{which.method, which.version};
  pair.client_settings.ttls_inner = which.ttls_inner;
  if (which.inner_method != Type::none) {
    pair.server_settings.inner_methods = {which.inner_method};
    pair.client_settings.inner_methods = {which.inner_method};
  }
  return pair;
}

class EapTlsMethods : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(All, EapTlsMethods, testing::ValuesIn(cases),
                         [](const auto& which) { return which.param.name; });

TEST_P(EapTlsMethods, both_succeed_with_the_same_msk) {
  TlsPair pair = make_pair(GetParam());
  const Talk said = talk(pair);
  ASSERT_TRUE(said.both_succeeded())
      << (said.server_failure ? said.server_failure->sentence : "") << " / "
      << (said.client_failure ? said.client_failure->sentence : "");
  const Outcome& ours = said.server_success->outcome;
  const Outcome& theirs = said.client_success->outcome;
  EXPECT_EQ(ours.msk.size(), msk_size);
  EXPECT_EQ(to_hex(ours.msk.reveal()), to_hex(theirs.msk.reveal()));
  EXPECT_EQ(ours.identity, "alice");
  EXPECT_EQ(ours.inner_method, GetParam().inner_method);
  EXPECT_TRUE(ours.is_mutual && theirs.is_mutual);
  ASSERT_EQ(theirs.peer.chain.size(), 1U);
  EXPECT_EQ(theirs.peer.chain[0], pair.server_identity.certificate);
  EXPECT_EQ(ours.peer.chain.empty(), GetParam().method != Type::tls);
}

TEST(EapTls, what_the_authority_says_of_the_user_reaches_the_server) {
  TlsPair pair{Type::tls, TlsVersion::tls13};
  pair.verifier.certify(pair.client_identity, "Sales", "1.3.6.1.4.1.32473.1");
  const Talk said = talk(pair);
  ASSERT_TRUE(said.both_succeeded());
  EXPECT_EQ(said.server_success->outcome.peer.units, std::vector<std::string>{"Sales"});
  EXPECT_EQ(said.server_success->outcome.peer.policies,
            std::vector<std::string>{"1.3.6.1.4.1.32473.1"});
}

TEST_P(EapTlsMethods, the_smallest_fragments_do_as_well) {
  TlsPair pair = make_pair(GetParam());
  pair.server_settings.fragment_size = fragment_size_min;
  pair.client_settings.fragment_size = 100;
  const Talk said = talk(pair);
  EXPECT_TRUE(said.both_succeeded());
  for (const ByteVec& bytes : said.to_client) EXPECT_LE(bytes.size(), 5 + 5 + fragment_size_min);
}

TEST_P(EapTlsMethods, early_success_is_no_success) {  // CVE-2021-45079
  const Talk whole = [] {
    TlsPair pair = make_pair(GetParam());
    return talk(pair);
  }();
  ASSERT_TRUE(whole.both_succeeded());
  // The last packet but one may be answered by a client that already believes; before that, none.
  for (std::size_t answered = 0; answered + 2 < whole.to_server.size(); ++answered) {
    TlsPair pair = make_pair(GetParam());
    const auto server = pair.make_server();
    const auto client = pair.make_client();
    ByteVec next = packet_of(server->start(no_time));
    for (std::size_t i = 0; i < answered; ++i) {
      next = packet_of(server->handle(packet_of(client->handle(next, no_time)), no_time));
    }
    const Step step = client->handle(packet(Code::success, identifier_of(next)), no_time);
    EXPECT_TRUE(std::holds_alternative<Failure>(step)) << "after " << answered << " answers";
  }
}

TEST_P(EapTlsMethods, a_server_nobody_knows_is_refused_and_told_by_an_alert) {
  TlsPair pair = make_pair(GetParam());
  const TestIdentity impostor = make_identity("vpn.example.org");
  pair.use(make_context(TlsRole::server, &impostor, pair.verifier), nullptr);
  const Talk said = talk(pair);
  ASSERT_TRUE(said.client_failure && said.server_failure);
  EXPECT_EQ(said.client_failure->reason, FailureReason::tls);
  EXPECT_EQ(said.client_failure->sentence, "nobody knows this certificate");
  EXPECT_EQ(said.server_failure->reason, FailureReason::tls);
  EXPECT_NE(said.server_failure->sentence.find("the peer ended TLS"), std::string::npos);
}

TEST_P(EapTlsMethods, a_flipped_bit_anywhere_in_tls_ends_it) {
  std::size_t flips = 0;
  for (std::size_t round = 0; round < 8; ++round) {
    for (const bool to_client : {true, false}) {
      bool has_flipped = false;
      TlsPair pair = make_pair(GetParam());
      const Talk said = talk(pair, [&](std::size_t at, bool is_to_client, ByteVec& bytes) {
        constexpr std::size_t no_tls_record = 20;
        if (at != round || is_to_client != to_client || bytes.size() < no_tls_record) return;
        bytes.back() ^= std::byte{1};
        has_flipped = true;
      });
      if (!has_flipped) continue;
      ++flips;
      EXPECT_FALSE(said.both_succeeded()) << "round " << round << (to_client ? " down" : " up");
    }
  }
  EXPECT_GE(flips, 3U);
}

TEST_P(EapTlsMethods, a_wrong_password_inside_is_refused) {
  if (GetParam().method == Type::tls) return;
  TlsPair pair = make_pair(GetParam());
  pair.password = cleartext("battery staple");
  const Talk said = talk(pair);
  ASSERT_TRUE(said.server_failure);
  EXPECT_FALSE(said.client_success);
  EXPECT_EQ(said.server_failure->reason, FailureReason::bad_credentials);
}

TEST_P(EapTlsMethods, an_unknown_user_inside_is_refused) {
  if (GetParam().method == Type::tls) return;
  TlsPair pair = make_pair(GetParam());
  pair.client_settings.identity = "mallory";
  const Talk said = talk(pair);
  ASSERT_TRUE(said.server_failure);
  EXPECT_EQ(said.server_failure->reason, FailureReason::bad_credentials);
}

TEST_P(EapTlsMethods, the_identity_outside_may_be_anonymous) {
  TlsPair pair = make_pair(GetParam());
  pair.client_settings.anonymous_identity = "anonymous@example.org";
  const Talk said = talk(pair);
  ASSERT_TRUE(said.both_succeeded());
  EXPECT_EQ(said.server_success->outcome.identity, "alice");
  EXPECT_EQ(said.server_success->outcome.outer_identity, "anonymous@example.org");
}

TEST(EapTls, a_certificate_of_alice_does_not_make_anybody_bob) {  // CVE-2022-4967
  for (const TlsVersion version : {TlsVersion::tls12, TlsVersion::tls13}) {
    TlsPair pair{Type::tls, version};
    pair.client_settings.anonymous_identity = "bob";
    const Talk said = talk(pair);
    ASSERT_TRUE(said.server_failure);
    EXPECT_EQ(said.server_failure->reason, FailureReason::identity_mismatch);
  }
}

TEST(EapTls, keys_of_every_kind_sign) {
  for (const TestKey kind : {TestKey::p256, TestKey::p384, TestKey::rsa, TestKey::ed25519}) {
    for (const TlsVersion version : {TlsVersion::tls12, TlsVersion::tls13}) {
      TlsPair pair{Type::tls, version};
      pair.server_identity = make_identity("vpn.example.org", kind);
      pair.client_identity = make_identity("alice", kind);
      pair.verifier.trust(pair.server_identity, {"vpn.example.org"});
      pair.verifier.trust(pair.client_identity, {"alice"});
      pair.use(
          make_context(TlsRole::server, &pair.server_identity, pair.verifier, version, version),
          make_context(TlsRole::client, &pair.client_identity, pair.verifier, version, version));
      EXPECT_TRUE(talk(pair).both_succeeded())
          << static_cast<int>(kind) << " " << static_cast<int>(version);
    }
  }
}

/// Has the public part alone, as when the process with the keys has ended.
class LostSigner final : public pki::Signer {
 public:
  explicit LostSigner(pki::PublicKey key) : key_(std::move(key)) {}
  const pki::PublicKey& public_key() const override { return key_; }
  bool can(pki::SignatureScheme) const override { return true; }
  std::expected<ByteVec, pki::SignError> sign(pki::SignatureScheme, Bytes) override {
    return std::unexpected{pki::SignError::key_unusable};
  }

 private:
  pki::PublicKey key_;
};

TEST(EapTls, a_key_that_does_not_sign_is_told_as_the_reason) {
  for (const TlsVersion version : {TlsVersion::tls12, TlsVersion::tls13}) {
    TlsPair pair{Type::tls, version};
    TlsSettings settings;
    settings.chain.push_back(pair.server_identity.certificate);
    settings.signer = std::make_shared<LostSigner>(signer_of(pair.server_identity)->public_key());
    settings.verifier = &pair.verifier;
    settings.version_min = settings.version_max = version;
    pair.use(make_tls_context(std::move(settings)).value(), nullptr);
    const Talk said = talk(pair);
    ASSERT_TRUE(said.server_failure);
    EXPECT_EQ(said.server_failure->sentence,
              "TLS failed: our key: " + std::string{name_of(pki::SignError::key_unusable)});
  }
}

TEST(EapTls, a_client_nobody_knows_or_without_certificate_is_refused) {  // CVE-2023-26463
  for (const TlsVersion version : {TlsVersion::tls12, TlsVersion::tls13}) {
    const TestIdentity stranger = make_identity("alice");
    for (const TestIdentity* identity : {&stranger, static_cast<const TestIdentity*>(nullptr)}) {
      TlsPair pair{Type::tls, version};
      pair.use(nullptr, make_context(TlsRole::client, identity, pair.verifier, version, version));
      const Talk said = talk(pair);
      ASSERT_TRUE(said.server_failure);
      EXPECT_FALSE(said.client_success);
      EXPECT_EQ(said.server_failure->reason, FailureReason::tls);
    }
  }
}

TEST(EapTls, no_common_version_fails_for_both) {
  TlsPair pair{Type::tls, TlsVersion::tls13};
  pair.use(nullptr, make_context(TlsRole::client, &pair.client_identity, pair.verifier,
                                 TlsVersion::tls12, TlsVersion::tls12));
  const Talk said = talk(pair);
  ASSERT_TRUE(said.server_failure && said.client_failure);
  EXPECT_EQ(said.server_failure->reason, FailureReason::tls);
}

TEST(EapTls, keys_of_versions_and_methods_all_differ) {
  std::vector<std::string> keys;
  for (const Case& which : cases) {
    TlsPair pair = make_pair(which);
    const Talk said = talk(pair);
    ASSERT_TRUE(said.both_succeeded());
    keys.push_back(to_hex(said.server_success->outcome.msk.reveal()));
  }
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end());
}

TEST(EapTtls, what_is_switched_off_is_not_taken) {
  for (const Inner inner : {Inner::pap, Inner::mschapv2}) {
    TlsPair pair{Type::ttls, TlsVersion::tls13};
    pair.client_settings.ttls_inner = inner;
    pair.server_settings.ttls_pap = false;
    pair.server_settings.ttls_mschapv2 = false;
    const Talk said = talk(pair);
    ASSERT_TRUE(said.server_failure);
    EXPECT_EQ(said.server_failure->reason, FailureReason::no_common_method);
  }
}

TEST(EapTtls, an_nt_hash_serves_pap_too) {
  TlsPair pair{Type::ttls, TlsVersion::tls13};
  pair.client_settings.ttls_inner = Inner::pap;
  pair.client_settings.identity = "bob";
  pair.users.add_hash("bob",
                      mschapv2::nt_hash(pair.legacy, base::as_bytes("correct horse")).reveal());
  EXPECT_TRUE(talk(pair).both_succeeded());
}

TEST(EapPeap, an_inner_method_both_lack_fails) {
  TlsPair pair{Type::peap, TlsVersion::tls12};
  pair.server_settings.inner_methods = {Type::gtc};
  const Talk said = talk(pair);
  ASSERT_TRUE(said.server_failure);
  EXPECT_EQ(said.server_failure->reason, FailureReason::no_common_method);
}

/// What a server of EAP-TLS makes of fragments after Start, each answered by its Identifier.
FailureReason judge_fragments(const std::vector<std::string>& fragments, std::size_t repeat = 1) {
  TlsPair pair{Type::tls, TlsVersion::tls13};
  const auto server = pair.make_server();
  Step step = server->start(no_time);
  const auto say = [&](Type type, Bytes data) {
    step =
        server->handle(packet(Code::response, identifier_of(packet_of(step)), type, data), no_time);
  };
  say(Type::identity, base::as_bytes("alice"));
  for (std::size_t i = 0; i < fragments.size() * repeat; ++i) {
    if (std::holds_alternative<Failure>(step)) break;
    say(Type::tls, base::from_hex(fragments[i % fragments.size()]).value());
  }
  return reason_of(step);
}

TEST(EapTlsFragments, lengths_that_lie_are_malformed) {
  EXPECT_EQ(judge_fragments({""}), FailureReason::malformed);
  EXPECT_EQ(judge_fragments({"80"}), FailureReason::malformed);
  EXPECT_EQ(judge_fragments({"80000000"}), FailureReason::malformed);
  EXPECT_EQ(judge_fragments({"40aabb"}), FailureReason::malformed);                    // no length
  EXPECT_EQ(judge_fragments({"c000000004"}), FailureReason::malformed);                // empty
  EXPECT_EQ(judge_fragments({"8000000004aabb"}), FailureReason::malformed);            // too few
  EXPECT_EQ(judge_fragments({"c000000001aabb"}), FailureReason::malformed);            // too many
  EXPECT_EQ(judge_fragments({"c000000004aabb", "00cc"}), FailureReason::malformed);    // too few
  EXPECT_EQ(judge_fragments({"c000000003aabb", "00ccdd"}), FailureReason::malformed);  // too many
  EXPECT_EQ(judge_fragments({"c000000004aabb", "8000000005ccdd"}), FailureReason::malformed);
  EXPECT_EQ(judge_fragments({"c000000004aabb", "40"}), FailureReason::malformed);
}

TEST(EapTlsFragments, more_than_64_kib_is_refused_when_it_is_announced) {
  EXPECT_EQ(judge_fragments({"c000010001aabb"}), FailureReason::too_long);
  EXPECT_EQ(judge_fragments({"c0ffffffffaabb"}), FailureReason::too_long);
}

TEST(EapTlsFragments, a_drip_of_small_fragments_is_too_many_rounds) {
  EXPECT_EQ(judge_fragments({"c000010000aa"}, 2 * rounds_max), FailureReason::too_long);
}

TEST(EapTlsFragments, garbage_is_no_tls) {
  EXPECT_EQ(judge_fragments({"00474554202f20485454502f312e31", "00"}), FailureReason::tls);
}

TEST(EapTlsFragments, data_instead_of_an_acknowledgement_is_out_of_place) {
  TlsPair pair{Type::tls, TlsVersion::tls13};
  pair.server_settings.fragment_size = fragment_size_min;
  const auto server = pair.make_server();
  const auto client = pair.make_client();
  ByteVec next = packet_of(server->start(no_time));
  for (int i = 0; i < 2; ++i) {
    next = packet_of(server->handle(packet_of(client->handle(next, no_time)), no_time));
  }
  EXPECT_NE(next, ByteVec{});
  next = packet_of(server->handle(packet_of(client->handle(next, no_time)), no_time));
  EXPECT_EQ(reason_of(server->handle(packet(Code::response, identifier_of(next), Type::tls,
                                            base::from_hex("00160301").value()),
                                     no_time)),
            FailureReason::out_of_place);
}

TEST(EapTlsFragments, a_client_takes_nothing_before_start) {
  for (const Type type : {Type::tls, Type::ttls, Type::peap}) {
    TlsPair pair{type, TlsVersion::tls13};
    const auto client = pair.make_client();
    EXPECT_EQ(reason_of(client->handle(packet(Code::request, 1, type, base::from_hex("00").value()),
                                       no_time)),
              FailureReason::out_of_place);
  }
}

TEST(TlsContextSettings, certificates_and_keys_that_do_not_fit_are_refused) {
  const TestIdentity one = make_identity("one");
  const TestIdentity two = make_identity("two");
  TestVerifier verifier;
  TlsSettings settings;
  settings.verifier = &verifier;
  EXPECT_FALSE(make_tls_context({}));
  settings.chain.push_back(one.certificate);
  settings.signer = signer_of(two);
  const auto made = make_tls_context(std::move(settings));
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().find("no pair"), std::string::npos);
  TlsSettings broken;
  broken.chain.push_back(base::from_hex("3003020101").value());
  EXPECT_FALSE(make_tls_context(std::move(broken)));
}

}  // namespace
}  // namespace caponier::eap

// CRLs and OCSP answers: which count, and what is fetched when.

#include <openssl/ocsp.h>

#include "pki/openssl/revocation.h"
#include "unit/pki/chain.h"

namespace caponier::pki {
namespace {

using test::after;
using test::Chain;
using test::day;
using test::key_called;
using test::now;
using test::set;

std::string reason(Refusal refusal) { return std::string{name_of(refusal)}; }

std::string serial_of(X509* certificate) {
  return ossl::read_certificate(certificate).value().serial;
}

ossl::CrlForm crl_form(std::vector<RevokedSerial> revoked = {}) {
  return {{1, after(-day), after(day), std::move(revoked)},
          {{"authorityKeyIdentifier", "keyid:always"}},
          nullptr};
}

ByteVec crl_of(const ossl::CrlForm& form, X509* issuer, EVP_PKEY* key) {
  return ossl::der_of(ossl::make_crl(form, issuer, key).value().get(), i2d_X509_CRL);
}

/// A chain with URLs in it, and CRLs of both authorities.
struct Revoking : Chain {
  Revoking() {
    revocation = Revocation::strict;
    may_fetch = true;
    set(leaf, "crlDistributionPoints", "URI:http://crl.example.org/inter.crl");
    set(inter, "crlDistributionPoints", "URI:http://crl.example.org/root.crl");
    build();
  }
  [[nodiscard]] ByteVec root_crl(const ossl::CrlForm& form = crl_form()) const {
    return crl_of(form, root_made.get(), root_key);
  }
  [[nodiscard]] ByteVec inter_crl(const ossl::CrlForm& form = crl_form()) const {
    return crl_of(form, inter_made.get(), inter_key);
  }
  [[nodiscard]] RevokedSerial leaf_serial() const { return {serial_of(leaf_made.get()), now, {}}; }
  [[nodiscard]] std::string word(CertificateStore& store) const {
    return test::word_of(verify(store));
  }
  [[nodiscard]] std::string word_with(std::vector<ByteVec> crls) const {
    return word(*make_store(std::move(crls)));
  }
  [[nodiscard]] std::vector<Fetch> fetches(CertificateStore& store) const {
    const Verdict verdict = verify(store);
    const auto* const wanted = std::get_if<NeedsFetch>(&verdict);
    return wanted == nullptr ? std::vector<Fetch>{} : wanted->fetches;
  }
};

TEST(Crl, of_every_authority_makes_a_strict_chain_trusted) {
  const Revoking chain;
  EXPECT_EQ(chain.word_with({chain.root_crl(), chain.inter_crl()}), "trusted");
}

TEST(Crl, that_lists_the_leaf_revokes_it_under_every_policy) {
  Revoking chain;
  const ByteVec crl = chain.inter_crl(crl_form({chain.leaf_serial()}));
  for (const auto policy : {Revocation::strict, Revocation::if_present, Revocation::relaxed}) {
    chain.revocation = policy;
    EXPECT_EQ(chain.word_with({chain.root_crl(), crl}), reason(Refusal::revoked));
    chain.may_fetch = false;
    EXPECT_EQ(chain.word_with({crl}), reason(Refusal::revoked));
  }
}

TEST(Crl, that_lists_the_intermediate_revokes_what_is_below) {
  const Revoking chain;
  const RevokedSerial inter{serial_of(chain.inter_made.get()), now,
                            RevocationReason::ca_compromise};
  EXPECT_EQ(chain.word_with({chain.root_crl(crl_form({inter})), chain.inter_crl()}),
            reason(Refusal::revoked));
}

TEST(Crl, that_is_outdated_does_not_count_as_good_but_what_it_revokes_stays_revoked) {
  Revoking chain;
  chain.may_fetch = false;
  ossl::CrlForm old = crl_form();
  old.content.next_update = after(-1);
  EXPECT_EQ(chain.word_with({chain.root_crl(), chain.inter_crl(old)}),
            reason(Refusal::revocation_outdated));
  old.content.revoked = {chain.leaf_serial()};
  EXPECT_EQ(chain.word_with({chain.root_crl(), chain.inter_crl(old)}), reason(Refusal::revoked));
}

TEST(Crl, is_of_no_use_when_it_is) {
  Revoking chain;
  chain.may_fetch = false;
  ossl::CrlForm future = crl_form();
  future.content.this_update = after(day / 2);
  ossl::CrlForm authorities_only = crl_form();
  authorities_only.extensions.push_back({"issuingDistributionPoint", "critical,onlyCA:TRUE"});
  ossl::CrlForm elsewhere = crl_form();
  elsewhere.extensions.push_back(
      {"issuingDistributionPoint", "critical,fullname:URI:http://crl.example.org/other.crl"});
  ossl::CrlForm unknown = crl_form();
  unknown.extensions.push_back({"1.2.3.4", "critical,DER:0500"});
  ossl::CrlForm weak = crl_form();
  weak.hash = EVP_sha1();
  const auto forged = crl_of(crl_form(), chain.inter_made.get(), key_called("impostor"));
  ByteVec spoilt = chain.inter_crl();
  spoilt.back() ^= std::byte{1};
  const std::vector<std::pair<const char*, ByteVec>> rows{
      {"of the future", chain.inter_crl(future)},
      {"for authorities only", chain.inter_crl(authorities_only)},
      {"of another distribution point", chain.inter_crl(elsewhere)},
      {"with a critical extension nobody knows", chain.inter_crl(unknown)},
      {"signed with SHA-1", chain.inter_crl(weak)},
      {"signed by somebody else", forged},
      {"changed in one bit", spoilt},
      {"of the other authority", chain.root_crl()},
  };
  for (const auto& [name, crl] : rows) {
    EXPECT_EQ(chain.word_with({chain.root_crl(), crl}), reason(Refusal::revocation_unknown))
        << name;
  }
}

TEST(Crl, of_an_authority_that_may_not_sign_crls_does_not_count) {
  Revoking chain;
  chain.may_fetch = false;
  set(chain.inter, "keyUsage", "critical,keyCertSign");
  chain.build();
  EXPECT_EQ(chain.word_with({chain.root_crl(), chain.inter_crl()}),
            reason(Refusal::revocation_unknown));
}

TEST(Crl, of_the_distribution_point_of_the_certificate_counts) {
  const Revoking chain;
  ossl::CrlForm same = crl_form();
  same.extensions.push_back(
      {"issuingDistributionPoint", "critical,fullname:URI:http://crl.example.org/inter.crl"});
  EXPECT_EQ(chain.word_with({chain.root_crl(), chain.inter_crl(same)}), "trusted");
}

TEST(Crl, of_changes_since_another_adds_to_it) {
  Revoking chain;
  set(chain.leaf, "freshestCRL", "URI:http://crl.example.org/delta.crl");
  chain.build();
  ossl::CrlForm delta = crl_form({chain.leaf_serial()});
  delta.content.number = 2;
  delta.extensions.push_back({"deltaCRL", "critical,DER:020101"});
  EXPECT_EQ(chain.word_with({chain.root_crl(), chain.inter_crl()}), "trusted");
  EXPECT_EQ(chain.word_with({chain.root_crl(), chain.inter_crl(), chain.inter_crl(delta)}),
            reason(Refusal::revoked));
}

TEST(Crl, of_changes_hides_nobody_whom_the_complete_one_names) {
  Revoking chain;
  chain.may_fetch = false;
  ossl::CrlForm delta = crl_form();
  delta.content.number = 2;
  delta.extensions.push_back({"deltaCRL", "critical,DER:020101"});
  EXPECT_EQ(chain.word_with({chain.root_crl(), chain.inter_crl(crl_form({chain.leaf_serial()})),
                             chain.inter_crl(delta)}),
            reason(Refusal::revoked));
}

TEST(Crl, alone_of_changes_is_none) {
  Revoking chain;
  chain.may_fetch = false;
  ossl::CrlForm delta = crl_form();
  delta.content.number = 2;
  delta.extensions.push_back({"deltaCRL", "critical,DER:020101"});
  EXPECT_EQ(chain.word_with({chain.root_crl(), chain.inter_crl(delta)}),
            reason(Refusal::revocation_unknown));
}

// A peer that was revoked sends a newer list of its own making.
TEST(Crl, in_the_message_counts_when_the_authority_signed_it_and_hides_nothing_otherwise) {
  Revoking chain;
  chain.may_fetch = false;
  const auto store = chain.make_store({chain.root_crl()});
  chain.payloads.push_back({7, chain.inter_crl()});
  EXPECT_EQ(chain.word(*store), "trusted");
  chain.revocation = Revocation::relaxed;
  ossl::CrlForm newer = crl_form();
  newer.content.this_update = now;
  newer.content.number = 9;
  chain.payloads.back().data = crl_of(newer, chain.inter_made.get(), key_called("impostor"));
  EXPECT_EQ(chain.word_with({chain.inter_crl(crl_form({chain.leaf_serial()}))}),
            reason(Refusal::revoked));
}

TEST(Revocation, that_is_unknown_matters_as_the_policy_says) {
  Revoking chain;
  chain.may_fetch = false;
  EXPECT_EQ(chain.word_with({}), reason(Refusal::revocation_unknown));
  chain.revocation = Revocation::if_present;
  EXPECT_EQ(chain.word_with({}), reason(Refusal::revocation_unknown));
  chain.revocation = Revocation::relaxed;
  EXPECT_EQ(chain.word_with({}), "trusted");
  set(chain.leaf, "crlDistributionPoints", "");
  set(chain.inter, "crlDistributionPoints", "");
  chain.build();
  chain.revocation = Revocation::if_present;
  EXPECT_EQ(chain.word_with({}), "trusted");
  chain.revocation = Revocation::strict;
  EXPECT_EQ(chain.word_with({}), reason(Refusal::revocation_unknown));
}

TEST(Revocation, names_what_to_fetch_and_decides_with_the_answers) {
  const Revoking chain;
  const auto store = chain.make_store();
  const auto wanted = chain.fetches(*store);
  ASSERT_EQ(wanted.size(), 2U);
  EXPECT_EQ(wanted[0].url, "http://crl.example.org/inter.crl");
  EXPECT_EQ(wanted[1].url, "http://crl.example.org/root.crl");
  EXPECT_EQ(wanted[0].size_max, crl_size_max);
  EXPECT_TRUE(store->take_answer(wanted[0], chain.inter_crl(), now).has_value());
  EXPECT_EQ(chain.fetches(*store).size(), 1U);
  EXPECT_TRUE(store->take_answer(wanted[1], chain.root_crl(), now).has_value());
  EXPECT_EQ(chain.word(*store), "trusted");
}

TEST(Revocation, that_was_fetched_is_fetched_again_when_it_is_outdated) {
  Revoking chain;
  const auto store = chain.make_store({chain.root_crl()});
  ASSERT_TRUE(store->take_answer(chain.fetches(*store).front(), chain.inter_crl(), now));
  EXPECT_EQ(chain.word(*store), "trusted");
  chain.at = after(day + 1);
  EXPECT_EQ(chain.word(*store), "fetch");
}

TEST(Revocation, the_store_of_a_new_configuration_has_what_was_fetched_and_what_failed) {
  Revoking chain;
  const auto store = chain.make_store();
  const auto wanted = chain.fetches(*store);
  ASSERT_TRUE(store->take_answer(wanted.at(0), chain.inter_crl(), now));
  store->take_failure(wanted.at(1), now);
  const auto next = chain.make_store({chain.root_crl()});
  next->take_over(*store);
  EXPECT_EQ(chain.word(*next), "trusted");
  const auto other = chain.make_store();
  other->take_over(*store);
  EXPECT_EQ(chain.word(*other), reason(Refusal::revocation_unknown));
  chain.at = after(failure_seconds);
  EXPECT_EQ(chain.word(*other), "fetch");
}

TEST(Revocation, a_crl_that_was_kept_counts_when_its_authority_has_signed_it) {
  const Revoking chain;
  const std::string url = "http://crl.example.org/inter.crl";
  const auto store = chain.make_store({chain.root_crl()});
  EXPECT_TRUE(store->restore_crl(url, chain.inter_crl(), now));
  EXPECT_EQ(chain.word(*store), "trusted");
  const auto forged = chain.make_store({chain.root_crl()});
  EXPECT_TRUE(forged->restore_crl(
      url, crl_of(crl_form(), chain.inter_made.get(), key_called("somebody else")), now));
  EXPECT_EQ(chain.word(*forged), "fetch");
  EXPECT_FALSE(store->restore_crl(url, chain.inter_crl(), now)) << "the one in force stays";
  EXPECT_FALSE(forged->restore_crl("http://x/", base::as_bytes("no CRL"), now));
  EXPECT_FALSE(forged->restore_crl("file:///x", chain.inter_crl(), now));
}

TEST(Revocation, is_not_asked_for_again_at_once_where_nothing_was_to_be_had) {
  Revoking chain;
  const auto store = chain.make_store();
  for (const Fetch& fetch : chain.fetches(*store)) store->take_failure(fetch, now);
  EXPECT_EQ(chain.word(*store), reason(Refusal::revocation_unknown));
  chain.revocation = Revocation::relaxed;
  EXPECT_EQ(chain.word(*store), "trusted");
  chain.at = after(failure_seconds);
  EXPECT_EQ(chain.word(*store), "fetch");
}

TEST(Revocation, with_an_answer_of_no_use_counts_as_failed) {
  const Revoking chain;
  const auto store = chain.make_store({chain.root_crl()});
  const Fetch fetch = chain.fetches(*store).front();
  ossl::CrlForm old = crl_form();
  old.content.next_update = after(-1);
  for (const ByteVec& answer : {ByteVec{}, ByteVec(100), chain.root_crl(), chain.inter_crl(old),
                                crl_of(crl_form(), chain.inter_made.get(), key_called("impostor")),
                                ByteVec(crl_size_max + 1)}) {
    const auto taken = store->take_answer(fetch, answer, now);
    ASSERT_FALSE(taken.has_value());
    EXPECT_FALSE(taken.error().empty());
    EXPECT_EQ(chain.word(*store), reason(Refusal::revocation_unknown));
  }
}

// HTTP is not protected: an older list, still in its time, would take a revocation back.
TEST(Revocation, is_not_taken_back_by_an_older_crl) {
  const Revoking chain;
  const auto store = chain.make_store({chain.root_crl()});
  const Fetch fetch = chain.fetches(*store).front();
  ossl::CrlForm newer = crl_form({chain.leaf_serial()});
  newer.content.this_update = now;
  ASSERT_TRUE(store->take_answer(fetch, chain.inter_crl(newer), now));
  EXPECT_FALSE(store->take_answer(fetch, chain.inter_crl(), now).has_value());
  EXPECT_EQ(chain.word(*store), reason(Refusal::revoked));
}

// CVE-2022-40617: URLs of certificates that nobody vouches for were asked.
TEST(Revocation, of_a_chain_that_is_not_proven_is_never_fetched) {
  const std::vector<std::function<void(Chain&)>> wrongs{
      [](Chain& chain) { chain.anchors = {"none"}; },
      [](Chain& chain) { chain.send_inter = false; },
      [](Chain& chain) { chain.signs_leaf = key_called("impostor"); },
      [](Chain& chain) { chain.leaf.not_after = after(-1); },
      [](Chain& chain) { chain.identity = test::name_of_peer("other.example.org"); },
      [](Chain& chain) { chain.purpose = Purpose::client; },
      [](Chain& chain) { chain.required_policies = {"1.2.3.4"}; },
  };
  for (const auto& wrong : wrongs) {
    Revoking chain;
    wrong(chain);
    chain.build();
    EXPECT_TRUE(std::holds_alternative<Refused>(chain.verify(*chain.make_store())));
  }
}

TEST(Revocation, is_fetched_from_no_more_urls_than_the_limit_and_by_http_alone) {
  Revoking chain;
  std::string urls = "URI:ldap://example.org/x,URI:https://example.org/x,URI:file:///etc/passwd";
  for (int i = 0; i < 20; ++i) urls += ",URI:http://example.org/" + std::to_string(i);
  set(chain.leaf, "crlDistributionPoints", urls);
  chain.build();
  const auto wanted = chain.fetches(*chain.make_store({chain.root_crl()}));
  EXPECT_EQ(wanted.size(), urls_per_certificate_max);
  for (const Fetch& fetch : wanted) EXPECT_TRUE(fetch.url.starts_with("http://"));
}

// OCSP.

using Basic = std::unique_ptr<OCSP_BASICRESP, ossl::Freed<OCSP_BASICRESP_free>>;
using Response = std::unique_ptr<OCSP_RESPONSE, ossl::Freed<OCSP_RESPONSE_free>>;
using Time = std::unique_ptr<ASN1_TIME, ossl::Freed<ASN1_TIME_free>>;

struct Answer {
  X509* about = nullptr;
  X509* issuer = nullptr;
  X509* responder = nullptr;  ///< whose certificate goes with it
  EVP_PKEY* key = nullptr;
  int status = V_OCSP_CERTSTATUS_GOOD;
  UnixTime this_update = after(-60);
  std::optional<UnixTime> next_update = after(3600);
  const EVP_MD* hash = EVP_sha256();
  std::vector<X509*> more{};  ///< certificates that go with it as well

  [[nodiscard]] ByteVec der() const {
    const Basic basic{OCSP_BASICRESP_new()};
    const std::unique_ptr<OCSP_CERTID, ossl::Freed<OCSP_CERTID_free>> id{
        OCSP_cert_to_id(nullptr, about, issuer)};
    const Time from{ASN1_TIME_set(nullptr, this_update.value)};
    const Time to{next_update ? ASN1_TIME_set(nullptr, next_update->value) : nullptr};
    const auto general = [](const Time& time) {
      return Time{time == nullptr ? nullptr : ASN1_TIME_to_generalizedtime(time.get(), nullptr)};
    };
    const Time general_from = general(from);
    const Time general_to = general(to);
    OCSP_basic_add1_status(basic.get(), id.get(), status, OCSP_REVOKED_STATUS_NOSTATUS,
                           general_from.get(), general_from.get(), general_to.get());
    for (X509* const one : more) OCSP_basic_add1_cert(basic.get(), one);
    EXPECT_EQ(OCSP_basic_sign(basic.get(), responder, key, hash, nullptr, 0), 1);
    const Response response{OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get())};
    return ossl::der_of(response.get(), i2d_OCSP_RESPONSE);
  }
};

/// A leaf with a responder; the CRL of the root is configured.
struct Responding : Revoking {
  Responding() {
    set(leaf, "authorityInfoAccess", "OCSP;URI:http://ocsp.example.org/");
    build();
    store = make_store({root_crl()});
    const auto wanted = fetches(*store);
    EXPECT_EQ(wanted.size(), 1U);
    if (!wanted.empty()) fetch = wanted.front();
  }
  [[nodiscard]] Answer answer() const {
    return {leaf_made.get(), inter_made.get(), inter_made.get(), inter_key};
  }
  /// A certificate for a responder, by the intermediate.
  [[nodiscard]] ossl::X509Ptr delegated(const std::string& usage, UnixTime to = after(day),
                                        EVP_PKEY* by = nullptr) const {
    ossl::CertificateForm form = leaf;
    form.subject = "CN=OCSP";
    form.not_after = to;
    set(form, "extendedKeyUsage", usage);
    set(form, "subjectAltName", "");
    return test::certificate_of(form, key_called("responder"), inter_made.get(),
                                by == nullptr ? inter_key : by);
  }
  std::unique_ptr<CertificateStore> store;
  Fetch fetch;
};

TEST(Ocsp, is_asked_before_crls_with_a_request_about_the_certificate) {
  const Responding chain;
  EXPECT_EQ(chain.fetch.kind, FetchKind::ocsp);
  EXPECT_EQ(chain.fetch.url, "http://ocsp.example.org/");
  using Request = std::unique_ptr<OCSP_REQUEST, ossl::Freed<OCSP_REQUEST_free>>;
  const auto request = ossl::object_of<Request>(chain.fetch.body, d2i_OCSP_REQUEST);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(OCSP_request_onereq_count(request.get()), 1);
}

TEST(Ocsp, about_our_own_certificate_is_asked_and_shown_until_it_is_old) {
  const Responding chain;
  const auto leaf = ossl::read_certificate(chain.leaf_made.get()).value();
  const auto inter = ossl::read_certificate(chain.inter_made.get()).value();
  const auto fetch = chain.store->own_status(std::vector{leaf, inter});
  ASSERT_TRUE(fetch);
  EXPECT_EQ(fetch->url, chain.fetch.url);
  EXPECT_EQ(fetch->body, chain.fetch.body);
  EXPECT_EQ(chain.store->usable_until(*fetch, chain.answer().der(), now), after(3600));
  EXPECT_FALSE(chain.store->usable_until(*fetch, chain.answer().der(), after(3601)));
  EXPECT_FALSE(chain.store->usable_until(*fetch, base::as_bytes("no answer"), now));
  Answer of_another = chain.answer();
  of_another.key = key_called("impostor");
  const auto impostor = test::certificate_of(chain.inter, of_another.key, nullptr, of_another.key);
  of_another.responder = impostor.get();
  EXPECT_FALSE(chain.store->usable_until(*fetch, of_another.der(), now));
}

TEST(Ocsp, about_our_own_certificate_needs_its_issuer_and_a_responder) {
  const Responding chain;
  const auto leaf = ossl::read_certificate(chain.leaf_made.get()).value();
  const auto inter = ossl::read_certificate(chain.inter_made.get()).value();
  const auto root = ossl::read_certificate(chain.root_made.get()).value();
  EXPECT_FALSE(chain.store->own_status({}));
  EXPECT_FALSE(chain.store->own_status(std::vector{leaf}));
  EXPECT_FALSE(chain.store->own_status(std::vector{leaf, root}));
  // The intermediate names no responder.
  EXPECT_FALSE(chain.store->own_status(std::vector{inter}));
}

TEST(Ocsp, good_is_trusted_until_the_next_update_and_then_asked_again) {
  Responding chain;
  ASSERT_TRUE(chain.store->take_answer(chain.fetch, chain.answer().der(), now));
  EXPECT_EQ(chain.word(*chain.store), "trusted");
  chain.at = after(3600);
  EXPECT_EQ(chain.word(*chain.store), "trusted");
  chain.at = after(3601);
  EXPECT_EQ(chain.word(*chain.store), "fetch");
  chain.may_fetch = false;
  EXPECT_EQ(chain.word(*chain.store), reason(Refusal::revocation_outdated));
}

TEST(Ocsp, revoked_is_revoked_even_when_a_crl_says_good) {
  Responding chain;
  const auto store = chain.make_store({chain.root_crl(), chain.inter_crl()});
  Answer answer = chain.answer();
  answer.status = V_OCSP_CERTSTATUS_REVOKED;
  ASSERT_TRUE(store->take_answer(chain.fetch, answer.der(), now));
  EXPECT_EQ(chain.word(*store), reason(Refusal::revoked));
}

TEST(Ocsp, that_fails_is_followed_by_the_crl) {
  const Responding chain;
  chain.store->take_failure(chain.fetch, now);
  const auto next = chain.fetches(*chain.store);
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next.front().kind, FetchKind::crl);
}

TEST(Ocsp, by_a_responder_that_the_authority_named_counts) {
  const Responding chain;
  const auto responder = chain.delegated("OCSPSigning");
  Answer answer = chain.answer();
  answer.responder = responder.get();
  answer.key = key_called("responder");
  EXPECT_TRUE(chain.store->take_answer(chain.fetch, answer.der(), now));
  EXPECT_EQ(chain.word(*chain.store), "trusted");
}

TEST(Ocsp, in_the_message_spares_the_fetch) {
  Responding chain;
  chain.payloads.push_back({14, chain.answer().der()});
  EXPECT_EQ(chain.word(*chain.store), "trusted");
}

TEST(Ocsp, in_the_message_that_is_forged_is_none) {
  Responding chain;
  Answer answer = chain.answer();
  answer.key = key_called("impostor");
  answer.responder = test::certificate_of(chain.inter, answer.key, nullptr, answer.key).release();
  const ossl::X509Ptr keep{answer.responder};
  chain.payloads.push_back({14, answer.der()});
  EXPECT_EQ(chain.word(*chain.store), "fetch");
}

TEST(Ocsp, is_of_no_use_when_it_is) {
  const Responding chain;
  const auto not_for_ocsp = chain.delegated("serverAuth");
  const auto expired = chain.delegated("OCSPSigning", after(-1));
  const auto impostor =
      test::certificate_of(chain.inter, key_called("impostor"), nullptr, key_called("impostor"));
  const auto weak_key = test::rsa_key(1024);
  const auto weak =
      test::certificate_of(chain.leaf, weak_key.get(), chain.inter_made.get(), chain.inter_key);
  const auto root_delegated = test::certificate_of(
      [&] {
        ossl::CertificateForm form = chain.leaf;
        set(form, "extendedKeyUsage", "OCSPSigning");
        return form;
      }(),
      key_called("responder"), chain.root_made.get(), chain.root_key);
  const auto changed = [&](auto change) {
    Answer answer = chain.answer();
    change(answer);
    return answer.der();
  };
  const auto by = [&](const ossl::X509Ptr& certificate, EVP_PKEY* key) {
    return changed([&](Answer& answer) {
      answer.responder = certificate.get();
      answer.key = key;
    });
  };
  ByteVec spoilt = chain.answer().der();
  spoilt[60] ^= std::byte{1};  // in the responder's name, which is signed
  ByteVec longer = chain.answer().der();
  longer.push_back(std::byte{0});
  const std::vector<std::pair<const char*, ByteVec>> rows{
      {"nothing", {}},
      {"garbage", ByteVec(300)},
      {"tryLater", base::from_hex("30030a0103").value()},
      {"successful without an answer", base::from_hex("30030a0100").value()},
      {"too large", ByteVec(ocsp_answer_size_max + 1)},
      {"changed", spoilt},
      {"with an octet behind", longer},
      {"unknown", changed([](Answer& a) { a.status = V_OCSP_CERTSTATUS_UNKNOWN; })},
      {"too old", changed([](Answer& a) { a.next_update = after(-1); })},
      {"old without an end", changed([](Answer& a) {
         a.next_update.reset();
         a.this_update = after(-ocsp_age_seconds_max - 1);
       })},
      {"of the future",
       changed([](Answer& a) { a.this_update = after(clock_skew_seconds_max + 1); })},
      {"about another certificate", changed([&](Answer& a) { a.about = not_for_ocsp.get(); })},
      {"about one of another authority",
       changed([&](Answer& a) { a.issuer = chain.root_made.get(); })},
      {"with a key that is not fit", changed([&](Answer& a) { a.more = {weak.get()}; })},
      {"with too many certificates",
       changed([&](Answer& a) { a.more.assign(8, not_for_ocsp.get()); })},
      {"signed with SHA-1", changed([](Answer& a) { a.hash = EVP_sha1(); })},
      {"by a certificate that is not for OCSP", by(not_for_ocsp, key_called("responder"))},
      {"by a responder that has expired", by(expired, key_called("responder"))},
      {"by a stranger", by(impostor, key_called("impostor"))},
      {"by the root's responder", by(root_delegated, key_called("responder"))},
      {"by the root", by(ossl::X509Ptr{X509_dup(chain.root_made.get())}, chain.root_key)},
  };
  for (const auto& [name, answer] : rows) {
    const auto taken = chain.store->take_answer(chain.fetch, answer, now);
    ASSERT_FALSE(taken.has_value()) << name;
    EXPECT_FALSE(taken.error().empty()) << name;
  }
  EXPECT_NE(chain.word(*chain.store), "trusted");
}

TEST(Ocsp, within_the_skew_of_clocks_counts) {
  const Responding chain;
  Answer answer = chain.answer();
  answer.this_update = after(clock_skew_seconds_max);
  answer.next_update.reset();
  EXPECT_TRUE(chain.store->take_answer(chain.fetch, answer.der(), now).has_value());
}

// Memory that strangers' certificates and servers could fill.
TEST(Revocation, remembers_no_more_than_its_limits) {
  const Revoking chain;
  const auto store = chain.make_store();
  Fetch fetch = chain.fetches(*store).front();
  for (std::size_t i = 0; i < 3 * cached_failures_max; ++i) {
    fetch.url = "http://example.org/" + std::to_string(i);
    store->take_failure(fetch, after(static_cast<std::int64_t>(i)));
  }
  const ByteVec crl = chain.inter_crl();
  for (std::size_t i = 0; i < 3 * cached_crls_max; ++i) {
    fetch.url = "http://example.org/" + std::to_string(i);
    EXPECT_TRUE(store->take_answer(fetch, crl, after(static_cast<std::int64_t>(i))).has_value());
  }
  EXPECT_EQ(chain.word(*store), "fetch");
}

TEST(Expiries, name_certificates_and_crls_the_first_to_end_first) {
  const Revoking chain;
  const auto expiries = chain.make_store({chain.root_crl()})->expiries();
  ASSERT_EQ(expiries.size(), 2U);
  EXPECT_EQ(expiries[0].name, "CRL of 'O=Example, CN=Root' in crl");
  EXPECT_EQ(expiries[0].not_after, after(day));
  EXPECT_EQ(expiries[1].name, "certificate 'O=Example, CN=Root' in root.pem");
}

}  // namespace
}  // namespace caponier::pki

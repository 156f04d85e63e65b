// The small authority: what it issues is trusted by our own store, for what it was issued for, and
// what makes no sense it refuses.

#include "pki/openssl/issuer.h"

#include <openssl/cms.h>

#include "unit/pki/chain.h"

namespace caponier::pki {
namespace {

using test::after;
using test::day;
using test::now;

const AuthorityRequest tiny_ca{"O=Example, CN=Example VPN CA", now, after(3650 * day), {}};

LeafRequest server(std::vector<std::string> names) {
  LeafRequest request{LeafKind::server, "O=Example, CN=gw", {}, now, after(365 * day), {}, {}};
  for (const std::string& name : names) request.names.push_back(policy::Identity::parse(name));
  return request;
}

struct Made {
  base::SecretBytes key;
  Authority authority;
};

Made make(const AuthorityRequest& request = tiny_ca, NewKey kind = NewKey::ecdsa_p256) {
  base::SecretBytes key = test::private_pem(test::key_called("issuer", kind));
  Authority authority = Authority::make(key.reveal(), request).value();
  return {std::move(key), std::move(authority)};
}

base::SecretBytes leaf_key() { return test::private_pem(test::key_called("leaf")); }

Certificate read(const std::string& pem) {
  return OpensslPki{}.load_certificates({"pem", base::as_bytes(pem)}).value().front();
}

TEST(Issuer, makes_keys_of_each_kind_that_load_again) {
  const std::array kinds{std::pair{NewKey::ed25519, KeyKind::ed25519},
                         std::pair{NewKey::ecdsa_p256, KeyKind::ecdsa_p256},
                         std::pair{NewKey::rsa_3072, KeyKind::rsa}};
  for (const auto& [wanted, found] : kinds) {
    const base::SecretBytes pem = make_private_key(wanted).value();
    EXPECT_TRUE(base::as_text(pem.reveal()).starts_with("-----BEGIN PRIVATE KEY-----"));
    const CredentialFiles files{.key = {"key", pem.reveal()}};
    EXPECT_EQ(OpensslPki{}.load_credential(files).value().signer->public_key().kind, found);
  }
}

TEST(Issuer, gives_a_server_its_names_and_a_random_serial_of_128_bits) {
  const Made ca = make();
  const LeafRequest request = server({"gw.example.org", "192.0.2.1", "2001:db8::1"});
  const Certificate leaf = read(ca.authority.issue(leaf_key().reveal(), request).value());
  for (const policy::Identity& name : request.names) {
    EXPECT_TRUE(has_alternative_name(leaf, name)) << name.to_string();
  }
  // Windows looks for the address among the DNS names.
  EXPECT_TRUE(has_alternative_name(leaf, policy::Identity::parse("@192.0.2.1")));
  EXPECT_GE(leaf.serial.size(), 24U);
  EXPECT_NE(leaf.serial, read(ca.authority.issue(leaf_key().reveal(), request).value()).serial);
  EXPECT_FALSE(leaf.is_authority);
  EXPECT_TRUE(read(ca.authority.certificate_pem()).is_authority);
}

TEST(Issuer, refuses_names_that_are_none) {
  const Made ca = make();
  for (const char* name : {"gw,DNS:evil", "a b", "x:y", "*.example.org", "a@b@c", "keyid:00ff"}) {
    EXPECT_FALSE(ca.authority.issue(leaf_key().reveal(), server({name})).has_value()) << name;
  }
  EXPECT_FALSE(ca.authority.issue(leaf_key().reveal(), server({})).has_value());
  LeafRequest request = server({"gw.example.org"});
  request.crl_urls = {"http://example.org/a,URI:http://evil"};
  EXPECT_FALSE(ca.authority.issue(leaf_key().reveal(), request).has_value());
  request.crl_urls = {"ldap://example.org"};
  EXPECT_FALSE(ca.authority.issue(leaf_key().reveal(), request).has_value());
}

TEST(Issuer, refuses_times_that_make_no_sense) {
  const Made ca = make();
  LeafRequest request = server({"gw.example.org"});
  request.not_after = after(-1);
  EXPECT_FALSE(ca.authority.issue(leaf_key().reveal(), request).has_value());
  request.not_after = after(3651 * day);
  EXPECT_FALSE(ca.authority.issue(leaf_key().reveal(), request).has_value());
  AuthorityRequest backwards = tiny_ca;
  backwards.not_after = now;
  EXPECT_FALSE(Authority::make(ca.key.reveal(), backwards).has_value());
}

TEST(Issuer, with_name_constraints_vouches_for_nothing_else) {
  AuthorityRequest request = tiny_ca;
  request.permitted = {"example.org", "192.0.2.0/24"};
  const Made ca = make(request);
  for (const char* name :
       {"gw.example.org", "example.org", "anna@example.org", "anna@sub.example.org", "192.0.2.7"}) {
    EXPECT_TRUE(ca.authority.issue(leaf_key().reveal(), server({name})).has_value()) << name;
  }
  for (const char* name : {"gw.example.com", "anna@example.com", "192.0.3.1", "badexample.org"}) {
    EXPECT_FALSE(ca.authority.issue(leaf_key().reveal(), server({name})).has_value()) << name;
  }
  request.permitted = {"example.org"};
  const Made names_only = make(request);
  EXPECT_FALSE(names_only.authority.issue(leaf_key().reveal(), server({"192.0.2.7"})).has_value());
  EXPECT_FALSE(
      names_only.authority.issue(leaf_key().reveal(), server({"2001:db8::1"})).has_value());
  request.permitted = {"not a domain"};
  EXPECT_FALSE(Authority::make(ca.key.reveal(), request).has_value());
}

/// What a store that trusts the authority says, and knows its CRL.
std::string word_of(const Authority& authority, const CrlRequest& crl_request,
                    const std::string& leaf, std::string_view identity, Purpose purpose) {
  const ByteVec crl = authority.make_crl(crl_request).value();
  const StoreFiles files{.anchors = {{"ca.pem", base::as_bytes(authority.certificate_pem())}},
                         .crls = {{"ca.crl", crl}}};
  const auto store = OpensslPki{}.make_store(files).value();
  const std::vector<wire::CertPayload> certs{{4, read(leaf).der}};
  const policy::Identity name = policy::Identity::parse(identity);
  return test::word_of(store->verify({.identity = name,
                                      .certs = certs,
                                      .now = now,
                                      .revocation = Revocation::strict,
                                      .purpose = purpose,
                                      .anchors = {},
                                      .required_policies = {},
                                      .may_fetch = false}));
}

TEST(Issuer, issues_what_the_store_trusts_for_its_use_until_it_is_revoked) {
  AuthorityRequest constrained = tiny_ca;
  constrained.permitted = {"example.org"};
  for (const NewKey kind : {NewKey::ed25519, NewKey::ecdsa_p256, NewKey::rsa_3072}) {
    const base::SecretBytes key = make_private_key(kind).value();
    for (const AuthorityRequest& request : {tiny_ca, constrained}) {
      const Authority ca = Authority::make(key.reveal(), request).value();
      const std::string gw = ca.issue(leaf_key().reveal(), server({"gw.example.org"})).value();
      LeafRequest user = server({"anna@example.org"});
      user.kind = LeafKind::user;
      const std::string anna = ca.issue(leaf_key().reveal(), user).value();
      CrlRequest crl{1, now, after(day), {}};
      EXPECT_EQ(word_of(ca, crl, gw, "gw.example.org", Purpose::server), "trusted");
      EXPECT_EQ(word_of(ca, crl, gw, "gw.example.org", Purpose::client), "extended key usage");
      EXPECT_EQ(word_of(ca, crl, anna, "anna@example.org", Purpose::client), "trusted");
      EXPECT_EQ(word_of(ca, crl, anna, "anna@example.org", Purpose::server), "extended key usage");
      crl.revoked = {{read(anna).serial, now, RevocationReason::cessation_of_operation}};
      EXPECT_EQ(word_of(ca, crl, anna, "anna@example.org", Purpose::client), "revoked");
      EXPECT_EQ(word_of(ca, crl, gw, "gw.example.org", Purpose::server), "trusted");
    }
  }
}

TEST(Issuer, opens_again_what_it_wrote_and_no_other_pair) {
  const Made ca = make();
  const Bytes pem = base::as_bytes(ca.authority.certificate_pem());
  EXPECT_TRUE(Authority::open(pem, ca.key.reveal(), {}).has_value());
  EXPECT_FALSE(Authority::open(pem, leaf_key().reveal(), {}).has_value());
  const std::string leaf =
      ca.authority.issue(leaf_key().reveal(), server({"gw.example.org"})).value();
  EXPECT_FALSE(Authority::open(base::as_bytes(leaf), leaf_key().reveal(), {}).has_value());
}

TEST(Issuer, makes_a_crl_with_serial_time_and_reason) {
  const Made ca = make();
  const CrlRequest request{7,
                           now,
                           after(day),
                           {{"0a1b2c", now, RevocationReason::key_compromise},
                            {"0d", after(-day), RevocationReason::unspecified}}};
  const ByteVec der = ca.authority.make_crl(request).value();
  const auto crls = ossl::load_crls({"crl", der}).value();
  EXPECT_EQ(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crls.front().get())), 2);
  CrlRequest wrong = request;
  wrong.revoked.push_back({"xyz", now, {}});
  EXPECT_FALSE(ca.authority.make_crl(wrong).has_value());
  wrong = request;
  wrong.next_update = now;
  EXPECT_FALSE(ca.authority.make_crl(wrong).has_value());
}

TEST(Issuer, exports_pkcs12_of_both_kinds_that_load_again_with_the_passphrase_alone) {
  const Made ca = make();
  const std::string leaf =
      ca.authority.issue(leaf_key().reveal(), server({"gw.example.org"})).value();
  const std::vector<std::string> above{ca.authority.certificate_pem()};
  const Bytes passphrase = base::as_bytes("correct horse");
  for (const Pkcs12Kind kind : {Pkcs12Kind::modern, Pkcs12Kind::legacy}) {
    const base::SecretBytes container =
        make_pkcs12(kind, "gw", leaf_key().reveal(), leaf, above, passphrase).value();
    CredentialFiles files{.key = {"gw.p12", container.reveal()}, .passphrase = passphrase};
    const Credential credential = OpensslPki{}.load_credential(files).value();
    EXPECT_EQ(credential.chain.size(), 1U);
    EXPECT_EQ(credential.authorities.size(), 1U);
    files.passphrase = base::as_bytes("wrong");
    EXPECT_NE(OpensslPki{}.load_credential(files).error().message.find("passphrase"),
              std::string::npos);
    files.passphrase = {};
    EXPECT_FALSE(OpensslPki{}.load_credential(files).has_value());
  }
}

TEST(Issuer, signs_a_profile_that_openssl_verifies_with_the_content_inside) {
  const Made ca = make();
  const std::string leaf =
      ca.authority.issue(leaf_key().reveal(), server({"gw.example.org"})).value();
  const std::string profile = "<plist>\n</plist>\n";
  const ByteVec der =
      sign_cms(test::bytes(profile), leaf_key().reveal(), leaf, {}, after(day)).value();
  using Cms = std::unique_ptr<CMS_ContentInfo, ossl::Freed<CMS_ContentInfo_free>>;
  const auto cms = ossl::object_of<Cms>(der, d2i_CMS_ContentInfo);
  const ossl::Bio content{BIO_new(BIO_s_mem())};
  ASSERT_EQ(CMS_verify(cms.get(), nullptr, nullptr, nullptr, content.get(),
                       CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY),
            1);
  EXPECT_EQ(base::as_text(ossl::content_of(content.get())), profile);
  const auto* const signers = CMS_get0_SignerInfos(cms.get());
  const auto* const attribute = CMS_signed_get0_data_by_OBJ(
      sk_CMS_SignerInfo_value(signers, 0), OBJ_nid2obj(NID_pkcs9_signingTime), -3, V_ASN1_UTCTIME);
  ASSERT_NE(attribute, nullptr);
  EXPECT_EQ(ossl::unix_time(static_cast<const ASN1_TIME*>(attribute)), after(day));
  const base::SecretBytes ed = test::private_pem(test::key_called("ed", NewKey::ed25519));
  EXPECT_FALSE(sign_cms(test::bytes(profile), ed.reveal(), leaf, {}, now).has_value());
}

}  // namespace
}  // namespace caponier::pki

// Our own keys and certificates: every form that is read, every mistake with its cure, and the
// choice between several.

#include <openssl/pem.h>

#include "unit/pki/chain.h"

namespace caponier::pki {
namespace {

using test::after;
using test::Chain;
using test::day;
using test::key_called;
using test::now;
using test::set;

ByteVec written(const std::function<void(BIO*)>& write) {
  const ossl::Bio bio{BIO_new(BIO_s_mem())};
  write(bio.get());
  return base::to_vec(ossl::content_of(bio.get()));
}

ByteVec traditional_pem(EVP_PKEY* key) {
  return written([&](BIO* bio) {
    PEM_write_bio_PrivateKey_traditional(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}
ByteVec traditional_der(EVP_PKEY* key) { return ossl::der_of(key, i2d_PrivateKey); }
ByteVec pkcs8_der(EVP_PKEY* key) {
  return written([&](BIO* bio) { i2d_PKCS8PrivateKeyInfo_bio(bio, key); });
}
ByteVec encrypted_pem(EVP_PKEY* key) {
  return written([&](BIO* bio) {
    PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), "secret", 6, nullptr, nullptr);
  });
}
ByteVec encrypted_der(EVP_PKEY* key) {
  return written([&](BIO* bio) {
    i2d_PKCS8PrivateKey_bio(bio, key, EVP_aes_256_cbc(), "secret", 6, nullptr, nullptr);
  });
}
ByteVec encrypted_traditional(EVP_PKEY* key) {
  const std::string passphrase = "secret";
  return written([&](BIO* bio) {
    PEM_write_bio_PrivateKey_traditional(bio, key, EVP_aes_128_cbc(), nullptr, 0, nullptr,
                                         const_cast<char*>(passphrase.c_str()));
  });
}

Loaded<Credential> load(Bytes key, const std::string& passphrase = "",
                        std::vector<NamedFile> certificates = {}) {
  return OpensslPki{}.load_credential({.key = {"gw.key", key},
                                       .passphrase = test::bytes(passphrase),
                                       .certificates = std::move(certificates)});
}

TEST(KeyFile, is_read_in_every_usual_form) {
  for (EVP_PKEY* key : {key_called("rsa", NewKey::rsa_3072), key_called("p256")}) {
    for (const ByteVec& file : {traditional_pem(key), traditional_der(key), pkcs8_der(key),
                                base::to_vec(test::private_pem(key).reveal())}) {
      const auto credential = load(file);
      ASSERT_TRUE(credential.has_value()) << credential.error().to_string();
      EXPECT_EQ(credential->signer->public_key(), test::public_of(key));
    }
    for (const ByteVec& file :
         {encrypted_pem(key), encrypted_der(key), encrypted_traditional(key)}) {
      EXPECT_EQ(load(file, "secret").value().signer->public_key(), test::public_of(key));
      for (const char* wrong : {"", "wrong"}) {
        const auto refused = load(file, wrong);
        ASSERT_FALSE(refused.has_value());
        EXPECT_EQ(refused.error().file, "gw.key");
        EXPECT_FALSE(refused.error().fix.empty());
      }
    }
  }
  EXPECT_TRUE(load(pkcs8_der(key_called("ed", NewKey::ed25519))).has_value());
}

TEST(KeyFile, that_is_none_or_not_fit_is_refused_with_a_cure) {
  const ByteVec whole = pkcs8_der(key_called("p256"));
  const auto weak = test::rsa_key(1024);
  const auto foreign = test::ec_key("secp256k1");
  for (const ByteVec& file :
       {ByteVec{}, ByteVec(500), base::to_vec(base::as_bytes("-----BEGIN PRIVATE KEY-----\n")),
        base::to_vec(base::as_bytes(
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")),
        base::to_vec(Bytes{whole}.first(whole.size() - 1)), ByteVec(file_size_max + 1),
        pkcs8_der(weak.get()), pkcs8_der(foreign.get())}) {
    const auto refused = load(file, "secret");
    ASSERT_FALSE(refused.has_value());
    EXPECT_FALSE(refused.error().message.empty());
    EXPECT_FALSE(refused.error().fix.empty());
  }
}

// A file whose derivation would take hours.
TEST(KeyFile, with_absurdly_many_rounds_is_refused_at_once) {
  constexpr int many = 0x7fffffff;
  const std::unique_ptr<X509_SIG, ossl::Freed<X509_SIG_free>> sealed{X509_SIG_new()};
  X509_ALGOR* algorithm = nullptr;
  ASN1_OCTET_STRING* content = nullptr;
  X509_SIG_getm(sealed.get(), &algorithm, &content);
  const std::unique_ptr<X509_ALGOR, ossl::Freed<X509_ALGOR_free>> slow{
      PKCS5_pbe2_set(EVP_aes_256_cbc(), many, nullptr, 0)};
  X509_ALGOR_copy(algorithm, slow.get());
  ASN1_OCTET_STRING_set(content, ossl::raw(ByteVec(64)), 64);
  EXPECT_FALSE(load(ossl::der_of(sealed.get(), i2d_X509_SIG), "secret").has_value());
}

TEST(KeyFile, of_pkcs12_with_absurdly_many_rounds_is_refused_at_once) {
  Chain chain;
  chain.build();
  const auto key = test::private_pem(chain.leaf_key);
  const auto der = make_pkcs12(Pkcs12Kind::modern, "gw", key.reveal(),
                               ossl::pem_of(chain.leaf_made.get()), {}, test::bytes("secret"))
                       .value();
  const auto container = ossl::object_of<ossl::Pkcs12>(der.reveal(), d2i_PKCS12);
  const ASN1_INTEGER* rounds = nullptr;
  PKCS12_get0_mac(nullptr, nullptr, nullptr, &rounds, container.get());
  ASN1_INTEGER_set(const_cast<ASN1_INTEGER*>(rounds), 0x7fffffff);
  const auto refused = load(ossl::der_of(container.get(), i2d_PKCS12), "secret");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("rounds"), std::string::npos);
}

TEST(KeyFile, whose_public_part_is_another_is_refused) {
  // SEC 1 with the public point of another key beside the private value.
  ByteVec mixed = traditional_der(key_called("p256"));
  const ByteVec other = traditional_der(key_called("another p256"));
  std::copy(other.end() - 64, other.end(), mixed.end() - 64);
  EXPECT_FALSE(load(mixed).has_value());
}

//= rfc7296#1.2-1 rfc7296#3.6-3 type=test
TEST(Credential, puts_leaf_and_intermediates_in_order_and_leaves_the_root_out) {
  Chain chain;
  chain.build();
  const std::string bundle = "Some words first.\n" + ossl::pem_of(chain.root_made.get()) +
                             ossl::pem_of(chain.inter_made.get()) + "\n" +
                             ossl::pem_of(chain.leaf_made.get());
  const auto key = test::private_pem(chain.leaf_key);
  const auto credential = load(key.reveal(), "", {{"gw.pem", test::bytes(bundle)}}).value();
  ASSERT_EQ(credential.chain.size(), 2U);
  EXPECT_EQ(credential.chain[0].subject_text, "C=CH, O=Example, CN=gw");
  EXPECT_EQ(credential.chain[1].subject_text, "O=Example, CN=Intermediate");
  EXPECT_EQ(credential.authorities.size(), 2U);
  const auto payloads = credential.cert_payloads();
  ASSERT_EQ(payloads.size(), 2U);
  EXPECT_EQ(payloads[0].encoding, 4);
  chain.payloads = payloads;
  EXPECT_EQ(test::word_of(chain.verify(*chain.make_store())), "trusted");
  const auto ends = expiries(credential);
  ASSERT_EQ(ends.size(), 2U);
  EXPECT_EQ(ends[0].name, "certificate 'C=CH, O=Example, CN=gw' in gw.pem");
  EXPECT_EQ(ends[0].not_after, after(365 * day));
}

TEST(Credential, without_certificates_is_a_raw_public_key) {
  const auto key = test::private_pem(key_called("p256"));
  const auto credential = load(key.reveal()).value();
  ASSERT_EQ(credential.cert_payloads().size(), 1U);
  EXPECT_EQ(credential.cert_payloads()[0].encoding, 15);
  EXPECT_EQ(OpensslPki{}.public_key(credential.cert_payloads()[0].data).value(),
            test::public_of(key_called("p256")));
}

TEST(Credential, whose_files_do_not_belong_together_is_refused) {
  Chain chain;
  chain.build();
  const std::string leaf = ossl::pem_of(chain.leaf_made.get());
  const auto key = test::private_pem(key_called("another key"));
  const auto refused = load(key.reveal(), "", {{"gw.pem", test::bytes(leaf)}});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().file, "gw.pem");
  EXPECT_NE(refused.error().message.find("gw.key"), std::string::npos);
}

TEST(Bundle, that_is_not_whole_is_an_error_and_not_a_shorter_bundle) {
  Chain chain;
  chain.build();
  const std::string good = ossl::pem_of(chain.root_made.get());
  std::string broken = good;
  broken.replace(broken.size() / 2, 3, "***");
  for (const std::string& text :
       {good + good.substr(0, good.size() - 30), good + broken, std::string{},
        std::string{"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"},
        good + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
    const auto store = OpensslPki{}.make_store({.anchors = {{"ca.pem", test::bytes(text)}}});
    ASSERT_FALSE(store.has_value());
    EXPECT_EQ(store.error().front().file, "ca.pem");
    EXPECT_FALSE(store.error().front().fix.empty());
  }
}

TEST(Bundle, of_more_certificates_than_the_limit_is_refused) {
  Chain chain;
  chain.build();
  const std::string one = ossl::pem_of(chain.root_made.get());
  std::string many;
  for (std::size_t i = 0; i < certificates_per_file_max; ++i) many += one;
  EXPECT_TRUE(OpensslPki{}.load_certificates({"ca.pem", test::bytes(many)}).has_value());
  many += one;
  EXPECT_FALSE(OpensslPki{}.load_certificates({"ca.pem", test::bytes(many)}).has_value());
}

TEST(Bundle, mistakes_are_told_for_every_file) {
  const auto store = OpensslPki{}.make_store(
      {.anchors = {{"a", {}}, {"b", {}}}, .intermediates = {{"c", {}}}, .crls = {{"d", {}}}});
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().size(), 4U);
}

TEST(Choice, prefers_what_the_peer_can_check_and_asked_for) {
  Chain chain;
  chain.build();
  const std::string bundle =
      ossl::pem_of(chain.leaf_made.get()) + ossl::pem_of(chain.inter_made.get());
  const auto p256 = test::private_pem(chain.leaf_key);
  const auto ed = test::private_pem(key_called("ed", NewKey::ed25519));
  std::vector<Credential> ours;
  ours.push_back(load(ed.reveal()).value());
  ours.push_back(load(p256.reveal(), "", {{"gw.pem", test::bytes(bundle)}}).value());
  const std::vector<SignatureHash> all{SignatureHash::sha2_256, SignatureHash::identity};
  const auto inter_hash = ours[1].authorities.front();

  CertificateWish wish{{}, false, all};
  EXPECT_EQ(choose(ours, wish, now), &ours[1]);
  wish.raw_public_key = true;
  EXPECT_EQ(choose(ours, wish, now), &ours[0]);
  wish.authorities = {inter_hash};
  EXPECT_EQ(choose(ours, wish, now), &ours[1]);
  wish = {{}, true, {}};  // no RFC 7427: Ed25519 cannot be checked
  EXPECT_EQ(choose(ours, wish, now), &ours[1]);
  wish = {{}, false, all};
  EXPECT_EQ(choose(ours, wish, after(400 * day)), &ours[0]);  // the certificate has expired
  EXPECT_EQ(choose({}, wish, now), nullptr);
}

//= rfc7670#3-1 type=test
TEST(CertificateRequest, for_a_raw_public_key_names_no_authority) {
  const std::vector payloads{raw_public_key_request()};
  EXPECT_EQ(payloads.front().encoding, 15);
  EXPECT_TRUE(payloads.front().authorities.empty());
  EXPECT_TRUE(wish_of(payloads, {}).raw_public_key);
}

//= rfc7670#1-1 type=test
TEST(Credential, of_a_raw_public_key_signs_by_rfc_7427) {
  const auto key = test::private_pem(key_called("p256"));
  const auto credential = load(key.reveal()).value();
  const std::vector hashes{SignatureHash::sha2_256};
  const auto auth =
      sign_auth(*credential.signer, {.octets = test::bytes("x"), .peer_hashes = hashes}).value();
  EXPECT_EQ(auth.method, wire::AuthMethod::digital_signature);
}

TEST(CertificateRequest, is_written_and_read_back) {
  Chain chain;
  chain.build();
  const auto hashes = chain.make_store()->authorities({});
  const wire::CertReqPayload payload = certificate_request(hashes);
  EXPECT_EQ(payload.encoding, 4);
  EXPECT_EQ(payload.authorities.size(), 20U);
  const std::vector payloads{payload, wire::CertReqPayload{15}, wire::CertReqPayload{4, ByteVec(7)},
                             wire::CertReqPayload{4, ByteVec(20 * 1000)}};
  const CertificateWish wish = wish_of(payloads, {});
  EXPECT_TRUE(wish.raw_public_key);
  EXPECT_EQ(wish.authorities.front(), hashes.front());
  EXPECT_EQ(wish.authorities.size(), authorities_max);
}

TEST(Name, is_written_and_read_back) {
  const OpensslPki pki;
  for (const char* text : {"C=CH, O=Example, CN=gw", "CN=a\\, b", "OU=c+CN=a\\+b", "CN=\\ x\\ ",
                           "CN=\\#x", "CN=J\\C3\\BCrg", "DC=org, DC=example", "1.2.3.4=x",
                           "emailAddress=a@example.org", "CN=*"}) {
    const auto name = pki.parse_name(text);
    ASSERT_TRUE(name.has_value()) << text << ": " << name.error();
    EXPECT_EQ(pki.name_text(name->data), text);
    EXPECT_EQ(name->type, wire::IdType::der_asn1_dn);
  }
}

TEST(Name, that_is_none_is_refused_with_a_sentence) {
  const OpensslPki pki;
  for (const std::string& text :
       {std::string{}, std::string{"gw"}, std::string{"CN="}, std::string{"=x"},
        std::string{"XYZ=x"}, std::string{"C=CHE"}, std::string{"CN=x\\"}, std::string{"CN=x,"},
        "CN=" + std::string(65, 'x'), std::string(5000, 'x')}) {
    const auto name = pki.parse_name(text);
    ASSERT_FALSE(name.has_value()) << text;
    EXPECT_FALSE(name.error().empty());
  }
}

TEST(Name, is_the_same_in_other_case_and_spacing_and_not_with_other_attributes) {
  const OpensslPki pki;
  const auto der = [&](const char* text) { return pki.parse_name(text).value().data; };
  EXPECT_TRUE(pki.is_same_name(der("C=CH, CN=The  Gate"), der("C=ch, CN=the gate")));
  EXPECT_FALSE(pki.is_same_name(der("C=CH, CN=gw"), der("CN=gw, C=CH")));
  EXPECT_FALSE(pki.is_same_name(der("CN=gw"), der("CN=gw, OU=x")));
  EXPECT_FALSE(pki.is_same_name(der("CN=gw"), der("OU=gw")));
  EXPECT_FALSE(pki.is_same_name({}, {}));
  ByteVec longer = der("CN=gw");
  longer.push_back(std::byte{0});
  EXPECT_FALSE(pki.is_same_name(longer, longer));
}

//= rfc4945#3.1.5-4 type=test
TEST(Name, matches_a_pattern_of_some_of_its_attributes) {
  const OpensslPki pki;
  const auto der = [&](const char* text) { return pki.parse_name(text).value().data; };
  const ByteVec name = der("C=CH, O=Example, OU=Sales, OU=West, CN=anna");
  EXPECT_TRUE(pki.matches_name(der("O=example"), name));
  EXPECT_TRUE(pki.matches_name(der("OU=West, O=Example"), name));
  EXPECT_TRUE(pki.matches_name(der("O=Example, CN=*"), name));
  EXPECT_FALSE(pki.matches_name(der("O=Example, OU=East"), name));
  EXPECT_FALSE(pki.matches_name(der("L=*"), name));
  EXPECT_FALSE(pki.matches_name(der("O=Exam"), name));
  EXPECT_FALSE(pki.matches_name(base::from_hex("3000").value(), name));
  EXPECT_FALSE(pki.matches_name({}, name));
}

//= rfc4945#3.1.5-4 type=test
TEST(NamePattern, a_star_is_any_value_and_at_the_end_any_attributes) {
  const OpensslPki pki;
  const auto der = [&](const char* text) { return pki.parse_name(text).value(); };
  const auto matches = [&](const char* pattern, const char* name) {
    return pki.name_pattern(pattern).value().matches(der(name));
  };
  const char* const anna = "C=CH, O=Example, OU=Sales, CN=anna";
  EXPECT_TRUE(matches("C=CH, O=Example, OU=Sales, CN=anna", anna));
  EXPECT_TRUE(matches("C=CH, O=EXAMPLE, OU=sales, CN=anna", anna)) << "as X.509 compares";
  EXPECT_TRUE(matches("C=CH, O=Example, OU=*, CN=*", anna));
  EXPECT_TRUE(matches("C=*, O=Example, OU=Sales, CN=anna", anna));
  EXPECT_FALSE(matches("C=CH, O=Example, CN=*", anna)) << "one more than was said";
  EXPECT_FALSE(matches("C=CH, OU=Sales, O=Example, CN=*", anna)) << "another order";
  EXPECT_FALSE(matches("C=CH, O=Other, OU=*, CN=*", anna));
  EXPECT_TRUE(matches("O=Example, OU=Sales, *", anna));
  EXPECT_TRUE(matches("CN=anna, O=Example,*", anna));
  EXPECT_FALSE(matches("O=Example, OU=East, *", anna));
  EXPECT_FALSE(pki.name_pattern("*"));
  EXPECT_FALSE(pki.name_pattern("O=Example, *, CN=anna"));
}

TEST(NamePattern, one_name_is_one_identity_and_a_pattern_is_none) {
  const OpensslPki pki;
  const auto one = pki.name_pattern("C=CH, CN=anna").value();
  ASSERT_NE(one.only(), nullptr);
  EXPECT_EQ(*one.only(), pki.parse_name("C=CH, CN=anna").value());
  EXPECT_EQ(one.to_string(), "C=CH, CN=anna");
  EXPECT_EQ(pki.name_pattern("C=CH, CN=*").value().only(), nullptr);
  EXPECT_EQ(pki.name_pattern("C=CH, *").value().only(), nullptr);
  EXPECT_EQ(one, pki.name_pattern("C=CH, CN=anna").value());
  EXPECT_NE(one, pki.name_pattern("C=CH, CN=*").value());
  EXPECT_FALSE(one.matches(policy::Identity::parse("anna")));
}

}  // namespace
}  // namespace caponier::pki

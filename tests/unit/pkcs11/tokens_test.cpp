// Keys in tokens, with softhsm2 as the token.

#include <gtest/gtest.h>

#include <optional>

#include "base/error.h"
#include "pki/openssl/provider.h"
#include "unit/pkcs11/soft_token.h"

namespace caponier::pki::pkcs11 {
namespace {

using enum SignatureScheme;
using test::SoftToken;
using test::user_pin;

class Pkcs11 : public testing::Test {
 protected:
  void SetUp() override {
    token = SoftToken::get();
    if (token == nullptr) GTEST_SKIP() << "skipped: softhsm2 is not installed";
    SoftToken::faults = {};
    tokens.emplace(token->modules());
    // Whoever was logged in is no more.
    ASSERT_EQ(token->back()->C_CloseAllSessions(token->slot()), CKR_OK);
  }
  void TearDown() override { SoftToken::faults = {}; }

  Loaded<std::shared_ptr<Signer>> load(const std::string& uri, std::string_view pin = user_pin) {
    return tokens->load_key(uri, base::as_bytes(pin));
  }

  SoftToken* token = nullptr;
  std::optional<Tokens> tokens;
};

bool is_right(const Signer& signer, SignatureScheme scheme, Bytes octets, const ByteVec& made) {
  const ossl::Pkey key = ossl::parse_public_key(signer.public_key().spki);
  const int salt_size = scheme == rsa_pss_sha2_384 ? 48 : scheme == rsa_pss_sha2_512 ? 64 : 32;
  return ossl::is_signature(key.get(), scheme, salt_size, octets, made);
}

struct Kind {
  std::string label;
  KeyKind kind;
  std::vector<SignatureScheme> schemes;
};

TEST_F(Pkcs11, every_kind_of_key_makes_every_signature_it_can) {
  const std::vector<Kind> kinds{
      {"rsa",
       KeyKind::rsa,
       {rsa_pkcs1_sha1, rsa_pkcs1_sha2_256, rsa_pkcs1_sha2_384, rsa_pkcs1_sha2_512,
        rsa_pss_sha2_256, rsa_pss_sha2_384, rsa_pss_sha2_512}},
      {"p256",
       KeyKind::ecdsa_p256,
       {ecdsa_sha2_256, ecdsa_sha2_384, ecdsa_sha2_512, ecdsa_concatenated}},
      {"p384",
       KeyKind::ecdsa_p384,
       {ecdsa_sha2_256, ecdsa_sha2_384, ecdsa_sha2_512, ecdsa_concatenated}},
      {"p521", KeyKind::ecdsa_p521, {ecdsa_sha2_512, ecdsa_concatenated}},
      {"ed25519", KeyKind::ed25519, {ed25519}},
  };
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(kind.label);
    const auto signer = load("pkcs11:token=lab;object=" + kind.label);
    ASSERT_TRUE(signer) << signer.error().to_string();
    EXPECT_EQ((*signer)->public_key().kind, kind.kind);
    const auto octets = base::as_bytes("what is signed");
    for (const SignatureScheme scheme : kind.schemes) {
      SCOPED_TRACE(name_of(scheme));
      ASSERT_TRUE((*signer)->can(scheme));
      const auto made = (*signer)->sign(scheme, octets);
      ASSERT_TRUE(made) << name_of(made.error());
      EXPECT_TRUE(is_right(**signer, scheme, octets, *made));
      EXPECT_FALSE(is_right(**signer, scheme, base::as_bytes("something else"), *made));
    }
  }
}

TEST_F(Pkcs11, a_scheme_of_another_key_is_refused) {
  const auto signer = load("pkcs11:token=lab;object=p256");
  ASSERT_TRUE(signer);
  EXPECT_FALSE((*signer)->can(rsa_pss_sha2_256));
  EXPECT_EQ((*signer)->sign(ed25519, {}).error(), SignError::backend_failure);
}

TEST_F(Pkcs11, a_key_is_found_by_its_id_too) {
  const auto signer = load("pkcs11:token=lab;id=%01;type=private");
  ASSERT_TRUE(signer) << signer.error().to_string();
  EXPECT_EQ((*signer)->public_key().kind, KeyKind::rsa);
}

TEST_F(Pkcs11, a_wrong_pin_is_told_and_never_tried_again) {
  const std::string uri = "pkcs11:token=lab;object=rsa";
  const auto first = load(uri, "00000000");
  ASSERT_FALSE(first);
  EXPECT_NE(first.error().message.find("the PIN is wrong"), std::string::npos);
  EXPECT_EQ(SoftToken::faults.logins, 1u);
  for (int i = 0; i < 3; ++i) {
    const auto again = load(uri, "00000000");
    ASSERT_FALSE(again);
    EXPECT_NE(again.error().message.find("is not tried again"), std::string::npos);
  }
  EXPECT_EQ(SoftToken::faults.logins, 1u);
  // Another one is another configuration.
  EXPECT_TRUE(load(uri));
  EXPECT_EQ(SoftToken::faults.logins, 2u);
}

TEST_F(Pkcs11, a_wrong_pin_does_not_shut_out_those_who_are_in) {
  const auto signer = load("pkcs11:token=lab;object=p256");
  ASSERT_TRUE(signer);
  EXPECT_FALSE(load("pkcs11:token=lab;object=p256", "00000000"));
  EXPECT_TRUE((*signer)->sign(ecdsa_sha2_256, base::as_bytes("octets")));
  const unsigned logins = SoftToken::faults.logins;
  EXPECT_TRUE(load("pkcs11:token=lab;object=rsa"));
  EXPECT_EQ(SoftToken::faults.logins, logins);  // its PIN is known to be right
}

TEST_F(Pkcs11, no_word_tells_a_pin) {
  for (const auto& uri : {std::string{"pkcs11:token=lab;object=rsa?pin-value=31415926"},
                          std::string{"pkcs11:token=lab;object=none?pin-source=31415926"},
                          std::string{"pkcs11:object=%zz?pin-value=31415926"}}) {
    const auto read = tokens->read(uri);
    EXPECT_TRUE(read || read.error().to_string().find("31415926") == std::string::npos);
    const auto loaded = load(uri, "31415926");
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().to_string().find("31415926"), std::string::npos)
        << loaded.error().to_string();
  }
}

TEST_F(Pkcs11, a_pin_in_the_uri_is_refused) {
  const auto read = tokens->read("pkcs11:token=lab;object=rsa?pin-value=1234");
  ASSERT_FALSE(read);
  EXPECT_EQ(
      read.error().to_string(),
      "pkcs11:token=lab;object=rsa: the URI holds a PIN, and many may read the configuration\n"
      "  fix: put the PIN into a file of mode 0600, and write pin-source=file:/PATH instead "
      "of pin-value");
  EXPECT_EQ(tokens->read("pkcs11:object=rsa?pin-source=file:/etc/pin")->pin_source,
            "file:/etc/pin");
}

TEST_F(Pkcs11, a_token_that_would_lock_or_is_locked_is_left_alone) {
  for (const CK_FLAGS flag : {CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED}) {
    SoftToken::faults.token_flags = flag;
    EXPECT_FALSE(load("pkcs11:token=lab;object=rsa"));
  }
  EXPECT_EQ(SoftToken::faults.logins, 0u);
}

TEST_F(Pkcs11, without_a_pin_the_error_says_where_to_put_it) {
  const auto loaded = load("pkcs11:token=lab;object=rsa", "");
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("wants a PIN"), std::string::npos);
  EXPECT_NE(loaded.error().fix.find("pin-source"), std::string::npos);
}

TEST_F(Pkcs11, a_token_that_was_taken_away_signs_again_when_it_is_back) {
  const auto signer = load("pkcs11:token=lab;object=p256");
  ASSERT_TRUE(signer);
  const auto octets = base::as_bytes("octets");
  SoftToken::faults.is_removed = true;
  EXPECT_EQ((*signer)->sign(ecdsa_sha2_256, octets).error(), SignError::key_unusable);
  EXPECT_EQ((*signer)->sign(ecdsa_sha2_256, octets).error(), SignError::key_unusable);
  // Back, and as after a reset: nobody is logged in, no session is left.
  SoftToken::faults.is_removed = false;
  ASSERT_EQ(token->back()->C_CloseAllSessions(token->slot()), CKR_OK);
  const auto made = (*signer)->sign(ecdsa_sha2_256, octets);
  ASSERT_TRUE(made);
  EXPECT_TRUE(is_right(**signer, ecdsa_sha2_256, octets, *made));
}

TEST_F(Pkcs11, what_is_not_there_or_not_meant_is_named) {
  const auto message = [&](const std::string& uri) {
    const auto loaded = load(uri);
    return loaded ? std::string{"loaded"} : loaded.error().message;
  };
  EXPECT_EQ(message("pkcs11:token=other;object=rsa"), "there is no such token");
  EXPECT_EQ(message("pkcs11:token=lab;object=none"), "the token has no such private key");
  EXPECT_EQ(message("pkcs11:token=lab"), "the token has more than one such private key");
  EXPECT_EQ(message("pkcs11:token=lab;object=rsa;colour=red"),
            "the URI has an attribute that is unknown or makes no sense");
  EXPECT_EQ(message("pkcs11:%"), "it is no PKCS #11 URI (RFC 7512)");
  EXPECT_EQ(message("pkcs11:object=rsa?module-path=/nowhere.so"),
            "the PKCS #11 module /nowhere.so cannot be loaded");
}

ossl::X509Ptr certificate_for(const PublicKey& subject) {
  const ossl::Pkey key = ossl::parse_public_key(subject.spki);
  const ossl::Pkey issuer{EVP_EC_gen("P-256")};
  ossl::X509Ptr made{X509_new()};
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 7);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 86400);
  const std::string name = "gw.example.org";
  const auto octets = base::as_bytes(name);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                             ossl::raw(octets), static_cast<int>(name.size()), -1, 0);
  X509_set_pubkey(made.get(), key.get());
  X509_sign(made.get(), issuer.get(), EVP_sha256());
  return made;
}

TEST_F(Pkcs11, a_credential_comes_whole_from_a_token) {
  const auto signer = load("pkcs11:token=lab;object=rsa");
  ASSERT_TRUE(signer);
  const auto certificate = certificate_for((*signer)->public_key());
  token->store_certificate(ossl::der_of(certificate.get(), i2d_X509));
  const OpensslPki pki{&*tokens};
  const auto credential =
      pki.load_credential({.key = {"pkcs11:token=lab;object=rsa?pin-source=file:/pin", {}},
                           .passphrase = base::as_bytes(user_pin),
                           .certificates = {{"pkcs11:token=lab;object=leaf;type=cert", {}}}});
  ASSERT_TRUE(credential) << credential.error().to_string();
  ASSERT_EQ(credential->chain.size(), 1u);
  EXPECT_EQ(credential->chain[0].subject_text, "CN=gw.example.org");
  EXPECT_EQ(credential->name, "pkcs11:token=lab;object=leaf;type=cert");
  // Of another key it is none.
  const auto other = pki.load_credential({.key = {"pkcs11:token=lab;object=p256", {}},
                                          .passphrase = base::as_bytes(user_pin),
                                          .certificates = {{"pkcs11:token=lab;object=leaf", {}}}});
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("none of its certificates is for the key"),
            std::string::npos);
}

TEST_F(Pkcs11, without_tokens_a_uri_is_refused) {
  const OpensslPki pki;
  EXPECT_FALSE(pki.read_token_uri("pkcs11:token=lab"));
  EXPECT_FALSE(pki.load_credential({.key = {"pkcs11:token=lab;object=rsa", {}}}));
}

}  // namespace
}  // namespace caponier::pki::pkcs11

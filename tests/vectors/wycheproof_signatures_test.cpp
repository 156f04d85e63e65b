// Project Wycheproof: signatures as AUTH payloads carry them. Every valid one is accepted, every
// other refused; "acceptable" are RSA signatures whose hash has no NULL, which we do not make.

#include "pki/openssl/ossl.h"
#include "pki/openssl/provider.h"
#include "vectors/vector_files.h"

namespace caponier::pki {
namespace {

using test_vectors::bytes_of;
using test_vectors::Json;
using test_vectors::Tally;
using wire::AuthMethod;
using wire::AuthPayload;

class WycheproofSignatures : public test_vectors::Vectors {};

/// How a signature of a group becomes an AUTH payload.
using MakeAuth = std::function<AuthPayload(ByteVec)>;

AuthPayload digital_signature(Bytes algorithm, Bytes signature) {
  AuthPayload auth{AuthMethod::digital_signature, {static_cast<std::byte>(algorithm.size())}};
  base::append(auth.data, algorithm);
  base::append(auth.data, signature);
  return auth;
}

MakeAuth with(SignatureScheme scheme) {
  return [scheme](const ByteVec& signature) {
    return digital_signature(algorithm_identifier(scheme), signature);
  };
}

MakeAuth classic(AuthMethod method) {
  return [method](ByteVec signature) { return AuthPayload{method, std::move(signature)}; };
}

/// An RSA key as id-RSASSA-PSS or rsaEncryption is the same numbers; IKE's certificates have the
/// latter.
std::expected<PublicKey, std::string> key_of(const Json& group) {
  if (!group.contains("publicKeyAsn"))
    return OpensslPki{}.public_key(bytes_of(group, "publicKeyDer"));
  const ByteVec numbers = bytes_of(group, "publicKeyAsn");
  const unsigned char* at = ossl::raw(numbers);
  const ossl::Pkey key{
      d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(numbers.size()))};
  return OpensslPki{}.public_key(ossl::der_of(key.get(), i2d_PUBKEY));
}

/// With `only`, a signature by another scheme counts as refused: method 1 takes any hash.
void run_group(const Json& group, const MakeAuth& make_auth, std::optional<SignatureScheme> only,
               Tally& tally) {
  const auto key = key_of(group);
  for (const Json& test : group.at("tests")) {
    if (!key || make_auth == nullptr) {
      ++tally.not_expressible;
      continue;
    }
    SCOPED_TRACE(test.at("tcId").get<int>());
    const ByteVec msg = bytes_of(test, "msg");
    const auto result = OpensslPki{}.verify({msg, make_auth(bytes_of(test, "sig")), *key});
    const bool accepted = result && result == only.value_or(*result);
    EXPECT_EQ(accepted, test.at("result") == "valid");
    accepted ? ++tally.accepted : ++tally.refused;
  }
}

template <class MakeAuthOfGroup>
Tally run(const std::string& file, MakeAuthOfGroup make_auth_of,
          std::optional<SignatureScheme> only = std::nullopt) {
  Tally tally;
  const Json set = test_vectors::read_json("wycheproof/" + file);
  for (const Json& group : set.at("testGroups")) run_group(group, make_auth_of(group), only, tally);
  EXPECT_EQ(tally.accepted + tally.refused + tally.not_expressible, set.at("numberOfTests"));
  return tally;
}

Tally run_all(const std::string& file, const MakeAuth& make_auth) {
  return run(file, [&](const Json&) { return make_auth; });
}

TEST_F(WycheproofSignatures, rsa_pkcs1) {
  const std::array files{std::tuple{"rsa_signature_2048_sha256_test.json",
                                    SignatureScheme::rsa_pkcs1_sha2_256, 9, 250},
                         std::tuple{"rsa_signature_3072_sha512_test.json",
                                    SignatureScheme::rsa_pkcs1_sha2_512, 8, 252},
                         std::tuple{"rsa_signature_4096_sha512_test.json",
                                    SignatureScheme::rsa_pkcs1_sha2_512, 7, 252}};
  for (const auto& [file, scheme, accepted, refused] : files) {
    const Tally modern = run_all(file, with(scheme));
    EXPECT_EQ(modern.accepted, accepted);
    EXPECT_EQ(modern.refused, refused);
    const Tally method_1 =
        run(file, [](const Json&) { return classic(AuthMethod::rsa_signature); }, scheme);
    EXPECT_EQ(method_1.accepted, accepted);
    EXPECT_EQ(method_1.refused, refused);
  }
}

/// RFC 4055's parameters of a group; empty when it has a hash or a mask that we do not know.
MakeAuth pss_of(const Json& group) {
  const auto sha = group.at("sha").get<std::string>();
  const auto salt = group.at("sLen").get<unsigned>();
  if (group.at("mgf") != "MGF1" || group.at("mgfSha") != sha || salt > 64) return nullptr;
  ByteVec algorithm;
  if (sha == "SHA-256")
    algorithm = base::to_vec(algorithm_identifier(SignatureScheme::rsa_pss_sha2_256));
  if (sha == "SHA-384")
    algorithm = base::to_vec(algorithm_identifier(SignatureScheme::rsa_pss_sha2_384));
  if (sha == "SHA-512")
    algorithm = base::to_vec(algorithm_identifier(SignatureScheme::rsa_pss_sha2_512));
  if (algorithm.empty()) return nullptr;
  if (salt == 20) return nullptr;  // the default, which DER leaves out: RFC 4055 s3.1
  algorithm.back() = static_cast<std::byte>(salt);
  return [algorithm](const ByteVec& signature) { return digital_signature(algorithm, signature); };
}

TEST_F(WycheproofSignatures, rsa_pss) {
  const std::array files{std::tuple{"rsa_pss_2048_sha256_mgf1_32_test.json", 63, 45, 0},
                         std::tuple{"rsa_pss_2048_sha256_mgf1_32_params_test.json", 63, 45, 0},
                         std::tuple{"rsa_pss_3072_sha256_mgf1_32_test.json", 63, 45, 0},
                         std::tuple{"rsa_pss_4096_sha512_mgf1_64_test.json", 132, 47, 0},
                         std::tuple{"rsa_pss_misc_test.json", 15, 0, 135},
                         std::tuple{"rsa_pss_misc_params_test.json", 15, 0, 135}};
  for (const auto& [file, accepted, refused, not_expressible] : files) {
    SCOPED_TRACE(file);
    const Tally tally = run(file, pss_of);
    EXPECT_EQ(tally.accepted, accepted);
    EXPECT_EQ(tally.refused, refused);
    EXPECT_EQ(tally.not_expressible, not_expressible);
  }
}

TEST_F(WycheproofSignatures, ecdsa_in_der) {
  const std::array files{
      std::tuple{"ecdsa_secp256r1_sha256_test.json", SignatureScheme::ecdsa_sha2_256, 174},
      std::tuple{"ecdsa_secp384r1_sha384_test.json", SignatureScheme::ecdsa_sha2_384, 194},
      std::tuple{"ecdsa_secp521r1_sha512_test.json", SignatureScheme::ecdsa_sha2_512, 232}};
  for (const auto& [file, scheme, accepted] : files) {
    const Tally tally = run_all(file, with(scheme));
    EXPECT_EQ(tally.accepted, accepted);
    EXPECT_EQ(tally.refused, 310);
  }
}

TEST_F(WycheproofSignatures, ecdsa_as_in_rfc_4754) {
  const std::array files{
      std::tuple{"ecdsa_secp256r1_sha256_p1363_test.json", AuthMethod::ecdsa_p256, 173, 89},
      std::tuple{"ecdsa_secp384r1_sha384_p1363_test.json", AuthMethod::ecdsa_p384, 193, 87},
      std::tuple{"ecdsa_secp521r1_sha512_p1363_test.json", AuthMethod::ecdsa_p521, 231, 87}};
  for (const auto& [file, method, accepted, refused] : files) {
    const Tally tally = run_all(file, classic(method));
    EXPECT_EQ(tally.accepted, accepted);
    EXPECT_EQ(tally.refused, refused);
  }
}

TEST_F(WycheproofSignatures, eddsa) {
  const Tally ed25519 = run_all("ed25519_test.json", with(SignatureScheme::ed25519));
  EXPECT_EQ(ed25519.accepted, 88);
  EXPECT_EQ(ed25519.refused, 63);
  const Tally ed448 = run_all("ed448_test.json", with(SignatureScheme::ed448));
  EXPECT_EQ(ed448.accepted, 17);
  EXPECT_EQ(ed448.refused, 70);
}

}  // namespace
}  // namespace caponier::pki

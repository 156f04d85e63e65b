// AUTH payloads by signature: what is made is accepted, and nothing else is.

#include <algorithm>
#include <array>

#include "unit/pki/helpers.h"

namespace caponier::pki {
namespace {

using test::ec_key;
using test::key_called;
using test::public_of;
using test::signer_of;
using wire::AuthMethod;

const std::string text = "InitiatorSignedOctets";
constexpr std::array all_hashes{SignatureHash::sha2_256, SignatureHash::sha2_384,
                                SignatureHash::sha2_512, SignatureHash::identity};

EVP_PKEY* rsa() { return key_called("rsa", NewKey::rsa_3072); }
EVP_PKEY* p256() { return key_called("p256"); }
EVP_PKEY* p384() {
  static const ossl::Pkey key = ec_key("P-384");
  return key.get();
}
EVP_PKEY* p521() {
  static const ossl::Pkey key = ec_key("P-521");
  return key.get();
}
EVP_PKEY* ed25519() { return key_called("ed25519", NewKey::ed25519); }
EVP_PKEY* ed448() {
  static const ossl::Pkey key = test::ed448_key();
  return key.get();
}

std::array<EVP_PKEY*, 6> all_keys() { return {rsa(), p256(), p384(), p521(), ed25519(), ed448()}; }

SigningRequest modern(std::span<const SignatureHash> hashes = all_hashes) {
  return {.octets = test::bytes(text), .peer_hashes = hashes};
}
SigningRequest classic(bool sha1 = false) {
  return {.octets = test::bytes(text), .peer_hashes = {}, .sha1 = sha1};
}

auto verify(const wire::AuthPayload& auth, const PublicKey& key, bool sha1 = false,
            const std::string& octets = text) {
  return OpensslPki{}.verify({test::bytes(octets), auth, key, sha1});
}

SignatureFault fault_of(const wire::AuthPayload& auth, const PublicKey& key) {
  const auto result = verify(auth, key);
  EXPECT_FALSE(result.has_value());
  if (result) return SignatureFault{255};
  EXPECT_FALSE(result.error().text.empty());
  return result.error().fault;
}

/// Method 14 with this AlgorithmIdentifier before the signature.
wire::AuthPayload with_algorithm(std::string_view hex, Bytes signature) {
  const ByteVec algorithm = base::from_hex(hex).value();
  wire::AuthPayload auth{AuthMethod::digital_signature, {static_cast<std::byte>(algorithm.size())}};
  base::append(auth.data, algorithm);
  base::append(auth.data, signature);
  return auth;
}

ByteVec signature_by(EVP_PKEY* key, SignatureScheme scheme) {
  return signer_of(key)->sign(scheme, test::bytes(text)).value();
}

//= rfc7427#3-2 type=test
//= rfc7427#4-1 type=test
//= rfc8420#2-1 type=test
TEST(Signature, of_every_kind_of_key_and_hash_is_accepted_under_rfc_7427) {
  int count = 0;
  for (EVP_PKEY* key : all_keys()) {
    const auto signer = signer_of(key);
    for (const RsaPadding padding : {RsaPadding::pss, RsaPadding::pkcs1}) {
      for (const SignatureHash hash : all_hashes) {
        const std::array only{hash};
        SigningRequest request = modern(only);
        request.rsa_padding = padding;
        const auto auth = sign_auth(*signer, request);
        const bool is_eddsa = signer->public_key().kind >= KeyKind::ed25519;
        ASSERT_EQ(auth.has_value(), is_eddsa == (hash == SignatureHash::identity));
        if (!auth) {
          EXPECT_EQ(auth.error(), SignError::no_common_scheme);
          EXPECT_FALSE(describe_mismatch(*signer, request).empty());
          continue;
        }
        EXPECT_EQ(auth->method, AuthMethod::digital_signature);
        EXPECT_EQ(verify(*auth, public_of(key)).value(), choose_scheme(*signer, request));
        ++count;
      }
    }
  }
  EXPECT_EQ(count, 28);
}

//= rfc4754#7-1 type=test
TEST(Signature, of_a_peer_without_rfc_7427_is_of_methods_1_9_10_and_11) {
  const std::array<AuthMethod, 4> methods{AuthMethod::rsa_signature, AuthMethod::ecdsa_p256,
                                          AuthMethod::ecdsa_p384, AuthMethod::ecdsa_p521};
  const std::array<std::size_t, 4> sizes{384, 64, 96, 132};
  for (std::size_t i = 0; i < methods.size(); ++i) {
    const auto auth = sign_auth(*signer_of(all_keys()[i]), classic()).value();
    EXPECT_EQ(auth.method, methods[i]);
    EXPECT_EQ(auth.data.size(), sizes[i]);
    EXPECT_TRUE(verify(auth, public_of(all_keys()[i])).has_value());
  }
  EXPECT_EQ(sign_auth(*signer_of(ed25519()), classic()).error(), SignError::no_common_scheme);
  EXPECT_EQ(sign_auth(*signer_of(ed448()), classic()).error(), SignError::no_common_scheme);
}

TEST(Signature, over_other_octets_or_by_another_key_is_refused) {
  for (EVP_PKEY* key : all_keys()) {
    const auto auth = sign_auth(*signer_of(key), modern()).value();
    EXPECT_EQ(verify(auth, public_of(key), false, text + "!").error().fault,
              SignatureFault::bad_signature);
  }
  const auto auth = sign_auth(*signer_of(p256()), modern()).value();
  EXPECT_EQ(fault_of(auth, public_of(key_called("another p256"))), SignatureFault::bad_signature);
  EXPECT_EQ(fault_of(auth, public_of(rsa())), SignatureFault::wrong_key);
  EXPECT_EQ(fault_of(auth, public_of(ed25519())), SignatureFault::wrong_key);
}

TEST(Signature, of_a_curve_is_first_tried_with_the_curves_own_hash) {
  EXPECT_EQ(choose_scheme(*signer_of(p256()), modern()), SignatureScheme::ecdsa_sha2_256);
  EXPECT_EQ(choose_scheme(*signer_of(p384()), modern()), SignatureScheme::ecdsa_sha2_384);
  EXPECT_EQ(choose_scheme(*signer_of(p521()), modern()), SignatureScheme::ecdsa_sha2_512);
}

TEST(Signature, with_one_bit_changed_is_refused_wherever_the_bit_is) {
  for (EVP_PKEY* key : {rsa(), p256(), ed25519()}) {
    const auto auth = sign_auth(*signer_of(key), modern()).value();
    for (std::size_t i = 0; i < auth.data.size(); ++i) {
      wire::AuthPayload changed = auth;
      changed.data[i] ^= std::byte{4};
      EXPECT_FALSE(verify(changed, public_of(key)).has_value()) << i;
    }
  }
}

TEST(Signature, cut_short_or_made_longer_is_refused) {
  for (EVP_PKEY* key : all_keys()) {
    for (const SigningRequest& request : {modern(), classic()}) {
      auto auth = sign_auth(*signer_of(key), request);
      if (!auth) continue;
      wire::AuthPayload longer = *auth;
      longer.data.push_back(std::byte{0});
      EXPECT_FALSE(verify(longer, public_of(key)).has_value());
      while (!auth->data.empty()) {
        auth->data.pop_back();
        EXPECT_FALSE(verify(*auth, public_of(key)).has_value()) << auth->data.size();
      }
    }
  }
}

TEST(Signature, of_zeros_or_of_nothing_is_refused_by_every_method) {
  for (EVP_PKEY* key : all_keys()) {
    for (const auto method :
         {AuthMethod::rsa_signature, AuthMethod::ecdsa_p256, AuthMethod::ecdsa_p384,
          AuthMethod::ecdsa_p521, AuthMethod::digital_signature}) {
      for (const std::size_t size : {0U, 1U, 64U, 96U, 132U, 256U, 384U}) {
        EXPECT_FALSE(verify({method, ByteVec(size)}, public_of(key)).has_value());
      }
    }
  }
}

TEST(Signature, of_method_1_with_sha1_is_for_peers_that_are_allowed_to) {
  const auto auth = sign_auth(*signer_of(rsa()), classic(true)).value();
  EXPECT_EQ(fault_of(auth, public_of(rsa())), SignatureFault::weak_hash);
  EXPECT_EQ(verify(auth, public_of(rsa()), true).value(), SignatureScheme::rsa_pkcs1_sha1);
}

TEST(Signature, under_rfc_7427_is_never_with_sha1_not_even_where_method_1_may) {
  const ByteVec rsa_sha1 = signature_by(rsa(), SignatureScheme::rsa_pkcs1_sha1);
  for (const std::string_view algorithm :
       {"300d06092a864886f70d0101050500", "300906072a8648ce3d0401", "300906072a8648ce380403",
        "300d06092a864886f70d01010a3000",
        "303e06092a864886f70d01010a3031a00b300906052b0e03021a0500a118301606092a864886f70d0101083009"
        "06052b0e03021a0500a203020114a303020101"}) {
    const auto auth = with_algorithm(algorithm, rsa_sha1);
    EXPECT_EQ(verify(auth, public_of(rsa()), true).error().fault, SignatureFault::weak_hash);
  }
  const std::array sha1{SignatureHash::sha1};
  EXPECT_FALSE(choose_scheme(*signer_of(rsa()), modern(sha1)).has_value());
}

// RFC 7427 A.4.3 writes the trailer field although it has its default; others leave it out.
TEST(Signature, by_pss_is_accepted_with_and_without_the_trailer_field) {
  const ByteVec signature = signature_by(rsa(), SignatureScheme::rsa_pss_sha2_256);
  for (const std::string_view algorithm :
       {"304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d01"
        "0108300d06096086480165030402010500a203020120a303020101",
        "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d01"
        "0108300d06096086480165030402010500a203020120",
        "303d06092a864886f70d01010a3030a00d300b0609608648016503040201a11a301806092a864886f70d010108"
        "300b0609608648016503040201a203020120"}) {
    EXPECT_EQ(verify(with_algorithm(algorithm, signature), public_of(rsa())).value(),
              SignatureScheme::rsa_pss_sha2_256);
  }
}

TEST(Signature, by_pss_with_parameters_that_make_no_sense_is_refused) {
  const ByteVec signature = signature_by(rsa(), SignatureScheme::rsa_pss_sha2_256);
  for (const std::string_view algorithm :
       {// no parameters at all: RFC 4055 demands them
        "300b06092a864886f70d01010a",
        // trailer 2
        "304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d01"
        "0108300d06096086480165030402010500a203020120a303020102",
        // a mask of SHA2-512
        "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d01"
        "0108300d06096086480165030402030500a203020120",
        // no mask function's hash (a row of the field bugs: the absent parameter was read)
        "303206092a864886f70d01010a3025a00f300d06096086480165030402010500a10d300b06092a864886f70d01"
        "0108a203020120",
        // a salt of -1, of 2^31, and of 2^63
        "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d01"
        "0108300d06096086480165030402010500a2030201ff",
        "304506092a864886f70d01010a3038a00f300d06096086480165030402010500a11c301a06092a864886f70d01"
        "0108300d06096086480165030402010500a20702050080000000",
        "304906092a864886f70d01010a303ca00f300d06096086480165030402010500a11c301a06092a864886f70d01"
        "0108300d06096086480165030402010500a20b0209008000000000000000",
        // a salt written with a needless zero
        "304206092a864886f70d01010a3035a00f300d06096086480165030402010500a11c301a06092a864886f70d01"
        "0108300d06096086480165030402010500a20402020020"}) {
    EXPECT_EQ(fault_of(with_algorithm(algorithm, signature), public_of(rsa())),
              SignatureFault::unknown_algorithm)
        << algorithm;
  }
}

// RFC 4055 s5: NULL or absent for RSA; RFC 5758 s3.2 and RFC 8410 s3: absent, nothing else.
TEST(Signature, algorithm_identifiers_have_exactly_the_parameters_their_rfc_allows) {
  const ByteVec by_rsa = signature_by(rsa(), SignatureScheme::rsa_pkcs1_sha2_256);
  EXPECT_TRUE(verify(with_algorithm("300d06092a864886f70d01010b0500", by_rsa), public_of(rsa())));
  EXPECT_TRUE(verify(with_algorithm("300b06092a864886f70d01010b", by_rsa), public_of(rsa())));
  for (const std::string_view wrong :
       {"300e06092a864886f70d01010b050000", "300d06092a864886f70d01010b0400",
        "300d06092a864886f70d01010b3000", "30810d06092a864886f70d01010b0500",
        "300d06092a864886f70d01010b050000", "310d06092a864886f70d01010b0500",
        "300d06092a864886f70d0101010500", "3000", "30", "0500"}) {
    EXPECT_EQ(fault_of(with_algorithm(wrong, by_rsa), public_of(rsa())),
              SignatureFault::unknown_algorithm)
        << wrong;
  }
  const ByteVec by_ec = signature_by(p256(), SignatureScheme::ecdsa_sha2_256);
  EXPECT_TRUE(verify(with_algorithm("300a06082a8648ce3d040302", by_ec), public_of(p256())));
  EXPECT_EQ(fault_of(with_algorithm("300c06082a8648ce3d0403020500", by_ec), public_of(p256())),
            SignatureFault::unknown_algorithm);
  const ByteVec by_ed = signature_by(ed25519(), SignatureScheme::ed25519);
  EXPECT_TRUE(verify(with_algorithm("300506032b6570", by_ed), public_of(ed25519())));
  EXPECT_EQ(fault_of(with_algorithm("300706032b65700500", by_ed), public_of(ed25519())),
            SignatureFault::unknown_algorithm);
}

//= rfc8420#2-2 type=test
TEST(Signature, of_eddsa_with_a_hash_before_it_is_refused) {
  const ByteVec signature = signature_by(ed25519(), SignatureScheme::ed25519);
  for (const std::string_view prehashed : {"300506032b6572", "300506032b6573"}) {
    EXPECT_EQ(fault_of(with_algorithm(prehashed, signature), public_of(ed25519())),
              SignatureFault::unknown_algorithm);
  }
}

//= rfc8420#3-2 type=test
TEST(Signature, hashes_of_ours_are_those_we_can_check_and_never_sha1) {
  const auto ours = supported_hashes();
  EXPECT_EQ(ours.size(), 4U);
  EXPECT_EQ(std::ranges::count(ours, SignatureHash::identity), 1);
  EXPECT_EQ(std::ranges::count(ours, SignatureHash::sha1), 0);
}

// ANSI X9.62: of a hash longer than the order of the curve the leftmost bits count.
//= rfc7427#3-3 type=test
TEST(Signature, of_a_small_curve_with_a_long_hash_is_over_its_leftmost_bits) {
  std::array<unsigned char, 64> hash{};
  EVP_Digest(text.data(), text.size(), hash.data(), nullptr, EVP_sha512(), nullptr);
  const ossl::PkeyCtx ctx{EVP_PKEY_CTX_new(p256(), nullptr)};
  ByteVec signature(128);
  std::size_t size = signature.size();
  ASSERT_EQ(EVP_PKEY_sign_init(ctx.get()), 1);
  ASSERT_EQ(EVP_PKEY_sign(ctx.get(), ossl::raw(base::MutBytes{signature}), &size, hash.data(), 32),
            1);
  signature.resize(size);
  EXPECT_EQ(
      verify(with_algorithm("300a06082a8648ce3d040304", signature), public_of(p256())).value(),
      SignatureScheme::ecdsa_sha2_512);
}

TEST(Signature, is_malformed_without_algorithm_or_signature) {
  const PublicKey key = public_of(p256());
  EXPECT_EQ(fault_of({AuthMethod::digital_signature, {}}, key), SignatureFault::malformed);
  EXPECT_EQ(fault_of({AuthMethod::digital_signature, ByteVec(1)}, key), SignatureFault::malformed);
  EXPECT_EQ(fault_of({AuthMethod::digital_signature, {std::byte{200}, std::byte{48}}}, key),
            SignatureFault::malformed);
  EXPECT_EQ(fault_of(with_algorithm("300a06082a8648ce3d040302", {}), key),
            SignatureFault::malformed);
}

TEST(Signature, by_a_method_that_is_none_is_refused) {
  for (const auto method : {AuthMethod::shared_key_mic, AuthMethod::null, AuthMethod::dss_signature,
                            AuthMethod{0}, AuthMethod{99}}) {
    EXPECT_EQ(fault_of({method, ByteVec(64)}, public_of(p256())),
              SignatureFault::unknown_algorithm);
  }
}

TEST(Signature, of_rfc_4754_is_checked_with_the_curve_of_its_method_only) {
  const auto auth = sign_auth(*signer_of(p256()), classic()).value();
  EXPECT_EQ(fault_of({AuthMethod::ecdsa_p384, auth.data}, public_of(p256())),
            SignatureFault::wrong_key);
  EXPECT_EQ(fault_of({AuthMethod::rsa_signature, auth.data}, public_of(p256())),
            SignatureFault::wrong_key);
}

// Digital Signature with DER where RFC 4754 has r | s, and the other way round.
TEST(Signature, forms_of_ecdsa_are_not_confused) {
  const ByteVec der = signature_by(p256(), SignatureScheme::ecdsa_sha2_256);
  const ByteVec both = signature_by(p256(), SignatureScheme::ecdsa_concatenated);
  EXPECT_FALSE(verify({AuthMethod::ecdsa_p256, der}, public_of(p256())));
  EXPECT_FALSE(verify(with_algorithm("300a06082a8648ce3d040302", both), public_of(p256())));
}

//= rfc7427#3-1 type=test
TEST(AlgorithmIdentifier, of_each_scheme_reads_back_to_it) {
  int count = 0;
  for (int i = 0; i <= static_cast<int>(SignatureScheme::ed448); ++i) {
    const auto scheme = static_cast<SignatureScheme>(i);
    const Bytes der = algorithm_identifier(scheme);
    EXPECT_NE(name_of(scheme), "?");
    if (der.empty()) continue;
    ++count;
    EXPECT_EQ(scheme_of(der), scheme);
    EXPECT_EQ(static_cast<std::size_t>(der[1]) + 2, der.size());
    const bool has_null = scheme >= SignatureScheme::rsa_pkcs1_sha2_256 &&
                          scheme <= SignatureScheme::rsa_pkcs1_sha2_512;
    EXPECT_EQ(has_null, base::to_hex(der).ends_with("0500"));  // as RFC 4055 and 5758 prefer
  }
  EXPECT_EQ(count, 11);
}

TEST(RawKey, is_written_and_read_back) {
  for (EVP_PKEY* key : all_keys()) {
    const PublicKey known = public_of(key);
    const std::string written = raw_key_text(known);
    EXPECT_TRUE(written.starts_with("cv1:"));
    EXPECT_EQ(OpensslPki{}.raw_key(written).value(), known);
  }
}

TEST(RawKey, that_is_not_one_is_refused_with_a_sentence) {
  const std::string good = raw_key_text(public_of(ed25519()));
  for (const std::string& wrong :
       {std::string{}, std::string{"cv1:"}, good.substr(4), good.substr(0, good.size() - 4),
        good + "AAAA", "cv1:!!!!" + good.substr(8), "cv2:" + good.substr(4)}) {
    const auto key = OpensslPki{}.raw_key(wrong);
    ASSERT_FALSE(key.has_value()) << wrong;
    EXPECT_FALSE(key.error().empty());
  }
}

}  // namespace
}  // namespace caponier::pki

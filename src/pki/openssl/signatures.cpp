// Making and checking signatures, and the AUTH payload (RFC 7427 s3, RFC 4754 s7).

#include <fmt/format.h>
#include <openssl/rsa.h>

#include "base/error.h"
#include "pki/openssl/ossl.h"
#include "pki/openssl/provider.h"

namespace caponier::pki::ossl {

using enum SignatureScheme;

namespace {

using EcdsaSig = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

unsigned bits_of(EVP_PKEY* key) { return static_cast<unsigned>(EVP_PKEY_get_bits(key)); }

const EVP_MD* curve_hash(unsigned bits) {
  if (bits <= 256) return EVP_sha256();
  return bits <= 384 ? EVP_sha384() : EVP_sha512();
}

/// Null for EdDSA, which takes the message itself.
const EVP_MD* hash_of(SignatureScheme scheme, unsigned bits) {
  switch (scheme) {
    case rsa_pkcs1_sha1: return EVP_sha1();
    case rsa_pkcs1_sha2_256:
    case rsa_pss_sha2_256:
    case ecdsa_sha2_256: return EVP_sha256();
    case rsa_pkcs1_sha2_384:
    case rsa_pss_sha2_384:
    case ecdsa_sha2_384: return EVP_sha384();
    case rsa_pkcs1_sha2_512:
    case rsa_pss_sha2_512:
    case ecdsa_sha2_512: return EVP_sha512();
    case ecdsa_concatenated: return curve_hash(bits);
    case ed25519:
    case ed448: break;
  }
  return nullptr;
}

bool is_pss(SignatureScheme scheme) {
  return scheme == rsa_pss_sha2_256 || scheme == rsa_pss_sha2_384 || scheme == rsa_pss_sha2_512;
}

bool set_pss(EVP_PKEY_CTX* ctx, const EVP_MD* hash, int salt_size) {
  return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, hash) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt_size) == 1;
}

std::size_t coordinate_size(unsigned bits) { return (std::size_t{bits} + 7) / 8; }

/// RFC 4754 s7: r | s, each of the size of the curve's order.
std::optional<ByteVec> concatenated(EVP_PKEY* key, Bytes der) {
  const auto parts = object_of<EcdsaSig>(der, d2i_ECDSA_SIG);
  if (parts == nullptr) return std::nullopt;
  const std::size_t size = coordinate_size(bits_of(key));
  ByteVec out(2 * size);
  const base::MutBytes both{out};
  const int width = static_cast<int>(size);
  if (BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), raw(both.first(size)), width) != width ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), raw(both.last(size)), width) != width) {
    return std::nullopt;
  }
  return out;
}

}  // namespace

ByteVec der_of_concatenated(unsigned bits, Bytes both) {
  const std::size_t size = coordinate_size(bits);
  if (both.size() != 2 * size) return {};
  const EcdsaSig parts{ECDSA_SIG_new()};
  Bn r{BN_bin2bn(raw(both.first(size)), static_cast<int>(size), nullptr)};
  Bn s{BN_bin2bn(raw(both.last(size)), static_cast<int>(size), nullptr)};
  if (parts == nullptr || r == nullptr || s == nullptr ||
      ECDSA_SIG_set0(parts.get(), r.get(), s.get()) != 1) {
    return {};
  }
  (void)r.release();
  (void)s.release();
  return der_of(parts.get(), i2d_ECDSA_SIG);
}

ByteVec digest_of(SignatureScheme scheme, unsigned bits, Bytes octets) {
  const EVP_MD* const hash = hash_of(scheme, bits);
  if (hash == nullptr) return {};
  ByteVec digest(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (EVP_Digest(octets.data(), octets.size(), raw(base::MutBytes{digest}), &size, hash, nullptr) !=
      1) {
    return {};
  }
  digest.resize(size);
  return digest;
}

std::optional<ByteVec> make_signature(EVP_PKEY* key, SignatureScheme scheme, Bytes octets) {
  return make_signature_in(nullptr, nullptr, key, scheme, octets);
}

std::optional<ByteVec> make_signature_in(OSSL_LIB_CTX* context, const char* properties,
                                         EVP_PKEY* key, SignatureScheme scheme, Bytes octets) {
  const ErrorScope errors;
  const MdCtx ctx{EVP_MD_CTX_new()};
  EVP_PKEY_CTX* key_ctx = nullptr;
  const EVP_MD* const hash = hash_of(scheme, bits_of(key));
  const char* const hash_name = hash == nullptr ? nullptr : EVP_MD_get0_name(hash);
  if (ctx == nullptr ||
      EVP_DigestSignInit_ex(ctx.get(), &key_ctx, hash_name, context, properties, key, nullptr) !=
          1 ||
      (is_pss(scheme) && !set_pss(key_ctx, hash, RSA_PSS_SALTLEN_DIGEST))) {
    return std::nullopt;
  }
  std::size_t size = 0;
  if (EVP_DigestSign(ctx.get(), nullptr, &size, raw(octets), octets.size()) != 1) {
    return std::nullopt;
  }
  ByteVec signature(size);
  if (EVP_DigestSign(ctx.get(), raw(base::MutBytes{signature}), &size, raw(octets),
                     octets.size()) != 1) {
    return std::nullopt;
  }
  signature.resize(size);
  return scheme == ecdsa_concatenated ? concatenated(key, signature)
                                      : std::optional{std::move(signature)};
}

bool is_signature(EVP_PKEY* key, SignatureScheme scheme, int salt_size, Bytes octets,
                  Bytes signature) {
  const ErrorScope errors;
  ByteVec der;
  if (scheme == ecdsa_concatenated) {
    der = der_of_concatenated(bits_of(key), signature);
    signature = der;
  }
  if (signature.empty()) return false;
  const MdCtx ctx{EVP_MD_CTX_new()};
  EVP_PKEY_CTX* key_ctx = nullptr;
  const EVP_MD* const hash = hash_of(scheme, bits_of(key));
  if (ctx == nullptr || EVP_DigestVerifyInit(ctx.get(), &key_ctx, hash, nullptr, key) != 1 ||
      (is_pss(scheme) && !set_pss(key_ctx, hash, salt_size))) {
    return false;
  }
  return EVP_DigestVerify(ctx.get(), raw(signature), signature.size(), raw(octets),
                          octets.size()) == 1;
}

namespace {

struct Algorithm {
  SignatureScheme scheme{};
  int salt_size = 0;
};

using PssParameters = std::unique_ptr<RSA_PSS_PARAMS, Freed<RSA_PSS_PARAMS_free>>;
using AlgorithmPtr = std::unique_ptr<X509_ALGOR, Freed<X509_ALGOR_free>>;

/// The hash an AlgorithmIdentifier names, whose parameters are NULL or absent (RFC 4055 s2.1).
int plain_hash(const X509_ALGOR* algorithm) {
  if (algorithm == nullptr) return NID_sha1;  // the default of RFC 4055 s3.1
  const ASN1_OBJECT* oid = nullptr;
  int type = 0;
  X509_ALGOR_get0(&oid, &type, nullptr, algorithm);
  if (type != V_ASN1_UNDEF && type != V_ASN1_NULL) return NID_undef;
  return OBJ_obj2nid(oid);
}

int mgf1_hash(const X509_ALGOR* algorithm) {
  if (algorithm == nullptr) return NID_sha1;
  const ASN1_OBJECT* oid = nullptr;
  int type = 0;
  const void* value = nullptr;
  X509_ALGOR_get0(&oid, &type, &value, algorithm);
  if (OBJ_obj2nid(oid) != NID_mgf1 || type != V_ASN1_SEQUENCE) return NID_undef;
  const auto inner =
      object_of<AlgorithmPtr>(bytes_of(static_cast<const ASN1_STRING*>(value)), d2i_X509_ALGOR);
  return inner == nullptr ? NID_undef : plain_hash(inner.get());
}

constexpr long salt_size_max = 64;

SignatureError error_of(SignatureFault fault, std::string text) { return {fault, std::move(text)}; }

/// RFC 4055 s3.1. What is refused: other mask functions, a mask of another hash, another trailer,
/// SHA-1, and encodings that are not the one OpenSSL would write.
std::expected<Algorithm, SignatureError> read_pss(Bytes der) {
  const auto unknown = [] {
    return std::unexpected{error_of(SignatureFault::unknown_algorithm,
                                    "its RSASSA-PSS parameters are none that we know")};
  };
  const auto algorithm = object_of<AlgorithmPtr>(der, d2i_X509_ALGOR);
  if (algorithm == nullptr || !base::equal(der_of(algorithm.get(), i2d_X509_ALGOR), der)) {
    return unknown();
  }
  const ASN1_OBJECT* oid = nullptr;
  int type = 0;
  const void* value = nullptr;
  X509_ALGOR_get0(&oid, &type, &value, algorithm.get());
  if (OBJ_obj2nid(oid) != NID_rsassaPss || type != V_ASN1_SEQUENCE) {
    return std::unexpected{error_of(SignatureFault::unknown_algorithm,
                                    "its AlgorithmIdentifier is none that we know")};
  }
  const auto* const sequence = static_cast<const ASN1_STRING*>(value);
  const auto parameters = object_of<PssParameters>(bytes_of(sequence), d2i_RSA_PSS_PARAMS);
  if (parameters == nullptr) return unknown();
  const bool has_trailer = parameters->trailerField != nullptr;
  const long salt =
      parameters->saltLength == nullptr ? 20 : ASN1_INTEGER_get(parameters->saltLength);
  const int hash = plain_hash(parameters->hashAlgorithm);
  if (!base::equal(der_of(parameters.get(), i2d_RSA_PSS_PARAMS), bytes_of(sequence)) ||
      (has_trailer && ASN1_INTEGER_get(parameters->trailerField) != 1) || salt < 0 ||
      salt > salt_size_max || mgf1_hash(parameters->maskGenAlgorithm) != hash) {
    return unknown();
  }
  const int salt_size = static_cast<int>(salt);
  if (hash == NID_sha256) return Algorithm{rsa_pss_sha2_256, salt_size};
  if (hash == NID_sha384) return Algorithm{rsa_pss_sha2_384, salt_size};
  if (hash == NID_sha512) return Algorithm{rsa_pss_sha2_512, salt_size};
  if (hash != NID_sha1) return unknown();
  return std::unexpected{
      error_of(SignatureFault::weak_hash, "it was made with RSASSA-PSS and SHA-1")};
}

/// RFC 7427 A.1.1 and A.3.1: known, so that the sentence can be better than "unknown".
bool is_sha1_identifier(Bytes der) {
  const auto algorithm = object_of<AlgorithmPtr>(der, d2i_X509_ALGOR);
  if (algorithm == nullptr) return false;
  const ASN1_OBJECT* oid = nullptr;
  X509_ALGOR_get0(&oid, nullptr, nullptr, algorithm.get());
  const int nid = OBJ_obj2nid(oid);
  return nid == NID_sha1WithRSAEncryption || nid == NID_ecdsa_with_SHA1 || nid == NID_dsaWithSHA1;
}

std::expected<Algorithm, SignatureError> read_algorithm(Bytes der) {
  if (const auto scheme = scheme_of(der); scheme && !is_pss(*scheme)) return Algorithm{*scheme};
  if (is_sha1_identifier(der)) {
    return std::unexpected{error_of(SignatureFault::weak_hash, "it was made with SHA-1")};
  }
  return read_pss(der);
}

SignatureError wrong_signature(const PublicKey& key) {
  return error_of(SignatureFault::bad_signature,
                  fmt::format("it was not made with the private part of this {} key, or over other "
                              "octets: the peer uses another key, or somebody changed a message",
                              name_of(key.kind)));
}

using Checked = std::expected<SignatureScheme, SignatureError>;

Checked check(const SignatureClaim& claim, EVP_PKEY* key, const Algorithm& algorithm,
              Bytes signature) {
  if (!fits(claim.key.kind, algorithm.scheme)) {
    return std::unexpected{
        error_of(SignatureFault::wrong_key,
                 fmt::format("it claims to be {}, but the key is {}", name_of(algorithm.scheme),
                             name_of(claim.key.kind)))};
  }
  if (!is_signature(key, algorithm.scheme, algorithm.salt_size, claim.octets, signature)) {
    return std::unexpected{wrong_signature(claim.key)};
  }
  return algorithm.scheme;
}

Checked check_digital_signature(const SignatureClaim& claim, EVP_PKEY* key) {
  base::Reader in{claim.auth.data};
  const auto size = in.u8("auth.asn1_length");
  const auto algorithm = size ? in.take(*size, "auth.algorithm") : base::Wire<Bytes>{Bytes{}};
  if (!size || !algorithm || algorithm->empty() || in.remaining() == 0) {
    return std::unexpected{error_of(SignatureFault::malformed,
                                    "it does not hold an AlgorithmIdentifier and a signature")};
  }
  return check(claim, key, TRY(read_algorithm(*algorithm)), in.take_rest());
}

/// RFC 7296 s3.8: method 1 names no hash; it is in the signature, which is compared with what each
/// hash would give.
Checked check_classic_rsa(const SignatureClaim& claim, EVP_PKEY* key) {
  if (claim.key.kind != KeyKind::rsa) {
    return check(claim, key, {rsa_pkcs1_sha2_256}, claim.auth.data);
  }
  for (const SignatureScheme scheme :
       {rsa_pkcs1_sha2_256, rsa_pkcs1_sha2_384, rsa_pkcs1_sha2_512}) {
    if (is_signature(key, scheme, 0, claim.octets, claim.auth.data)) return scheme;
  }
  if (!is_signature(key, rsa_pkcs1_sha1, 0, claim.octets, claim.auth.data)) {
    return std::unexpected{wrong_signature(claim.key)};
  }
  if (claim.sha1) return rsa_pkcs1_sha1;
  return std::unexpected{error_of(SignatureFault::weak_hash,
                                  "it was made with SHA-1, as peers do that do not know RFC 7427")};
}

Checked check_classic_ecdsa(const SignatureClaim& claim, EVP_PKEY* key, KeyKind kind) {
  if (claim.key.kind != kind) {
    return std::unexpected{
        error_of(SignatureFault::wrong_key, fmt::format("it claims to be {}, but the key is {}",
                                                        name_of(kind), name_of(claim.key.kind)))};
  }
  return check(claim, key, {ecdsa_concatenated}, claim.auth.data);
}

}  // namespace

}  // namespace caponier::pki::ossl

namespace caponier::pki {

std::expected<SignatureScheme, SignatureError> OpensslPki::verify(
    const SignatureClaim& claim) const {
  const ossl::ErrorScope errors;
  const ossl::Pkey key = ossl::parse_public_key(claim.key.spki);
  if (key == nullptr) {
    return std::unexpected{
        SignatureError{SignatureFault::wrong_key, "there is no public key to check it with"}};
  }
  switch (claim.auth.method) {
    case wire::AuthMethod::rsa_signature: return ossl::check_classic_rsa(claim, key.get());
    case wire::AuthMethod::ecdsa_p256:
      return ossl::check_classic_ecdsa(claim, key.get(), KeyKind::ecdsa_p256);
    case wire::AuthMethod::ecdsa_p384:
      return ossl::check_classic_ecdsa(claim, key.get(), KeyKind::ecdsa_p384);
    case wire::AuthMethod::ecdsa_p521:
      return ossl::check_classic_ecdsa(claim, key.get(), KeyKind::ecdsa_p521);
    case wire::AuthMethod::digital_signature:
      return ossl::check_digital_signature(claim, key.get());
    case wire::AuthMethod::shared_key_mic:
    case wire::AuthMethod::dss_signature:
    case wire::AuthMethod::null: break;
  }
  return std::unexpected{
      SignatureError{SignatureFault::unknown_algorithm,
                     fmt::format("authentication method {} is no signature that we know",
                                 static_cast<unsigned>(claim.auth.method))}};
}

}  // namespace caponier::pki

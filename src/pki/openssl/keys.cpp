// Private and public keys: what is read, and what is fit to be used.

#include <array>

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>

#include "base/base64.h"
#include "base/error.h"
#include "pki/openssl/ossl.h"
#include "pki/openssl/provider.h"

namespace caponier::pki::ossl {

namespace {

/// More rounds of a key derivation than this are no protection but a file that does not load.
constexpr long derivation_rounds_max = 5'000'000;
constexpr std::string_view make_a_key =
    "make a key with `openssl genpkey -algorithm ed25519 -out FILE`, or RSA with 3072 bits";

Fault weak(std::string text) { return {Refusal::weak_key, std::move(text)}; }

Bn parameter(EVP_PKEY* key, const char* name) {
  BIGNUM* value = nullptr;
  EVP_PKEY_get_bn_param(key, name, &value);
  return Bn{value};
}

std::expected<PublicKey, Fault> examine_rsa(EVP_PKEY* key) {
  constexpr int exponent_bits_max = 64;
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < static_cast<int>(rsa_bits_min) || bits > static_cast<int>(rsa_bits_max)) {
    return std::unexpected{weak(fmt::format("the key is RSA of {} bits, and {} to {} are needed",
                                            bits, rsa_bits_min, rsa_bits_max))};
  }
  const Bn modulus = parameter(key, OSSL_PKEY_PARAM_RSA_N);
  const Bn exponent = parameter(key, OSSL_PKEY_PARAM_RSA_E);
  if (modulus == nullptr || exponent == nullptr || BN_is_odd(modulus.get()) == 0 ||
      BN_is_odd(exponent.get()) == 0 || BN_is_one(exponent.get()) == 1 ||
      BN_is_negative(exponent.get()) == 1 || BN_num_bits(exponent.get()) > exponent_bits_max) {
    return std::unexpected{
        weak("the key is RSA with a modulus or exponent that makes no sense (an exponent is odd, "
             "from 3 to 64 bits)")};
  }
  return PublicKey{{}, KeyKind::rsa, static_cast<unsigned>(bits)};
}

std::expected<PublicKey, Fault> examine_ec(EVP_PKEY* key) {
  std::array<char, 64> name{};
  int is_explicit = 0;
  EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit);
  if (is_explicit != 0 || EVP_PKEY_get_group_name(key, name.data(), name.size(), nullptr) != 1) {
    return std::unexpected{weak("the curve of the key has no name, but parameters of its own")};
  }
  const PkeyCtx ctx{EVP_PKEY_CTX_new(key, nullptr)};
  if (ctx == nullptr || EVP_PKEY_public_check_quick(ctx.get()) != 1) {
    return std::unexpected{weak("the public point is not on its curve")};
  }
  const std::string_view curve{name.data()};
  if (curve == "prime256v1") return PublicKey{{}, KeyKind::ecdsa_p256, 256};
  if (curve == "secp384r1") return PublicKey{{}, KeyKind::ecdsa_p384, 384};
  if (curve == "secp521r1") return PublicKey{{}, KeyKind::ecdsa_p521, 521};
  return std::unexpected{
      Fault{Refusal::unsupported_key,
            fmt::format("the key is on the curve {}, and signatures are made with P-256, P-384, "
                        "P-521, Ed25519, Ed448 or RSA",
                        curve)}};
}

std::expected<PublicKey, Fault> examine_kind(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: return examine_rsa(key);
    case EVP_PKEY_EC: return examine_ec(key);
    case EVP_PKEY_ED25519: return PublicKey{{}, KeyKind::ed25519, 256};
    case EVP_PKEY_ED448: return PublicKey{{}, KeyKind::ed448, 456};
    default: break;
  }
  return std::unexpected{Fault{Refusal::unsupported_key,
                               "the key is none of RSA, ECDSA (P-256, P-384, P-521), Ed25519 and "
                               "Ed448"}};
}

class KeySigner final : public Signer {
 public:
  KeySigner(Pkey key, PublicKey public_key)
      : key_(std::move(key)), public_key_(std::move(public_key)) {}
  [[nodiscard]] const PublicKey& public_key() const override { return public_key_; }
  [[nodiscard]] bool can(SignatureScheme scheme) const override {
    return fits(public_key_.kind, scheme);
  }
  [[nodiscard]] std::expected<ByteVec, SignError> sign(SignatureScheme scheme,
                                                       Bytes octets) override {
    auto signature = can(scheme) ? make_signature(key_.get(), scheme, octets) : std::nullopt;
    if (!signature) return std::unexpected{SignError::backend_failure};
    return *std::move(signature);
  }

 private:
  Pkey key_;
  PublicKey public_key_;
};

struct Passphrase {
  Bytes text;
  bool was_wanted = false;
};

int give_passphrase(char* out, int size, int, void* context) {
  auto& passphrase = *static_cast<Passphrase*>(context);
  passphrase.was_wanted = true;
  if (passphrase.text.empty() || size_of(passphrase.text) > size) return -1;
  base::copy_into(std::as_writable_bytes(std::span{out, static_cast<std::size_t>(size)}),
                  passphrase.text);
  return size_of(passphrase.text);
}

LoadError passphrase_error(const NamedFile& file, bool was_given) {
  if (was_given) {
    return {file.name, "the passphrase does not open it",
            "check the passphrase with `openssl pkey -in FILE -noout`"};
  }
  return {file.name, "the key is encrypted",
          "name its passphrase as well, or decrypt it with `openssl pkey -in FILE -out PLAIN`"};
}

/// Octets with a NUL behind them, wiped in the end.
class CText {
 public:
  explicit CText(Bytes text) : octets_(text.size() + 1) {
    base::copy_into(octets_.reveal_mutable(), text);
  }
  [[nodiscard]] const char* get() const {
    const void* at = octets_.reveal().data();
    return static_cast<const char*>(at);
  }

 private:
  base::SecretBytes octets_;
};

bool is_bearable(const ASN1_INTEGER* rounds) {
  const long count = rounds == nullptr ? 1 : ASN1_INTEGER_get(rounds);
  return count >= 1 && count <= derivation_rounds_max;
}

bool has_bearable_mac(PKCS12* container) {
  const ASN1_INTEGER* rounds = nullptr;
  PKCS12_get0_mac(nullptr, nullptr, nullptr, &rounds, container);
  return PKCS12_mac_present(container) == 1 && is_bearable(rounds);
}

Loaded<PrivateKey> open_pkcs12(const NamedFile& file, PKCS12* container, Bytes passphrase) {
  if (!has_bearable_mac(container)) {
    return std::unexpected{LoadError{file.name,
                                     "the PKCS #12 has no MAC, or one of too many rounds",
                                     "export it again with `openssl pkcs12 -export`"}};
  }
  const CText text{passphrase};
  if (PKCS12_verify_mac(container, text.get(), size_of(passphrase)) != 1) {
    return std::unexpected{passphrase_error(file, !passphrase.empty())};
  }
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* others = nullptr;
  const bool parsed = PKCS12_parse(container, text.get(), &key, &leaf, &others) == 1;
  PrivateKey found{Pkey{key}, {}};
  const X509Ptr first{leaf};
  const Stack rest{others};
  if (!parsed || key == nullptr) {
    return std::unexpected{LoadError{
        file.name, "the PKCS #12 has no key that can be read",
        "if it was made with RC2, export it again: `openssl pkcs12 -legacy -in FILE -nodes | "
        "openssl pkcs12 -export`"}};
  }
  const auto add = [&](X509* certificate) {
    if (X509_up_ref(certificate) == 1) found.certificates.emplace_back(certificate);
  };
  if (first != nullptr) add(first.get());
  for (int i = 0; i < sk_X509_num(rest.get()); ++i) add(sk_X509_value(rest.get(), i));
  return found;
}

bool is_bearable(const X509_SIG* encrypted) {
  const X509_ALGOR* algorithm = nullptr;
  X509_SIG_get0(encrypted, &algorithm, nullptr);
  const ASN1_OBJECT* oid = nullptr;
  int type = 0;
  const void* value = nullptr;
  X509_ALGOR_get0(&oid, &type, &value, algorithm);
  if (type != V_ASN1_SEQUENCE) return false;
  const auto* const sequence = static_cast<const ASN1_STRING*>(value);
  if (OBJ_obj2nid(oid) != NID_pbes2) {
    const auto old = object_of<std::unique_ptr<PBEPARAM, Freed<PBEPARAM_free>>>(bytes_of(sequence),
                                                                                d2i_PBEPARAM);
    return old != nullptr && is_bearable(old->iter);
  }
  const auto parameters = object_of<std::unique_ptr<PBE2PARAM, Freed<PBE2PARAM_free>>>(
      bytes_of(sequence), d2i_PBE2PARAM);
  if (parameters == nullptr) return false;
  X509_ALGOR_get0(&oid, &type, &value, parameters->keyfunc);
  if (OBJ_obj2nid(oid) != NID_id_pbkdf2) return OBJ_obj2nid(oid) == NID_id_scrypt;
  if (type != V_ASN1_SEQUENCE) return false;
  const auto kdf = object_of<std::unique_ptr<PBKDF2PARAM, Freed<PBKDF2PARAM_free>>>(
      bytes_of(static_cast<const ASN1_STRING*>(value)), d2i_PBKDF2PARAM);
  return kdf != nullptr && is_bearable(kdf->iter);
}

Pkey decrypt_pkcs8(Bytes der, Bytes passphrase) {
  const auto encrypted =
      object_of<std::unique_ptr<X509_SIG, Freed<X509_SIG_free>>>(der, d2i_X509_SIG);
  if (encrypted == nullptr || !is_bearable(encrypted.get())) return nullptr;
  const CText text{passphrase};
  const std::unique_ptr<PKCS8_PRIV_KEY_INFO, Freed<PKCS8_PRIV_KEY_INFO_free>> plain{
      PKCS8_decrypt(encrypted.get(), text.get(), size_of(passphrase))};
  return Pkey{plain == nullptr ? nullptr : EVP_PKCS82PKEY(plain.get())};
}

bool is_encrypted_pkcs8(Bytes der) {
  return object_of<std::unique_ptr<X509_SIG, Freed<X509_SIG_free>>>(der, d2i_X509_SIG) != nullptr;
}

LoadError no_key(const NamedFile& file) {
  return {file.name, "it holds no private key that can be read",
          "it must be PEM or DER of PKCS #8, PKCS #1, SEC 1 or PKCS #12; "
          "`openssl pkey -in FILE -noout` tells more"};
}

Loaded<PrivateKey> load_der(const NamedFile& file, Bytes passphrase) {
  if (const auto container = object_of<Pkcs12>(file.content, d2i_PKCS12)) {
    return open_pkcs12(file, container.get(), passphrase);
  }
  if (is_encrypted_pkcs8(file.content)) {
    if (passphrase.empty()) return std::unexpected{passphrase_error(file, false)};
    Pkey key = decrypt_pkcs8(file.content, passphrase);
    if (key == nullptr) return std::unexpected{passphrase_error(file, true)};
    return PrivateKey{std::move(key), {}};
  }
  auto key = object_of<Pkey>(file.content, d2i_AutoPrivateKey);
  if (key == nullptr) return std::unexpected{no_key(file)};
  return PrivateKey{std::move(key), {}};
}

/// One block of a PEM file.
struct Block {
  OpensslText name;
  OpensslText header;
  base::SecretBytes data;
};

std::optional<Block> read_private_block(BIO* bio) {
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (PEM_read_bio_ex(bio, &name, &header, &data, &size, PEM_FLAG_SECURE) == 1) {
    const auto octets = std::as_writable_bytes(std::span{data, static_cast<std::size_t>(size)});
    Block block{OpensslText{name}, OpensslText{header}, base::SecretBytes{Bytes{octets}}};
    OPENSSL_secure_clear_free(data, static_cast<std::size_t>(size));
    if (std::string_view{block.name.get()}.ends_with("PRIVATE KEY")) return block;
  }
  return std::nullopt;
}

Loaded<PrivateKey> load_pem(const NamedFile& file, Bytes passphrase) {
  const Bio peek = memory_bio(file.content);
  const auto block = peek == nullptr ? std::nullopt : read_private_block(peek.get());
  if (!block) return std::unexpected{no_key(file)};
  if (std::string_view{block->name.get()} == "ENCRYPTED PRIVATE KEY") {
    const NamedFile inner{file.name, block->data.reveal()};
    return is_encrypted_pkcs8(inner.content) ? load_der(inner, passphrase)
                                             : Loaded<PrivateKey>{std::unexpected{no_key(file)}};
  }
  Passphrase wanted{passphrase};
  const Bio bio = memory_bio(file.content);
  Pkey key{PEM_read_bio_PrivateKey(bio.get(), nullptr, give_passphrase, &wanted)};
  if (key != nullptr) return PrivateKey{std::move(key), {}};
  if (wanted.was_wanted) return std::unexpected{passphrase_error(file, !passphrase.empty())};
  return std::unexpected{no_key(file)};
}

}  // namespace

std::expected<PublicKey, Fault> examine(EVP_PKEY* key) {
  PublicKey found = TRY(examine_kind(key));
  found.spki = der_of(key, i2d_PUBKEY);
  if (found.spki.empty()) {
    return std::unexpected{Fault{Refusal::unsupported_key, "the key cannot be written as DER"}};
  }
  return found;
}

Pkey parse_public_key(Bytes spki) { return object_of<Pkey>(spki, d2i_PUBKEY); }

Loaded<PrivateKey> load_private_key(const NamedFile& file, Bytes passphrase) {
  const ErrorScope errors;
  if (file.content.size() > file_size_max) {
    return std::unexpected{
        LoadError{file.name, "the file is far too large for a key", "name the key's file"}};
  }
  const bool is_pem = base::as_text(file.content).find("-----BEGIN ") != std::string_view::npos;
  PrivateKey found = TRY(is_pem ? load_pem(file, passphrase) : load_der(file, passphrase));
  const auto fit = examine(found.key.get());
  if (!fit) {
    return std::unexpected{LoadError{file.name, fit.error().text, std::string{make_a_key}}};
  }
  return found;
}

SignatureScheme trial_scheme(KeyKind kind) {
  switch (kind) {
    case KeyKind::rsa: return SignatureScheme::rsa_pkcs1_sha2_256;
    case KeyKind::ecdsa_p256:
    case KeyKind::ecdsa_p384:
    case KeyKind::ecdsa_p521: return SignatureScheme::ecdsa_sha2_256;
    case KeyKind::ed25519: return SignatureScheme::ed25519;
    case KeyKind::ed448: return SignatureScheme::ed448;
  }
  return SignatureScheme::ed25519;
}

std::expected<std::shared_ptr<Signer>, Fault> make_signer(Pkey key) {
  const ErrorScope errors;
  PublicKey public_key = TRY(examine(key.get()));
  const SignatureScheme scheme = trial_scheme(public_key.kind);
  const Bytes trial = public_key.spki;
  const auto signature = make_signature(key.get(), scheme, trial);
  if (!signature || !is_signature(key.get(), scheme, 0, trial, *signature)) {
    return std::unexpected{
        Fault{Refusal::unsupported_key,
              "the key makes signatures that its own public key refuses: its parts do not belong "
              "together"}};
  }
  return std::make_shared<KeySigner>(std::move(key), std::move(public_key));
}

}  // namespace caponier::pki::ossl

namespace caponier::pki {

std::expected<PublicKey, std::string> OpensslPki::public_key(Bytes spki) const {
  const ossl::ErrorScope errors;
  const ossl::Pkey key = ossl::parse_public_key(spki);
  if (key == nullptr) return std::unexpected{"it is no SubjectPublicKeyInfo in DER"};
  auto found = ossl::examine(key.get());
  if (!found) return std::unexpected{std::move(found.error().text)};
  if (!base::equal(found->spki, spki)) {
    return std::unexpected{"its SubjectPublicKeyInfo is not DER, or of an older form"};
  }
  return *std::move(found);
}

std::expected<PublicKey, std::string> OpensslPki::raw_key(std::string_view text) const {
  if (!text.starts_with(raw_key_prefix)) {
    return std::unexpected{fmt::format("a public key begins with \"{}\"", raw_key_prefix)};
  }
  const auto spki = base::from_base64(text.substr(raw_key_prefix.size()));
  if (!spki) return std::unexpected{"what follows the prefix is not base64"};
  return public_key(*spki);
}

}  // namespace caponier::pki

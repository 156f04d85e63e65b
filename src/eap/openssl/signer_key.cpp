#include "eap/openssl/signer_key.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

// An OpenSSL provider of two operations, by provider-keymgmt(7) and provider-signature(7). Its keys
// come from EVP_PKEY_fromdata() with one parameter, a pointer: the provider is in this process.

namespace caponier::eap {
namespace {

using crypto::ossl::Pkey;
using crypto::ossl::PkeyCtx;
using crypto::ossl::raw;
using pki::KeyKind;
using pki::SignatureScheme;

constexpr const char* key_parameter = "caponier-signer";
constexpr const char* provider_name = "caponier";

// ---- keys

struct SignerKey {
  std::shared_ptr<pki::Signer> signer;
  Pkey public_key;
};

/// What stands in the parameter.
struct Given {
  const SignerKey* key = nullptr;
};

SignerKey* key_of(void* object) { return static_cast<SignerKey*>(object); }
const SignerKey* key_of(const void* object) { return static_cast<const SignerKey*>(object); }

void* new_key(void* /*provider*/) { return new SignerKey; }
void free_key(void* object) { delete key_of(object); }

int import_key(void* object, int /*selection*/, const OSSL_PARAM parameters[]) {
  const OSSL_PARAM* const given = OSSL_PARAM_locate_const(parameters, key_parameter);
  Given from;
  if (given == nullptr || given->data_size != sizeof from) return 0;
  std::memcpy(&from, given->data, sizeof from);
  SignerKey& key = *key_of(object);
  key.signer = from.key->signer;
  if (EVP_PKEY_up_ref(from.key->public_key.get()) != 1) return 0;
  key.public_key.reset(from.key->public_key.get());
  return 1;
}

const OSSL_PARAM* importable(int /*selection*/) {
  static const OSSL_PARAM table[] = {OSSL_PARAM_octet_string(key_parameter, nullptr, 0),
                                     OSSL_PARAM_END};
  return table;
}

int has_parts(const void* object, int /*selection*/) {
  return object != nullptr && key_of(object)->signer != nullptr ? 1 : 0;
}

int is_match(const void* one, const void* other, int /*selection*/) {
  return EVP_PKEY_eq(key_of(one)->public_key.get(), key_of(other)->public_key.get()) == 1 ? 1 : 0;
}

int get_key_parameters(void* object, OSSL_PARAM parameters[]) {
  return EVP_PKEY_get_params(key_of(object)->public_key.get(), parameters);
}

const OSSL_PARAM* gettable_key_parameters(void* /*provider*/) {
  static const OSSL_PARAM table[] = {
      OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, nullptr),
      OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, nullptr),
      OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, nullptr),
      OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
      OSSL_PARAM_END};
  return table;
}

/// To compare it with that of a certificate. Without a private part, so that no other provider
/// believes it could sign.
int export_key(void* object, int selection, OSSL_CALLBACK* take, void* argument) {
  if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0) return 0;
  return EVP_PKEY_export(key_of(object)->public_key.get(), EVP_PKEY_PUBLIC_KEY, take, argument);
}

const OSSL_PARAM* exportable(int /*selection*/) {
  static const OSSL_PARAM table[] = {OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0),
                                     OSSL_PARAM_END};
  return table;
}

const char* name_of_ec_signatures(int /*operation*/) { return "ECDSA"; }

// ---- signatures

struct Signing {
  SignerKey* key = nullptr;
  int hash = NID_undef;
  bool is_pss = false;
};

Signing* signing_of(void* object) { return static_cast<Signing*>(object); }

void* new_signing(void* /*provider*/, const char* /*properties*/) { return new Signing; }
void free_signing(void* object) { delete signing_of(object); }

int set_signing_parameters(void* object, const OSSL_PARAM parameters[]) {
  const OSSL_PARAM* const pad =
      parameters == nullptr ? nullptr
                            : OSSL_PARAM_locate_const(parameters, OSSL_SIGNATURE_PARAM_PAD_MODE);
  if (pad == nullptr) return 1;
  int mode = 0;
  if (pad->data_type == OSSL_PARAM_UTF8_STRING) {
    const auto* const name = static_cast<const char*>(pad->data);
    signing_of(object)->is_pss = std::string_view{name} == OSSL_PKEY_RSA_PAD_MODE_PSS;
    return 1;
  }
  if (OSSL_PARAM_get_int(pad, &mode) != 1) return 0;
  signing_of(object)->is_pss = mode == RSA_PKCS1_PSS_PADDING;
  return mode == RSA_PKCS1_PSS_PADDING || mode == RSA_PKCS1_PADDING ? 1 : 0;
}

/// TLS has salts of the hash's size and MGF1 with the same hash (RFC 8446 s4.2.3), as the schemes
/// do.
const OSSL_PARAM* settable_signing_parameters(void* /*signing*/, void* /*provider*/) {
  static const OSSL_PARAM table[] = {
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, nullptr, 0), OSSL_PARAM_END};
  return table;
}

int begin_signing(void* object, const char* hash, void* key, const OSSL_PARAM parameters[]) {
  Signing& signing = *signing_of(object);
  if (key != nullptr) signing.key = key_of(key);
  if (signing.key == nullptr) return 0;
  const EVP_MD* const known = hash == nullptr ? nullptr : EVP_get_digestbyname(hash);
  signing.hash = known == nullptr ? NID_undef : EVP_MD_get_type(known);
  return set_signing_parameters(object, parameters);
}

std::optional<SignatureScheme> rsa_scheme(const Signing& signing) {
  using enum SignatureScheme;
  switch (signing.hash) {
    case NID_sha256: return signing.is_pss ? rsa_pss_sha2_256 : rsa_pkcs1_sha2_256;
    case NID_sha384: return signing.is_pss ? rsa_pss_sha2_384 : rsa_pkcs1_sha2_384;
    case NID_sha512: return signing.is_pss ? rsa_pss_sha2_512 : rsa_pkcs1_sha2_512;
    default: return std::nullopt;
  }
}

std::optional<SignatureScheme> scheme_of(const Signing& signing) {
  using enum SignatureScheme;
  switch (signing.key->signer->public_key().kind) {
    case KeyKind::rsa: return rsa_scheme(signing);
    case KeyKind::ed25519: return ed25519;
    case KeyKind::ed448: return ed448;
    case KeyKind::ecdsa_p256:
    case KeyKind::ecdsa_p384:
    case KeyKind::ecdsa_p521: break;
  }
  switch (signing.hash) {
    case NID_sha256: return ecdsa_sha2_256;
    case NID_sha384: return ecdsa_sha2_384;
    case NID_sha512: return ecdsa_sha2_512;
    default: return std::nullopt;
  }
}

/// What the session says when the handshake fails.
int fail(std::string_view why) {
  ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL, "our key: %.*s", static_cast<int>(why.size()),
                 why.data());
  return 0;
}

int sign(void* object, unsigned char* out, std::size_t* size, std::size_t room,
         const unsigned char* octets, std::size_t octets_size) {
  const Signing& signing = *signing_of(object);
  if (out == nullptr) {
    *size = static_cast<std::size_t>(EVP_PKEY_get_size(signing.key->public_key.get()));
    return 1;
  }
  const auto scheme = scheme_of(signing);
  if (!scheme) return fail("it cannot make the signature that TLS wants");
  const auto signature =
      signing.key->signer->sign(*scheme, std::as_bytes(std::span{octets, octets_size}));
  if (!signature) return fail(pki::name_of(signature.error()));
  if (signature->size() > room) return fail("its signature is too long");
  std::memcpy(out, signature->data(), signature->size());
  *size = signature->size();
  return 1;
}

// ---- the tables

template <class Function>
OSSL_DISPATCH entry(int number, Function* function) {
  return {number, reinterpret_cast<void (*)()>(function)};
}

constexpr OSSL_DISPATCH last_entry{0, nullptr};

auto key_entries(OSSL_DISPATCH more) {
  return std::array{entry(OSSL_FUNC_KEYMGMT_NEW, new_key),
                    entry(OSSL_FUNC_KEYMGMT_FREE, free_key),
                    entry(OSSL_FUNC_KEYMGMT_HAS, has_parts),
                    entry(OSSL_FUNC_KEYMGMT_MATCH, is_match),
                    entry(OSSL_FUNC_KEYMGMT_IMPORT, import_key),
                    entry(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, importable),
                    entry(OSSL_FUNC_KEYMGMT_EXPORT, export_key),
                    entry(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, exportable),
                    entry(OSSL_FUNC_KEYMGMT_GET_PARAMS, get_key_parameters),
                    entry(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, gettable_key_parameters),
                    more,
                    last_entry};
}

const OSSL_ALGORITHM* operations(void* /*provider*/, int operation, int* must_not_keep) {
  static const auto keys = key_entries(last_entry);
  static const auto ec_keys =
      key_entries(entry(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, name_of_ec_signatures));
  static const std::array signatures{
      entry(OSSL_FUNC_SIGNATURE_NEWCTX, new_signing),
      entry(OSSL_FUNC_SIGNATURE_FREECTX, free_signing),
      entry(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, begin_signing),
      entry(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, sign),
      entry(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, set_signing_parameters),
      entry(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, settable_signing_parameters),
      last_entry};
  constexpr const char* ours = "provider=caponier";
  constexpr OSSL_ALGORITHM end{nullptr, nullptr, nullptr, nullptr};
  static const std::array key_kinds{OSSL_ALGORITHM{"RSA:rsaEncryption", ours, keys.data(), ""},
                                    OSSL_ALGORITHM{"EC:id-ecPublicKey", ours, ec_keys.data(), ""},
                                    OSSL_ALGORITHM{"ED25519", ours, keys.data(), ""},
                                    OSSL_ALGORITHM{"ED448", ours, keys.data(), ""}, end};
  static const std::array signature_kinds{
      OSSL_ALGORITHM{"RSA:rsaEncryption", ours, signatures.data(), ""},
      OSSL_ALGORITHM{"ECDSA", ours, signatures.data(), ""},
      OSSL_ALGORITHM{"ED25519", ours, signatures.data(), ""},
      OSSL_ALGORITHM{"ED448", ours, signatures.data(), ""}, end};
  *must_not_keep = 0;
  if (operation == OSSL_OP_KEYMGMT) return key_kinds.data();
  return operation == OSSL_OP_SIGNATURE ? signature_kinds.data() : nullptr;
}

int open_provider(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* /*core*/,
                  const OSSL_DISPATCH** functions, void** context) {
  static const std::array table{entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, operations), last_entry};
  *functions = table.data();
  // Nobody looks at it, but null would mean that there is none.
  *context = const_cast<OSSL_CORE_HANDLE*>(handle);
  return 1;
}

OSSL_LIB_CTX* make_context() {
  OSSL_LIB_CTX* const made = OSSL_LIB_CTX_new();
  if (made != nullptr && OSSL_PROVIDER_load(made, "default") != nullptr &&
      OSSL_PROVIDER_add_builtin(made, provider_name, open_provider) == 1 &&
      OSSL_PROVIDER_load(made, provider_name) != nullptr) {
    return made;
  }
  OSSL_LIB_CTX_free(made);
  return nullptr;
}

const char* openssl_name(KeyKind kind) {
  switch (kind) {
    case KeyKind::rsa: return "RSA";
    case KeyKind::ed25519: return "ED25519";
    case KeyKind::ed448: return "ED448";
    case KeyKind::ecdsa_p256:
    case KeyKind::ecdsa_p384:
    case KeyKind::ecdsa_p521: break;
  }
  return "EC";
}

}  // namespace

OSSL_LIB_CTX* signer_context() {
  static OSSL_LIB_CTX* const context = make_context();
  return context;
}

Pkey make_signer_key(std::shared_ptr<pki::Signer> signer) {
  const pki::PublicKey& known = signer->public_key();
  const unsigned char* at = raw(known.spki);
  SignerKey key{std::move(signer),
                Pkey{d2i_PUBKEY(nullptr, &at, static_cast<long>(known.spki.size()))}};
  const PkeyCtx context{
      EVP_PKEY_CTX_new_from_name(signer_context(), openssl_name(known.kind), "provider=caponier")};
  if (key.public_key == nullptr || context == nullptr) return nullptr;
  Given given{&key};
  std::array parameters{OSSL_PARAM_construct_octet_string(key_parameter, &given, sizeof given),
                        OSSL_PARAM_construct_end()};
  EVP_PKEY* made = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_KEYPAIR, parameters.data()) != 1) {
    return nullptr;
  }
  return Pkey{made};
}

}  // namespace caponier::eap

#include "pki/pkcs11/tokens.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include <fmt/format.h>

#include "base/error.h"
#include "pki/pkcs11/library.h"

namespace caponier::pki::pkcs11 {

using enum SignatureScheme;

namespace {

template <class... Octet>
constexpr auto octets_of(Octet... octet) {
  return std::array{static_cast<std::byte>(octet)...};
}

/// DigestInfo up to the digest (RFC 8017 s9.2 note 1).
constexpr auto info_sha1 = octets_of(0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02,
                                     0x1a, 0x05, 0x00, 0x04, 0x14);
constexpr auto info_sha2(int hash, int size) {
  return octets_of(0x30, size + 0x11, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
                   0x04, 0x02, hash, 0x05, 0x00, 0x04, size);
}
constexpr auto info_sha2_256 = info_sha2(1, 32);
constexpr auto info_sha2_384 = info_sha2(2, 48);
constexpr auto info_sha2_512 = info_sha2(3, 64);

struct Pss {
  CK_MECHANISM_TYPE hash;
  CK_ULONG mgf;
  CK_ULONG salt_size;
};

/// How a scheme is asked of a token: the mechanism, and what it signs.
struct Recipe {
  CK_MECHANISM_TYPE mechanism = 0;
  bool is_hashed = true;  ///< else it signs the octets themselves
  Bytes prefix{};         ///< before the digest
  std::optional<Pss> pss{};
  bool is_ecdsa = false;  ///< it gives r | s
};

std::optional<Recipe> recipe_of(SignatureScheme scheme) {
  switch (scheme) {
    case rsa_pkcs1_sha1: return Recipe{CKM_RSA_PKCS, true, info_sha1, {}, false};
    case rsa_pkcs1_sha2_256: return Recipe{CKM_RSA_PKCS, true, info_sha2_256, {}, false};
    case rsa_pkcs1_sha2_384: return Recipe{CKM_RSA_PKCS, true, info_sha2_384, {}, false};
    case rsa_pkcs1_sha2_512: return Recipe{CKM_RSA_PKCS, true, info_sha2_512, {}, false};
    case rsa_pss_sha2_256:
      return Recipe{CKM_RSA_PKCS_PSS, true, {}, Pss{CKM_SHA256, CKG_MGF1_SHA256, 32}, false};
    case rsa_pss_sha2_384:
      return Recipe{CKM_RSA_PKCS_PSS, true, {}, Pss{CKM_SHA384, CKG_MGF1_SHA384, 48}, false};
    case rsa_pss_sha2_512:
      return Recipe{CKM_RSA_PKCS_PSS, true, {}, Pss{CKM_SHA512, CKG_MGF1_SHA512, 64}, false};
    case ecdsa_sha2_256:
    case ecdsa_sha2_384:
    case ecdsa_sha2_512:
    case ecdsa_concatenated: return Recipe{CKM_ECDSA, true, {}, {}, true};
    case ed25519: return Recipe{CKM_EDDSA, false, {}, {}, false};
    case ed448: break;
  }
  return std::nullopt;
}

/// What is given to the mechanism.
ByteVec message_of(const Recipe& recipe, SignatureScheme scheme, unsigned bits, Bytes octets) {
  if (!recipe.is_hashed) return {octets.begin(), octets.end()};
  ByteVec message{recipe.prefix.begin(), recipe.prefix.end()};
  ByteVec digest = ossl::digest_of(scheme, bits, octets);
  // FIPS 186-4 s6.4: the leftmost bits of the digest, as many as the order has. Not every token
  // cuts by itself.
  if (recipe.is_ecdsa) digest.resize(std::min(digest.size(), (std::size_t{bits} + 7) / 8));
  message.insert(message.end(), digest.begin(), digest.end());
  return message;
}

/// A key in a token that is there.
struct OpenKey {
  Token token;
  Session session;
  CK_OBJECT_HANDLE key = 0;
  bool wants_pin_each_time = false;  ///< CKA_ALWAYS_AUTHENTICATE
};

Loaded<OpenKey> open_key(Library& library, const std::string& text, Bytes pin) {
  const Uri uri = TRY(parse_uri(text));
  OpenKey open;
  open.token = TRY(library.find_token(text, uri.get()));
  auto session = Session::open(open.token);
  if (!session) {
    return std::unexpected{LoadError{
        token_name(text), fmt::format("the token cannot be used: {}", describe(session.error())),
        "see that it is plugged in, and that nobody else uses it alone"}};
  }
  open.session = *std::move(session);
  TRY_VOID(library.log_in(open.token, open.session, pin, token_name(text)));
  open.key = TRY(find_object(open.session, CKO_PRIVATE_KEY, text, uri.get()));
  open.wants_pin_each_time = open.session.flag(open.key, CKA_ALWAYS_AUTHENTICATE);
  return open;
}

class TokenSigner final : public Signer {
 public:
  TokenSigner(std::shared_ptr<Library> library, std::string uri, Bytes pin, OpenKey open,
              PublicKey public_key)
      : library_(std::move(library)),
        uri_(std::move(uri)),
        pin_(pin),
        open_(std::move(open)),
        public_key_(std::move(public_key)) {
    for (const CK_MECHANISM_TYPE type : {CKM_RSA_PKCS, CKM_RSA_PKCS_PSS, CKM_ECDSA, CKM_EDDSA}) {
      if (open_->token.has_mechanism(type)) mechanisms_.push_back(type);
    }
  }

  [[nodiscard]] const PublicKey& public_key() const override { return public_key_; }

  [[nodiscard]] bool can(SignatureScheme scheme) const override {
    const auto recipe = recipe_of(scheme);
    return recipe && fits(public_key_.kind, scheme) &&
           std::ranges::find(mechanisms_, recipe->mechanism) != mechanisms_.end();
  }

  [[nodiscard]] std::expected<ByteVec, SignError> sign(SignatureScheme scheme,
                                                       Bytes octets) override {
    if (!can(scheme)) return std::unexpected{SignError::backend_failure};
    const Recipe recipe = *recipe_of(scheme);
    const ByteVec message = message_of(recipe, scheme, public_key_.bits, octets);
    auto signature = open_ ? ask(recipe, message) : std::nullopt;
    // Taken away, reset, or logged out by another: it is looked for once.
    if (!signature && reopen()) signature = ask(recipe, message);
    if (!signature) return std::unexpected{SignError::key_unusable};
    if (!recipe.is_ecdsa || scheme == ecdsa_concatenated) return *std::move(signature);
    ByteVec der = ossl::der_of_concatenated(public_key_.bits, *signature);
    if (der.empty()) return std::unexpected{SignError::backend_failure};
    return der;
  }

 private:
  [[nodiscard]] bool reopen() {
    open_.reset();  // its session first: the token may count them
    auto again = open_key(*library_, uri_, pin_.reveal());
    if (!again) return false;
    const auto key = public_key_of(again->session, again->key, uri_);
    if (!key || *key != public_key_) return false;
    open_ = *std::move(again);
    return true;
  }

  [[nodiscard]] std::optional<ByteVec> ask(const Recipe& recipe, ByteVec message) const {
    const Session& session = open_->session;
    CK_FUNCTION_LIST* const module = session.module();
    CK_MECHANISM mechanism{recipe.mechanism, nullptr, 0};
    CK_RSA_PKCS_PSS_PARAMS pss{};
    if (recipe.pss) {
      pss = {recipe.pss->hash, recipe.pss->mgf, recipe.pss->salt_size};
      mechanism.pParameter = &pss;
      mechanism.ulParameterLen = sizeof pss;
    }
    if (module->C_SignInit(session.handle(), &mechanism, open_->key) != CKR_OK) return std::nullopt;
    if (open_->wants_pin_each_time &&
        session.log_in(pin_.reveal(), CKU_CONTEXT_SPECIFIC) != CKR_OK) {
      return std::nullopt;
    }
    ByteVec signature(rsa_bits_max / 8);
    CK_ULONG size = static_cast<CK_ULONG>(signature.size());
    const CK_RV result = module->C_Sign(session.handle(), ossl::raw(base::MutBytes{message}),
                                        static_cast<CK_ULONG>(message.size()),
                                        ossl::raw(base::MutBytes{signature}), &size);
    if (result != CKR_OK || size > signature.size()) return std::nullopt;
    signature.resize(size);
    return signature;
  }

  std::shared_ptr<Library> library_;
  std::string uri_;
  base::SecretBytes pin_;
  std::optional<OpenKey> open_;
  PublicKey public_key_;
  std::vector<CK_MECHANISM_TYPE> mechanisms_;
};

}  // namespace

Tokens::Tokens() : library_(std::make_shared<Library>()) {}
Tokens::Tokens(std::vector<CK_FUNCTION_LIST*> modules)
    : library_(std::make_shared<Library>(std::move(modules))) {}
Tokens::~Tokens() = default;

Loaded<TokenUri> Tokens::read(std::string_view uri) const {
  const Uri parsed = TRY(parse_uri(uri));
  if (p11_kit_uri_get_pin_value(parsed.get()) != nullptr) {
    return std::unexpected{LoadError{
        token_name(uri), "the URI holds a PIN, and many may read the configuration",
        "put the PIN into a file of mode 0600, and write pin-source=file:/PATH instead of "
        "pin-value"}};
  }
  const char* const source = p11_kit_uri_get_pin_source(parsed.get());
  return TokenUri{source == nullptr ? "" : source};
}

Loaded<std::shared_ptr<Signer>> Tokens::load_key(std::string_view uri, Bytes pin) const {
  const std::string text{uri};
  OpenKey open = TRY(open_key(*library_, text, pin));
  PublicKey key = TRY(public_key_of(open.session, open.key, token_name(uri)));
  const KeyKind kind = key.kind;
  const ossl::Pkey check = ossl::parse_public_key(key.spki);
  auto signer = std::make_shared<TokenSigner>(library_, text, pin, std::move(open), std::move(key));
  const SignatureScheme scheme = ossl::trial_scheme(kind);
  const Bytes trial = signer->public_key().spki;
  if (!signer->can(scheme)) {
    return std::unexpected{
        LoadError{token_name(uri), "the token has no mechanism that signs with it",
                  "it must know CKM_RSA_PKCS, CKM_ECDSA or CKM_EDDSA; `pkcs11-tool "
                  "--list-mechanisms` shows what it knows"}};
  }
  const auto signature = signer->sign(scheme, trial);
  if (!signature || !ossl::is_signature(check.get(), scheme, 0, trial, *signature)) {
    return std::unexpected{LoadError{
        token_name(uri),
        signature ? "the token makes signatures that the public key refuses: the two do not belong "
                    "together"
                  : "the token does not sign with it",
        "see that its key may sign (CKA_SIGN), and that its public key has the same ID"}};
  }
  return signer;
}

Loaded<ByteVec> Tokens::load_certificate(std::string_view uri) const {
  const Uri parsed = TRY(parse_uri(uri));
  const Token token = TRY(library_->find_token(uri, parsed.get()));
  const auto session = Session::open(token);
  if (!session) {
    return std::unexpected{LoadError{
        token_name(uri), fmt::format("the token cannot be used: {}", describe(session.error())),
        "see that it is plugged in"}};
  }
  const CK_OBJECT_HANDLE object = TRY(find_object(*session, CKO_CERTIFICATE, uri, parsed.get()));
  return session->attribute(object, CKA_VALUE);
}

}  // namespace caponier::pki::pkcs11

// Keys in a TPM 2, through OpenSSL's provider for it, where that is installed.

#include <algorithm>
#include <cstdlib>

#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>

#include "base/error.h"
#include "pki/openssl/ossl.h"

namespace caponier::pki::ossl {

namespace {

using StoreCtx = std::unique_ptr<OSSL_STORE_CTX, Freed<OSSL_STORE_close>>;
using StoreInfo = std::unique_ptr<OSSL_STORE_INFO, Freed<OSSL_STORE_INFO_free>>;
using Ui = std::unique_ptr<UI_METHOD, Freed<UI_destroy_method>>;

constexpr const char* properties = "?provider=tpm2";

OSSL_LIB_CTX* make_context() {
  constexpr int unless_set = 0;
  ::setenv("TSS2_LOG", "all+NONE", unless_set);  // its errors are ours to tell
  OSSL_LIB_CTX* const made = OSSL_LIB_CTX_new();
  if (made != nullptr && OSSL_PROVIDER_load(made, "tpm2") != nullptr &&
      OSSL_PROVIDER_load(made, "default") != nullptr) {
    return made;
  }
  OSSL_LIB_CTX_free(made);
  return nullptr;
}

/// A context of its own: what the TPM can do, but slowly, nobody else shall ask of it. Null without
/// the provider, or while there is no TPM. It lives as long as the process: keys refer to it.
OSSL_LIB_CTX* tpm_context() {
  static OSSL_LIB_CTX* context = nullptr;
  if (context == nullptr) context = make_context();
  return context;
}

/// The secret of a key, when it has one.
int give_authorisation(char* out, int size, int, void* context) {
  const Bytes text = *static_cast<const Bytes*>(context);
  if (size_of(text) > size) return -1;
  base::copy_into(std::as_writable_bytes(std::span{out, static_cast<std::size_t>(size)}), text);
  return size_of(text);
}

constexpr std::string_view reach_it =
    "/dev/tpmrm0 must be open to the user or a group of caponierd (tss); the environment variable "
    "TPM2OPENSSL_TCTI names another TPM";

/// Why tpm_context() is null, of which OpenSSL has just said something.
LoadError no_context(const std::string& name) {
  if (ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_DSO) {
    return {name, "the key is in a TPM, and OpenSSL has no provider for that",
            "install the package tpm2-openssl"};
  }
  return {name, "the key is in a TPM, and none can be reached", std::string{reach_it}};
}

LoadError no_key(const std::string& name) {
  return {name, "the TPM does not have this key, or cannot be reached",
          "`tpm2_readpublic -c HANDLE` tells more; " + std::string{reach_it}};
}

Pkey open_handle(OSSL_LIB_CTX* context, const std::string& uri, Bytes secret) {
  const Ui ui{UI_UTIL_wrap_read_pem_callback(give_authorisation, 0)};
  const StoreCtx store{OSSL_STORE_open_ex(uri.c_str(), context, properties, ui.get(), &secret,
                                          nullptr, nullptr, nullptr)};
  while (store != nullptr && OSSL_STORE_eof(store.get()) == 0) {
    const StoreInfo info{OSSL_STORE_load(store.get())};
    if (info == nullptr) break;
    if (OSSL_STORE_INFO_get_type(info.get()) == OSSL_STORE_INFO_PKEY) {
      return Pkey{OSSL_STORE_INFO_get1_PKEY(info.get())};
    }
  }
  return nullptr;
}

/// Signs with what a trial at the beginning has shown to work: TPMs differ in their hashes, and in
/// the salt of RSASSA-PSS.
class TpmSigner final : public Signer {
 public:
  TpmSigner(Pkey key, PublicKey public_key, std::vector<SignatureScheme> schemes)
      : key_(std::move(key)), public_key_(std::move(public_key)), schemes_(std::move(schemes)) {}
  [[nodiscard]] const PublicKey& public_key() const override { return public_key_; }
  [[nodiscard]] bool can(SignatureScheme scheme) const override {
    return std::ranges::find(schemes_, scheme) != schemes_.end();
  }
  [[nodiscard]] std::expected<ByteVec, SignError> sign(SignatureScheme scheme,
                                                       Bytes octets) override {
    if (!can(scheme)) return std::unexpected{SignError::backend_failure};
    auto signature = make_signature_in(tpm_context(), properties, key_.get(), scheme, octets);
    if (!signature) return std::unexpected{SignError::key_unusable};
    return *std::move(signature);
  }

 private:
  Pkey key_;
  PublicKey public_key_;
  std::vector<SignatureScheme> schemes_;
};

int salt_size_of(SignatureScheme scheme) {
  using enum SignatureScheme;
  return scheme == rsa_pss_sha2_512 ? 64 : scheme == rsa_pss_sha2_384 ? 48 : 32;
}

std::vector<SignatureScheme> try_schemes(EVP_PKEY* key, EVP_PKEY* public_key, KeyKind kind,
                                         Bytes trial) {
  using enum SignatureScheme;
  std::vector<SignatureScheme> working;
  for (const SignatureScheme scheme :
       {rsa_pkcs1_sha1, rsa_pkcs1_sha2_256, rsa_pkcs1_sha2_384, rsa_pkcs1_sha2_512,
        rsa_pss_sha2_256, rsa_pss_sha2_384, rsa_pss_sha2_512, ecdsa_sha2_256, ecdsa_sha2_384,
        ecdsa_sha2_512, ecdsa_concatenated}) {
    if (!fits(kind, scheme)) continue;
    const auto made = make_signature_in(tpm_context(), properties, key, scheme, trial);
    if (made && is_signature(public_key, scheme, salt_size_of(scheme), trial, *made)) {
      working.push_back(scheme);
    }
  }
  return working;
}

Loaded<std::shared_ptr<Signer>> make_tpm_signer(const std::string& name, Pkey key) {
  if (key == nullptr) return std::unexpected{no_key(name)};
  const ByteVec spki = der_of(key.get(), i2d_PUBKEY);
  const Pkey public_key = parse_public_key(spki);
  if (public_key == nullptr) return std::unexpected{no_key(name)};
  auto fit = examine(public_key.get());
  if (!fit) {
    return std::unexpected{LoadError{name, fit.error().text, "make another key in the TPM"}};
  }
  auto schemes = try_schemes(key.get(), public_key.get(), fit->kind, spki);
  if (schemes.empty()) {
    return std::unexpected{
        LoadError{name, "the TPM does not sign with it",
                  "the key must be one for signatures, without a scheme of its own, and what "
                  "key_passphrase names must be its secret"}};
  }
  return std::make_shared<TpmSigner>(std::move(key), *std::move(fit), std::move(schemes));
}

}  // namespace

Loaded<std::shared_ptr<Signer>> load_tpm_handle(const std::string& uri, Bytes secret) {
  OSSL_LIB_CTX* const context = tpm_context();
  if (context == nullptr) return std::unexpected{no_context(uri)};
  return make_tpm_signer(uri, open_handle(context, uri, secret));
}

Loaded<std::shared_ptr<Signer>> load_tpm_file(const NamedFile& file, Bytes secret) {
  OSSL_LIB_CTX* const context = tpm_context();
  if (context == nullptr) return std::unexpected{no_context(file.name)};
  const Bio bio = memory_bio(file.content);
  return make_tpm_signer(
      file.name, Pkey{PEM_read_bio_PrivateKey_ex(bio.get(), nullptr, give_authorisation, &secret,
                                                 context, properties)});
}

bool is_tpm_handle(std::string_view name) { return name.starts_with("handle:"); }

bool is_tpm_file(Bytes content) {
  return base::as_text(content).find("-----BEGIN TSS2 PRIVATE KEY-----") != std::string_view::npos;
}

}  // namespace caponier::pki::ossl

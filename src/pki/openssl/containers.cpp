// What devices import: PKCS #12, and profiles signed with CMS.

#include <openssl/cms.h>

#include "base/error.h"
#include "pki/openssl/issuing.h"

namespace caponier::pki {

namespace {

using Cms = std::unique_ptr<CMS_ContentInfo, ossl::Freed<CMS_ContentInfo_free>>;
using Time = std::unique_ptr<ASN1_TIME, ossl::Freed<ASN1_TIME_free>>;

Issued<ossl::Stack> stack_of(std::span<const std::string> pems) {
  ossl::Stack stack{sk_X509_new_null()};
  for (const std::string& pem : pems) {
    ossl::X509Ptr one = TRY(ossl::certificate_of_pem(pem));
    if (stack == nullptr || sk_X509_push(stack.get(), one.get()) <= 0) {
      return ossl::failure("out of memory");
    }
    (void)one.release();
  }
  return stack;
}

/// NUL behind, wiped in the end.
base::SecretBytes c_text(Bytes text) {
  base::SecretBytes copy{text.size() + 1};
  base::copy_into(copy.reveal_mutable(), text);
  return copy;
}
const char* chars(const base::SecretBytes& text) {
  const void* at = text.reveal().data();
  return static_cast<const char*>(at);
}

struct Pkcs12Recipe {
  int encryption;
  const EVP_MD* mac;
  int rounds;
};

Pkcs12Recipe recipe_of(Pkcs12Kind kind) {
  // Of the old one, importers refuse many more rounds.
  return kind == Pkcs12Kind::modern
             ? Pkcs12Recipe{NID_aes_256_cbc, EVP_sha256(), 100'000}
             : Pkcs12Recipe{NID_pbe_WithSHA1And3_Key_TripleDES_CBC, EVP_sha1(), 2'048};
}

/// CMS adds the clock's time itself unless there is one.
bool set_signing_time(CMS_SignerInfo* signer, UnixTime now) {
  const Time time{ASN1_TIME_set(nullptr, now.value)};
  return time != nullptr &&
         CMS_signed_add1_attr_by_NID(signer, NID_pkcs9_signingTime, ASN1_STRING_type(time.get()),
                                     time.get(), -1) == 1;
}

}  // namespace

Issued<base::SecretBytes> make_pkcs12(Pkcs12Kind kind, std::string_view friendly_name,
                                      Bytes key_pem, std::string_view leaf_pem,
                                      std::span<const std::string> authorities_pem,
                                      Bytes passphrase) {
  const ossl::ErrorScope errors;
  const ossl::Pkey key = TRY(ossl::key_of_pem(key_pem));
  const ossl::X509Ptr leaf = TRY(ossl::certificate_of_pem(leaf_pem));
  const ossl::Stack others = TRY(stack_of(authorities_pem));
  const base::SecretBytes secret = c_text(passphrase);
  const Pkcs12Recipe recipe = recipe_of(kind);
  constexpr int without_mac = -1;
  const ossl::Pkcs12 container{PKCS12_create(chars(secret), std::string{friendly_name}.c_str(),
                                             key.get(), leaf.get(), others.get(), recipe.encryption,
                                             recipe.encryption, recipe.rounds, without_mac, 0)};
  if (container == nullptr ||
      PKCS12_set_mac(container.get(), chars(secret), ossl::size_of(passphrase), nullptr, 0,
                     recipe.rounds, recipe.mac) != 1) {
    return ossl::failure("the PKCS #12 cannot be made");
  }
  return base::SecretBytes{Bytes{ossl::der_of(container.get(), i2d_PKCS12)}};
}

Issued<ByteVec> sign_cms(Bytes content, Bytes key_pem, std::string_view leaf_pem,
                         std::span<const std::string> chain_pem, UnixTime now) {
  const ossl::ErrorScope errors;
  const ossl::Pkey key = TRY(ossl::key_of_pem(key_pem));
  const ossl::X509Ptr leaf = TRY(ossl::certificate_of_pem(leaf_pem));
  const ossl::Stack chain = TRY(stack_of(chain_pem));
  const int kind = EVP_PKEY_get_base_id(key.get());
  if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC) {
    return std::unexpected{"OpenSSL 3.0 signs CMS with RSA and ECDSA keys only"};
  }
  constexpr unsigned flags = CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP;
  const ossl::Bio data = ossl::memory_bio(content);
  const Cms cms{CMS_sign(nullptr, nullptr, chain.get(), data.get(), flags)};
  CMS_SignerInfo* const signer =
      cms == nullptr ? nullptr
                     : CMS_add1_signer(cms.get(), leaf.get(), key.get(), EVP_sha256(), flags);
  if (signer == nullptr || !set_signing_time(signer, now) ||
      CMS_final(cms.get(), data.get(), nullptr, flags) != 1) {
    return ossl::failure("the content cannot be signed");
  }
  return ossl::der_of(cms.get(), i2d_CMS_ContentInfo);
}

}  // namespace caponier::pki

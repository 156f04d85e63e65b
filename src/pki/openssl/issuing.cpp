#include "pki/openssl/issuing.h"

#include <array>

#include <fmt/format.h>
#include <openssl/conf.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "base/error.h"

namespace caponier::pki::ossl {

namespace {

using Integer = std::unique_ptr<ASN1_INTEGER, Freed<ASN1_INTEGER_free>>;
using Time = std::unique_ptr<ASN1_TIME, Freed<ASN1_TIME_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
using Revoked = std::unique_ptr<X509_REVOKED, Freed<X509_REVOKED_free>>;

constexpr int serial_bits = 128;

Integer integer_of(Bytes big_endian) {
  const Bn number{BN_bin2bn(raw(big_endian), size_of(big_endian), nullptr)};
  return Integer{number == nullptr ? nullptr : BN_to_ASN1_INTEGER(number.get(), nullptr)};
}

Integer serial_for(const CertificateForm& form) {
  if (!form.serial.empty()) return integer_of(form.serial);
  std::array<std::byte, serial_bits / 8> random{};
  if (RAND_bytes(raw(base::MutBytes{random}), static_cast<int>(random.size())) != 1) return nullptr;
  return integer_of(random);
}

Time time_of(UnixTime time) { return Time{ASN1_TIME_set(nullptr, time.value)}; }

const EVP_MD* hash_for(EVP_PKEY* key, const EVP_MD* wanted) {
  const int kind = EVP_PKEY_get_base_id(key);
  if (kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448) return nullptr;
  return wanted == nullptr ? EVP_sha256() : wanted;
}

Issued<ExtensionPtr> make_extension(const ExtensionText& text, X509V3_CTX& ctx) {
  // Some extensions are only made with a database at hand, although it may be empty.
  const std::unique_ptr<CONF, Freed<NCONF_free>> database{NCONF_new(nullptr)};
  X509V3_set_nconf(&ctx, database.get());
  ExtensionPtr extension{X509V3_EXT_nconf(nullptr, &ctx, text.name.c_str(), text.value.c_str())};
  if (extension == nullptr) {
    return failure(fmt::format("the extension {} = {} cannot be made", text.name, text.value));
  }
  return extension;
}

bool add_revoked(X509_CRL* crl, const RevokedSerial& entry) {
  const auto octets =
      base::from_hex(entry.serial.size() % 2 == 0 ? entry.serial : "0" + entry.serial);
  const Integer serial = octets && !octets->empty() ? integer_of(*octets) : nullptr;
  const Time when = time_of(entry.when);
  Revoked revoked{X509_REVOKED_new()};
  if (serial == nullptr || when == nullptr || revoked == nullptr ||
      X509_REVOKED_set_serialNumber(revoked.get(), serial.get()) != 1 ||
      X509_REVOKED_set_revocationDate(revoked.get(), when.get()) != 1) {
    return false;
  }
  if (entry.reason != RevocationReason::unspecified) {  // RFC 5280 s5.3.1: then it is left out
    const std::unique_ptr<ASN1_ENUMERATED, Freed<ASN1_ENUMERATED_free>> reason{
        ASN1_ENUMERATED_new()};
    if (reason == nullptr ||
        ASN1_ENUMERATED_set(reason.get(), static_cast<long>(entry.reason)) != 1 ||
        X509_REVOKED_add1_ext_i2d(revoked.get(), NID_crl_reason, reason.get(), 0, 0) != 1) {
      return false;
    }
  }
  if (X509_CRL_add0_revoked(crl, revoked.get()) != 1) return false;
  (void)revoked.release();
  return true;
}

bool add_number(X509_CRL* crl, std::uint64_t number) {
  const Integer value{ASN1_INTEGER_new()};
  return value != nullptr && ASN1_INTEGER_set_uint64(value.get(), number) == 1 &&
         X509_CRL_add1_ext_i2d(crl, NID_crl_number, value.get(), 0, 0) == 1;
}

bool fill(X509* certificate, const CertificateForm& form, EVP_PKEY* key, X509* issuer,
          const X509_NAME* subject) {
  const Integer serial = serial_for(form);
  const Time from = time_of(form.not_before);
  const Time to = time_of(form.not_after);
  const X509_NAME* const above = issuer == nullptr ? subject : X509_get_subject_name(issuer);
  return serial != nullptr && from != nullptr && to != nullptr &&
         X509_set_version(certificate, X509_VERSION_3) == 1 &&
         X509_set_serialNumber(certificate, serial.get()) == 1 &&
         X509_set1_notBefore(certificate, from.get()) == 1 &&
         X509_set1_notAfter(certificate, to.get()) == 1 &&
         X509_set_subject_name(certificate, subject) == 1 &&
         X509_set_issuer_name(certificate, above) == 1 && X509_set_pubkey(certificate, key) == 1;
}

}  // namespace

std::unexpected<std::string> failure(std::string_view what) {
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  if (reason == nullptr) return std::unexpected{std::string{what}};
  return std::unexpected{fmt::format("{}: {}", what, reason)};
}

Issued<X509Ptr> make_certificate(const CertificateForm& form, EVP_PKEY* subject_key, X509* issuer,
                                 EVP_PKEY* issuer_key) {
  const ErrorScope errors;
  Name subject{X509_NAME_new()};
  if (!form.subject.empty()) subject = TRY(parse_name_text(form.subject));
  X509Ptr certificate{X509_new()};
  if (certificate == nullptr ||
      !fill(certificate.get(), form, subject_key, issuer, subject.get())) {
    return failure("the certificate cannot be filled in");
  }
  X509V3_CTX ctx{};
  X509V3_set_ctx(&ctx, issuer == nullptr ? certificate.get() : issuer, certificate.get(), nullptr,
                 nullptr, 0);
  X509V3_set_issuer_pkey(&ctx, issuer_key);
  for (const ExtensionText& text : form.extensions) {
    const ExtensionPtr extension = TRY(make_extension(text, ctx));
    if (X509_add_ext(certificate.get(), extension.get(), -1) != 1) {
      return failure("the certificate takes no further extension");
    }
  }
  if (X509_sign(certificate.get(), issuer_key, hash_for(issuer_key, form.hash)) <= 0) {
    return failure("the certificate cannot be signed");
  }
  return certificate;
}

Issued<Crl> make_crl(const CrlForm& form, X509* issuer, EVP_PKEY* issuer_key) {
  const ErrorScope errors;
  Crl crl{X509_CRL_new()};
  const Time from = time_of(form.content.this_update);
  const Time to = time_of(form.content.next_update);
  if (crl == nullptr || from == nullptr || to == nullptr ||
      X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) != 1 ||
      X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer)) != 1 ||
      X509_CRL_set1_lastUpdate(crl.get(), from.get()) != 1 ||
      X509_CRL_set1_nextUpdate(crl.get(), to.get()) != 1 ||
      !add_number(crl.get(), form.content.number)) {
    return failure("the CRL cannot be filled in");
  }
  for (const RevokedSerial& entry : form.content.revoked) {
    if (!add_revoked(crl.get(), entry)) {
      return failure(fmt::format("'{}' is no serial number that can be revoked", entry.serial));
    }
  }
  X509V3_CTX ctx{};
  X509V3_set_ctx(&ctx, issuer, nullptr, nullptr, crl.get(), 0);
  X509V3_set_issuer_pkey(&ctx, issuer_key);
  for (const ExtensionText& text : form.extensions) {
    const ExtensionPtr extension = TRY(make_extension(text, ctx));
    if (X509_CRL_add_ext(crl.get(), extension.get(), -1) != 1) {
      return failure("the CRL takes no further extension");
    }
  }
  X509_CRL_sort(crl.get());
  if (X509_CRL_sign(crl.get(), issuer_key, hash_for(issuer_key, form.hash)) <= 0) {
    return failure("the CRL cannot be signed");
  }
  return crl;
}

Issued<Pkey> make_key(NewKey kind) {
  const ErrorScope errors;
  constexpr std::size_t rsa_bits = 3072;
  Pkey key;
  switch (kind) {
    case NewKey::ed25519: key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); break;
    case NewKey::ecdsa_p256: key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")); break;
    case NewKey::rsa_3072: key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", rsa_bits)); break;
  }
  if (key == nullptr) return failure("the key cannot be made");
  return key;
}

Issued<Pkey> key_of_pem(Bytes pem) {
  const ErrorScope errors;
  const Bio as_public = memory_bio(pem);
  Pkey key{PEM_read_bio_PUBKEY(as_public.get(), nullptr, nullptr, nullptr)};
  if (key != nullptr) return key;
  auto loaded = load_private_key({"key", pem}, {});
  if (!loaded) return std::unexpected{loaded.error().message};
  return std::move(loaded->key);
}

Issued<X509Ptr> certificate_of_pem(std::string_view pem) {
  auto bundle = load_bundle({"certificate", base::as_bytes(pem)});
  if (!bundle) return std::unexpected{bundle.error().message};
  return std::move(bundle->front());
}

std::string pem_of(X509* certificate) {
  const Bio bio{BIO_new(BIO_s_mem())};
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1) return {};
  return std::string{base::as_text(content_of(bio.get()))};
}

}  // namespace caponier::pki::ossl

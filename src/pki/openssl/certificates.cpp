// Reading certificates and CRLs from files and from the wire, without judging them.

#include <algorithm>

#include <fmt/format.h>
#include <openssl/pem.h>

#include "base/error.h"
#include "base/event.h"
#include "pki/openssl/ossl.h"
#include "pki/openssl/provider.h"

namespace caponier::pki::ossl {

namespace {

constexpr int alternative_names_max = 256;

struct PemBlock {
  std::string name;
  ByteVec data;
};

/// The blocks of a PEM file in their order. A block that is not whole is an error, not the end.
Loaded<std::vector<PemBlock>> pem_blocks(const NamedFile& file) {
  std::vector<PemBlock> blocks;
  const Bio bio = memory_bio(file.content);
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (bio != nullptr && PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1) {
    const auto octets = std::as_bytes(std::span{data, static_cast<std::size_t>(size)});
    blocks.push_back({name, {octets.begin(), octets.end()}});
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return std::unexpected{
        LoadError{file.name,
                  fmt::format("PEM block {} is not whole: a line is missing or not base64",
                              blocks.size() + 1),
                  "copy the file again, from the BEGIN line to the END line"}};
  }
  return blocks;
}

bool is_pem(const NamedFile& file) {
  return base::as_text(file.content).find("-----BEGIN ") != std::string_view::npos;
}

LoadError too_large(const NamedFile& file, std::size_t size_max) {
  return {
      file.name,
      fmt::format("the file has {} octets, and at most {} are read", file.content.size(), size_max),
      "check that it is the file you mean"};
}

/// The DER of everything called `wanted` in a file of either form.
Loaded<std::vector<ByteVec>> contents(const NamedFile& file, std::string_view wanted,
                                      std::size_t size_max) {
  if (file.content.size() > size_max) return std::unexpected{too_large(file, size_max)};
  std::vector<ByteVec> found;
  if (!is_pem(file)) {
    found.push_back(base::to_vec(file.content));
    return found;
  }
  for (PemBlock& block : TRY(pem_blocks(file))) {
    if (block.name == wanted || block.name == fmt::format("X509 {}", wanted)) {
      found.push_back(std::move(block.data));
    }
  }
  if (found.size() > certificates_per_file_max) {
    return std::unexpected{
        LoadError{file.name, fmt::format("it holds more than {} items", certificates_per_file_max),
                  "split it, or name only what is needed"}};
  }
  return found;
}

std::optional<policy::Identity> identity_of(const GENERAL_NAME* name) {
  int type = 0;
  const void* value = GENERAL_NAME_get0_value(name, &type);
  const auto text = [&] { return base::to_vec(bytes_of(static_cast<const ASN1_STRING*>(value))); };
  const auto is_plain = [](Bytes octets) {
    return !octets.empty() && std::ranges::find(octets, std::byte{0}) == octets.end();
  };
  if (type == GEN_DNS || type == GEN_EMAIL) {
    ByteVec octets = text();
    if (!is_plain(octets)) return std::nullopt;
    return policy::Identity{type == GEN_DNS ? wire::IdType::fqdn : wire::IdType::rfc822_addr,
                            std::move(octets)};
  }
  if (type != GEN_IPADD) return std::nullopt;
  const ByteVec octets = text();
  if (octets.size() != 4 && octets.size() != 16) return std::nullopt;
  return policy::Identity::from_address(base::IpAddress::from_bytes(octets));
}

std::vector<policy::Identity> alternative_names(X509* certificate) {
  void* const extension = X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr);
  const std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>> names{
      static_cast<GENERAL_NAMES*>(extension)};
  std::vector<policy::Identity> found;
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
  for (int i = 0; i < std::min(count, alternative_names_max); ++i) {
    if (auto identity = identity_of(sk_GENERAL_NAME_value(names.get(), i))) {
      found.push_back(*std::move(identity));
    }
  }
  return found;
}

std::string serial_of(const X509* certificate) {
  const ASN1_INTEGER* const serial = X509_get0_serialNumber(certificate);
  const std::string sign = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER ? "-" : "";
  return sign + base::to_hex(bytes_of(serial));
}

std::vector<std::string> units_of(const X509_NAME* name) {
  std::vector<std::string> units;
  int at = -1;
  while ((at = X509_NAME_get_index_by_NID(name, NID_organizationalUnitName, at)) >= 0) {
    const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(name, at);
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
    if (size < 0) continue;
    const auto octets = std::as_bytes(std::span{text, static_cast<std::size_t>(size)});
    units.emplace_back(base::as_text(octets));
    OPENSSL_free(text);
  }
  return units;
}

KeyHash sha1_of(Bytes octets) {
  KeyHash hash{};
  EVP_Digest(octets.data(), octets.size(), raw(base::MutBytes{hash}), nullptr, EVP_sha1(), nullptr);
  return hash;
}

}  // namespace

X509Ptr parse_certificate(Bytes der) {
  return der.size() > certificate_size_max ? nullptr : object_of<X509Ptr>(der, d2i_X509);
}

std::expected<Certificate, Fault> read_certificate(X509* certificate) {
  EVP_PKEY* const key = X509_get0_pubkey(certificate);
  if (key == nullptr) {
    return std::unexpected{Fault{Refusal::unsupported_key, "its public key cannot be read"}};
  }
  const auto not_before = unix_time(X509_get0_notBefore(certificate));
  const auto not_after = unix_time(X509_get0_notAfter(certificate));
  if (!not_before || !not_after) {
    return std::unexpected{Fault{Refusal::malformed, "its times are none"}};
  }
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  const X509_NAME* const issuer = X509_get_issuer_name(certificate);
  Certificate read{
      .der = der_of(certificate, i2d_X509),
      .subject = der_of(subject, i2d_X509_NAME),
      .subject_text = text_of(subject),
      .units = units_of(subject),
      .issuer_text = text_of(issuer),
      .serial = serial_of(certificate),
      .key = TRY(examine(key)),
      .key_hash = sha1_of(der_of(X509_get_X509_PUBKEY(certificate), i2d_X509_PUBKEY)),
      .der_hash = sha1_of(der_of(certificate, i2d_X509)),
      .alternative_names = alternative_names(certificate),
      .not_before = *not_before,
      .not_after = *not_after,
      .is_authority = X509_check_ca(certificate) == 1,
      .is_self_issued = X509_NAME_cmp(subject, issuer) == 0,
  };
  return read;
}

Loaded<std::vector<X509Ptr>> load_bundle(const NamedFile& file) {
  const ErrorScope errors;
  std::vector<X509Ptr> found;
  for (const ByteVec& der : TRY(contents(file, "CERTIFICATE", file_size_max))) {
    X509Ptr certificate = parse_certificate(der);
    if (certificate == nullptr) {
      return std::unexpected{LoadError{
          file.name, fmt::format("certificate {} cannot be read", found.size() + 1),
          "it must be X.509, in PEM or DER; `openssl x509 -in FILE -noout -text` tells more"}};
    }
    found.push_back(std::move(certificate));
  }
  if (found.empty()) {
    return std::unexpected{
        LoadError{file.name, "it holds no certificate", "it must hold a block BEGIN CERTIFICATE"}};
  }
  return found;
}

Loaded<std::vector<Crl>> load_crls(const NamedFile& file) {
  const ErrorScope errors;
  std::vector<Crl> found;
  for (const ByteVec& der : TRY(contents(file, "CRL", 2 * crl_size_max))) {
    auto crl = der.size() > crl_size_max ? nullptr : object_of<Crl>(der, d2i_X509_CRL);
    if (crl == nullptr) {
      return std::unexpected{
          LoadError{file.name, fmt::format("CRL {} cannot be read", found.size() + 1),
                    "it must be an X.509 CRL in PEM or DER of at most 10 MiB; `openssl crl -in "
                    "FILE -noout -text` tells more"}};
    }
    found.push_back(std::move(crl));
  }
  if (found.empty()) {
    return std::unexpected{
        LoadError{file.name, "it holds no CRL", "it must hold a block BEGIN X509 CRL"}};
  }
  return found;
}

bool is_issued_by(X509* certificate, X509* issuer) {
  const ErrorScope errors;
  EVP_PKEY* const key = X509_get0_pubkey(issuer);
  return key != nullptr && X509_check_issued(issuer, certificate) == X509_V_OK &&
         X509_verify(certificate, key) == 1;
}

}  // namespace caponier::pki::ossl

namespace caponier::pki {

Loaded<std::vector<Certificate>> OpensslPki::load_certificates(const NamedFile& file) const {
  const ossl::ErrorScope errors;
  std::vector<Certificate> read;
  for (const ossl::X509Ptr& certificate : TRY(ossl::load_bundle(file))) {
    auto one = ossl::read_certificate(certificate.get());
    if (!one) {
      return std::unexpected{
          LoadError{file.name, fmt::format("certificate {}: {}", read.size() + 1, one.error().text),
                    "have it issued again with a key that is fit"}};
    }
    read.push_back(*std::move(one));
  }
  return read;
}

}  // namespace caponier::pki

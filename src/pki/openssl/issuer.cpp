#include "pki/openssl/issuer.h"

#include <algorithm>

#include <fmt/format.h>
#include <openssl/pem.h>

#include "base/address.h"
#include "base/error.h"
#include "base/event.h"
#include "pki/openssl/issuing.h"

namespace caponier::pki {

using ossl::CertificateForm;
using ossl::ExtensionText;

struct Authority::Impl {
  ossl::X509Ptr certificate;
  ossl::Pkey key;
  std::string pem;
};

namespace {

/// Whether it can stand in OpenSSL's notation for extensions without meaning something else there.
bool is_plain(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c <= '~' && std::string_view{",;\"\\#$"}.find(c) == std::string_view::npos;
  });
}

std::string address_mask(unsigned length, bool is_v4) {
  const auto highest = base::IpAddress::highest(is_v4 ? base::Family::v4 : base::Family::v6);
  return highest.with_low_bits(length, false).to_string();
}

/// RFC 5280 s4.2.1.10: names of the kinds that are not permitted at all are excluded.
Issued<std::string> constraints_of(const std::vector<std::string>& permitted) {
  std::string domains;
  std::string networks;
  for (const std::string& one : permitted) {
    if (const auto prefix = base::Prefix::parse(one)) {
      networks += fmt::format(",permitted;IP:{}/{}", prefix->address.to_string(),
                              address_mask(prefix->length, prefix->address.is_v4()));
      continue;
    }
    if (!is_plain(one) || one.find_first_of(":/@*") != std::string::npos) {
      return std::unexpected{
          fmt::format("'{}' is neither a domain nor a network", base::printable(one))};
    }
    domains += fmt::format(",permitted;DNS:{0},permitted;email:{0},permitted;email:.{0}", one);
  }
  if (domains.empty()) domains = ",permitted;DNS:invalid,permitted;email:invalid";
  if (networks.empty()) networks = ",excluded;IP:0.0.0.0/0.0.0.0,excluded;IP:::/::";
  return "critical" + domains + networks;
}

Issued<std::string> name_text(const policy::Identity& name) {
  using enum wire::IdType;
  const std::string text{base::as_text(name.data)};
  const bool is_address = name.type == ipv4_addr || name.type == ipv6_addr;
  if (is_address) return "IP:" + name.to_string();
  if (name.type == fqdn && is_plain(text) && text.find_first_of(":@*/") == std::string::npos) {
    return "DNS:" + text;
  }
  if (name.type == rfc822_addr && is_plain(text) && text.find(':') == std::string::npos &&
      std::ranges::count(text, '@') == 1) {
    return "email:" + text;
  }
  return std::unexpected{
      fmt::format("{} is no name that a certificate can hold", name.to_string())};
}

/// Windows looks for an address among the DNS names too.
Issued<std::string> alternative_names(const LeafRequest& request, bool also_as_dns) {
  std::string all;
  for (const policy::Identity& name : request.names) {
    const std::string text = TRY(name_text(name));
    all += (all.empty() ? "" : ",") + text;
    if (also_as_dns && text.starts_with("IP:")) all += ",DNS:" + text.substr(3);
  }
  if (all.empty()) return std::unexpected{"a certificate needs a name, such as gw.example.org"};
  return all;
}

Issued<std::string> urls_text(std::string_view before, const std::vector<std::string>& urls) {
  std::string all;
  for (const std::string& url : urls) {
    if (!is_plain(url) || !url.starts_with("http://")) {
      return std::unexpected{fmt::format("'{}' is no http:// URL", base::printable(url))};
    }
    all += fmt::format("{}{}URI:{}", all.empty() ? "" : ",", before, url);
  }
  return all;
}

Issued<CertificateForm> leaf_form(const LeafRequest& request, bool is_constrained) {
  const bool is_server = request.kind == LeafKind::server;
  CertificateForm form{request.subject, request.not_before, request.not_after, {}, {}, nullptr};
  form.extensions = {
      {"basicConstraints", "critical,CA:FALSE"},
      {"keyUsage", "critical,digitalSignature"},
      // id-kp-serverAuth and the older iKEIntermediate, which some clients want to see
      {"extendedKeyUsage", is_server ? "serverAuth,1.3.6.1.5.5.8.2.2" : "clientAuth"},
      {"subjectAltName", TRY(alternative_names(request, is_server && !is_constrained))},
      {"subjectKeyIdentifier", "hash"},
      {"authorityKeyIdentifier", "keyid:always"},
  };
  const std::string crls = TRY(urls_text("", request.crl_urls));
  if (!crls.empty()) form.extensions.push_back({"crlDistributionPoints", crls});
  const std::string responders = TRY(urls_text("OCSP;", request.ocsp_urls));
  if (!responders.empty()) form.extensions.push_back({"authorityInfoAccess", responders});
  return form;
}

bool is_constrained(const X509* certificate) {
  return X509_get_ext_by_NID(certificate, NID_name_constraints, -1) >= 0;
}

Issued<void> check_constraints(X509* leaf, const X509* authority) {
  void* const extension = X509_get_ext_d2i(authority, NID_name_constraints, nullptr, nullptr);
  const std::unique_ptr<NAME_CONSTRAINTS, ossl::Freed<NAME_CONSTRAINTS_free>> constraints{
      static_cast<NAME_CONSTRAINTS*>(extension)};
  X509_check_purpose(leaf, -1, 0);  // reads the extensions, which a certificate just made has not
  if (constraints == nullptr || NAME_CONSTRAINTS_check(leaf, constraints.get()) == X509_V_OK) {
    return {};
  }
  return std::unexpected{"the authority may not vouch for one of these names (name constraints)"};
}

Issued<void> check_times(UnixTime from, UnixTime to, const X509* authority) {
  if (to <= from) return std::unexpected{"the certificate would end before it begins"};
  const auto end = ossl::unix_time(X509_get0_notAfter(authority));
  if (end && to > *end) return std::unexpected{"the certificate would outlive its authority"};
  return {};
}

}  // namespace

Authority::Authority(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Authority::Authority(Authority&&) noexcept = default;
Authority& Authority::operator=(Authority&&) noexcept = default;
Authority::~Authority() = default;

Issued<base::SecretBytes> make_private_key(NewKey kind) {
  const ossl::Pkey key = TRY(ossl::make_key(kind));
  const ossl::ErrorScope errors;
  const ossl::Bio bio{BIO_new(BIO_s_secmem())};
  if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) != 1) {
    return ossl::failure("the key cannot be written");
  }
  return base::SecretBytes{ossl::content_of(bio.get())};
}

Issued<Authority> Authority::make(Bytes key_pem, const AuthorityRequest& request) {
  const ossl::ErrorScope errors;
  if (request.not_after <= request.not_before) {
    return std::unexpected{"the authority would end before it begins"};
  }
  auto impl = std::make_unique<Impl>();
  impl->key = TRY(ossl::key_of_pem(key_pem));
  CertificateForm form{request.subject, request.not_before, request.not_after, {}, {}, nullptr};
  form.extensions = {
      {"basicConstraints", "critical,CA:TRUE,pathlen:0"},
      {"keyUsage", "critical,keyCertSign,cRLSign"},
      {"subjectKeyIdentifier", "hash"},
  };
  if (!request.permitted.empty()) {
    form.extensions.push_back({"nameConstraints", TRY(constraints_of(request.permitted))});
  }
  impl->certificate = TRY(ossl::make_certificate(form, impl->key.get(), nullptr, impl->key.get()));
  impl->pem = ossl::pem_of(impl->certificate.get());
  return Authority{std::move(impl)};
}

Issued<Authority> Authority::open(Bytes certificate_pem, Bytes key_pem, Bytes passphrase) {
  const ossl::ErrorScope errors;
  auto impl = std::make_unique<Impl>();
  impl->certificate = TRY(ossl::certificate_of_pem(base::as_text(certificate_pem)));
  auto loaded = ossl::load_private_key({"key", key_pem}, passphrase);
  if (!loaded) return std::unexpected{loaded.error().message};
  impl->key = std::move(loaded->key);
  if (X509_check_ca(impl->certificate.get()) != 1) {
    return std::unexpected{"the certificate is not that of an authority"};
  }
  if (X509_check_private_key(impl->certificate.get(), impl->key.get()) != 1) {
    return std::unexpected{"the key is not the one of the authority's certificate"};
  }
  impl->pem = ossl::pem_of(impl->certificate.get());
  return Authority{std::move(impl)};
}

const std::string& Authority::certificate_pem() const { return impl_->pem; }

Issued<std::string> Authority::issue(Bytes key_pem, const LeafRequest& request) const {
  const ossl::ErrorScope errors;
  X509* const own = impl_->certificate.get();
  TRY_VOID(check_times(request.not_before, request.not_after, own));
  const ossl::Pkey key = TRY(ossl::key_of_pem(key_pem));
  const auto fit = ossl::examine(key.get());
  if (!fit) return std::unexpected{fit.error().text};
  const CertificateForm form = TRY(leaf_form(request, is_constrained(own)));
  const ossl::X509Ptr leaf = TRY(ossl::make_certificate(form, key.get(), own, impl_->key.get()));
  TRY_VOID(check_constraints(leaf.get(), own));
  return ossl::pem_of(leaf.get());
}

Issued<ByteVec> Authority::make_crl(const CrlRequest& request) const {
  if (request.next_update <= request.this_update) {
    return std::unexpected{"the CRL would end before it begins"};
  }
  const ossl::Crl crl =
      TRY(ossl::make_crl({request, {{"authorityKeyIdentifier", "keyid:always"}}, nullptr},
                         impl_->certificate.get(), impl_->key.get()));
  return ossl::der_of(crl.get(), i2d_X509_CRL);
}

}  // namespace caponier::pki

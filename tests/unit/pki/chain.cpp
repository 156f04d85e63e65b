#include "unit/pki/chain.h"

#include <algorithm>

namespace caponier::pki::test {

void set(ossl::CertificateForm& form, const std::string& name, const std::string& value) {
  std::erase_if(form.extensions, [&](const auto& one) { return one.name == name; });
  if (!value.empty()) form.extensions.push_back({name, value});
}

Chain::Chain()
    : root{"O=Example, CN=Root",
           after(-day),
           after(3650 * day),
           {{"basicConstraints", "critical,CA:TRUE"},
            {"keyUsage", "critical,keyCertSign,cRLSign"},
            {"subjectKeyIdentifier", "hash"}},
           {},
           nullptr},
      inter{"O=Example, CN=Intermediate",
            after(-day),
            after(1000 * day),
            {{"basicConstraints", "critical,CA:TRUE"},
             {"keyUsage", "critical,keyCertSign,cRLSign"},
             {"subjectKeyIdentifier", "hash"},
             {"authorityKeyIdentifier", "keyid:always"}},
            {},
            nullptr},
      leaf{"C=CH, O=Example, CN=gw",
           after(-day),
           after(365 * day),
           {{"basicConstraints", "critical,CA:FALSE"},
            {"keyUsage", "critical,digitalSignature"},
            {"extendedKeyUsage", "serverAuth"},
            {"subjectAltName",
             "DNS:gw.example.org,email:anna@example.org,IP:192.0.2.1,IP:2001:db8::1"},
            {"subjectKeyIdentifier", "hash"},
            {"authorityKeyIdentifier", "keyid:always"}},
           {},
           nullptr} {}

ossl::X509Ptr certificate_of(const ossl::CertificateForm& form, EVP_PKEY* key, X509* issuer,
                             EVP_PKEY* issuer_key) {
  auto made = ossl::make_certificate(form, key, issuer, issuer_key);
  EXPECT_TRUE(made.has_value()) << (made ? "" : made.error());
  return made ? *std::move(made) : nullptr;
}

ByteVec der_of(X509* certificate) { return ossl::der_of(certificate, i2d_X509); }

wire::CertPayload payload_of(X509* certificate) {
  return {static_cast<std::uint8_t>(CertEncoding::x509_signature), der_of(certificate)};
}

void Chain::build() {
  root_made = certificate_of(root, root_key, nullptr, root_key);
  EVP_PKEY* const above = signs_inter == nullptr ? root_key : signs_inter;
  inter_made = certificate_of(inter, inter_key, root_made.get(), above);
  change_inter(inter_made.get());
  leaf_made = certificate_of(leaf, leaf_key, inter_made.get(),
                             signs_leaf == nullptr ? inter_key : signs_leaf);
  payloads = {payload_of(leaf_made.get())};
  spoil_leaf(payloads.front().data);
  if (send_inter) {
    payloads.push_back(payload_of(inter_made.get()));
    spoil_inter(payloads.back().data);
  }
  std::ranges::copy(more, std::back_inserter(payloads));
}

std::unique_ptr<CertificateStore> Chain::make_store(std::vector<ByteVec> crls) const {
  const ByteVec root_der = der_of(root_made.get());
  StoreFiles files{.anchors = {{"root.pem", root_der}}};
  for (const ByteVec& crl : crls) files.crls.push_back({"crl", crl});
  auto store = OpensslPki{}.make_store(files);
  EXPECT_TRUE(store.has_value()) << (store ? "" : store.error().front().to_string());
  return store ? *std::move(store) : nullptr;
}

Verdict Chain::verify(CertificateStore& store) const {
  return store.verify({.identity = identity,
                       .certs = payloads,
                       .now = at,
                       .revocation = revocation,
                       .purpose = purpose,
                       .anchors = anchors,
                       .required_policies = required_policies,
                       .may_fetch = may_fetch});
}

std::string word_of(const Verdict& verdict) {
  if (std::holds_alternative<Trusted>(verdict)) return "trusted";
  if (std::holds_alternative<NeedsFetch>(verdict)) return "fetch";
  EXPECT_FALSE(std::get<Refused>(verdict).text.empty());
  return std::string{name_of(std::get<Refused>(verdict).reason)};
}

}  // namespace caponier::pki::test

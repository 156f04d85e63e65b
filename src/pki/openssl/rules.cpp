#include "pki/openssl/rules.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.h"
#include "base/event.h"
#include "pki/openssl/path.h"

namespace caponier::pki::ossl {

namespace {

constexpr std::string_view ike_intermediate = "1.3.6.1.5.5.8.2.2";

std::unexpected<Refused> refuse(Refusal reason, std::string text) {
  return std::unexpected{Refused{reason, std::move(text)}};
}

std::string oid_text(const ASN1_OBJECT* oid) {
  std::array<char, 128> dotted{};
  OBJ_obj2txt(dotted.data(), static_cast<int>(dotted.size()), oid, 1);
  return dotted.data();
}

bool suits(const ASN1_OBJECT* usage, Purpose purpose) {
  const int nid = OBJ_obj2nid(usage);
  if (nid == NID_anyExtendedKeyUsage || nid == NID_ipsec_IKE) return true;
  switch (purpose) {
    case Purpose::any: return true;
    case Purpose::ike: return false;
    case Purpose::server: return nid == NID_server_auth || oid_text(usage) == ike_intermediate;
    case Purpose::client: return nid == NID_client_auth;
  }
  return false;
}

std::string_view wanted_text(Purpose purpose) {
  switch (purpose) {
    case Purpose::any: return "anything";
    case Purpose::ike: return "ipsecIKE or anyExtendedKeyUsage";
    case Purpose::server: return "serverAuth, ipsecIKE or anyExtendedKeyUsage";
    case Purpose::client: return "clientAuth, ipsecIKE or anyExtendedKeyUsage";
  }
  return "?";
}

//= rfc4945#5.1.3.12-5
Rule check_extended_usage(X509* certificate, Purpose purpose) {
  void* const extension = X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr);
  const std::unique_ptr<EXTENDED_KEY_USAGE, Freed<EXTENDED_KEY_USAGE_free>> usages{
      static_cast<EXTENDED_KEY_USAGE*>(extension)};
  if (usages == nullptr) return {};
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
    if (suits(sk_ASN1_OBJECT_value(usages.get(), i), purpose)) return {};
  }
  return refuse(Refusal::extended_key_usage,
                fmt::format("the certificate {} is for other uses: its extended key usage must "
                            "have {}, or be left out",
                            quoted_subject(certificate), wanted_text(purpose)));
}

/// RFC 4945 s5.1.3.2.
Rule check_leaf_usage(X509* leaf) {
  constexpr std::uint32_t signing = KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION;
  if ((X509_get_key_usage(leaf) & signing) != 0) return {};  // all bits when there is none
  return refuse(Refusal::key_usage,
                fmt::format("the certificate {} may not sign: its key usage must have "
                            "digitalSignature or nonRepudiation",
                            quoted_subject(leaf)));
}

bool can_be_proven(wire::IdType type) {
  using enum wire::IdType;
  return type == fqdn || type == rfc822_addr || type == ipv4_addr || type == ipv6_addr ||
         type == der_asn1_dn;
}

/// The names it does have, for the sentence.
std::string names_text(const Certificate& certificate) {
  constexpr std::size_t shown_max = 8;
  std::string text;
  for (const policy::Identity& name : certificate.alternative_names) {
    if (!text.empty()) text += ", ";
    text += name.to_string();
    if (text.size() > shown_max * 32) return text + ", ...";
  }
  return text.empty() ? "no subjectAltName" : text;
}

bool is_subject(X509* leaf, Bytes name) {
  const ErrorScope errors;
  const X509_NAME* const subject = X509_get_subject_name(leaf);
  const Name wanted = parse_name_der(name);
  return wanted != nullptr && X509_NAME_entry_count(subject) > 0 &&
         X509_NAME_cmp(subject, wanted.get()) == 0;
}

}  // namespace

Rule check_extensions(X509* certificate) {
  X509_check_purpose(certificate, -1, 0);  // reads them all
  const std::uint32_t flags = X509_get_extension_flags(certificate);
  if ((flags & (EXFLAG_INVALID | EXFLAG_INVALID_POLICY)) == 0) return {};
  return refuse(Refusal::invalid_extension,
                fmt::format("the certificate {} has an extension that is malformed, or twice there",
                            quoted_subject(certificate)));
}

Rule check_purpose(std::span<const X509Ptr> chain, Purpose purpose) {
  for (const X509Ptr& one : chain) TRY_VOID(check_extensions(one.get()));
  TRY_VOID(check_leaf_usage(chain.front().get()));
  if (purpose == Purpose::any) return {};
  const std::size_t below_anchor = std::max<std::size_t>(chain.size() - 1, 1);
  for (const X509Ptr& one : chain.first(below_anchor)) {
    TRY_VOID(check_extended_usage(one.get(), purpose));
  }
  return {};
}

//= rfc4945#3.1-3
Rule check_identity(X509* leaf, const Certificate& read, const policy::Identity& identity) {
  if (!can_be_proven(identity.type)) {
    return refuse(Refusal::identity_kind,
                  fmt::format("no certificate can prove the identity {}; a name, an address or a "
                              "distinguished name can",
                              identity.to_string()));
  }
  const bool is_name = identity.type == wire::IdType::der_asn1_dn;
  if (is_name ? is_subject(leaf, identity.data) : has_alternative_name(read, identity)) return {};
  if (is_name) {
    const Name wanted = parse_name_der(identity.data);
    return refuse(Refusal::identity_mismatch,
                  fmt::format("the peer calls itself '{}', but its certificate has the subject {}",
                              wanted == nullptr ? identity.to_string() : text_of(wanted.get()),
                              quoted_subject(leaf)));
  }
  return refuse(Refusal::identity_mismatch,
                fmt::format("the peer calls itself {}, but its certificate {} names {}",
                            identity.to_string(), quoted_subject(leaf), names_text(read)));
}

}  // namespace caponier::pki::ossl

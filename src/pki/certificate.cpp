#include "pki/certificate.h"

#include <algorithm>

#include <fmt/format.h>

namespace caponier::pki {

namespace {

bool is_within(const Certificate& certificate, UnixTime now) {
  return certificate.not_before <= now && now <= certificate.not_after;
}

bool is_named(const Credential& credential, const CertificateWish& wish) {
  return std::ranges::any_of(credential.authorities, [&](const KeyHash& hash) {
    return std::ranges::find(wish.authorities, hash) != wish.authorities.end();
  });
}

/// Greater is better.
int rank(const Credential& credential, const CertificateWish& wish, UnixTime now) {
  const SigningRequest signing{.octets = {}, .peer_hashes = wish.hashes};
  const bool is_raw = credential.chain.empty();
  const bool can_be_checked = choose_scheme(*credential.signer, signing).has_value();
  const bool holds = is_raw || is_within(credential.chain.front(), now);
  const bool is_wanted = is_raw ? wish.raw_public_key : is_named(credential, wish);
  return (can_be_checked ? 8 : 0) + (holds ? 4 : 0) + (is_wanted ? 2 : 0) + (is_raw ? 0 : 1);
}

}  // namespace

//= rfc4945#3.1.2-3
bool has_alternative_name(const Certificate& certificate, const policy::Identity& identity) {
  using enum wire::IdType;
  if (identity.type != fqdn && identity.type != rfc822_addr && identity.type != ipv4_addr &&
      identity.type != ipv6_addr) {
    return false;
  }
  const bool is_text = identity.type == fqdn || identity.type == rfc822_addr;
  if (is_text && base::as_text(identity.data).find('*') != std::string_view::npos) return false;
  return std::ranges::any_of(certificate.alternative_names, [&](const policy::Identity& name) {
    return policy::is_same(name, identity);
  });
}

std::vector<wire::CertPayload> Credential::cert_payloads() const {
  if (chain.empty()) {
    return {{static_cast<std::uint8_t>(CertEncoding::raw_public_key), signer->public_key().spki}};
  }
  std::vector<wire::CertPayload> payloads;
  for (const Certificate& certificate : chain) {
    payloads.push_back({static_cast<std::uint8_t>(CertEncoding::x509_signature), certificate.der});
  }
  return payloads;
}

CertificateWish wish_of(std::span<const wire::CertReqPayload> payloads,
                        std::span<const SignatureHash> peer_hashes) {
  CertificateWish wish;
  wish.hashes.assign(peer_hashes.begin(), peer_hashes.end());
  for (const wire::CertReqPayload& payload : payloads) {
    const auto encoding = static_cast<CertEncoding>(payload.encoding);
    if (encoding == CertEncoding::raw_public_key) wish.raw_public_key = true;
    if (encoding != CertEncoding::x509_signature) continue;
    Bytes rest = payload.authorities;
    if (rest.size() % sizeof(KeyHash) != 0) continue;
    for (; !rest.empty() && wish.authorities.size() < authorities_max;
         rest = rest.subspan(sizeof(KeyHash))) {
      base::copy_into(wish.authorities.emplace_back(), rest.first(sizeof(KeyHash)));
    }
  }
  return wish;
}

const Credential* choose(std::span<const Credential> credentials, const CertificateWish& wish,
                         UnixTime now) {
  const Credential* best = nullptr;
  int best_rank = -1;
  for (const Credential& credential : credentials) {
    const int own = rank(credential, wish, now);
    if (own <= best_rank) continue;
    best = &credential;
    best_rank = own;
  }
  return best;
}

wire::CertReqPayload certificate_request(std::span<const KeyHash> authorities) {
  wire::CertReqPayload payload{static_cast<std::uint8_t>(CertEncoding::x509_signature)};
  for (const KeyHash& hash : authorities) base::append(payload.authorities, hash);
  return payload;
}

wire::CertReqPayload raw_public_key_request() {
  return {static_cast<std::uint8_t>(CertEncoding::raw_public_key)};
}

std::vector<Expiry> expiries(const Credential& credential) {
  std::vector<Expiry> all;
  for (const Certificate& certificate : credential.chain) {
    all.push_back({fmt::format("certificate '{}' in {}", certificate.subject_text, credential.name),
                   certificate.not_after});
  }
  return all;
}

}  // namespace caponier::pki

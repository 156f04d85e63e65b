#include "gateway/chain_verifier.h"

#include <variant>

namespace caponier::gateway {

std::expected<eap::CertifiedPeer, std::string> ChainVerifier::verify(
    std::span<const eap::ByteVec> chain, eap::TlsRole peer) const {
  if (!settings_.store) return std::unexpected{std::string{"no authority is configured"}};
  const auto leaf = pki_->load_certificates({"the certificate", chain.front()});
  if (!leaf || leaf->empty()) return std::unexpected{std::string{"the certificate is malformed"}};
  const auto& names = leaf->front().alternative_names;
  const policy::Identity own =
      names.empty() ? policy::Identity{wire::IdType::der_asn1_dn, leaf->front().subject}
                    : names.front();
  const policy::Identity& identity = settings_.expected ? *settings_.expected : own;
  std::vector<wire::CertPayload> certs;
  for (const eap::ByteVec& der : chain) {
    certs.push_back({static_cast<std::uint8_t>(pki::CertEncoding::x509_signature), der});
  }
  pki::VerifyRequest request{
      .identity = identity,
      .certs = certs,
      .now = settings_.now(),
      .revocation = settings_.revocation,
      .purpose = peer == eap::TlsRole::server ? pki::Purpose::server : pki::Purpose::client,
      .anchors = settings_.authorities,
      .required_policies = {},
      .may_fetch = settings_.want != nullptr};
  auto verdict = settings_.store->verify(request);
  bool is_fetching = false;
  if (auto* const needs = std::get_if<pki::NeedsFetch>(&verdict)) {
    settings_.want(std::move(needs->fetches));
    is_fetching = true;
    request.may_fetch = false;
    verdict = settings_.store->verify(request);
  }
  if (const auto* const refused = std::get_if<pki::Refused>(&verdict)) {
    return std::unexpected{
        is_fetching ? refused->text + "; it is being fetched for the next attempt" : refused->text};
  }
  const auto* const trusted = std::get_if<pki::Trusted>(&verdict);
  if (trusted == nullptr) {
    return std::unexpected{std::string{"whether it is revoked cannot be found out"}};
  }
  eap::CertifiedPeer proven{{}, {}, trusted->leaf.units, trusted->policies};
  for (const policy::Identity& name : names) proven.names.push_back(name.to_string());
  if (proven.names.empty()) proven.names.push_back(leaf->front().subject_text);
  return proven;
}

}  // namespace caponier::gateway

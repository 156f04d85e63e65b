#include "policy/proposal.h"

#include <array>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "policy/algorithm_names.h"

namespace caponier::policy {

namespace {

using wire::ProtocolId;
using wire::TransformType;

constexpr std::size_t described_proposals_max = 16;
constexpr std::size_t described_transforms_max = 48;

std::string prf_text(crypto::PrfId id) {
  const crypto::PrfInfo* info = crypto::find(id);
  return info != nullptr ? std::string{info->name}
                         : fmt::format("prf#{}", static_cast<unsigned>(id));
}

std::string ke_text(crypto::KeGroup id) {
  const crypto::KeInfo* info = crypto::find(id);
  return info != nullptr ? std::string{info->name}
                         : fmt::format("ke#{}", static_cast<unsigned>(id));
}

std::string protocol_text(ProtocolId protocol) {
  switch (protocol) {
    case ProtocolId::none: return "none";
    case ProtocolId::ike: return "ike";
    case ProtocolId::ah: return "ah";
    case ProtocolId::esp: return "esp";
  }
  return fmt::format("protocol{}", static_cast<unsigned>(protocol));
}

std::string proposal_text(const wire::Proposal& proposal) {
  std::string text = fmt::format("{} {}: ", proposal.number, protocol_text(proposal.protocol));
  const std::size_t count = std::min(proposal.transforms.size(), described_transforms_max);
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) text += '-';
    text += algorithm_text(proposal.transforms[i]);
  }
  if (count < proposal.transforms.size()) {
    text += fmt::format(" and {} more", proposal.transforms.size() - count);
  }
  return text;
}

std::vector<crypto::KeGroup> default_groups() {
  using enum crypto::KeGroup;
  return {curve25519, ecp_384, ecp_256, ecp_521, modp_3072, modp_4096, modp_2048};
}

Offer default_offer(ProtocolId protocol, bool aead) {
  using enum crypto::EncrId;
  using enum crypto::IntegId;
  Offer offer;
  offer.protocol = protocol;
  if (aead) {
    offer.encryption = {{aes_gcm_16, 256}, {aes_gcm_16, 128}, {chacha20_poly1305, 0}};
  } else {
    offer.encryption = {{aes_cbc, 256}, {aes_cbc, 128}};
    offer.integrity = {hmac_sha2_256_128, hmac_sha2_384_192, hmac_sha2_512_256};
  }
  if (protocol == ProtocolId::ike) {
    offer.prf = {crypto::PrfId::hmac_sha2_384, crypto::PrfId::hmac_sha2_256,
                 crypto::PrfId::hmac_sha2_512};
  } else {
    offer.esn = {true, false};
  }
  offer.ke = default_groups();
  // Many peers renew children without a key exchange of their own; losing the tunnel over that
  // would help nobody. Last in line: any group both sides know is preferred.
  if (protocol == ProtocolId::esp) offer.ke.push_back(crypto::KeGroup::none);
  return offer;
}

template <class Ids>
void add_transforms(wire::Proposal& to, TransformType type, const Ids& ids) {
  for (const auto id : ids) {
    to.transforms.push_back(wire::make_transform(type, static_cast<std::uint16_t>(id)));
  }
}

wire::Proposal make_proposal(const Offer& offer, bool with_ke) {
  wire::Proposal proposal;
  proposal.protocol = offer.protocol;
  //= rfc7296#3.3-9..10 rfc7296#3.3.5-4
  for (const Encryption& encryption : offer.encryption) {
    proposal.transforms.push_back(wire::make_transform(
        TransformType::encr, static_cast<std::uint16_t>(encryption.id), encryption.key_bits));
  }
  add_transforms(proposal, TransformType::prf, offer.prf);
  add_transforms(proposal, TransformType::integ, offer.integrity);
  if (with_ke) add_transforms(proposal, TransformType::ke, offer.ke);
  add_transforms(proposal, TransformType::esn, offer.esn);
  // ESN is mandatory in ESP and AH (RFC 7296 s3.3.3).
  if (offer.protocol != ProtocolId::ike && offer.esn.empty()) {
    add_transforms(proposal, TransformType::esn, std::array{false});
  }
  return proposal;
}

}  // namespace

std::string to_string(const IkeSuite& suite) {
  return fmt::format("{}/{}/{}", crypto::to_string(suite.cipher), prf_text(suite.prf),
                     ke_text(suite.ke));
}

std::string to_string(const ChildSuite& suite) {
  std::string text = crypto::to_string(suite.cipher);
  if (suite.ke != crypto::KeGroup::none) text += '/' + ke_text(suite.ke);
  return text + (suite.esn ? "/esn" : "");
}

std::string to_string(const wire::SaPayload& payload) {
  const std::size_t count = std::min(payload.proposals.size(), described_proposals_max);
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) text += '\n';
    text += proposal_text(payload.proposals[i]);
  }
  if (count < payload.proposals.size()) {
    text += fmt::format("\nand {} more", payload.proposals.size() - count);
  }
  return text;
}

Offers default_ike_offers() {
  return {default_offer(ProtocolId::ike, true), default_offer(ProtocolId::ike, false)};
}

Offers default_esp_offers() {
  return {default_offer(ProtocolId::esp, true), default_offer(ProtocolId::esp, false)};
}

wire::SaPayload to_wire(const Offers& offers, base::Bytes spi, bool with_ke) {
  constexpr std::size_t offers_max = 255;  // proposal numbers are one octet
  wire::SaPayload payload;
  for (const Offer& offer : std::span{offers}.first(std::min(offers.size(), offers_max))) {
    wire::Proposal proposal = make_proposal(offer, with_ke);
    //= rfc7296#3.3-2 rfc7296#3.3-5..6 rfc7296#3.3.1-2
    proposal.number = static_cast<std::uint8_t>(payload.proposals.size() + 1);
    proposal.spi = base::to_vec(spi);
    payload.proposals.push_back(std::move(proposal));
  }
  return payload;
}

}  // namespace caponier::policy

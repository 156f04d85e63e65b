#pragma once
// Proposals: what we offer, what we choose from a peer's offer, and whether a peer's answer is one
// we offered (RFC 7296 s2.7, s3.3).

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/registry.h"
#include "wire/ike.h"

namespace caponier::policy {

struct Encryption {
  crypto::EncrId id{};
  std::uint16_t key_bits = 0;
  friend constexpr auto operator<=>(const Encryption&, const Encryption&) = default;
};

/// One proposal with its alternatives per transform type, each list in order of preference. AEAD
/// and non-AEAD ciphers never share an offer (RFC 7296 s3.3).
struct Offer {
  wire::ProtocolId protocol{};             ///< ike, esp or ah
  std::vector<Encryption> encryption;      ///< empty for AH
  std::vector<crypto::PrfId> prf;          ///< IKE only
  std::vector<crypto::IntegId> integrity;  ///< empty for AEAD
  std::vector<crypto::KeGroup> ke;         ///< required for IKE; else PFS groups, may be empty
  std::vector<bool> esn;                   ///< ESP and AH: acceptable values in order
  friend bool operator==(const Offer&, const Offer&) = default;
};

using Offers = std::vector<Offer>;

/// The algorithms of an IKE SA.
struct IkeSuite {
  crypto::CipherSuite cipher;
  crypto::PrfId prf{};
  crypto::KeGroup ke{};
  friend constexpr auto operator<=>(const IkeSuite&, const IkeSuite&) = default;
};

/// The algorithms of a Child SA; `ke` is none without PFS. The cipher of AH is `null`.
struct ChildSuite {
  crypto::CipherSuite cipher;
  crypto::KeGroup ke = crypto::KeGroup::none;
  bool esn = true;
  friend constexpr auto operator<=>(const ChildSuite&, const ChildSuite&) = default;
};

[[nodiscard]] std::string to_string(const IkeSuite& suite);    // "aes256-gcm/prf-sha384/x25519"
[[nodiscard]] std::string to_string(const ChildSuite& suite);  // "aes256-gcm/esn"
/// One line per proposal of a peer's payload, unknown numbers included; for events.
[[nodiscard]] std::string to_string(const wire::SaPayload& payload);

/// AES-256-GCM, AES-128-GCM, ChaCha20-Poly1305, then AES-CBC with SHA-2; X25519 first. For ESP a
/// key exchange in CREATE_CHILD_SA is preferred, its absence accepted.
[[nodiscard]] Offers default_ike_offers();
[[nodiscard]] Offers default_esp_offers();

/// What else an offer may name: `legacy` lets in 3DES, HMAC-SHA1, MODP-1024 and MODP-1536.
enum class Compat : std::uint8_t { none, legacy };

/// "aes256gcm16-prfsha384-x25519", "aes256-sha256-modp2048", "aes128gcm16", "aes256gcm16-x25519",
/// "aes128-sha256-noesn", for AH "sha256-x25519" or "aes256gmac": strongSwan's spelling, any order,
/// several of a kind allowed. The error is a sentence that names the part and what would be right.
[[nodiscard]] std::expected<Offer, std::string> parse_offer(std::string_view text,
                                                            wire::ProtocolId protocol,
                                                            Compat compat);
/// The same with Compat::none.
[[nodiscard]] std::expected<Offer, std::string> parse_offer(std::string_view text,
                                                            wire::ProtocolId protocol);
/// What `offers` name that needs Compat::legacy, each as a sentence: "'sha1' is weak (a broken
/// hash)".
[[nodiscard]] std::vector<std::string> weaknesses_of(const Offers& offers);

/// Proposals numbered from 1, each with `spi` (empty in IKE_SA_INIT). Child offers made inside
/// IKE_AUTH carry no KE transform: pass `with_ke` false.
[[nodiscard]] wire::SaPayload to_wire(const Offers& offers, base::Bytes spi, bool with_ke);

template <class Suite>
struct Choice {
  Suite suite;
  base::ByteVec peer_spi;  ///< the SPI of the peer's chosen proposal
  wire::Proposal answer;   ///< that proposal reduced to the chosen transforms; SPI still the peer's
};

/// Why nothing was chosen: the transform type that has no common value in the proposal that came
/// nearest (counting matching types), for events and explanation.
struct NoChoice {
  wire::TransformType missing{};
  std::string ours;
  std::string theirs;
};

/// The responder's choice. Our order of preference decides between offers and within each list;
/// a `preferred_ke` (the group of the peer's KE payload) wins among acceptable groups.
[[nodiscard]] std::expected<Choice<IkeSuite>, NoChoice> choose_ike(const wire::SaPayload& theirs,
                                                                   const Offers& ours,
                                                                   crypto::KeGroup preferred_ke);
/// `in_ike_auth`: no KE is negotiated (s1.2). Offers of ESP and of AH may stand side by side; the
/// answer's protocol tells which it is.
[[nodiscard]] std::expected<Choice<ChildSuite>, NoChoice> choose_child(
    const wire::SaPayload& theirs, const Offers& ours, crypto::KeGroup preferred_ke,
    bool in_ike_auth);

/// The initiator's check of the answer: exactly one proposal, one transform of each type, and all
/// of it offered by us.
[[nodiscard]] std::expected<Choice<IkeSuite>, NoChoice> accept_ike(const wire::SaPayload& answer,
                                                                   const Offers& ours);
[[nodiscard]] std::expected<Choice<ChildSuite>, NoChoice> accept_child(
    const wire::SaPayload& answer, const Offers& ours, bool in_ike_auth);

}  // namespace caponier::policy

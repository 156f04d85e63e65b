#pragma once
// The ways to authenticate, and what the two sides say of them before: SUPPORTED_AUTH_METHODS (RFC
// 9593) and SIGNATURE_HASH_ALGORITHMS (RFC 7427 s4). What comes in IKE_SA_INIT is not authentic: it
// explains, it decides nothing that AUTH does not confirm.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/crypto.h"
#include "ike/actions.h"
#include "ike/config.h"
#include "wire/ike.h"

namespace caponier::ike {

/// More announcements in one notify are not looked at.
inline constexpr std::size_t auth_announcements_max = 32;

/// EAP has none: an AUTH payload comes only after it, and is of a shared key.
[[nodiscard]] wire::AuthMethod method_of(AuthKind kind);
/// Empty: nobody here knows the method.
[[nodiscard]] std::optional<AuthKind> kind_of(wire::AuthMethod method);
[[nodiscard]] bool accepts(const PeerRound& round, AuthKind kind);
/// In any round.
[[nodiscard]] bool accepts(const ConnectionConfig& connection, AuthKind kind);
[[nodiscard]] bool has_several_rounds(const ConnectionConfig& connection);
/// What the connection accepts, as announced.
[[nodiscard]] std::vector<wire::AuthMethod> accepted_methods(const ConnectionConfig& connection);

/// Hashes that may be in an announcement: those numbers below 16.
using SignatureHashes = std::uint16_t;
/// The SHA-2 family, and the identity for EdDSA (RFC 8420).
[[nodiscard]] wire::NotifyPayload make_signature_hashes();
/// A bit for each number announced; 0 without a notify or when it makes no sense.
[[nodiscard]] SignatureHashes find_signature_hashes(const std::vector<wire::Payload>& payloads);

/// So many are named: in an answer to a stranger this is what amplifies.
inline constexpr std::size_t authorities_asked_max = 6;
/// CERTREQ of encoding 14: an OCSP answer is wanted, of whatever responder the authority has named
/// (RFC 4806 s3.1).
[[nodiscard]] wire::CertReqPayload make_ocsp_request();
/// CERTREQ (s3.7) for the authorities of the connection.
[[nodiscard]] wire::CertReqPayload make_certificate_request(const ConnectionConfig& connection);

/// What a peer asks for; more payloads than a message may have certificates are not looked at.
[[nodiscard]] std::vector<wire::CertReqPayload> find_certificate_wishes(
    const std::vector<wire::Payload>& payloads);

/// What a keyholder says that has this shared key.
[[nodiscard]] AuthReply answer_by_shared_key(const AuthRequest& request,
                                             const crypto::CryptoProvider& crypto, base::Bytes key);

[[nodiscard]] wire::NotifyPayload make_auth_methods(const std::vector<wire::AuthMethod>& methods);
/// Each method once, in the peer's order; empty without a notify or when it makes no sense.
[[nodiscard]] std::vector<wire::AuthMethod> find_auth_methods(
    const std::vector<wire::Payload>& payloads);

/// "a pre-shared key", "a certificate or raw public key", "EAP".
[[nodiscard]] std::string_view describe(AuthKind kind);
[[nodiscard]] std::string describe(const std::vector<AuthKind>& kinds);
/// "a pre-shared key", "a signature (14)", "method 99".
[[nodiscard]] std::string describe(wire::AuthMethod method);
/// "a pre-shared key or a signature (14)".
[[nodiscard]] std::string describe(const std::vector<wire::AuthMethod>& methods);

}  // namespace caponier::ike

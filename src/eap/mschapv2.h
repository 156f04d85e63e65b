#pragma once
// The arithmetic of MS-CHAPv2 (RFC 2759 s8) and of the keys it makes (RFC 3079 s3).

#include <array>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "crypto/legacy.h"
#include "eap/packet.h"
#include "eap/passwords.h"

namespace caponier::eap::mschapv2 {

using Challenge = std::array<std::byte, 16>;
using NtResponse = std::array<std::byte, 24>;
using Hash = base::Secret<16>;

/// NtPasswordHash(). Octets that are no UTF-8 stand for themselves, as in Latin-1.
[[nodiscard]] Hash nt_hash(const crypto::LegacyCrypto& crypto, Bytes password);
/// Of either kind of password.
[[nodiscard]] Hash nt_hash(const crypto::LegacyCrypto& crypto, const Password& password);

/// What both sides put in.
struct Exchange {
  Challenge authenticator_challenge{};
  Challenge peer_challenge{};
  std::string user;  ///< without "DOMAIN\"
};

/// GenerateNTResponse().
[[nodiscard]] NtResponse nt_response(const crypto::LegacyCrypto& crypto, const Hash& hash,
                                     const Exchange& exchange);
/// GenerateAuthenticatorResponse(): "S=" and 40 upper-case digits.
[[nodiscard]] std::string authenticator_response(const crypto::LegacyCrypto& crypto,
                                                 const Hash& hash, const NtResponse& response,
                                                 const Exchange& exchange);

/// The server's master keys of 16 octets each.
struct MasterKeys {
  base::Secret<16> receive;
  base::Secret<16> send;
};
[[nodiscard]] MasterKeys master_keys(const crypto::LegacyCrypto& crypto, const Hash& hash,
                                     const NtResponse& response);
/// MasterReceiveKey | MasterSendKey of the server, and zeros up to msk_size: the same on both sides
/// (draft-kamath-pppext-eap-mschapv2).
[[nodiscard]] base::SecretBytes msk(const crypto::LegacyCrypto& crypto, const Hash& hash,
                                    const NtResponse& response);

/// Hexadecimal as MS-CHAPv2's texts have it.
[[nodiscard]] std::string upper_hex(Bytes bytes);
/// "DOMAIN\user" without its domain.
[[nodiscard]] std::string_view without_domain(std::string_view user);
/// A failure message (RFC 2759 s6), "E=691 R=0 ...", in words; never more than that of the message.
[[nodiscard]] std::string explain_failure(std::string_view message);

}  // namespace caponier::eap::mschapv2

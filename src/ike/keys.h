#pragma once
// The key schedule (RFC 7296 s2.13-2.17).

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "base/secret.h"
#include "base/strong.h"
#include "crypto/crypto.h"
#include "policy/child_sa.h"
#include "policy/proposal.h"

namespace caponier::ike {

/// The seven secrets of an IKE SA (s2.14).
struct IkeKeys {
  base::SecretBytes sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr;
};

/// SKEYSEED = prf(Ni | Nr, g^ir), then prf+ over Ni | Nr | SPIi | SPIr.
[[nodiscard]] std::expected<IkeKeys, crypto::CryptoError> derive_ike_keys(
    const crypto::Prf& prf, const policy::IkeSuite& suite, base::Bytes shared_secret,
    base::Bytes nonce_i, base::Bytes nonce_r, base::IkeSpi spi_i, base::IkeSpi spi_r);

/// The same seven in one piece, and how it is cut.
[[nodiscard]] std::expected<base::SecretBytes, crypto::CryptoError> derive_ike_key_material(
    const crypto::Prf& prf, const policy::IkeSuite& suite, base::Bytes shared_secret,
    base::Bytes nonce_i, base::Bytes nonce_r, base::IkeSpi spi_i, base::IkeSpi spi_r);
/// What both sides brought to IKE_SA_INIT.
struct InitValues {
  base::Bytes nonce_i, nonce_r;
  base::IkeSpi spi_i, spi_r;
};
/// The key exchange and the keys; `why` says what failed.
[[nodiscard]] std::optional<base::SecretBytes> derive_init_keys(
    const crypto::CryptoProvider& crypto, crypto::KeyExchange& ke, const policy::IkeSuite& suite,
    base::Bytes peer_public, const InitValues& init, std::string& why);

/// From the SK_d of an IKE SA that ended (RFC 5723 s5.1).
[[nodiscard]] std::expected<base::SecretBytes, crypto::CryptoError> derive_resumed_key_material(
    const crypto::Prf& prf, const policy::IkeSuite& suite, const base::SecretBytes& old_sk_d,
    base::Bytes nonce_i, base::Bytes nonce_r, base::IkeSpi spi_i, base::IkeSpi spi_r);
/// Any size but the right one gives empty keys.
[[nodiscard]] IkeKeys cut_ike_keys(const crypto::Prf& prf, const policy::IkeSuite& suite,
                                   const base::SecretBytes& material);

/// After a rekey of the IKE SA (s2.18): SKEYSEED = prf(SK_d of the old SA, g^ir | Ni | Nr) with the
/// old PRF, then prf+ with the new one.
[[nodiscard]] std::expected<IkeKeys, crypto::CryptoError> derive_rekeyed_ike_keys(
    const crypto::Prf& old_prf, const base::SecretBytes& old_sk_d, const crypto::Prf& prf,
    const policy::IkeSuite& suite, base::Bytes shared_secret, base::Bytes nonce_i,
    base::Bytes nonce_r, base::IkeSpi spi_i, base::IkeSpi spi_r);

struct ChildKeys {
  policy::DirectionKeys initiator_to_responder;
  policy::DirectionKeys responder_to_initiator;
};

/// KEYMAT = prf+(SK_d, [g^ir |] Ni | Nr) (s2.17); `shared_secret` is empty without a new KE.
[[nodiscard]] std::expected<ChildKeys, crypto::CryptoError> derive_child_keys(
    const crypto::Prf& prf, const policy::ChildSuite& suite, const base::SecretBytes& sk_d,
    base::Bytes shared_secret, base::Bytes nonce_i, base::Bytes nonce_r);

/// The octets one side signs (s2.15): its IKE_SA_INIT message | the other's nonce |
/// prf(SK_p, its ID payload without the generic header). Empty when the PRF failed.
[[nodiscard]] base::ByteVec signed_octets(const crypto::Prf& prf, base::Bytes init_message,
                                          base::Bytes other_nonce, const base::SecretBytes& sk_p,
                                          const wire::IdPayload& id);

/// AUTH of a shared key (s2.15): prf(prf(PSK, "Key Pad for IKEv2"), octets). The keyholder's half.
/// Empty when the PRF failed.
[[nodiscard]] base::SecretBytes shared_key_auth(const crypto::Prf& prf, base::Bytes psk,
                                                base::Bytes octets);

}  // namespace caponier::ike

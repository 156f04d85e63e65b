#pragma once
// The SK payload (RFC 7296 s3.14, RFC 5282): closing and opening protected messages.

#include <expected>
#include <memory>
#include <vector>

#include "base/drops.h"
#include "crypto/crypto.h"
#include "ike/keys.h"
#include "policy/proposal.h"
#include "wire/ike.h"

namespace caponier::ike {

/// Both directions of one IKE SA's message protection. The IV of counter-mode ciphers is a counter
/// that starts at a random value of this object and never repeats within it.
class MessageProtection {
 public:
  /// `rng` must outlive the object.
  [[nodiscard]] static std::expected<MessageProtection, crypto::CryptoError> make(
      const crypto::CryptoProvider& crypto, const policy::IkeSuite& suite, const IkeKeys& keys,
      bool is_initiator, base::Rng& rng);

  /// The whole datagram: header (next payload and length are set here) and `inner` in one SK
  /// payload. Empty when it does not fit the length fields or the cipher refuses.
  [[nodiscard]] std::optional<base::ByteVec> seal(wire::IkeHeader header,
                                                  const std::vector<wire::Payload>& inner);

  enum class OpenError : std::uint8_t {
    not_protected,  ///< no SK payload, or bytes that do not parse before it
    bad_icv,        ///< not from the peer, or damaged: drop silently
    bad_inner,      ///< authentic, but the inner payloads do not parse: INVALID_SYNTAX
  };
  /// The inner payloads, with anything that stood unprotected beside the SK payload left out.
  [[nodiscard]] std::expected<std::vector<wire::Payload>, OpenError> open(base::Bytes datagram);

 private:
  MessageProtection() = default;

  std::unique_ptr<crypto::PacketCipher> seal_cipher_;
  std::unique_ptr<crypto::PacketCipher> open_cipher_;
  std::uint64_t iv_counter_ = 0;
};

}  // namespace caponier::ike

#pragma once
// The SK payload (RFC 7296 s3.14, RFC 5282) and its fragments (RFC 7383): closing and opening
// protected messages.

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <vector>

#include "base/drops.h"
#include "crypto/crypto.h"
#include "ike/keys.h"
#include "policy/child_sa.h"
#include "policy/proposal.h"
#include "wire/ike.h"

namespace caponier::ike {

/// One message as it goes on the wire: one datagram, or its fragments.
using Datagrams = std::vector<base::ByteVec>;

/// A message before it is closed: from this it can be closed again, in smaller pieces.
struct InnerMessage {
  wire::IkeHeader header;
  wire::PayloadType first = wire::PayloadType::none;
  base::ByteVec chain;  ///< the inner payloads as bytes
  /// Goes unprotected before the first SK or SKF payload (RFC 8019 s7.2.2); hardly ever there.
  base::ByteVec puzzle_solution{};
};

struct FragmentNumbers {
  std::uint16_t number = 0;
  std::uint16_t total = 0;
};

/// The authentic inside of one SK or SKF payload, and what stood unprotected before it.
struct Unsealed {
  wire::PayloadType outer_first = wire::PayloadType::sk;  ///< what the IKE header named
  base::ByteVec outer;                                    ///< whole payloads; hardly ever any
  std::byte flags{};                                      ///< of the SK payload's generic header
  wire::PayloadType first = wire::PayloadType::none;
  base::ByteVec chain;
};

/// Without any cryptography: the numbers of a datagram with an SKF payload, valid or not.
[[nodiscard]] std::optional<FragmentNumbers> find_fragment_numbers(base::Bytes datagram);

/// Both directions of one IKE SA's message protection. The IV of counter-mode ciphers is a counter
/// that starts at a random value of this object and never repeats within it.
class MessageProtection {
 public:
  /// Takes SK_e and SK_a out of `keys`. `crypto` and `rng` must outlive the object.
  [[nodiscard]] static std::expected<MessageProtection, crypto::CryptoError> make(
      const crypto::CryptoProvider& crypto, const policy::IkeSuite& suite, IkeKeys& keys,
      bool is_initiator, base::Rng& rng);

  /// Gives the expanded keys back until the next message: they are most of an IKE SA's memory, and
  /// cost less to make than the message's own encryption.
  void rest();
  [[nodiscard]] const policy::DirectionKeys& keys_of(bool initiator) const {
    return initiator == is_initiator_ ? seal_.keys : open_.keys;
  }

  /// The whole datagram: header (next payload and length are set here) and `inner` in one SK
  /// payload. Empty when it does not fit the length fields or the cipher refuses.
  [[nodiscard]] std::optional<base::ByteVec> seal(wire::IkeHeader header,
                                                  const std::vector<wire::Payload>& inner);

  [[nodiscard]] static std::optional<InnerMessage> enclose(const wire::IkeHeader& header,
                                                           const std::vector<wire::Payload>& inner);
  /// One datagram when it fits `size_max`, else fragments that do (RFC 7383 s2.5).
  [[nodiscard]] std::optional<Datagrams> seal(const InnerMessage& message, std::size_t size_max);

  enum class OpenError : std::uint8_t {
    not_protected,  ///< no SK payload, or bytes that do not parse before it
    bad_icv,        ///< not from the peer, or damaged: drop silently
    bad_inner,      ///< authentic, but the inner payloads do not parse: INVALID_SYNTAX
  };
  /// The inner payloads, with anything that stood unprotected beside the SK payload left out.
  [[nodiscard]] std::expected<std::vector<wire::Payload>, OpenError> open(base::Bytes datagram);
  /// The same in two steps; what an SKF payload holds is only a piece of a chain.
  [[nodiscard]] std::expected<Unsealed, OpenError> unseal(base::Bytes datagram);
  [[nodiscard]] static std::expected<std::vector<wire::Payload>, OpenError> decode(
      const Unsealed& message);

 private:
  MessageProtection() = default;
  [[nodiscard]] std::optional<base::ByteVec> close(wire::IkeHeader header, wire::PayloadType first,
                                                   base::Bytes text,
                                                   std::optional<FragmentNumbers> numbers,
                                                   base::Bytes puzzle_solution = {});

  struct Direction {
    policy::DirectionKeys keys;
    std::unique_ptr<crypto::PacketCipher> cipher;  ///< null while at rest
  };
  [[nodiscard]] std::expected<void, crypto::CryptoError> wake(Direction& direction);

  const crypto::CryptoProvider* crypto_ = nullptr;
  base::Rng* rng_ = nullptr;
  crypto::CipherSuite suite_;
  bool is_initiator_ = false;
  Direction seal_, open_;
  std::uint64_t iv_counter_ = 0;
};

/// What one IKE_INTERMEDIATE message adds to the chain that AUTH proves (RFC 9242 s3.3.2): its
/// header and its inside, as if it had been neither encrypted nor fragmented.
[[nodiscard]] base::ByteVec intermediate_octets(const wire::IkeHeader& header,
                                                const Unsealed& message);

}  // namespace caponier::ike

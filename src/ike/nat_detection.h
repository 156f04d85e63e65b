#pragma once
// NAT detection (RFC 7296 s2.23): each side sends hashes of the addresses it uses, and compares
// those it receives with the addresses it sees.

#include <vector>

#include "base/address.h"
#include "base/rng.h"
#include "crypto/crypto.h"
#include "wire/ike.h"

namespace caponier::ike {

struct NatView {
  bool is_supported = false;  ///< the peer sent both kinds of hashes
  bool local_behind_nat = false;
  bool remote_behind_nat = false;
};

/// SHA-1(SPIi | SPIr | address | port).
[[nodiscard]] base::ByteVec nat_hash(const crypto::CryptoProvider& crypto, base::IkeSpi spi_i,
                                     base::IkeSpi spi_r, const base::Endpoint& endpoint);

/// Our two notifies. `pretend_nat` sends a source hash that fits no address, so that the peer sees
/// a NAT.
void append_nat_notifies(std::vector<wire::Payload>& payloads, const crypto::CryptoProvider& crypto,
                         base::IkeSpi spi_i, base::IkeSpi spi_r, const base::Path& path,
                         bool pretend_nat);

/// What the peer's notifies say about a datagram that came along `path`.
[[nodiscard]] NatView detect_nat(const crypto::CryptoProvider& crypto,
                                 const std::vector<wire::Payload>& payloads, base::IkeSpi spi_i,
                                 base::IkeSpi spi_r, const base::Path& path);

}  // namespace caponier::ike

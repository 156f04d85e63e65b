#pragma once
// The Authentication Header of one packet (RFC 4302): its size, the job that computes its ICV in
// place, and the headers in front while that lasts.

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "crypto/crypto.h"
#include "ipsec/esp_size.h"
#include "ipsec/packet.h"
#include "wire/ah.h"

namespace caponier::ipsec {

struct Sa;

/// With this IV and ICV, and the padding that an IPv6 extension header needs (RFC 4302 s2.6).
//= rfc4302#2.6-1
[[nodiscard]] constexpr std::size_t ah_size(std::size_t iv, std::size_t icv, base::Family outer) {
  const std::size_t alignment = outer == base::Family::v4 ? 4 : 8;
  return (wire::ah_fixed_size + iv + icv + alignment - 1) / alignment * alignment;
}
/// Larger packets, as they are on the wire, the ciphers refuse.
inline constexpr std::size_t ah_packet_max = 65'528;

/// Where AH stands in a whole IP packet.
struct AhPlace {
  std::size_t at = 0;  ///< as long as the headers in front; 0: there is none
  std::size_t size = 0;
};

/// The headers of a burst's packets as they are on the wire. Keeps its memory.
class HeaderStore {
 public:
  void clear() { bytes_.clear(); }
  [[nodiscard]] std::size_t save(base::Bytes headers) {
    const std::size_t at = bytes_.size();
    base::append(bytes_, headers);
    return at;
  }
  void restore(std::size_t from, base::MutBytes headers) const {
    base::copy_into(headers, base::Bytes{bytes_}.subspan(from, headers.size()));
  }

 private:
  base::ByteVec bytes_;
};

/// The job that seals or opens a packet whose headers are masked and whose ICV is zero; the real
/// ICV lies behind the packet, which ends with it until take_icv() or the end of the packet's use.
/// There is room for it.
void set_ah_job(crypto::PacketJob& job, PacketBuffer& packet, const AhPlace& ah, const Sa& sa,
                std::uint64_t sequence);
/// Sealed: the ICV goes to its place.
void place_icv(PacketBuffer& packet, const AhPlace& ah, const Sa& sa);
/// To be opened: the ICV goes from its place to where set_ah_job() wants it.
void lift_icv(PacketBuffer& packet, const AhPlace& ah, const Sa& sa);

}  // namespace caponier::ipsec

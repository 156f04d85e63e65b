#pragma once
// The Internet checksum (RFC 1071), pseudo headers (RFC 768, RFC 8200 s8.1) and incremental updates
// (RFC 1624).

#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"

namespace caponier::wire {

using base::Bytes;
using base::IpAddress;
using base::MutBytes;

/// A running one's complement sum of big-endian 16-bit words, not yet folded or inverted.
using ChecksumSum = std::uint64_t;

/// `sum` plus the words of `data`. An odd last byte counts as a high byte, so only the last piece
/// of a concatenation may have odd size.
[[nodiscard]] ChecksumSum checksum_add(ChecksumSum sum, Bytes data);

/// The same, and copies `data` to the start of `to`: cheaper than one after the other.
[[nodiscard]] ChecksumSum checksum_copy(ChecksumSum sum, MutBytes to, Bytes data);

/// The sum of the pseudo header: addresses (of one family), protocol, upper-layer length.
[[nodiscard]] ChecksumSum pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                            std::uint8_t protocol, std::uint32_t length);

/// Folds to 16 bits and inverts: the value to store.
[[nodiscard]] std::uint16_t checksum_finish(ChecksumSum sum);

/// checksum_finish of `data` alone. Over data that includes a correct checksum it is 0.
[[nodiscard]] std::uint16_t internet_checksum(Bytes data);

/// The checksum after one 16-bit word of the covered data changed (RFC 1624, equation 3).
[[nodiscard]] std::uint16_t checksum_update(std::uint16_t checksum, std::uint16_t old_word,
                                            std::uint16_t new_word);
/// The same for a run of words, such as an address; both have one even size.
[[nodiscard]] std::uint16_t checksum_update(std::uint16_t checksum, Bytes old_words,
                                            Bytes new_words);

/// TCP's, UDP's or ICMPv6's checksum of `segment`, whose checksum field is zero, over the pseudo
/// header. A result of 0 is what UDP must send as 0xffff (RFC 768); see write_udp_header.
[[nodiscard]] std::uint16_t transport_checksum(const IpAddress& source,
                                               const IpAddress& destination, std::uint8_t protocol,
                                               Bytes segment);

}  // namespace caponier::wire

#pragma once
// What the ICV of AH covers of the headers in front of it (RFC 4302 s3.3.3.1, appendix A).

#include "base/bytes.h"

namespace caponier::ipsec {

/// Whose view of a packet: of one on its way fields may differ from what arrives in a way that the
/// sender can foresee.
enum class AhEnd : std::uint8_t { sender, receiver };

/// Zeroes what may change on the way and puts what can be foreseen in its place. `headers`, an IPv4
/// header with its options or an IPv6 header with extension headers, come from headers_outside() or
/// headers_before(). False when an option or a routing header makes no sense, is of a kind that
/// cannot be foreseen, or the packet has not arrived: `headers` are then spoiled.
[[nodiscard]] bool mask_mutable_fields(base::MutBytes headers, AhEnd end);

}  // namespace caponier::ipsec

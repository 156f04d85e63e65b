#pragma once
// Configuration payloads of an IKE SA that is up (RFC 7296 s3.15, in INFORMATIONAL).

#include <span>
#include <vector>

#include "base/address.h"
#include "wire/ike.h"

namespace caponier::ike {

/// CFG_REQUEST gets what the peer has been given of what it asks for, and which attributes there
/// are; nothing new, for that belongs to IKE_AUTH. CFG_SET gets a CFG_ACK that accepts nothing.
/// `inner`: the peer's inner addresses.
void append_configuration_answer(const std::vector<wire::Payload>& request,
                                 std::span<const base::IpAddress> inner,
                                 std::vector<wire::Payload>& answer);

}  // namespace caponier::ike

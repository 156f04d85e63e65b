#pragma once
// Small builders and phrases that all exchanges share.

#include <optional>
#include <string>
#include <vector>

#include "crypto/registry.h"
#include "policy/child_sa.h"
#include "policy/proposal.h"
#include "wire/ike.h"

namespace caponier::ike {

[[nodiscard]] wire::NotifyPayload make_notify(wire::NotifyType type, base::ByteVec data = {});
/// A notify about one Child SA, named by the SPI its receiver knows (RFC 7296 s3.10).
[[nodiscard]] wire::NotifyPayload make_child_notify(wire::NotifyType type,
                                                    policy::SaProtocol protocol, base::Spi spi);
[[nodiscard]] wire::ProtocolId protocol_id(policy::SaProtocol protocol);
/// Of the Child SA that a peer's answer makes.
[[nodiscard]] policy::SaProtocol chosen_protocol(const std::vector<wire::Payload>& answer);
/// What is no AH is taken for ESP.
[[nodiscard]] policy::SaProtocol sa_protocol(wire::ProtocolId protocol);

/// INVALID_KE_PAYLOAD carries the group to use (s3.10.1).
[[nodiscard]] wire::NotifyPayload make_invalid_ke(crypto::KeGroup wanted);
[[nodiscard]] std::optional<crypto::KeGroup> wanted_group(const wire::NotifyPayload& notify);

/// A 4-byte SPI as it stands in proposals, notifies and DELETE payloads; empty when the size is
/// wrong or the value is reserved (RFC 4303 s2.1).
[[nodiscard]] std::optional<base::Spi> child_spi(base::Bytes spi);
[[nodiscard]] base::ByteVec to_bytes(base::Spi spi);
[[nodiscard]] base::ByteVec to_bytes(base::IkeSpi spi);

/// Of a message that has been decoded before, without decoding it all again: the body of its first
/// payload of this type, and whether it has such a notify.
[[nodiscard]] std::optional<base::Bytes> peek(base::Bytes message, wire::PayloadType type);
[[nodiscard]] bool has_notify(base::Bytes message, wire::NotifyType type);
[[nodiscard]] bool has_vendor_id(base::Bytes message, base::Bytes id);

/// The unprotected answer to an IKE_SA_INIT request, or to another version: one notify.
[[nodiscard]] base::ByteVec unprotected_answer(const wire::IkeHeader& request,
                                               const wire::NotifyPayload& notify);
[[nodiscard]] base::ByteVec unprotected_answer(const wire::IkeHeader& request,
                                               const std::vector<wire::NotifyPayload>& notifies);

/// "NO_PROPOSAL_CHOSEN" or "unknown error 99".
[[nodiscard]] std::string describe(const wire::NotifyPayload& notify);
/// "no common encryption: we have aes256-gcm, the peer offers 3des".
[[nodiscard]] std::string describe(const policy::NoChoice& no_choice);
[[nodiscard]] std::string_view name_of(crypto::KeGroup group);
/// Printable text of a peer's identity payload.
[[nodiscard]] std::string describe(const wire::IdPayload& id);

/// True when `suite` could have been chosen from `offers`.
[[nodiscard]] bool is_offered(const policy::IkeSuite& suite, const policy::Offers& offers);
/// The key-exchange groups of all offers, in order of preference, each once.
[[nodiscard]] std::vector<crypto::KeGroup> groups_of(const policy::Offers& offers);

}  // namespace caponier::ike

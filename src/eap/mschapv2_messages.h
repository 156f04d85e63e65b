#pragma once
// The packets of EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2 s2). MS-Length repeats what the EAP
// header says and is not believed: some peers get it wrong. Private to this module.

#include <optional>
#include <string>
#include <string_view>

#include "eap/mschapv2.h"

namespace caponier::eap::mschapv2 {

enum class OpCode : std::uint8_t {
  challenge = 1,
  response = 2,
  success = 3,
  failure = 4,
  change_password = 7,
};

inline constexpr std::size_t message_header_size = 4;  ///< OpCode, MS-CHAPv2-ID, MS-Length

/// Empty for an empty packet.
[[nodiscard]] std::optional<OpCode> op_code(Bytes data);

struct ChallengeMessage {
  std::uint8_t id = 0;
  Challenge challenge{};
  std::string name;
};
[[nodiscard]] ByteVec encode(const ChallengeMessage& message);
[[nodiscard]] std::optional<ChallengeMessage> decode_challenge(Bytes data);

struct ResponseMessage {
  std::uint8_t id = 0;
  Challenge peer_challenge{};
  NtResponse response{};
  std::string name;
};
[[nodiscard]] ByteVec encode(const ResponseMessage& message);
[[nodiscard]] std::optional<ResponseMessage> decode_response(Bytes data);

/// Success-Request and Failure-Request: a text behind the header.
[[nodiscard]] ByteVec encode_text(OpCode op_code, std::uint8_t id, std::string_view text);
[[nodiscard]] std::optional<std::string_view> decode_text(Bytes data);
/// Success-Response and Failure-Response: the OpCode alone.
[[nodiscard]] ByteVec encode_bare(OpCode op_code);

}  // namespace caponier::eap::mschapv2

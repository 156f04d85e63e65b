#pragma once
// EAP packets (RFC 3748 s4) and the methods we know.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace caponier::eap {

using base::Bytes;
using base::ByteVec;

/// What the length field can say; IKEv2 carries no more in one payload either.
inline constexpr std::size_t packet_size_max = 0xffff;
inline constexpr std::size_t header_size = 4;

enum class Code : std::uint8_t { request = 1, response = 2, success = 3, failure = 4 };

/// The Type of a request or response (s5, and IANA's registry).
enum class Type : std::uint8_t {
  none = 0,  ///< in a Nak: no method is acceptable
  identity = 1,
  notification = 2,
  nak = 3,
  md5_challenge = 4,
  gtc = 6,
  tls = 13,
  ttls = 21,
  peap = 25,
  mschapv2 = 26,
  tlv = 33,  ///< PEAP's extensions method ([MS-PEAP] s2.2.8)
  expanded = 254,
};

/// "mschapv2"; "type 99" is "unknown".
[[nodiscard]] std::string_view name_of(Type type);

/// What a method gives (s7.2).
struct Properties {
  bool is_mutual = false;         ///< the client has authenticated the server, too
  bool makes_key = false;         ///< there is an MSK
  bool resists_guessing = false;  ///< a transcript gives no off-line guess at the password
  bool only_in_tunnel = false;    ///< never to be used bare
};
/// `none` has no properties, and neither has what is no method.
[[nodiscard]] Properties properties_of(Type type);
/// Whether EAP alone may authenticate the responder of IKE (RFC 5998 s4).
[[nodiscard]] bool is_safe_for_eap_only(Type type);

struct Packet {
  Code code{};
  std::uint8_t identifier = 0;
  Type type = Type::none;  ///< requests and responses only
  Bytes data;              ///< what follows the Type, borrowed

  /// The whole of `bytes`, except that octets behind the length are padding (s4.1). A request or
  /// response has a Type; success and failure have nothing.
  [[nodiscard]] static base::Wire<Packet> decode(Bytes bytes);
};

/// Empty when it is larger than packet_size_max.
[[nodiscard]] std::optional<ByteVec> encode(const Packet& packet);

/// The types a Nak names (s5.3.1), in the order of the peer's preference; `none` left out.
[[nodiscard]] std::vector<Type> wanted_in_nak(Bytes data);

}  // namespace caponier::eap

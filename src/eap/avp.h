#pragma once
// Diameter's attributes as TTLS has them (RFC 5281 s10). Private to this module.

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace caponier::eap {

enum class AvpCode : std::uint32_t {
  user_name = 1,
  user_password = 2,
  eap_message = 79,
  // Microsoft's (RFC 2548)
  ms_chap_challenge = 11,
  ms_chap2_response = 25,
  ms_chap2_success = 26,
};
inline constexpr std::uint32_t avp_vendor_none = 0;
inline constexpr std::uint32_t avp_vendor_microsoft = 311;
inline constexpr std::size_t avps_max = 64;  ///< of one message

struct Avp {
  AvpCode code{};
  std::uint32_t vendor = avp_vendor_none;
  bool is_mandatory = true;
  base::Bytes value;  ///< borrowed
};

/// The padding behind the last one may be missing.
[[nodiscard]] base::Wire<std::vector<Avp>> decode_avps(base::Bytes data);
void encode_avp(base::Writer& out, const Avp& avp);

}  // namespace caponier::eap

#include "eap/avp.h"

#include <algorithm>

#include "base/error.h"

namespace caponier::eap {
namespace {

constexpr std::uint8_t flag_vendor = 0x80;
constexpr std::uint8_t flag_mandatory = 0x40;
constexpr std::size_t short_header = 8;
constexpr std::size_t long_header = 12;
constexpr std::size_t alignment = 4;

std::size_t padding_of(std::size_t size) { return (alignment - size % alignment) % alignment; }

base::Wire<Avp> decode_avp(base::Reader& in) {
  Avp avp;
  avp.code = static_cast<AvpCode>(TRY(in.u32("avp.code")));
  const std::uint32_t flags_and_length = TRY(in.u32("avp.length"));
  const std::size_t length = flags_and_length & 0xffffffU;
  const auto flags = static_cast<std::uint8_t>(flags_and_length >> 24U);
  const bool has_vendor = (flags & flag_vendor) != 0;
  avp.is_mandatory = (flags & flag_mandatory) != 0;
  const std::size_t header = has_vendor ? long_header : short_header;
  if (length < header) {
    return std::unexpected{in.error(base::WireFault::bad_length, "avp.length")};
  }
  if (has_vendor) avp.vendor = TRY(in.u32("avp.vendor"));
  avp.value = TRY(in.take(length - header, "avp.value"));
  TRY_VOID(in.skip(std::min(padding_of(length), in.remaining()), "avp.padding"));
  return avp;
}

}  // namespace

base::Wire<std::vector<Avp>> decode_avps(base::Bytes data) {
  base::Reader in{data};
  std::vector<Avp> avps;
  while (in.remaining() > 0) {
    if (avps.size() == avps_max) {
      return std::unexpected{in.error(base::WireFault::out_of_range, "avp.count")};
    }
    avps.push_back(TRY(decode_avp(in)));
  }
  return avps;
}

void encode_avp(base::Writer& out, const Avp& avp) {
  const bool has_vendor = avp.vendor != avp_vendor_none;
  const std::size_t length = (has_vendor ? long_header : short_header) + avp.value.size();
  const auto flags = static_cast<std::uint32_t>((has_vendor ? flag_vendor : 0) |
                                                (avp.is_mandatory ? flag_mandatory : 0));
  if (length > 0xffffffU) return out.fail();
  out.u32(static_cast<std::uint32_t>(avp.code));
  out.u32((flags << 24U) | static_cast<std::uint32_t>(length));
  if (has_vendor) out.u32(avp.vendor);
  out.bytes(avp.value);
  out.zeros(padding_of(length));
}

}  // namespace caponier::eap

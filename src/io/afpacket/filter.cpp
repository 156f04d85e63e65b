#include "io/afpacket/filter.h"

#include <linux/if_packet.h>

namespace caponier::io {
namespace {

/// Not octets of the frame but what the kernel knows of it.
constexpr sock_filter load(int what) {
  return {BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(SKF_AD_OFF + what)};
}
constexpr sock_filter skip_unless_equal(std::uint32_t value, std::uint8_t count) {
  return {BPF_JMP | BPF_JEQ | BPF_K, 0, count, value};
}
constexpr sock_filter result(std::uint32_t octets) { return {BPF_RET | BPF_K, 0, 0, octets}; }

}  // namespace

std::vector<sock_filter> make_mark_filter(std::uint32_t mark) {
  return {load(SKF_AD_MARK),    skip_unless_equal(mark, 3),
          load(SKF_AD_PKTTYPE), skip_unless_equal(PACKET_HOST, 1),
          result(UINT32_MAX),   result(0)};
}

}  // namespace caponier::io

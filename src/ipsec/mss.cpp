#include "ipsec/mss.h"

#include <algorithm>

#include "ipsec/esp_size.h"
#include "wire/ip.h"
#include "wire/tcp.h"

namespace caponier::ipsec {

void clamp_packet_mss(base::MutBytes ip_packet, std::size_t inner_mtu) {
  const auto upper = wire::upper_layer(ip_packet);
  if (!upper.has_value() || upper->protocol != wire::ip_protocol::tcp || upper->is_fragment) return;
  const bool v4 = wire::ip_version(ip_packet) == 4;
  const std::size_t headers =
      ip_header_size(v4 ? base::Family::v4 : base::Family::v6) + wire::tcp_header_size_min;
  if (inner_mtu < headers + mss_min) return;
  const std::size_t mss_max = std::min<std::size_t>(inner_mtu - headers, 0xffff);
  (void)wire::clamp_tcp_mss(ip_packet.subspan(upper->offset, upper->end - upper->offset),
                            static_cast<std::uint16_t>(mss_max));
}

}  // namespace caponier::ipsec

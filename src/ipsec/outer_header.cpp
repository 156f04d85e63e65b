#include "ipsec/outer_header.h"

namespace caponier::ipsec {

void keep_header(ProtectItem& item, const IpSummary& packet) {
  constexpr std::size_t ttl_at = 8;
  constexpr std::size_t hop_limit_at = 7;
  const base::Bytes bytes = item.packet->bytes();
  item.tos = packet.tos;
  item.ttl = std::to_integer<std::uint8_t>(bytes[packet.is_v4 ? ttl_at : hop_limit_at]);
  item.flow_label = packet.is_v4 ? 0 : flow_label_in(bytes);
}

std::uint32_t flow_label_in(base::Bytes ipv6_packet) {
  return base::load_be<std::uint32_t>(ipv6_packet.data()) & 0xfffff;
}

std::uint32_t flow_label_of(base::Spi spi_out) {
  const std::uint32_t mixed = spi_out.value * 0x9e3779b1U;
  return std::max<std::uint32_t>(mixed >> 12, 1);
}

}  // namespace caponier::ipsec

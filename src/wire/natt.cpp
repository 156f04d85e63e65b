#include "wire/natt.h"

#include "wire/esp.h"

namespace caponier::wire {

NattDatagram classify_natt(Bytes datagram) {
  if (base::equal(datagram, nat_keepalive)) return {NattKind::keepalive, {}};
  if (datagram.size() < non_esp_marker.size()) return {};
  if (base::equal(datagram.first(non_esp_marker.size()), non_esp_marker)) {
    return {NattKind::ike, datagram.subspan(non_esp_marker.size())};
  }
  if (datagram.size() < esp_header_size) return {};
  return {NattKind::esp, datagram};
}

NattDatagram classify_ike_port(Bytes datagram) {
  if (base::equal(datagram, nat_keepalive)) return {NattKind::keepalive, {}};
  constexpr std::size_t ike_header_size = 28;
  constexpr std::size_t length_at = 24;
  constexpr std::uint32_t reserved_spi_max = 255;
  const bool has_spi = datagram.size() >= esp_header_size &&
                       base::load_be<std::uint32_t>(datagram.data()) > reserved_spi_max;
  const bool is_ike = datagram.size() >= ike_header_size &&
                      base::load_be<std::uint32_t>(datagram.data() + length_at) == datagram.size();
  return {has_spi && !is_ike ? NattKind::esp : NattKind::ike, datagram};
}

}  // namespace caponier::wire

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

namespace {

/// The four octets after the SPIs are those of an IKEv2 message. In ESP they are ciphertext, which
/// looks like this once in five million packets.
bool has_ike_header(Bytes datagram) {
  constexpr std::size_t fields_at = 16;
  if (datagram.size() < fields_at + 4) return false;
  const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(datagram[fields_at + i]); };
  const bool has_payload = at(0) >= 33 && at(0) <= 54;
  const bool has_version = at(1) == 0x20;
  const bool has_exchange = at(2) >= 34 && at(2) <= 43;
  const bool has_flags = (at(3) & ~0x28U) == 0;
  return has_payload && has_version && has_exchange && has_flags;
}

}  // namespace

NattDatagram classify_ike_port(Bytes datagram) {
  if (base::equal(datagram, nat_keepalive)) return {NattKind::keepalive, {}};
  constexpr std::size_t ike_header_size = 28;
  constexpr std::size_t length_at = 24;
  constexpr std::uint32_t reserved_spi_max = 255;
  const bool has_spi = datagram.size() >= esp_header_size &&
                       base::load_be<std::uint32_t>(datagram.data()) > reserved_spi_max;
  const bool is_ike = datagram.size() >= ike_header_size &&
                      base::load_be<std::uint32_t>(datagram.data() + length_at) == datagram.size();
  return {has_spi && !is_ike && !has_ike_header(datagram) ? NattKind::esp : NattKind::ike,
          datagram};
}

}  // namespace caponier::wire

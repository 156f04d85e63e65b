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

}  // namespace caponier::wire

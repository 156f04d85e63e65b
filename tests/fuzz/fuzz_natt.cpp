// The demultiplexer of UDP port 4500.

#include "fuzz/fuzz.h"
#include "wire/esp.h"
#include "wire/natt.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace caponier;
  using fuzz::require;
  const base::Bytes input = fuzz::bytes_of(data, size);
  const wire::NattDatagram datagram = wire::classify_natt(input);
  switch (datagram.kind) {
    case wire::NattKind::keepalive: require(base::equal(input, wire::nat_keepalive), "0xff"); break;
    case wire::NattKind::ike: {
      base::ByteVec whole{wire::non_esp_marker.begin(), wire::non_esp_marker.end()};
      base::append(whole, datagram.body);
      require(base::equal(whole, input), "marker and body are the datagram");
      break;
    }
    case wire::NattKind::esp: {
      const auto esp = wire::EspView::checked(datagram.body);
      require(esp && esp->spi().value != 0, "ESP has a header and an SPI");
      base::ByteVec whole(wire::esp_header_size);
      wire::write_esp_header(whole, esp->spi(), esp->sequence());
      require(base::equal(whole, esp->header()), "the ESP header re-encodes");
      base::append(whole, esp->rest());
      require(base::equal(whole, input), "header and rest are the datagram");
      break;
    }
    case wire::NattKind::too_short: require(input.size() < wire::esp_header_size, "short"); break;
  }
  return 0;
}

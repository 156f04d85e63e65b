#include "wire/esp.h"

#include "base/error.h"

namespace caponier::wire {

using base::WireError;
using base::WireFault;

Wire<EspView> EspView::checked(Bytes bytes) {
  if (bytes.size() < esp_header_size) {
    return std::unexpected{WireError{WireFault::truncated, bytes.size(), "esp.header"}};
  }
  return EspView{bytes};
}

void write_esp_header(MutBytes to, base::Spi spi, std::uint32_t sequence) {
  CAPONIER_ASSERT(to.size() >= esp_header_size);
  base::store_be(to.data(), spi.value);
  base::store_be(&to[4], sequence);
}

}  // namespace caponier::wire

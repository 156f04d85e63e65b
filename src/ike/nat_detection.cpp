#include "ike/nat_detection.h"

#include <array>
#include <utility>

#include "ike/messages.h"

namespace caponier::ike {

using wire::NotifyType;

namespace {
constexpr std::uint16_t no_port = 0;  // no datagram comes from it
}

base::ByteVec nat_hash(const crypto::CryptoProvider& crypto, base::IkeSpi spi_i, base::IkeSpi spi_r,
                       const base::Endpoint& endpoint) {
  std::array<std::byte, 16> spis{};
  base::store_be(spis.data(), spi_i.value);
  base::store_be(spis.data() + 8, spi_r.value);
  std::array<std::byte, 2> port{};
  base::store_be(port.data(), endpoint.port);
  const std::array<base::Bytes, 3> parts = {base::Bytes{spis}, endpoint.address.bytes(),
                                            base::Bytes{port}};
  return crypto.nat_hash(parts);
}

void append_nat_notifies(std::vector<wire::Payload>& payloads, const crypto::CryptoProvider& crypto,
                         base::IkeSpi spi_i, base::IkeSpi spi_r, const base::Path& path,
                         bool pretend_nat) {
  // A pretended NAT must look the same when the request is repeated with a cookie (s2.6).
  const base::Endpoint source{path.local.address, pretend_nat ? no_port : path.local.port};
  payloads.emplace_back(
      make_notify(NotifyType::nat_detection_source_ip, nat_hash(crypto, spi_i, spi_r, source)));
  payloads.emplace_back(make_notify(NotifyType::nat_detection_destination_ip,
                                    nat_hash(crypto, spi_i, spi_r, path.remote)));
}

NatView detect_nat(const crypto::CryptoProvider& crypto, const std::vector<wire::Payload>& payloads,
                   base::IkeSpi spi_i, base::IkeSpi spi_r, const base::Path& path) {
  const base::ByteVec remote = nat_hash(crypto, spi_i, spi_r, path.remote);
  const base::ByteVec local = nat_hash(crypto, spi_i, spi_r, path.local);
  bool has_source = false;
  bool has_destination = false;
  bool source_matches = false;
  bool destination_matches = false;
  for (const wire::Payload& payload : payloads) {
    const auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
    if (notify == nullptr) continue;
    if (notify->type == NotifyType::nat_detection_source_ip) {
      has_source = true;
      source_matches |= notify->data == remote;  // a peer may list all its addresses
    } else if (notify->type == NotifyType::nat_detection_destination_ip) {
      has_destination = true;
      destination_matches |= notify->data == local;
    }
  }
  if (!has_source || !has_destination) return {};
  return {true, !destination_matches, !source_matches};
}

}  // namespace caponier::ike

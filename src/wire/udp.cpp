#include "wire/udp.h"

#include "base/error.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/ip_packet.h"

namespace caponier::wire {

using base::store_be;
using base::WireError;
using base::WireFault;

Wire<UdpView> UdpView::checked(Bytes bytes) {
  if (bytes.size() < udp_header_size) {
    return std::unexpected{WireError{WireFault::truncated, bytes.size(), "udp.header"}};
  }
  const std::size_t length = base::load_be<std::uint16_t>(bytes.data() + 4);
  if (length < udp_header_size) {
    return std::unexpected{WireError{WireFault::bad_length, 4, "udp.length"}};
  }
  if (length > bytes.size()) {
    return std::unexpected{WireError{WireFault::truncated, bytes.size(), "udp.payload"}};
  }
  return UdpView{bytes.first(length)};
}

void write_udp_header(MutBytes to, const UdpHeader& header) {
  CAPONIER_ASSERT(to.size() >= udp_header_size);
  store_be(to.data(), header.source_port);
  store_be(&to[2], header.destination_port);
  store_be(&to[4], header.length);
  store_be(&to[6], header.checksum);
}

std::uint16_t udp_checksum(const IpAddress& source, const IpAddress& destination, Bytes datagram) {
  CAPONIER_ASSERT(datagram.size() >= udp_header_size);
  const auto length = static_cast<std::uint32_t>(datagram.size());
  ChecksumSum sum = pseudo_header_sum(source, destination, ip_protocol::udp, length);
  sum = checksum_add(sum, datagram.first(6));
  const std::uint16_t checksum = checksum_finish(checksum_add(sum, datagram.subspan(8)));
  return checksum == 0 ? std::uint16_t{0xffff} : checksum;  // RFC 768: 0 means none
}

ByteVec make_udp_packet(const base::Endpoint& source, const base::Endpoint& destination,
                        Bytes payload, std::uint8_t ttl) {
  const std::size_t length = udp_header_size + payload.size();
  ByteVec packet =
      make_ip_packet({source.address, destination.address, ip_protocol::udp, ttl}, length);
  if (packet.empty()) return packet;
  const MutBytes datagram = MutBytes{packet}.last(length);
  UdpHeader header{source.port, destination.port, static_cast<std::uint16_t>(length), 0};
  write_udp_header(datagram, header);
  base::copy_into(datagram.subspan(udp_header_size), payload);
  header.checksum = udp_checksum(source.address, destination.address, datagram);
  write_udp_header(datagram, header);
  return packet;
}

}  // namespace caponier::wire

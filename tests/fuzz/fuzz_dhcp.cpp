// A user's DHCP message, alone and in the IP packet that it comes in: what is decoded is encoded to
// the same again, and answers are as short as they must be.

#include <algorithm>

#include "fuzz/fuzz.h"
#include "gateway/dhcp_answer.h"
#include "wire/dhcp.h"
#include "wire/ip.h"
#include "wire/udp.h"

namespace {

using namespace caponier;
using fuzz::require;

const base::IpAddress user = base::IpAddress::v4(0x0ac80007);
const base::IpAddress server = base::IpAddress::v4(0x0a010001);

gateway::LeaseTerms terms() {
  gateway::LeaseTerms all;
  for (std::uint32_t i = 0; i < 300; ++i) {
    all.networks.push_back({base::IpAddress::v4(0x0b000000U + (i << 12)), 20 + i % 13});
  }
  all.dns = {server, base::IpAddress::highest(base::Family::v6)};
  all.domains = {"example.org", "example.net"};
  return all;
}

void check_answer(base::Bytes packet) {
  static const gateway::LeaseTerms given = terms();
  const auto answer = gateway::answer_dhcp(packet, {&user, 1}, given, server);
  if (!answer) return;
  require(answer->size() <= 1200, "an answer fits every tunnel");
  const auto ip = wire::Ipv4View::checked(*answer);
  require(ip && ip->source() == server && ip->destination() == user, "it goes to the user alone");
  const auto udp = wire::UdpView::checked(ip->payload());
  require(udp && wire::DhcpMessage::decode(udp->payload()), "it is a DHCP message");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::Bytes input = fuzz::bytes_of(data, size);
  check_answer(input);
  // The same behind headers that are as they must be.
  check_answer(wire::make_udp_packet({user, wire::dhcp_client_port},
                                     {server, wire::dhcp_server_port}, input));
  const auto message = wire::DhcpMessage::decode(input);
  if (!message) return 0;
  const base::ByteVec encoded = message->encode();
  if (encoded.size() > wire::DhcpMessage::size_max) return 0;
  require(wire::DhcpMessage::decode(encoded) == *message, "what is encoded is decoded again");
  return 0;
}

#include "gateway/dhcp_answer.h"

#include <algorithm>

#include "wire/dhcp.h"
#include "wire/ip.h"
#include "wire/udp.h"

namespace caponier::gateway {
namespace {

using base::Bytes;
using base::ByteVec;
using base::IpAddress;
using wire::DhcpCode;
using wire::DhcpMessage;

/// RFC 2131 s2: what everybody takes, as a whole IP packet.
constexpr std::size_t datagram_size_min = 576;
/// Whatever the client says; every tunnel carries this.
constexpr std::size_t datagram_size_max = 1200;
constexpr std::size_t headers_size = wire::ipv4_header_size_min + wire::udp_header_size;

struct Question {
  IpAddress source;
  DhcpMessage message;
};

std::optional<Question> read(Bytes packet) {
  const auto ip = wire::Ipv4View::checked(packet);
  if (!ip || ip->protocol() != wire::ip_protocol::udp) return std::nullopt;
  const auto udp = wire::UdpView::checked(ip->payload());
  const bool is_dhcp = udp && udp->source_port() == wire::dhcp_client_port &&
                       udp->destination_port() == wire::dhcp_server_port;
  if (!is_dhcp) return std::nullopt;
  auto message = DhcpMessage::decode(udp->payload());
  if (!message) return std::nullopt;
  return Question{ip->source(), std::move(*message)};
}

/// A user asks for itself, and without a relay.
bool is_sound(const Question& question, std::span<const IpAddress> inner) {
  const DhcpMessage& message = question.message;
  return message.op == wire::DhcpOp::request &&
         message.type() == static_cast<std::uint8_t>(wire::DhcpType::inform) &&
         message.client == question.source && message.gateway.is_unspecified() &&
         std::ranges::find(inner, message.client) != inner.end();
}

/// Without a list all is wanted (RFC 2131 s4.3.1).
bool wishes(const DhcpMessage& question, DhcpCode code) {
  const wire::DhcpOption* const list = question.find(DhcpCode::wishes);
  return list == nullptr ||
         std::ranges::find(list->value, static_cast<std::byte>(code)) != list->value.end();
}

/// Of the DHCP message alone.
std::size_t room_for(const DhcpMessage& question) {
  std::size_t room = datagram_size_min;
  const wire::DhcpOption* const said = question.find(DhcpCode::size_max);
  if (said != nullptr && said->value.size() == 2) {
    room = std::clamp<std::size_t>(base::load_be<std::uint16_t>(said->value.data()),
                                   datagram_size_min, datagram_size_max);
  }
  return room - headers_size;
}

ByteVec octets_of(const std::vector<IpAddress>& addresses) {
  ByteVec octets;
  for (const IpAddress& address : addresses) {
    if (address.is_v4()) base::append(octets, address.bytes());
  }
  return octets;
}

/// Whether everything is to go through the tunnel is decided in the client's profile.
std::vector<base::Prefix> routes_of(const std::vector<base::Prefix>& networks) {
  std::vector<base::Prefix> routes;
  std::ranges::copy_if(networks, std::back_inserter(routes), [](const base::Prefix& network) {
    return network.address.is_v4() && network.length > 0;
  });
  return routes;
}

/// All of RFC 2131 s4.3.5, table 3, that may be in the answer to a DHCPINFORM.
DhcpMessage make_answer(const DhcpMessage& question, const LeaseTerms& terms,
                        const IpAddress& server, std::span<const base::Prefix> routes) {
  DhcpMessage answer;
  answer.op = wire::DhcpOp::reply;
  answer.hardware_type = question.hardware_type;
  answer.hardware_size = question.hardware_size;
  answer.xid = question.xid;
  answer.flags = question.flags;
  answer.client = question.client;
  answer.hardware = question.hardware;
  const auto ack = static_cast<std::byte>(wire::DhcpType::ack);
  answer.add(DhcpCode::message_type, {&ack, 1});
  answer.add(DhcpCode::server_id, server.bytes());
  const auto give = [&](DhcpCode code, const ByteVec& value) {
    if (!value.empty() && wishes(question, code)) answer.add(code, value);
  };
  give(DhcpCode::dns, octets_of(terms.dns));
  if (!terms.domains.empty()) {
    give(DhcpCode::domain, base::to_vec(base::as_bytes(terms.domains.front())));
  }
  give(DhcpCode::wins, octets_of(terms.wins));
  // Behind an interface that has one other end there is nobody to be named.
  const ByteVec networks = wire::encode_dhcp_routes(routes, IpAddress{});
  give(DhcpCode::routes, networks);
  give(DhcpCode::microsoft_routes, networks);
  return answer;
}

}  // namespace

policy::TrafficSelectors dhcp_services(const IpAddress& server) {
  const auto broadcast = IpAddress::highest(base::Family::v4);
  return {policy::TrafficSelector::from_prefix({broadcast, broadcast.bit_count()}),
          policy::TrafficSelector::from_prefix({server, server.bit_count()}, wire::ip_protocol::udp,
                                               wire::dhcp_server_port, wire::dhcp_server_port)};
}

std::vector<IpAddress> server_addresses(const std::vector<IpAddress>& configured,
                                        const std::vector<IpAddress>& hosts,
                                        const std::vector<base::Prefix>& networks) {
  std::vector<IpAddress> found = configured;
  for (const IpAddress& address : hosts) {
    const auto has_it = [&](const base::Prefix& network) { return network.contains(address); };
    const bool is_needed =
        std::ranges::find(found, address.family(), &IpAddress::family) == found.end();
    if (is_needed && std::ranges::any_of(networks, has_it)) found.push_back(address);
  }
  return found;
}

std::optional<ByteVec> answer_dhcp(Bytes packet, std::span<const IpAddress> inner,
                                   const LeaseTerms& terms, const IpAddress& server) {
  const auto question = read(packet);
  if (!question || !is_sound(*question, inner)) return std::nullopt;
  const std::size_t room = room_for(question->message);
  const std::vector<base::Prefix> routes = routes_of(terms.networks);
  const auto answer_with = [&](std::size_t count) {
    const auto told = std::span{routes}.first(count);
    return make_answer(question->message, terms, server, told).encode();
  };
  std::size_t fitting = 0;
  // None takes less than five octets.
  std::size_t most = std::min(routes.size(), room / 5);
  while (fitting < most) {
    const std::size_t count = (fitting + most + 1) / 2;
    if (answer_with(count).size() <= room) {
      fitting = count;
    } else {
      most = count - 1;
    }
  }
  const ByteVec answer = answer_with(fitting);
  if (answer.size() > room) return std::nullopt;
  return wire::make_udp_packet({server, wire::dhcp_server_port},
                               {question->message.client, wire::dhcp_client_port}, answer);
}

}  // namespace caponier::gateway

#include "io/netlink/neighbour_messages.h"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <net/if_arp.h>

#include <string_view>

#include "io/netlink/message_parts.h"

namespace caponier::io {
namespace {

/// NUD_VALID of the kernel, which does not export it.
constexpr unsigned states_with_address =
    NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;

template <class Body>
std::optional<MacAddress> find_mac(base::Bytes message, int type) {
  const nlattr* found = find_attribute<Body>(message, type);
  MacAddress mac;
  if (found == nullptr || mnl_attr_get_payload_len(found) != mac.size()) return std::nullopt;
  std::memcpy(mac.data(), mnl_attr_get_payload(found), mac.size());
  return mac;
}

base::ByteVec make_neighbour(int type, int flags, std::uint8_t neighbour_flags, unsigned interface,
                             const base::IpAddress& address) {
  ndmsg body{};
  body.ndm_family = family_number(address.family());
  body.ndm_ifindex = static_cast<int>(interface);
  body.ndm_flags = neighbour_flags;
  return Builder{type, flags, body}.address(NDA_DST, address).take();
}

/// The route's own MTU; 0 if it has none.
std::size_t find_route_mtu(base::Bytes message) {
  const nlattr* metrics = find_attribute<rtmsg>(message, RTA_METRICS);
  const nlattr* mtu = metrics == nullptr ? nullptr : find_nested(metrics, RTAX_MTU);
  return mtu == nullptr || mnl_attr_get_payload_len(mtu) != 4 ? 0 : mnl_attr_get_u32(mtu);
}

bool is_bond(base::Bytes message) {
  const nlattr* details = find_attribute<ifinfomsg>(message, IFLA_LINKINFO);
  const nlattr* kind = details == nullptr ? nullptr : find_nested(details, IFLA_INFO_KIND);
  if (kind == nullptr) return false;
  const std::string_view name{mnl_attr_get_str(kind), mnl_attr_get_payload_len(kind)};
  return name.starts_with("bond") || name.starts_with("team");
}

}  // namespace

base::ByteVec make_way_query(const WayQuestion& question, std::uint32_t mark) {
  const auto bits = [](const base::IpAddress& address) {
    return static_cast<std::uint8_t>(address.bit_count());
  };
  rtmsg body{};
  body.rtm_family = family_number(question.destination.family());
  body.rtm_dst_len = bits(question.destination);
  const bool has_source = !question.source.is_unspecified();
  if (has_source) body.rtm_src_len = bits(question.source);
  Builder message{RTM_GETROUTE, NLM_F_ACK, body};
  message.address(RTA_DST, question.destination);
  if (has_source) message.address(RTA_SRC, question.source);
  if (mark != 0) message.u32(RTA_MARK, mark);
  return message.take();
}

std::optional<Way> read_way(base::Bytes message, const base::IpAddress& destination) {
  const auto* body = body_of<rtmsg>(message, RTM_NEWROUTE);
  if (body == nullptr || body->rtm_type != RTN_UNICAST) return std::nullopt;
  // A router of the other family, or labels and the like.
  for (const int type : {RTA_VIA, RTA_ENCAP, RTA_MULTIPATH}) {
    if (find_attribute<rtmsg>(message, type) != nullptr) return std::nullopt;
  }
  const auto interface = find_u32<rtmsg>(message, RTA_OIF);
  if (!interface) return std::nullopt;
  const base::IpAddress via = find_address<rtmsg>(message, RTA_GATEWAY).value_or(destination);
  if (via.family() != destination.family()) return std::nullopt;
  return Way{*interface, via, find_route_mtu(message)};
}

base::ByteVec make_neighbour_query(unsigned interface, const base::IpAddress& address) {
  return make_neighbour(RTM_GETNEIGH, NLM_F_ACK, 0, interface, address);
}

base::ByteVec make_neighbour_use(unsigned interface, const base::IpAddress& address) {
  return make_neighbour(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, NTF_USE, interface,
                        address);
}

bool is_about_neighbour(base::Bytes message) {
  return body_of<ndmsg>(message, RTM_NEWNEIGH) != nullptr ||
         body_of<ndmsg>(message, RTM_DELNEIGH) != nullptr;
}

std::optional<Neighbour> read_neighbour(base::Bytes message) {
  const auto* known = body_of<ndmsg>(message, RTM_NEWNEIGH);
  const auto* body = known != nullptr ? known : body_of<ndmsg>(message, RTM_DELNEIGH);
  if (body == nullptr || (body->ndm_flags & NTF_PROXY) != 0) return std::nullopt;
  if (body->ndm_family != AF_INET && body->ndm_family != AF_INET6) return std::nullopt;
  const auto address = find_address<ndmsg>(message, NDA_DST);
  if (!address) return std::nullopt;
  Neighbour neighbour{static_cast<unsigned>(body->ndm_ifindex), *address, std::nullopt, false};
  if (known != nullptr && (body->ndm_state & states_with_address) != 0) {
    neighbour.mac = find_mac<ndmsg>(message, NDA_LLADDR);
    neighbour.is_stale = body->ndm_state == NUD_STALE;
  }
  return neighbour;
}

base::ByteVec make_link_query(unsigned interface) {
  ifinfomsg body{};
  body.ifi_index = static_cast<int>(interface);
  return Builder{RTM_GETLINK, NLM_F_ACK, body}.take();
}

std::optional<EthernetLink> read_ethernet_link(base::Bytes message) {
  const auto* body = body_of<ifinfomsg>(message, RTM_NEWLINK);
  if (body == nullptr || body->ifi_type != ARPHRD_ETHER) return std::nullopt;
  const auto mac = find_mac<ifinfomsg>(message, IFLA_ADDRESS);
  const auto mtu = find_u32<ifinfomsg>(message, IFLA_MTU);
  if (!mac || !mtu) return std::nullopt;
  return EthernetLink{static_cast<unsigned>(body->ifi_index), *mac, *mtu,
                      find_attribute<ifinfomsg>(message, IFLA_MASTER) != nullptr, is_bond(message)};
}

}  // namespace caponier::io

#include "io/netlink/messages.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "io/netlink/message_parts.h"

namespace caponier::io {
namespace {

/// Behind every way: IPv6 gives those 1024.
constexpr std::uint32_t barrier_metric = 4096;

std::uint8_t type_of(RouteKind kind) {
  switch (kind) {
    case RouteKind::way: return RTN_UNICAST;
    case RouteKind::exception: return RTN_THROW;
    case RouteKind::barrier: return RTN_UNREACHABLE;
  }
  return RTN_UNICAST;
}

int flags_of(Change change) {
  return change == Change::add ? NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE : NLM_F_ACK;
}

}  // namespace

base::ByteVec make_route(Change change, const RouteMessage& route) {
  const bool is_way = route.kind == RouteKind::way;
  rtmsg body{};
  body.rtm_family = family_number(route.prefix.address.family());
  body.rtm_dst_len = static_cast<std::uint8_t>(route.prefix.length);
  body.rtm_protocol = route_protocol;
  body.rtm_scope = is_way ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  body.rtm_type = type_of(route.kind);
  Builder out{change == Change::add ? RTM_NEWROUTE : RTM_DELROUTE, flags_of(change), body};
  out.u32(RTA_TABLE, route.table).address(RTA_DST, route.prefix.address);
  if (is_way) out.u32(RTA_OIF, route.interface);
  if (route.kind == RouteKind::barrier) out.u32(RTA_PRIORITY, barrier_metric);
  if (route.source) out.address(RTA_PREFSRC, *route.source);
  return out.take();
}

base::ByteVec make_route_dump(base::Family family) {
  rtmsg body{};
  body.rtm_family = family_number(family);
  return Builder{RTM_GETROUTE, NLM_F_DUMP, body}.take();
}

std::optional<RouteMessage> read_own_route(base::Bytes message) {
  const auto* body = body_of<rtmsg>(message, RTM_NEWROUTE);
  if (body == nullptr || body->rtm_protocol != route_protocol) return std::nullopt;
  const bool is_barrier = body->rtm_type == RTN_UNREACHABLE;
  if (!is_barrier && body->rtm_type != RTN_THROW) return std::nullopt;
  const base::Family family = body->rtm_family == AF_INET ? base::Family::v4 : base::Family::v6;
  RouteMessage route;
  route.kind = is_barrier ? RouteKind::barrier : RouteKind::exception;
  route.prefix = {find_address<rtmsg>(message, RTA_DST).value_or(base::IpAddress::lowest(family)),
                  body->rtm_dst_len};
  route.table = find_u32<rtmsg>(message, RTA_TABLE).value_or(0);
  if (route.prefix.address.family() != family) return std::nullopt;
  return route;
}

base::ByteVec make_rule(Change change, const RuleMessage& rule) {
  fib_rule_hdr body{};
  body.family = family_number(rule.family);
  body.action = FR_ACT_TO_TBL;
  body.flags = FIB_RULE_INVERT;
  const int flags = change == Change::add ? NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL : NLM_F_ACK;
  Builder out{change == Change::add ? RTM_NEWRULE : RTM_DELRULE, flags, body};
  out.u32(FRA_PRIORITY, rule.priority)
      .u32(FRA_FWMARK, rule.mark)
      .u32(FRA_FWMASK, 0xffffffffU)
      .u32(FRA_TABLE, rule.table)
      .u8(FRA_PROTOCOL, route_protocol);
  return out.take();
}

base::ByteVec make_rule_dump(base::Family family) {
  fib_rule_hdr body{};
  body.family = family_number(family);
  return Builder{RTM_GETRULE, NLM_F_DUMP, body}.take();
}

std::optional<RuleMessage> read_own_rule(base::Bytes message) {
  const auto* body = body_of<fib_rule_hdr>(message, RTM_NEWRULE);
  if (body == nullptr) return std::nullopt;
  const nlattr* protocol = find_attribute<fib_rule_hdr>(message, FRA_PROTOCOL);
  if (protocol == nullptr || mnl_attr_get_payload_len(protocol) != 1 ||
      mnl_attr_get_u8(protocol) != route_protocol) {
    return std::nullopt;
  }
  RuleMessage rule;
  rule.family = body->family == AF_INET ? base::Family::v4 : base::Family::v6;
  rule.priority = find_u32<fib_rule_hdr>(message, FRA_PRIORITY).value_or(0);
  rule.mark = find_u32<fib_rule_hdr>(message, FRA_FWMARK).value_or(0);
  rule.table = find_u32<fib_rule_hdr>(message, FRA_TABLE).value_or(0);
  return rule;
}

base::ByteVec make_source_query(const base::IpAddress& remote, std::uint32_t mark) {
  rtmsg body{};
  body.rtm_family = family_number(remote.family());
  body.rtm_dst_len = static_cast<std::uint8_t>(remote.bit_count());
  return Builder{RTM_GETROUTE, NLM_F_ACK, body}.address(RTA_DST, remote).u32(RTA_MARK, mark).take();
}

std::optional<base::IpAddress> read_source(base::Bytes message) {
  if (body_of<rtmsg>(message, RTM_NEWROUTE) == nullptr) return std::nullopt;
  return find_address<rtmsg>(message, RTA_PREFSRC);
}

base::ByteVec make_address_dump() {
  const ifaddrmsg body{};
  return Builder{RTM_GETADDR, NLM_F_DUMP, body}.take();
}

std::optional<base::IpAddress> read_address(base::Bytes message) {
  const auto* body = body_of<ifaddrmsg>(message, RTM_NEWADDR);
  if (body == nullptr || body->ifa_scope == RT_SCOPE_LINK) return std::nullopt;
  if ((body->ifa_flags & (IFA_F_TENTATIVE | IFA_F_DEPRECATED)) != 0) return std::nullopt;
  // On point-to-point links IFA_ADDRESS is the other end.
  if (const auto local = find_address<ifaddrmsg>(message, IFA_LOCAL)) return local;
  return find_address<ifaddrmsg>(message, IFA_ADDRESS);
}

base::ByteVec make_link_dump() {
  const ifinfomsg body{};
  return Builder{RTM_GETLINK, NLM_F_DUMP, body}.take();
}

std::optional<HostAddress> read_host_address(base::Bytes message) {
  const auto* body = body_of<ifaddrmsg>(message, RTM_NEWADDR);
  if (body == nullptr || body->ifa_scope >= RT_SCOPE_LINK) return std::nullopt;
  if ((body->ifa_flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0) return std::nullopt;
  auto address = find_address<ifaddrmsg>(message, IFA_LOCAL);
  if (!address) address = find_address<ifaddrmsg>(message, IFA_ADDRESS);
  if (!address) return std::nullopt;
  return HostAddress{*address, body->ifa_index, (body->ifa_flags & IFA_F_DEPRECATED) == 0};
}

std::optional<LinkState> read_link(base::Bytes message) {
  const auto* body = body_of<ifinfomsg>(message, RTM_NEWLINK);
  if (body == nullptr) return std::nullopt;
  constexpr unsigned wanted = IFF_UP | IFF_RUNNING;
  return LinkState{static_cast<unsigned>(body->ifi_index), (body->ifi_flags & wanted) == wanted};
}

bool is_address_change(base::Bytes message) {
  if (message.size() < sizeof(nlmsghdr)) return false;
  switch (reinterpret_cast<const nlmsghdr*>(message.data())->nlmsg_type) {
    case RTM_NEWADDR:
    case RTM_DELADDR:
    case RTM_NEWLINK:
    case RTM_DELLINK: return true;
    default: break;
  }
  const auto* route = body_of<rtmsg>(message, RTM_NEWROUTE);
  if (route == nullptr) route = body_of<rtmsg>(message, RTM_DELROUTE);
  return route != nullptr && route->rtm_dst_len == 0 && route->rtm_table == RT_TABLE_MAIN;
}

base::ByteVec make_address(Change change, unsigned interface, const base::IpAddress& address) {
  ifaddrmsg body{};
  body.ifa_family = family_number(address.family());
  body.ifa_prefixlen = static_cast<std::uint8_t>(address.bit_count());
  body.ifa_index = interface;
  // Nobody else is at the other end of the device: there is nothing to ask about duplicates.
  body.ifa_flags = IFA_F_NODAD;
  const bool adds = change == Change::add;
  return Builder{adds ? RTM_NEWADDR : RTM_DELADDR,
                 adds ? NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE : NLM_F_ACK, body}
      .address(IFA_LOCAL, address)
      .address(IFA_ADDRESS, address)
      .take();
}

base::ByteVec make_no_ipv6_addresses(unsigned interface) {
  ifinfomsg body{};
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = static_cast<int>(interface);
  Builder out{RTM_NEWLINK, NLM_F_ACK, body};
  nlattr* families = mnl_attr_nest_start(out.header(), IFLA_AF_SPEC);
  nlattr* v6 = mnl_attr_nest_start(out.header(), AF_INET6);
  out.u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  mnl_attr_nest_end(out.header(), v6);
  mnl_attr_nest_end(out.header(), families);
  return out.take();
}

base::ByteVec make_link_up(unsigned interface, unsigned mtu, unsigned queue_length) {
  ifinfomsg body{};
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = static_cast<int>(interface);
  body.ifi_flags = IFF_UP;
  body.ifi_change = IFF_UP;
  return Builder{RTM_NEWLINK, NLM_F_ACK, body}
      .u32(IFLA_MTU, mtu)
      .u32(IFLA_TXQLEN, queue_length)
      .take();
}

}  // namespace caponier::io

#include "io/nft/clear_filter.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "io/nft/nft_command.h"
#include "io/nft/nft_text.h"

namespace caponier::io {
namespace {

using base::DropReason;
using gateway::AddressRange;
using gateway::ClearRule;
using gateway::ClearRules;
using gateway::ClearVerdict;
using gateway::PortRange;
using gateway::SetClearFilter;

constexpr std::array counted{DropReason::clear_unprotected, DropReason::clear_policy_discard,
                             DropReason::clear_unmatched};
constexpr unsigned icmp = 1;
constexpr unsigned icmpv6 = 58;
constexpr unsigned mobility_header = 135;
/// TCP, UDP, DCCP, SCTP, UDP-Lite: ports in the first four octets.
constexpr std::string_view with_ports = "{ 6, 17, 33, 132, 136 }";

bool is_v4(const ClearRule& rule) { return rule.remote.front().first.is_v4(); }

std::string addresses_of(bool v4, const std::vector<AddressRange>& source,
                         const std::vector<AddressRange>& destination) {
  const std::string_view family = v4 ? "ip" : "ip6";
  return fmt::format("{} saddr {} {} daddr {}", family, set_of(source), family,
                     set_of(destination));
}

bool is_icmp(const ClearRule& rule) { return rule.protocol == icmp || rule.protocol == icmpv6; }

/// The ports of one end; `bit` is where they lie in the transport header.
std::string ports_of(const ClearRule& rule, const PortRange& ports, unsigned bit) {
  if (ports.is_any() || ports.is_opaque()) return {};
  if (rule.protocol == mobility_header) {
    return fmt::format(" @th,16,8 {}-{}", ports.first >> 8, ports.last >> 8);
  }
  return fmt::format(" @th,{},16 {}-{}", is_icmp(rule) ? 0 : bit, ports.first, ports.last);
}

std::string verdict_of(ClearVerdict verdict) {
  const auto dropped = [](DropReason reason) {
    return fmt::format("counter name {} drop", base::info_of(reason).name);
  };
  switch (verdict) {
    case ClearVerdict::admit: return "accept";
    case ClearVerdict::unprotected: return dropped(DropReason::clear_unprotected);
    case ClearVerdict::discard: return dropped(DropReason::clear_policy_discard);
    case ClearVerdict::unmatched: return dropped(DropReason::clear_unmatched);
  }
  return "drop";
}

std::string_view later_fragment(const ClearRule& rule) {
  return is_v4(rule) ? "ip frag-off & 0x1fff != 0" : "frag frag-off != 0";
}

/// For packets from `remote` to `local`.
std::string lines_of(const ClearRule& rule, const std::string& verdict) {
  std::string match = addresses_of(is_v4(rule), rule.remote, rule.local);
  const bool needs_ports = !ports_of(rule, rule.remote_ports, 0).empty() ||
                           !ports_of(rule, rule.local_ports, 16).empty();
  if (rule.protocol != 0) {
    match += fmt::format(" meta l4proto {}", rule.protocol);
  } else if (needs_ports) {
    match += fmt::format(" meta l4proto {}", with_ports);
  }
  if (rule.remote_ports.is_opaque() || rule.local_ports.is_opaque()) {
    if (needs_ports) return {};  // of one packet both are seen, or none
    std::string lines = fmt::format("    {} {} {}\n", match, later_fragment(rule), verdict);
    if (rule.protocol == 0) {
      lines += fmt::format("    {} meta l4proto != {} {}\n", match, with_ports, verdict);
    }
    return lines;
  }
  std::string lines;
  if (gateway::takes_later_fragments(rule)) {
    lines = fmt::format("    {} {} {}\n", match, later_fragment(rule), verdict);
  }
  return lines + fmt::format("    {}{}{} {}\n", match, ports_of(rule, rule.remote_ports, 0),
                             ports_of(rule, rule.local_ports, 16), verdict);
}

std::string lines_of(const ClearRules& rules) {
  std::string lines;
  for (const ClearRule& rule : rules) lines += lines_of(rule, verdict_of(rule.verdict));
  return lines;
}

/// What is written about ICMP itself also holds for errors about IKE, ESP and AH, which nobody
/// vouches for.
//= rfc4301#6.1.1-1..2
std::string icmp_lines(const ClearRules& rules) {
  std::string lines;
  bool discards_any = false;
  for (const ClearRule& rule : rules) {
    if (!is_icmp(rule) || rule.verdict == ClearVerdict::unprotected) continue;
    const bool discards = rule.verdict == ClearVerdict::discard;
    discards_any = discards_any || discards;
    lines += lines_of(rule, discards ? verdict_of(rule.verdict) : "return");
  }
  return discards_any ? lines : std::string{};
}

/// A short look for most packets: only those between addresses of any rule go on to all rules.
std::string entrance(const ClearRules& rules) {
  std::string lines;
  for (const bool v4 : {true, false}) {
    std::vector<AddressRange> remote;
    std::vector<AddressRange> local;
    for (const ClearRule& rule : rules) {
      if (is_v4(rule) != v4) continue;
      remote.insert(remote.end(), rule.remote.begin(), rule.remote.end());
      local.insert(local.end(), rule.local.begin(), rule.local.end());
    }
    if (remote.empty()) continue;
    lines += fmt::format("    {} goto check\n", addresses_of(v4, gateway::merged(std::move(remote)),
                                                             gateway::merged(std::move(local))));
  }
  return lines;
}

/// What IPv6 finds its neighbours by.
constexpr std::string_view neighbours =
    "    icmpv6 type 133-137 ip6 hoplimit 255 accept\n"
    "    icmpv6 type { 130-132, 143 } ip6 hoplimit 1 accept\n";

/// What is no clear traffic: IKE, ESP and AH to this host, their later fragments, and the ICMP
/// errors about them.
std::string exemptions(const ClearFilterOptions& options) {
  std::string ports;
  for (const std::uint16_t port : options.ike_ports) {
    ports += fmt::format("{}{}", ports.empty() ? "" : ", ", port);
  }
  return fmt::format(
      "    fib daddr type local meta l4proto {{ 50, 51 }} accept\n"
      "    socket mark {} accept\n"
      "    fib daddr type local ip frag-off & 0x1fff != 0 accept\n"
      "    fib daddr type local frag frag-off != 0 accept\n"
      "    fib daddr type local icmp type {{ 3, 11, 12 }} @th,136,8 {{ 50, 51 }} accept\n"
      "    fib daddr type local icmp type {{ 3, 11, 12 }} @th,136,8 17 @th,224,16 {{ {} }} accept\n"
      "    fib daddr type local icmpv6 type {{ 1, 2, 3, 4 }} @th,112,8 {{ 50, 51 }} accept\n"
      "    fib daddr type local icmpv6 type {{ 1, 2, 3, 4 }} @th,112,8 17 @th,384,16 {{ {} }} "
      "accept\n",
      options.own_mark, ports, ports);
}

/// What this host sends itself and neither protects nor is told to let out.
std::string departure(const ClearFilterOptions& options, const ClearRules& departing) {
  if (departing.empty()) return {};
  ClearRules turned;
  for (const ClearRule& rule : departing) {
    turned.push_back({rule.verdict, rule.protocol, rule.local_ports, rule.remote_ports, rule.local,
                      rule.remote});
  }
  return fmt::format(
      "  chain depart {{\n"
      "    type filter hook output priority -99; policy accept;\n"
      "    oif {} accept\n    oifname \"lo\" accept\n    meta mark {} accept\n{}{}  }}\n",
      options.tun_index, options.own_mark, neighbours, lines_of(turned));
}

/// Hears of every change of the packet filter of this network namespace.
Fd open_monitor() {
  Fd monitor{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER)};
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1U << (NFNLGRP_NFTABLES - 1);
  const void* const at = &address;
  if (!monitor.is_open() ||
      ::bind(monitor.get(), static_cast<const sockaddr*>(at), sizeof address) != 0) {
    return Fd{-1};
  }
  return monitor;
}

int on_counter_attribute(const nlattr* attribute, void* data) {
  const bool is_count = mnl_attr_get_type(attribute) == NFTA_COUNTER_PACKETS &&
                        mnl_attr_get_payload_len(attribute) == sizeof(std::uint64_t);
  if (is_count) {
    *static_cast<std::optional<std::uint64_t>*>(data) = base::load_be<std::uint64_t>(
        static_cast<const std::byte*>(mnl_attr_get_payload(attribute)));
  }
  return MNL_CB_OK;
}

int on_object_attribute(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) != NFTA_OBJ_DATA) return MNL_CB_OK;
  return mnl_attr_parse_nested(attribute, on_counter_attribute, data);
}

}  // namespace

std::string make_commands(const ClearFilterOptions& options, const SetClearFilter& filter) {
  const std::string table = table_name(options.instance);
  // Adding first makes the deletion work where there is none.
  std::string commands = fmt::format("add table inet {0}\ndelete table inet {0}\n", table);
  if (filter.rules.empty()) return commands;
  commands += fmt::format("table inet {} {{\n", table);
  for (const DropReason reason : counted) {
    commands += fmt::format("  counter {} {{}}\n", base::info_of(reason).name);
  }
  commands += fmt::format(
      "  chain unauthenticated {{\n{}  }}\n"
      "  chain check {{\n{}    meta l4proto {{ {}, {} }} jump unauthenticated\n{}{}  }}\n",
      icmp_lines(filter.rules), neighbours, icmp, icmpv6, exemptions(options),
      lines_of(filter.rules));
  // Behind the translation of destinations: what counts is whom a packet will reach.
  commands += fmt::format(
      "  chain arrive {{\n"
      "    type filter hook prerouting priority -99; policy accept;\n"
      "    iif {} accept\n    iifname \"lo\" accept\n{}  }}\n",
      options.tun_index, entrance(filter.rules));
  return commands + departure(options, filter.departing) + "}\n";
}

base::ByteVec make_counter_query(const std::string& table, const std::string& name) {
  alignas(nlmsghdr) std::array<char, 512> buffer{};
  nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETOBJ;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  const nfgenmsg body{NFPROTO_INET, NFNETLINK_V0, 0};
  std::memcpy(mnl_nlmsg_put_extra_header(header, sizeof body), &body, sizeof body);
  mnl_attr_put_strz(header, NFTA_OBJ_TABLE, table.c_str());
  mnl_attr_put_strz(header, NFTA_OBJ_NAME, name.c_str());
  mnl_attr_put_u32(header, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
  return base::to_vec(std::as_bytes(std::span{buffer}).first(header->nlmsg_len));
}

std::optional<std::uint64_t> read_counter(base::Bytes message) {
  if (message.size() < sizeof(nlmsghdr) + sizeof(nfgenmsg)) return std::nullopt;
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  if (header->nlmsg_len > message.size()) return std::nullopt;
  if (header->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWOBJ)) return std::nullopt;
  std::optional<std::uint64_t> packets;
  mnl_attr_parse(header, sizeof(nfgenmsg), on_object_attribute, &packets);
  return packets;
}

ClearFilter::ClearFilter(ClearFilterOptions options)
    : options_(std::move(options)), monitor_(open_monitor()) {
  if (auto netlink = Netlink::open(NetlinkFamily::netfilter)) netlink_.emplace(std::move(*netlink));
}

std::expected<void, std::string> ClearFilter::set(const SetClearFilter& filter) {
  filter_ = filter;
  if (!netlink_) return std::unexpected{std::string{"the kernel has no netfilter"}};
  const auto before = standing();
  TRY_VOID(run_nft(make_commands(options_, filter)));
  if (before) past_.add(*before);
  return {};
}

bool ClearFilter::restore() {
  std::array<std::byte, 8192> buffer{};
  while (::recv(monitor_.get(), buffer.data(), buffer.size(), 0) > 0) {
  }
  return !filter_.rules.empty() && netlink_ && !standing() &&
         set(SetClearFilter{filter_}).has_value();
}

std::optional<base::DropCounters> ClearFilter::standing() const {
  if (!netlink_) return std::nullopt;
  std::optional<base::DropCounters> counters;
  for (const DropReason reason : counted) {
    auto query =
        make_counter_query(table_name(options_.instance), std::string{base::info_of(reason).name});
    static_cast<void>(netlink_->query(query, [&](base::Bytes message) {
      const auto packets = read_counter(message);
      if (!packets) return;
      if (!counters) counters.emplace();
      counters->add(reason, *packets);
    }));
  }
  return counters;
}

base::DropCounters ClearFilter::drops() const {
  base::DropCounters all = past_;
  if (const auto now = standing()) all.add(*now);
  return all;
}

}  // namespace caponier::io

#include "config/policy_section.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/values.h"

namespace caponier::config {

namespace {

using policy::TrafficSelector;
using policy::TrafficSelectors;

constexpr std::size_t selectors_max = 255;  ///< of one end

constexpr std::uint8_t icmp = 1;
constexpr std::uint8_t icmpv6 = 58;
constexpr std::uint8_t mobility = 135;
constexpr std::array<std::uint8_t, 5> with_ports = {6, 17, 33, 132, 136};

constexpr std::array policy_keys = {
    KeySpec{"name", false, "\"printers\""},
    KeySpec{"action", true, "\"bypass\""},
    KeySpec{"peer", false, "\"branch\""},
    KeySpec{"direction", false, "\"both\""},
    KeySpec{"local", false, "[\"10.1.0.0/16\"]"},
    KeySpec{"remote", false, "[\"10.2.0.10-10.2.0.19\"]"},
    KeySpec{"protocol", false, "\"tcp\""},
    KeySpec{"local_ports", false, "[\"443\"]"},
    KeySpec{"remote_ports", false, "[\"8000-8099\"]"},
    KeySpec{"types", false, "[\"8\", \"3(4)\"]"},
};

template <class T, std::size_t N>
Parsed<T> parse_word(std::string_view text,
                     const std::array<std::pair<std::string_view, T>, N>& words,
                     std::string_view what) {
  std::array<std::string_view, N> names;
  for (std::size_t i = 0; i < N; ++i) {
    if (words[i].first == text) return words[i].second;
    names[i] = words[i].first;
  }
  return std::unexpected{Fault{fmt::format("{} is not {}", quoted(text), what),
                               suggest(text, names, fmt::format("write {}", join(names, "or")))}};
}

Parsed<PolicyAction> parse_action(std::string_view text) {
  constexpr std::array words = {std::pair{std::string_view{"bypass"}, PolicyAction::bypass},
                                std::pair{std::string_view{"discard"}, PolicyAction::discard},
                                std::pair{std::string_view{"protect"}, PolicyAction::protect}};
  return parse_word(text, words, "an action");
}

Parsed<PolicyDirection> parse_direction(std::string_view text) {
  constexpr std::array words = {std::pair{std::string_view{"both"}, PolicyDirection::both},
                                std::pair{std::string_view{"out"}, PolicyDirection::outbound},
                                std::pair{std::string_view{"in"}, PolicyDirection::inbound}};
  return parse_word(text, words, "a direction");
}

Parsed<std::string> parse_peer(std::string_view text) {
  if (is_name(text)) return std::string{text};
  return std::unexpected{Fault{fmt::format("{} is not the name of a peer", quoted(text)),
                               "write the NAME of its section"}};
}

bool is_icmp(std::uint8_t protocol) { return protocol == icmp || protocol == icmpv6; }

bool has_ports(std::uint8_t protocol) {
  return std::ranges::find(with_ports, protocol) != with_ports.end();
}

using Ports = std::vector<Located<PortRange>>;

/// The ports of one end, which need a protocol that has some.
Ports read_ports(Section& section, std::string_view key, std::uint8_t protocol) {
  Ports ports = section.list(key, parse_port_range);
  if (section.has(key) && !has_ports(protocol)) {
    section.note(section.place_of(key), key,
                 {"only tcp, udp, udplite, sctp and dccp have ports",
                  fmt::format("write protocol = \"tcp\", or remove {}", key)});
  }
  return ports;
}

Ports read_types(Section& section, std::uint8_t protocol) {
  Ports types = section.list(
      "types", [&](std::string_view text) { return parse_type_range(text, is_icmp(protocol)); });
  if (section.has("types") && !is_icmp(protocol) && protocol != mobility) {
    section.note(section.place_of("types"), "types",
                 {"only icmp, icmpv6 and mobility have types",
                  "write protocol = \"icmp\", or remove types"});
  }
  return types;
}

TrafficSelectors make_selectors(Section& section, std::string_view key,
                                const std::vector<Located<AddressRange>>& addresses,
                                std::uint8_t protocol, const Ports& ports) {
  TrafficSelectors selectors;
  for (const auto& address : addresses) {
    TrafficSelector selector{address.value.first, address.value.last, protocol};
    if (ports.empty()) selectors.push_back(selector);
    for (const auto& range : ports) {
      selector.first_port = range.value.first;
      selector.last_port = range.value.last;
      selectors.push_back(selector);
    }
  }
  if (addresses.empty()) {
    for (const auto family : {base::Family::v4, base::Family::v6}) {
      const TrafficSelector any = TrafficSelector::any(family);
      const auto both =
          make_selectors(section, key, {{{any.first, any.last}, section.where()}}, protocol, ports);
      selectors.insert(selectors.end(), both.begin(), both.end());
    }
    return selectors;
  }
  if (selectors.size() > selectors_max) {
    section.note(addresses.front().where, key,
                 {fmt::format("{} addresses times {} ports are more than {}", addresses.size(),
                              ports.size(), selectors_max),
                  "split the policy in two"});
  }
  return selectors;
}

void check_families(Section& section, const std::vector<Located<AddressRange>>& local,
                    const std::vector<Located<AddressRange>>& remote) {
  if (local.empty() || remote.empty()) return;
  for (const auto& here : local) {
    for (const auto& there : remote) {
      if (here.value.first.family() == there.value.first.family()) return;
    }
  }
  section.note(remote.front().where, "remote",
               {"holds no address of the family of local, so nothing would match",
                "write addresses of the same family in both"});
}

void read_action(Section& section, PolicyDraft& draft) {
  PolicyConfig& policy = draft.policy;
  const auto action = section.text("action", parse_action);
  if (action) policy.action = action->value;
  if (auto peer = section.text("peer", parse_peer)) {
    policy.peer = std::move(peer->value);
    draft.peer = peer->where;
  }
  if (!action) return;
  const bool is_protect = policy.action == PolicyAction::protect;
  if (is_protect && !section.has("peer")) {
    section.note(
        action->where, "action",
        {"\"protect\" needs a tunnel", "add peer = \"NAME\" of a [site.NAME] or [host.NAME]"});
  } else if (!is_protect && draft.peer) {
    section.note(*draft.peer, "peer",
                 {"only action = \"protect\" has a peer", "remove peer, or write \"protect\""});
    draft.peer.reset();
  }
}

}  // namespace

PolicyDraft read_policy(const Node& table, Errors& errors) {
  PolicyDraft draft;
  PolicyConfig& policy = draft.policy;
  policy.where = table.where;
  Section section{table, "[[policy]]", policy_keys, errors};
  if (auto name = section.text("name", parse_peer)) policy.name = std::move(name->value);
  read_action(section, draft);
  if (const auto direction = section.text("direction", parse_direction)) {
    policy.direction = direction->value;
  }
  std::uint8_t protocol = 0;
  if (const auto named = section.text("protocol", parse_protocol)) protocol = named->value;
  const auto local = section.list("local", parse_address_range);
  const auto remote = section.list("remote", parse_address_range);
  check_families(section, local, remote);
  const Ports types = read_types(section, protocol);
  Ports local_ports = read_ports(section, "local_ports", protocol);
  Ports remote_ports = read_ports(section, "remote_ports", protocol);
  if (!types.empty()) local_ports = remote_ports = types;
  policy.local = make_selectors(section, "local", local, protocol, local_ports);
  policy.remote = make_selectors(section, "remote", remote, protocol, remote_ports);
  return draft;
}

void check_policies(std::span<const PolicyDraft> policies,
                    const std::map<std::string, Place>& peers, Errors& errors) {
  std::vector<std::string_view> names;
  for (const auto& [name, where] : peers) names.push_back(name);
  for (const PolicyDraft& draft : policies) {
    if (!draft.peer || peers.contains(draft.policy.peer)) continue;
    errors.add(*draft.peer, fmt::format("peer: there is no peer {}", quoted(draft.policy.peer)),
               suggest(draft.policy.peer, names, "write the NAME of a [site.NAME] or [host.NAME]"));
  }
}

policy::PfpFlags read_pfp(Section& section) {
  policy::PfpFlags pfp;
  using Flag = bool policy::PfpFlags::*;
  constexpr std::array words = {
      std::pair{std::string_view{"local_address"}, Flag{&policy::PfpFlags::local_address}},
      std::pair{std::string_view{"remote_address"}, Flag{&policy::PfpFlags::remote_address}},
      std::pair{std::string_view{"protocol"}, Flag{&policy::PfpFlags::protocol}},
      std::pair{std::string_view{"local_port"}, Flag{&policy::PfpFlags::local_port}},
      std::pair{std::string_view{"remote_port"}, Flag{&policy::PfpFlags::remote_port}}};
  const auto flags = section.list(
      "pfp", [&](std::string_view text) { return parse_word(text, words, "a value of packets"); });
  for (const auto& flag : flags) pfp.*flag.value = true;
  return pfp;
}

}  // namespace caponier::config

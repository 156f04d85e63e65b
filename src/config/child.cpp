// What one Child SA has for itself: its networks, algorithms, lifetimes, and when it is wanted.

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/event.h"
#include "config/durations.h"
#include "config/peer.h"
#include "config/policy_section.h"
#include "config/words.h"

namespace caponier::config {

namespace {

constexpr std::array mode_words = {
    Word<policy::SaMode>{"tunnel", policy::SaMode::tunnel},
    Word<policy::SaMode>{"transport", policy::SaMode::transport},
    Word<policy::SaMode>{"beet", policy::SaMode::beet},
};
constexpr std::array padding_words = {
    Word<std::uint16_t>{"mtu", policy::tfc_pad_to_mtu},
    Word<std::uint16_t>{"off", 0},
};

/// AH protects the outer header, which whatever carries ESP in UDP or TCP changes.
void check_ah(Section& section, const PeerConfig& peer, const ChildConfig& child) {
  const Place& where = section.place_of("ah");
  if (section.has("esp")) {
    section.note(where, "ah",
                 {"a tunnel is of ESP or of AH, and esp is there too", "remove one of the two"});
  }
  if (peer.encap == Encap::always) {
    section.note(
        where, "ah",
        {"AH cannot travel in UDP, as encap = \"always\" wants", "use esp, or leave encap out"});
  }
  if (section.has("tcp") && peer.tcp != Tcp::never) {
    section.note(where, "ah", {"AH cannot travel in TCP", "use esp, or write tcp = \"never\""});
  }
  if (child.mode == policy::SaMode::beet) {
    section.note(where, "ah", {"BEET is a mode of ESP", "use esp, or leave mode out"});
  }
  if (child.treatment.dummy_interval != base::Duration{}) {
    section.note(where, "ah", {"AH has no dummy packets", "use esp, or leave dummy_packets out"});
  }
  if (child.treatment.tfc_pad != 0) {
    section.note(
        where, "ah",
        {"AH hides nothing, so tfc_padding has no use", "use esp, or leave tfc_padding out"});
  }
}

/// The number of octets, or "mtu".
void read_tfc_padding(Section& section, const Node& table, std::uint16_t& to) {
  const Entry* const entry = table.find("tfc_padding");
  if (entry != nullptr && entry->value.kind == NodeKind::integer) {
    constexpr std::int64_t octets_max = 9000;
    if (const auto octets = section.integer("tfc_padding", 0, octets_max)) {
      to = static_cast<std::uint16_t>(*octets);
    }
    return;
  }
  read_word(section, "tfc_padding", padding_words, to);
}

/// An interval, or "off".
void read_dummy_packets(Section& section, const Node& table, base::Duration& to) {
  const Entry* const entry = table.find("dummy_packets");
  if (entry != nullptr && entry->value.kind == NodeKind::string && entry->value.text == "off") {
    to = {};
    return;
  }
  read_duration(section, "dummy_packets", std::chrono::milliseconds{1}, std::chrono::hours{1}, to);
}

void read_start(Section& section, const Node& table, const PeerConfig& peer, ChildConfig& child) {
  if (section.has("pfp")) child.pfp = read_pfp(section);
  const Entry* const entry = table.find("start");
  if (entry == nullptr) {
    if (peer.remote_any) child.start = Start::on_command;
    if (child.pfp.any() && child.start == Start::at_once) child.start = Start::trap;
    return;
  }
  const Place& where = entry->value.where;
  if (entry->value.kind == NodeKind::string && entry->value.text == "trap") {
    child.start = Start::trap;
  } else if (const auto start = section.boolean("start")) {
    child.start = start->value ? Start::at_once : Start::on_command;
  } else {
    return;
  }
  if (peer.remote_any && child.start != Start::on_command) {
    section.note(where, "start",
                 {"a tunnel with remote = \"any\" cannot be started from here",
                  "write start = false, or name the remote"});
  } else if (child.pfp.any() && child.start == Start::at_once) {
    section.note(where, "start",
                 {"with pfp it is the first packet that says what the tunnel carries",
                  "write start = \"trap\", or remove pfp"});
  }
}

void read_per_cpu_sas(Section& section, const Node& table, const PeerConfig& peer,
                      ChildConfig& child) {
  const Entry* const entry = table.find("per_cpu_sas");
  if (entry == nullptr) return;
  if (entry->value.kind == NodeKind::integer) {
    const auto count = section.integer("per_cpu_sas", 0, workers_max);
    if (count) child.per_cpu_sas = static_cast<unsigned>(*count);
  } else if (const auto wanted = section.boolean("per_cpu_sas")) {
    child.per_cpu_sas = wanted->value ? workers_max : 0;
  }
  if (child.per_cpu_sas == 0) return;
  if (peer.remote_any) {
    // RFC 9611 s7: whoever may come could have as many as he likes.
    section.note(entry->value.where, "per_cpu_sas",
                 {"a tunnel with remote = \"any\" has one SA for each peer",
                  "name the remote, or remove per_cpu_sas"});
  } else if (child.pfp.any()) {
    section.note(entry->value.where, "per_cpu_sas",
                 {"with pfp the packets say which SAs there are, not the CPUs",
                  "remove per_cpu_sas or pfp"});
  }
}

void read_ports(Section& section, ChildConfig& child) {
  const auto rules = section.list("ports", parse_port_rule);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const PortRule& rule = rules[i].value;
    for (std::size_t j = 0; j < i; ++j) {
      const PortRule& other = rules[j].value;
      if (rule.protocol != other.protocol || rule.first > other.last || other.first > rule.last) {
        continue;
      }
      section.note(rules[i].where, "ports",
                   {fmt::format("overlaps the ports at {}", rules[j].where.to_string()),
                    "write one range that covers both"});
      break;
    }
    child.ports.push_back(rule);
  }
}

/// A network, or less than one; or what an end has of itself.
struct Net {
  std::optional<base::Prefix> whole;  ///< all of it
  std::optional<policy::TrafficSelector> part;
  std::optional<PortRule> own;
  friend bool operator==(const Net&, const Net&) = default;
};

/// "10.1.0.0/16", "10.1.0.5-10.1.0.9", "dynamic", and each with "[tcp/443]" behind it.
Parsed<Net> parse_net(std::string_view text) {
  const std::size_t bracket = text.find('[');
  const std::string_view where = text.substr(0, bracket);
  PortRule rule;
  if (bracket != std::string_view::npos) {
    if (!text.ends_with(']')) {
      return std::unexpected{Fault{fmt::format("{} has no end of its protocol", quoted(text)),
                                   fmt::format("write \"{}[tcp/443]\"", where)}};
    }
    rule = TRY(parse_port_rule(text.substr(bracket + 1, text.size() - bracket - 2)));
  }
  if (where == "dynamic") return Net{{}, {}, rule};
  policy::TrafficSelector selector;
  if (where.find('-') != std::string_view::npos && where.find('/') == std::string_view::npos &&
      base::IpAddress::parse(where.substr(0, where.find('-')))) {
    const AddressRange range = TRY(parse_address_range(where));
    selector = {range.first, range.last};
  } else {
    const base::Prefix prefix = TRY(parse_prefix(where));
    if (bracket == std::string_view::npos) return Net{prefix, {}, {}};
    selector = policy::TrafficSelector::from_prefix(prefix);
  }
  selector.protocol = rule.protocol;
  selector.first_port = rule.first;
  selector.last_port = rule.last;
  return Net{{}, selector, {}};
}

/// Into `places` goes what may not overlap with others: of less than a network there is no telling.
void read_reach(Section& section, std::string_view key, Reach& reach,
                std::vector<Located<base::Prefix>>& places) {
  if (!section.has(key)) return;
  reach = {};
  places.clear();
  for (const auto& net : section.list(key, parse_net)) {
    if (net.value.whole) {
      places.push_back({*net.value.whole, net.where});
      reach.nets.push_back(policy::TrafficSelector::from_prefix(*net.value.whole));
    }
    if (net.value.part) reach.nets.push_back(*net.value.part);
    if (net.value.own) reach.own.push_back(*net.value.own);
  }
}

std::vector<base::Prefix> values_of(const std::vector<Located<base::Prefix>>& nets) {
  std::vector<base::Prefix> values;
  for (const auto& net : nets) values.push_back(net.value);
  return values;
}

std::vector<base::Prefix> everything() {
  return {*base::Prefix::parse("0.0.0.0/0"), *base::Prefix::parse("::/0")};
}

constexpr std::array start_words = {
    Word<Start>{"start", Start::at_once},
    Word<Start>{"trap", Start::trap},
    Word<Start>{"stop", Start::on_command},
};

void read_ends(Section& section, ChildConfig& child) {
  const auto read = [&](std::string_view key, std::optional<Start>& to) {
    if (!section.has(key)) return;
    Start start{};
    read_word(section, key, start_words, start);
    to = start;
  };
  read("after_close", child.after_close);
  read("after_loss", child.after_loss);
}

void read_lifetimes(Section& section, policy::Lifetime& lifetime) {
  using std::chrono::days;
  using std::chrono::seconds;
  base::Duration soft = lifetime.soft_time.value_or(std::chrono::hours{1});
  read_duration(section, "lifetime", seconds{10}, days{30}, soft);
  lifetime.soft_time = soft;
  constexpr std::uint64_t bytes_min = std::uint64_t{1} << 20;
  const auto bytes = section.text(
      "lifetime_bytes", [](std::string_view text) { return parse_size(text, bytes_min); });
  if (bytes) lifetime.soft_bytes = bytes->value;
  constexpr std::int64_t packets_min = 1000;
  constexpr std::int64_t packets_max = std::int64_t{1} << 62;
  if (const auto packets = section.integer("lifetime_packets", packets_min, packets_max)) {
    lifetime.soft_packets = static_cast<std::uint64_t>(*packets);
  }
}

void read_replay_window(Section& section, ChildConfig& child) {
  constexpr std::int64_t window_min = 32;
  constexpr std::int64_t window_max = 65536;
  const auto window = section.integer("replay_window");
  if (!window) return;
  if (window->value != 0 && (window->value < window_min || window->value > window_max)) {
    section.note(
        window->where, "replay_window",
        {fmt::format("{} is neither 0 nor within {} to {}", window->value, window_min, window_max),
         "write 4096, or 0 to switch the check off"});
    return;
  }
  child.replay_window = static_cast<std::uint32_t>(window->value);
}

void read_algorithms(Section& section, const PeerConfig& peer, policy::Compat compat,
                     ChildConfig& child) {
  child.esp = read_offers(section, "esp", wire::ProtocolId::esp, compat,
                          child.esp.empty() ? policy::default_esp_offers() : child.esp);
  if (section.has("esp")) child.ah.clear();
  if (!section.has("ah")) return;
  child.ah = read_offers(section, "ah", wire::ProtocolId::ah, compat, {});
  if (!child.ah.empty()) check_ah(section, peer, child);
}

/// Transport mode protects the two ends' own packets.
void check_transport(Section& section, const ChildConfig& child) {
  if (child.mode != policy::SaMode::transport) return;
  for (const auto& [key, reach] :
       {std::pair{"local_nets", &child.local}, std::pair{"remote_nets", &child.remote}}) {
    if (reach->nets.empty() || !section.has(key)) continue;
    section.note(section.place_of(key), key,
                 {"transport mode is between the two hosts themselves",
                  fmt::format("write {} = [\"dynamic\"], or leave mode out", key)});
  }
}

/// What a user or a server has on the other end is known once there are addresses.
void read_networks(Section& section, const PeerConfig& peer, ChildConfig& child,
                   ChildDraft& draft) {
  switch (peer.kind) {
    case PeerKind::site:
      read_reach(section, "local_nets", child.local, draft.local_nets);
      read_reach(section, "remote_nets", child.remote, draft.remote_nets);
      check_transport(section, child);
      return;
    case PeerKind::client:
      draft.remote_nets = section.list("remote_nets", parse_prefix);
      child.local = Reach::of_itself();
      child.remote =
          Reach::of(section.has("remote_nets") ? values_of(draft.remote_nets) : everything());
      return;
    case PeerKind::host:
      child.mode = policy::SaMode::transport;
      child.local = Reach::of_itself();
      child.remote = Reach::of_itself();
      read_ports(section, child);
      return;
    case PeerKind::server: return;  // read_server()
  }
}

/// What is told of it, and how long it may be idle.
void read_company(Section& section, ChildConfig& child) {
  if (auto updown = section.text("updown", parse_command)) child.updown = std::move(updown->value);
  if (const auto access = section.boolean("hostaccess")) child.hostaccess = access->value;
  read_duration(section, "inactivity", std::chrono::seconds{1}, std::chrono::days{30},
                child.inactivity);
}

}  // namespace

policy::Offers read_offers(Section& section, std::string_view key, wire::ProtocolId protocol,
                           policy::Compat compat, policy::Offers otherwise) {
  auto offers =
      section.list(key, [&](std::string_view text) { return parse_suite(text, protocol, compat); });
  if (offers.empty()) return otherwise;
  policy::Offers values;
  for (auto& offer : offers) values.push_back(std::move(offer.value));
  return values;
}

void read_child(Section& section, const Node& table, const PeerConfig& peer, policy::Compat compat,
                ChildConfig& child, ChildDraft& draft) {
  read_start(section, table, peer, child);
  read_ends(section, child);
  read_per_cpu_sas(section, table, peer, child);
  read_lifetimes(section, child.lifetime);
  read_replay_window(section, child);
  read_treatment(section, table, child.treatment);
  read_tfc_padding(section, table, child.treatment.tfc_pad);
  read_dummy_packets(section, table, child.treatment.dummy_interval);
  read_company(section, child);
  if (peer.kind == PeerKind::site) read_word(section, "mode", mode_words, child.mode);
  if (section.has("mode")) draft.mode = section.place_of("mode");
  read_algorithms(section, peer, compat, child);
  read_networks(section, peer, child, draft);
}

void read_children(Section& section, const Node& table, policy::Compat compat, PeerDraft& draft,
                   Errors& errors) {
  const Entry* const children = table.find("children");
  if (children == nullptr) return;
  PeerConfig& peer = draft.peer;
  if (children->value.kind != NodeKind::table || children->value.entries.empty()) {
    return section.note(children->value.where, "children",
                        {"each child has a table of its own",
                         fmt::format("write [site.{}.children.CHILD]", peer.name)});
  }
  const ChildConfig model = std::exchange(peer.children, {}).front();
  const ChildDraft model_draft = std::exchange(draft.children, {}).front();
  const std::vector<KeySpec> schema = child_schema();
  for (const Entry& entry : children->value.entries) {
    const std::string title =
        fmt::format("[site.{}.children.{}]", peer.name, base::printable(entry.key));
    if (entry.value.kind != NodeKind::table || !is_name(entry.key)) {
      errors.add(entry.where, fmt::format("{} is no table of a child", title),
                 "write it as a header, with a name of 1 to 64 of A-Z a-z 0-9 . _ -");
      continue;
    }
    Section own{entry.value, title, schema, errors};
    peer.children.push_back(model);
    draft.children.push_back(model_draft);
    ChildConfig& child = peer.children.back();
    child.name = entry.key;
    const auto written = own.text("compat", parse_compat);
    read_child(own, entry.value, peer, written ? written->value : compat, child,
               draft.children.back());
    for (const auto& [key, reach] :
         {std::pair{"local_nets", &child.local}, std::pair{"remote_nets", &child.remote}}) {
      if (reach->nets.empty() && reach->own.empty() && !own.has(key) && !section.has(key)) {
        errors.add(entry.value.where, fmt::format("{} lacks '{}'", title, key),
                   fmt::format("add it there, or to [site.{}] for all children", peer.name));
      }
    }
  }
  constexpr std::size_t children_max = 64;
  if (peer.children.size() > children_max) {
    section.note(children->value.where, "children",
                 {fmt::format("there are more than {}", children_max),
                  "let one child have several networks"});
  }
}

}  // namespace caponier::config

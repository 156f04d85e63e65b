#include "gateway/updown.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"

namespace caponier::gateway {
namespace {

using Environment = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view verb_name = "PLUTO_VERB";
constexpr std::string_view up_prefix = "up-";
constexpr std::string_view down_prefix = "down-";
constexpr std::size_t value_size_max = 1024;
constexpr std::uint8_t protocol_icmp = 1;
constexpr std::uint8_t protocol_icmp6 = 58;

bool is_harmless(char c) {
  constexpr std::string_view marks = " .,:=@/_+-%*";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         marks.find(c) != std::string_view::npos;
}

std::string text_of(const policy::Identity& id, const pki::PkiProvider* names) {
  switch (id.type) {
    case wire::IdType::der_asn1_dn:
      return names != nullptr ? names->name_text(id.data) : id.to_string();
    case wire::IdType::fqdn:
    case wire::IdType::rfc822_addr: return std::string{base::as_text(id.data)};
    case wire::IdType::ipv4_addr:
    case wire::IdType::ipv6_addr:
    case wire::IdType::key_id:
    case wire::IdType::der_asn1_gn:
    case wire::IdType::null: break;
  }
  return id.to_string();
}

void add(Environment& to, std::string_view name, std::string_view value) {
  to.emplace_back(name, environment_value(value));
}

/// "PLUTO_MY_SOURCEIP4_1" and so on; the first of all is without a number too.
void add_numbered(Environment& to, std::string_view name,
                  const std::vector<base::IpAddress>& addresses) {
  std::size_t count_v4 = 0;
  std::size_t count_v6 = 0;
  for (const base::IpAddress& address : addresses) {
    const bool is_v4 = address.is_v4();
    add(to, fmt::format("{}{}_{}", name, is_v4 ? 4 : 6, is_v4 ? ++count_v4 : ++count_v6),
        address.to_string());
  }
}

void add_inner(Environment& to, std::string_view name,
               const std::vector<base::IpAddress>& addresses) {
  if (addresses.empty()) return;
  add(to, name, addresses.front().to_string());
  add_numbered(to, name, addresses);
}

bool is_icmp(const policy::TrafficSelector& ts) {
  return ts.protocol == protocol_icmp || ts.protocol == protocol_icmp6;
}

/// Of several ports there is no telling.
unsigned port_of(const policy::TrafficSelector& ts) {
  return ts.first_port == ts.last_port ? ts.first_port : 0;
}

void add_ports(Environment& to, const policy::TrafficSelector& local,
               const policy::TrafficSelector& remote) {
  unsigned mine = port_of(local);
  unsigned peers = port_of(remote);
  if (is_icmp(local)) {
    // One number has both; a script asks our port for the type and the peer's for the code.
    constexpr unsigned code_mask = 0xff;
    const unsigned both = mine != 0 ? mine : peers;
    mine = both >> 8U;
    peers = both & code_mask;
  }
  add(to, "PLUTO_MY_PORT", fmt::format("{}", mine));
  add(to, "PLUTO_PEER_PORT", fmt::format("{}", peers));
}

bool is_address(const policy::TrafficSelector& ts, const base::IpAddress& address) {
  return ts.first == address && ts.last == address;
}

/// What is the same for each pair of selectors.
Environment common_of(const UpdownScene& scene) {
  const ike::IkeSaInfo& ike = scene.ike;
  const bool has_given = scene.peer.kind == config::PeerKind::server;
  const std::string peer_id = ike.remote_id ? text_of(*ike.remote_id, scene.names) : "%any";
  Environment to;
  add(to, "PLUTO_CONNECTION", scene.child.name);
  add(to, "PLUTO_REQID", fmt::format("{}", scene.reqid));
  add(to, "PLUTO_PROTO", scene.child.protocol == policy::SaProtocol::ah ? "ah" : "esp");
  add(to, "PLUTO_UNIQUEID", fmt::format("{}", ike.id.value));
  add(to, "PLUTO_ME", ike.path.local.address.to_string());
  add(to, "PLUTO_MY_ID", text_of(scene.local_id, scene.names));
  add(to, "PLUTO_PEER", ike.path.remote.address.to_string());
  add(to, "PLUTO_PEER_ID", peer_id);
  if (!ike.user.empty() && ike.user != peer_id) add(to, "PLUTO_XAUTH_ID", ike.user);
  if (scene.config.hostaccess) add(to, "PLUTO_HOST_ACCESS", "1");
  add_inner(to, has_given ? "PLUTO_PEER_SOURCEIP" : "PLUTO_MY_SOURCEIP", ike.inner);
  add_numbered(to, "PLUTO_DNS", scene.dns);
  if (scene.child.udp_encap) {
    add(to, "PLUTO_UDP_ENC", fmt::format("{}", ike.path.remote.port));
  }
  return to;
}

}  // namespace

std::string environment_value(std::string_view text) {
  std::string value{text.substr(0, value_size_max)};
  std::ranges::replace_if(value, [](char c) { return !is_harmless(c); }, '_');
  // To a program this would be an option.
  if (value.starts_with('-')) value.front() = '_';
  return value;
}

base::Prefix enclosing(const policy::TrafficSelector& selector) {
  unsigned length = selector.first.bit_count();
  while (length > 0 && selector.first.with_low_bits(length, true) < selector.last) --length;
  return {selector.first.with_low_bits(length, false), length};
}

std::vector<RunUpdown> make_updown(const UpdownScene& scene) {
  std::vector<RunUpdown> runs;
  if (scene.config.updown.empty()) return runs;
  const Environment common = common_of(scene);
  const std::string who = scene.ike.remote_id ? scene.ike.remote_id->to_string() : std::string{};
  for (const policy::TrafficSelector& local : scene.child.local) {
    for (const policy::TrafficSelector& remote : scene.child.remote) {
      if (local.first.family() != remote.first.family()) continue;
      if (runs.size() >= updown_pairs_max) return runs;
      const bool is_host = is_address(local, scene.ike.path.local.address);
      Environment to = common;
      add(to, verb_name,
          fmt::format("{}{}{}", up_prefix, is_host ? "host" : "client",
                      local.first.is_v4() ? "" : "-v6"));
      add(to, "PLUTO_MY_CLIENT", enclosing(local).to_string());
      add(to, "PLUTO_MY_PROTOCOL", fmt::format("{}", local.protocol));
      add(to, "PLUTO_PEER_CLIENT", enclosing(remote).to_string());
      add(to, "PLUTO_PEER_PROTOCOL", fmt::format("{}", remote.protocol));
      add_ports(to, local, remote);
      runs.push_back({scene.peer.name, scene.child.name,
                      fmt::format("{} {} {}", scene.peer.name, who, scene.ike.user),
                      scene.config.updown, std::move(to)});
    }
  }
  return runs;
}

RunUpdown as_down(RunUpdown run) {
  for (auto& [name, value] : run.environment) {
    if (name == verb_name) value.replace(0, up_prefix.size(), down_prefix);
  }
  return run;
}

}  // namespace caponier::gateway

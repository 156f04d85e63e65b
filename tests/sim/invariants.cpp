#include "sim/invariants.h"

#include <fmt/format.h>

#include <algorithm>

#include "wire/ike.h"

namespace caponier::sim {
namespace {

/// SPIs up to this one are reserved (RFC 4303 s2.1).
constexpr std::uint32_t reserved_spi_max = 255;

/// The octets begin with the IKE_SA_INIT message of whose AUTH they are.
bool are_of_initiator(std::string_view octets) {
  base::Reader in{base::as_bytes(octets)};
  const auto header = wire::IkeHeader::decode(in);
  return header && !header->is_response();
}

policy::TrafficSelectors selectors_of(const std::vector<base::Prefix>& nets) {
  policy::TrafficSelectors selectors;
  for (const base::Prefix& net : nets) {
    selectors.push_back(policy::TrafficSelector::from_prefix(net));
  }
  return selectors;
}

std::ptrdiff_t firsts(const gateway::PeerStatus& peer) {
  return std::ranges::count_if(peer.children, [](const auto& child) { return !child.sa.resource; });
}

bool are_single_hosts(const policy::TrafficSelectors& selectors) {
  return std::ranges::all_of(selectors, [](const auto& ts) { return ts.first == ts.last; });
}

const base::Prefix broadcast{base::IpAddress::highest(base::Family::v4), 32};

}  // namespace

// ---- AUTH

void AuthTwin::on_request(const Process& process, ike::IkeSaId sa, base::Bytes octets,
                          base::Bytes auth) {
  Asked asked{std::string{base::as_text(octets)}, std::string{base::as_text(auth)}};
  by_octets_[asked.octets][process.host] = asked.auth;
  asked_[{process, sa}].push_back(std::move(asked));
}

bool AuthTwin::is_proven(const Process& process, const ike::IkeSaInfo& sa) const {
  const auto asked = asked_.find({process, sa.id});
  if (asked == asked_.end()) return false;
  return std::ranges::any_of(asked->second, [&](const Asked& request) {
    if (request.auth.empty() || are_of_initiator(request.octets) == sa.initiator) return false;
    const auto& askers = by_octets_.at(request.octets);
    return std::ranges::any_of(askers, [&](const auto& asker) {
      return asker.first != process.host && asker.second == request.auth;
    });
  });
}

void AuthTwin::on_eap_key(const Process& process, ike::IkeSaId sa, base::Bytes msk) {
  const std::string key{base::as_text(msk)};
  eap_keys_[{process, sa}] = key;
  by_eap_key_[key].insert(process.host);
}

bool AuthTwin::is_proven_by_eap(const Process& process, const ike::IkeSaInfo& sa) const {
  const auto key = eap_keys_.find({process, sa.id});
  return key != eap_keys_.end() && !key->second.empty() && by_eap_key_.at(key->second).size() == 2;
}

void AuthTwin::check(const Seen& seen, const std::string& peer, const ike::IkeSaInfo& sa) {
  if (!sa.established_at) return;
  const std::pair id{seen.process, sa.id};
  if (proven_.contains(id)) return;
  const std::pair connection{seen.process, peer + " " + sa.user};
  if (!is_proven(seen.process, sa) && !is_proven_by_eap(seen.process, sa) &&
      !proven_connections_.contains(connection)) {
    violations_->add(Broken::unproven_peer,
                     fmt::format("{}: {} is established without a proof", seen.name, peer));
  }
  proven_.insert(id);
  proven_connections_.insert(connection);
}

void AuthTwin::check(const Seen& seen) {
  for (const gateway::PeerStatus& peer : seen.status.peers) {
    if (peer.ike) check(seen, peer.name, *peer.ike);
    for (const ike::IkeSaInfo& user : peer.users) check(seen, peer.name, user);
  }
}

// ---- SPIs, selectors, limits

void StateChecker::add(Broken rule, const Seen& seen, const std::string& text) {
  violations_->add(rule, fmt::format("{}: {}", seen.name, text));
}

void StateChecker::check(const Seen& seen) {
  const ike::IkeLimits& limits = seen.options.ike_limits;
  if (seen.status.half_open > limits.half_open_max) {
    add(Broken::limit_exceeded, seen, fmt::format("{} half open", seen.status.half_open));
  }
  if (seen.status.ike_sas > limits.ike_sas_max) {
    add(Broken::limit_exceeded, seen, fmt::format("{} IKE SAs", seen.status.ike_sas));
  }
  if (seen.status.associations > seen.options.engine_limits.associations_max) {
    add(Broken::limit_exceeded, seen, fmt::format("{} associations", seen.status.associations));
  }
  for (const gateway::PeerStatus& peer : seen.status.peers) {
    check_spis(seen, peer);
    check_limits(seen, peer);
    const auto config = std::ranges::find(seen.peers, peer.name, &config::PeerConfig::name);
    if (config != seen.peers.end()) check_selectors(seen, peer, *config);
  }
}

void StateChecker::check_spis(const Seen& seen, const gateway::PeerStatus& peer) {
  if (peer.ike) {
    const base::IkeSpi ours = peer.ike->initiator ? peer.ike->spi_i : peer.ike->spi_r;
    const std::pair owner{seen.process, peer.ike->id};
    // A responder that has not answered yet has none.
    const bool is_fresh =
        ours.value == 0 ||
        ike_spis_.try_emplace({seen.process.host, ours}, owner).first->second == owner;
    if (!is_fresh) add(Broken::bad_spi, seen, fmt::format("IKE SPI {:016x} again", ours.value));
  }
  for (const gateway::ChildStatus& child : peer.children) {
    const base::Spi spi = child.sa.spi_in;
    const std::pair owner{seen.process, child.sa.id};
    if (spi.value <= reserved_spi_max || child.sa.spi_out.value <= reserved_spi_max) {
      add(Broken::bad_spi, seen, fmt::format("SPI {:08x} is reserved", spi.value));
    }
    if (child_spis_.try_emplace({seen.process.host, spi}, owner).first->second != owner) {
      add(Broken::bad_spi, seen, fmt::format("SPI {:08x} again", spi.value));
    }
  }
}

void StateChecker::check_selectors(const Seen& seen, const gateway::PeerStatus& peer,
                                   const config::PeerConfig& config) {
  const bool is_host = config.kind == config::PeerKind::host;
  const bool has_local = !is_host && config.kind != config::PeerKind::client;
  const auto remote = selectors_of(config.server ? config.server->all_pools : config.remote_nets());
  for (const gateway::ChildStatus& child : peer.children) {
    // A host is its own address, and so is a user's inner one.
    policy::TrafficSelectors local = selectors_of(config.local_nets());
    // Where a Windows asks us by DHCP.
    if (config.server) local.push_back(policy::TrafficSelector::from_prefix(broadcast));
    bool is_within =
        has_local ? policy::contains(local, child.sa.local) : are_single_hosts(child.sa.local);
    is_within = is_within && (is_host || policy::contains(remote, child.sa.remote));
    if (is_host || config.kind == config::PeerKind::server) {
      is_within = is_within && are_single_hosts(child.sa.remote);
    }
    if (is_within && !child.sa.local.empty() && !child.sa.remote.empty()) continue;
    add(Broken::wide_selectors, seen,
        fmt::format("{}: {} === {}", peer.name, policy::to_string(child.sa.local),
                    policy::to_string(child.sa.remote)));
  }
}

void StateChecker::check_limits(const Seen& seen, const gateway::PeerStatus& peer) {
  const ike::IkeLimits& limits = seen.options.ike_limits;
  // A replaced Child SA and its heir live side by side for a while, under two IKE SAs at most.
  if (peer.children.size() > 4 * limits.children_per_ike_max) {
    add(Broken::limit_exceeded, seen, fmt::format("{} children", peer.children.size()));
  }
  if (peer.ike && peer.ike->waiting > limits.own_requests_queue_max) {
    add(Broken::limit_exceeded, seen, fmt::format("{} requests wait", peer.ike->waiting));
  }
}

// ---- Agreement and time

std::string difference(const gateway::PeerStatus& a, const gateway::PeerStatus& b) {
  if (!a.ike || !b.ike) return fmt::format("no IKE SA at {}", a.ike ? b.name : a.name);
  if (a.ike->spi_i != b.ike->spi_i || a.ike->spi_r != b.ike->spi_r) {
    return fmt::format("IKE SPIs {:016x} and {:016x}", a.ike->spi_i.value, b.ike->spi_i.value);
  }
  if (a.children.size() != b.children.size() || firsts(a) != 1 || firsts(b) != 1) {
    return fmt::format("{} and {} Child SAs, {} and {} of them for everybody", a.children.size(),
                       b.children.size(), firsts(a), firsts(b));
  }
  for (const gateway::ChildStatus& child : a.children) {
    const bool is_there = std::ranges::any_of(b.children, [&](const auto& other) {
      return child.sa.spi_in == other.sa.spi_out && child.sa.spi_out == other.sa.spi_in;
    });
    if (!is_there) {
      return fmt::format("inbound SPI {:08x} is unknown to {}", child.sa.spi_in.value, a.name);
    }
  }
  return {};
}

base::Duration retransmission_time(const ike::IkeLimits& limits) {
  double wait = base::seconds_of(limits.retransmit_first);
  double total = wait;
  for (unsigned i = 0; i < limits.retransmit_tries; ++i) {
    wait *= limits.retransmit_base;
    total += wait;
  }
  return std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>{total});
}

base::Duration recovery_max(const gateway::GatewayOptions& options, base::Duration dpd,
                            base::Duration round_trip) {
  // Jitter makes a back-off up to a quarter longer. A negotiation takes a few round trips.
  constexpr int negotiation_round_trips = 8;
  const base::Duration retry_max = config::PeerConfig{}.retry_max;
  return dpd + retransmission_time(options.ike_limits) + retry_max + retry_max / 4 +
         negotiation_round_trips * round_trip;
}

}  // namespace caponier::sim

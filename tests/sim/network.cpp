#include "sim/network.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace caponier::sim {
namespace {

std::size_t ip_size(const Datagram& datagram) {
  if (datagram.carrier == Carrier::ah) return datagram.payload.size();
  const std::size_t ip = datagram.source.address.is_v4() ? 20 : 40;
  return ip + (datagram.carrier == Carrier::udp ? 8 : 0) + datagram.payload.size();
}

/// A NAT has nothing to tell its flows apart by.
bool has_no_ports(const Datagram& datagram) {
  return datagram.carrier == Carrier::esp || datagram.carrier == Carrier::ah;
}

}  // namespace

void Trace::mix(base::Bytes data) {
  for (const std::byte byte : data) {
    hash_ ^= std::to_integer<std::uint64_t>(byte);
    hash_ *= 0x100000001b3U;
  }
}

void Trace::add(base::Instant now, std::string_view what, base::Bytes data) {
  std::array<std::byte, 8> time{};
  base::store_be<std::uint64_t>(time.data(), static_cast<std::uint64_t>(now.since_origin.count()));
  mix(time);
  mix(base::as_bytes(what));
  mix(data);
  ++count_;
}

const LinkQuality& Link::quality_from(HostId sender) const {
  const auto found = one_way_.find(sender);
  return found == one_way_.end() ? quality : found->second;
}

bool Link::blocks(const Datagram& datagram) const {
  const bool is_too_big = ip_size(datagram) > mtu && (datagram.dont_fragment || !carries_fragments);
  switch (datagram.carrier) {
    case Carrier::tcp: return blocks_tcp;
    case Carrier::esp:
    case Carrier::ah: return blocks_esp || is_too_big;
    case Carrier::udp: break;
  }
  return blocks_udp || blocked_ports.contains(datagram.source.port) ||
         blocked_ports.contains(datagram.destination.port) || is_too_big;
}

bool Link::swallows(HostId sender, const Datagram& datagram) {
  if (parted_ || blocks(datagram)) return true;
  if (drop_next_ > 0) {
    --drop_next_;
    return true;
  }
  if (const auto found = drop_next_from_.find(sender);
      found != drop_next_from_.end() && found->second > 0) {
    --found->second;
    return true;
  }
  return filter_ && filter_(datagram);
}

void Nat::rebind() {
  mappings_.clear();
  next_port_ = static_cast<std::uint16_t>(next_port_ + 1000);
}

std::optional<std::uint16_t> Nat::forwarded_port(const base::Endpoint& inside) const {
  for (const auto& [port, target] : forwards_) {
    if (target == inside) return port;
  }
  return std::nullopt;
}

base::Endpoint Nat::outbound(const base::Endpoint& inside, const base::Endpoint& destination,
                             base::Instant now) {
  if (const auto port = forwarded_port(inside)) return {outside_, *port};
  for (auto& [port, mapping] : mappings_) {
    if (mapping.inside != inside || now - mapping.last_used > timeout_) continue;
    mapping.last_used = now;
    mapping.contacted[destination.address] = now;
    return {outside_, port};
  }
  const std::uint16_t port = next_port_++;
  mappings_[port] = Mapping{inside, now, {{destination.address, now}}};
  return {outside_, port};
}

std::optional<base::Endpoint> Nat::inbound(const base::Endpoint& from, std::uint16_t port,
                                           base::Instant now) const {
  if (const auto found = forwards_.find(port); found != forwards_.end()) return found->second;
  const auto found = mappings_.find(port);
  if (found == mappings_.end() || now - found->second.last_used > timeout_) return std::nullopt;
  if (!found->second.contacted.contains(from.address)) return std::nullopt;
  return found->second.inside;
}

HostId Network::add_host(const base::IpAddress& address) {
  hosts_.push_back({{{address}}});
  return hosts_.size() - 1;
}

void Network::set_address(HostId host, const base::IpAddress& address) {
  auto& interfaces = hosts_[host].interfaces;
  interfaces.resize(1);
  interfaces.front().address = address;
  interfaces.front().is_up = true;
}

void Network::add_address(HostId host, const base::IpAddress& address) {
  hosts_[host].interfaces.push_back({address});
}

void Network::set_interface(HostId host, const base::IpAddress& address, bool is_up) {
  for (Interface& interface : hosts_[host].interfaces) {
    if (interface.address == address) interface.is_up = is_up;
  }
}

std::vector<base::IpAddress> Network::addresses(HostId host) const {
  std::vector<base::IpAddress> all;
  for (const Interface& interface : hosts_[host].interfaces) {
    if (interface.is_up) all.push_back(interface.address);
  }
  return all;
}

const Network::Interface* Network::interface_of(HostId host, const base::IpAddress& address) const {
  for (const Interface& interface : hosts_[host].interfaces) {
    if (interface.is_up && interface.address == address) return &interface;
  }
  return nullptr;
}

std::optional<HostId> Network::host_at(const base::IpAddress& address) const {
  for (HostId id = 0; id < hosts_.size(); ++id) {
    for (const Interface& interface : hosts_[id].interfaces) {
      const auto& seen = interface.nat == nullptr ? interface.address : interface.nat->outside();
      if (interface.is_up && seen == address) return id;
    }
  }
  return std::nullopt;
}

Nat& Network::put_behind_nat(HostId host, const base::IpAddress& outside,
                             base::Duration mapping_timeout) {
  nats_.push_back(std::make_unique<Nat>(outside, mapping_timeout));
  for (Interface& interface : hosts_[host].interfaces) interface.nat = nats_.back().get();
  return *nats_.back();
}

void Network::remove_nat(HostId host) {
  for (Interface& interface : hosts_[host].interfaces) interface.nat = nullptr;
}

Link& Network::link(HostId a, HostId b) {
  const std::pair key{std::min(a, b), std::max(a, b)};
  const auto [found, fresh] = links_.try_emplace(key);
  if (fresh) found->second.quality = quality_;
  return found->second;
}

void Network::set_quality(const LinkQuality& quality) {
  quality_ = quality;
  for (auto& [ends, link] : links_) {
    link.quality = quality;
    link.reset_one_way();
  }
}

bool Network::chance(double probability) {
  constexpr std::uint64_t steps = 1'000'000;
  return static_cast<double>(rng_.public_below(steps)) < probability * static_cast<double>(steps);
}

base::Duration Network::up_to(base::Duration limit) {
  if (limit <= 0ns) return 0ns;
  return base::Duration{rng_.public_below(static_cast<std::uint64_t>(limit.count()) + 1)};
}

std::optional<std::pair<HostId, base::Endpoint>> Network::deliver_to(const Datagram& datagram,
                                                                     base::Instant now) const {
  for (HostId id = 0; id < hosts_.size(); ++id) {
    for (const Interface& interface : hosts_[id].interfaces) {
      if (!interface.is_up) continue;
      if (interface.nat == nullptr) {
        if (interface.address == datagram.destination.address) return {{id, datagram.destination}};
        continue;
      }
      if (interface.nat->outside() != datagram.destination.address) continue;
      if (has_no_ports(datagram)) return std::nullopt;
      const auto inside = interface.nat->inbound(datagram.source, datagram.destination.port, now);
      if (inside && inside->address == interface.address) return {{id, *inside}};
    }
  }
  return std::nullopt;
}

void Network::lose(const Datagram& datagram, std::string_view why, base::Instant now) {
  ++lost_;
  trace_->add(now, why, datagram.payload);
}

void Network::schedule(const LinkQuality& quality, const Datagram& datagram, base::Instant now) {
  base::Duration delay = quality.delay + up_to(quality.jitter);
  if (chance(quality.reorder)) delay += up_to(4 * quality.delay);
  queue_.emplace(std::pair{now + delay, sequence_++}, datagram);
}

void Network::schedule_stream(const LinkQuality& quality, const Datagram& datagram,
                              base::Instant now) {
  constexpr base::Duration retransmission = 200ms;
  base::Duration delay = quality.delay + up_to(quality.jitter);
  if (chance(quality.loss)) delay += retransmission + quality.delay;
  base::Instant& end = stream_ends_[{datagram.source, datagram.destination}];
  end = std::max(end, now + delay);
  queue_.emplace(std::pair{end, sequence_++}, datagram);
}

void Network::send(HostId from, Datagram datagram, base::Instant now) {
  ++sent_;
  trace_->add(now, "send", datagram.payload);
  const Interface* const sender = interface_of(from, datagram.source.address);
  if (sender == nullptr) return lose(datagram, "wrong source", now);
  if (sender->nat != nullptr) {
    if (has_no_ports(datagram)) return lose(datagram, "ESP at a NAT", now);
    datagram.source = sender->nat->outbound(datagram.source, datagram.destination, now);
  }
  const auto target = deliver_to(datagram, now);
  if (!target) return lose(datagram, "unreachable", now);
  Link& between = link(from, target->first);
  if (between.swallows(from, datagram)) return lose(datagram, "swallowed", now);
  const LinkQuality& quality = between.quality_from(from);
  if (datagram.carrier == Carrier::tcp) return schedule_stream(quality, datagram, now);
  if (chance(quality.loss)) return lose(datagram, "lost", now);
  schedule(quality, datagram, now);
  if (chance(quality.duplicate)) schedule(quality, datagram, now);
}

std::optional<base::Instant> Network::next_arrival() const {
  if (queue_.empty()) return std::nullopt;
  return queue_.begin()->first.first;
}

std::optional<Network::Arrival> Network::poll_arrival(base::Instant now) {
  CAPONIER_ASSERT(!queue_.empty() && queue_.begin()->first.first <= now);
  Datagram datagram = std::move(queue_.begin()->second);
  queue_.erase(queue_.begin());
  const auto target = deliver_to(datagram, now);
  if (!target) {
    lose(datagram, "nobody there", now);
    return std::nullopt;
  }
  datagram.destination = target->second;
  trace_->add(now, "arrive", datagram.payload);
  return Arrival{target->first, std::move(datagram)};
}

}  // namespace caponier::sim

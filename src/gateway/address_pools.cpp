#include "gateway/address_pools.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace caponier::gateway {
namespace {

using base::Family;
using base::IpAddress;
using base::Prefix;
using Type = wire::ConfigAttributeType;

Type address_type(Family family) {
  return family == Family::v4 ? Type::internal_ip4_address : Type::internal_ip6_address;
}

bool is_in(const std::vector<Prefix>& pools, const IpAddress& address) {
  return std::any_of(pools.begin(), pools.end(),
                     [&](const Prefix& pool) { return pool.contains(address); });
}

/// The first and the last address of an IPv4 network are nobody's, nor is the subnet-router anycast
/// address of an IPv6 one (RFC 4291 s2.6.1), unless the network is too small for that.
bool is_usable(const Prefix& pool, const IpAddress& address) {
  const unsigned host_bits = address.bit_count() - pool.length;
  if (host_bits < 2) return true;
  if (address == pool.first()) return false;
  return !address.is_v4() || address != pool.last();
}

/// s3.15.1: none or zero means any.
std::optional<IpAddress> wish_in(const wire::ConfigAttribute& attribute, Family family) {
  const std::size_t size = family == Family::v4 ? 4 : 16;
  if (attribute.value.size() < size) return std::nullopt;
  const IpAddress address = IpAddress::from_bytes(base::Bytes{attribute.value}.first(size));
  if (address.is_unspecified()) return std::nullopt;
  return address;
}

wire::ConfigAttribute attribute(Type type, base::Bytes value) {
  return {static_cast<std::uint16_t>(type), base::to_vec(value)};
}

wire::ConfigAttribute subnet(const Prefix& net) {
  base::ByteVec value = base::to_vec(net.address.bytes());
  if (!net.address.is_v4()) {
    value.push_back(static_cast<std::byte>(net.length));
    return {static_cast<std::uint16_t>(Type::internal_ip6_subnet), std::move(value)};
  }
  const std::uint32_t mask = net.length == 0 ? 0 : ~std::uint32_t{0} << (32 - net.length);
  value.resize(8);
  base::store_be(value.data() + 4, mask);
  return {static_cast<std::uint16_t>(Type::internal_ip4_subnet), std::move(value)};
}

bool asks_for(const ike::LeaseRequest& request, Type type) {
  return std::any_of(request.asked.begin(), request.asked.end(),
                     [&](const auto& one) { return one.type == static_cast<std::uint16_t>(type); });
}

/// RFC 9464 s4.1: to those who ask for it, with the addresses of this family.
void append_encrypted_dns(std::vector<wire::ConfigAttribute>& attributes, Family family,
                          const ike::LeaseRequest& request, const LeaseTerms& terms) {
  const Type type = family == Family::v4 ? Type::encdns_ip4 : Type::encdns_ip6;
  if (!asks_for(request, type)) return;
  for (wire::EncryptedDns dns : terms.dns_encrypted) {
    std::ranges::copy_if(terms.dns, std::back_inserter(dns.addresses),
                         [&](const IpAddress& one) { return one.family() == family; });
    if (!dns.addresses.empty()) attributes.push_back(attribute(type, dns.encode()));
  }
}

/// [MS-IKEE] s2.2.2.1: where the server itself is found in there; and NetBIOS name servers.
void append_microsoft(std::vector<wire::ConfigAttribute>& attributes, Family family,
                      const ike::LeaseRequest& request, const LeaseTerms& terms) {
  const Type server =
      family == Family::v4 ? Type::ms_internal_ip4_server : Type::ms_internal_ip6_server;
  for (const IpAddress& own : terms.own) {
    if (own.family() == family && asks_for(request, server)) {
      attributes.push_back(attribute(server, own.bytes()));
    }
  }
  if (family != Family::v4 || !asks_for(request, Type::internal_ip4_nbns)) return;
  for (const IpAddress& wins : terms.wins) {
    attributes.push_back(attribute(Type::internal_ip4_nbns, wins.bytes()));
  }
}

/// What goes with addresses of a family; the networks only where they are fewer than all.
void append_family(std::vector<wire::ConfigAttribute>& attributes, Family family,
                   const ike::LeaseRequest& request, const LeaseTerms& terms) {
  for (const IpAddress& dns : terms.dns) {
    if (dns.family() != family) continue;
    attributes.push_back(attribute(
        family == Family::v4 ? Type::internal_ip4_dns : Type::internal_ip6_dns, dns.bytes()));
  }
  append_encrypted_dns(attributes, family, request, terms);
  append_microsoft(attributes, family, request, terms);
  const Type type = family == Family::v4 ? Type::internal_ip4_subnet : Type::internal_ip6_subnet;
  if (!asks_for(request, type)) return;
  for (const Prefix& net : terms.networks) {
    if (net.address.family() == family && net.length > 0) attributes.push_back(subnet(net));
  }
}

}  // namespace

ike::LeaseReply AddressPools::lease(const ike::LeaseRequest& request, const LeaseTerms& terms) {
  ike::LeaseReply reply;
  reply.sa = request.sa;
  reply.request = request.request;
  reply.why = "no address of a family that there are pools of is asked for";
  for (const wire::ConfigAttribute& asked : request.asked) {
    for (const Family family : {Family::v4, Family::v6}) {
      const bool is_this = asked.type == static_cast<std::uint16_t>(address_type(family));
      const bool has_one = std::any_of(reply.addresses.begin(), reply.addresses.end(),
                                       [&](const auto& one) { return one.family() == family; });
      if (!is_this || has_one) continue;
      const auto wished = wish_in(asked, family);
      auto address = find_framed(request, terms, family, wished);
      if (!address) address = choose(terms.pools, family, request.identity, wished);
      if (!address) {
        reply.why = fmt::format("no IPv{} address is free", family == Family::v4 ? 4 : 6);
        continue;
      }
      take(*address, request.identity, request.sa);
      reply.addresses.push_back(*address);
      auto given = attribute(address_type(family), address->bytes());
      constexpr auto whole = std::byte{128};
      if (family == Family::v6) given.value.push_back(whole);
      reply.attributes.push_back(std::move(given));
      append_family(reply.attributes, family, request, terms);
    }
  }
  if (reply.addresses.empty()) return reply;
  reply.why.clear();
  if (asks_for(request, Type::internal_dns_domain)) {
    for (const std::string& domain : terms.domains) {
      reply.attributes.push_back(attribute(Type::internal_dns_domain, base::as_bytes(domain)));
    }
  }
  return reply;
}

std::optional<IpAddress> AddressPools::choose(const std::vector<Prefix>& pools, Family family,
                                              const std::string& identity,
                                              const std::optional<IpAddress>& wished) {
  if (wished && is_in(pools, *wished)) {
    const auto lease = leases_.find(*wished);
    const bool is_own = lease != leases_.end() && lease->second.identity == identity;
    if (is_own) return wished;
  }
  if (const auto kept = find_kept(pools, family, identity)) return kept;
  for (const Prefix& pool : pools) {
    if (pool.address.family() != family) continue;
    const bool is_free =
        wished && pool.contains(*wished) && is_usable(pool, *wished) && !leases_.contains(*wished);
    if (is_free) return wished;
    if (const auto fresh = find_fresh(pool)) return fresh;
  }
  return find_oldest(pools, family);
}

std::optional<IpAddress> AddressPools::find_framed(const ike::LeaseRequest& request,
                                                   const LeaseTerms& terms, Family family,
                                                   const std::optional<IpAddress>& wished) const {
  for (const IpAddress& address : request.grant.framed) {
    // Elsewhere no packet for it would find its way here.
    if (address.family() != family || !is_in(terms.framed, address)) continue;
    const auto lease = leases_.find(address);
    const bool is_held = lease != leases_.end() && !lease->second.holders.empty();
    const bool is_own = lease != leases_.end() && lease->second.identity == request.identity;
    if (!is_held || (is_own && wished == address)) return address;
  }
  return std::nullopt;
}

std::optional<IpAddress> AddressPools::find_kept(const std::vector<Prefix>& pools, Family family,
                                                 const std::string& identity) const {
  const auto [from, to] = by_identity_.equal_range(identity);
  for (auto at = from; at != to; ++at) {
    const bool fits = at->second.family() == family && is_in(pools, at->second);
    if (fits && leases_.at(at->second).holders.empty()) return at->second;
  }
  return std::nullopt;
}

/// One that nobody has or had, in the order of addresses.
std::optional<IpAddress> AddressPools::find_fresh(const Prefix& pool) {
  const auto last = last_fresh_.try_emplace(pool, pool.first()).first;
  auto fresh = find_fresh(pool, last->second);
  if (!fresh && last->second != pool.first()) fresh = find_fresh(pool, pool.first());
  if (fresh) last->second = *fresh;
  return fresh;
}

std::optional<IpAddress> AddressPools::find_fresh(const Prefix& pool, const IpAddress& from) const {
  auto taken = leases_.lower_bound(from);
  for (auto candidate = std::optional{from}; candidate && pool.contains(*candidate);
       candidate = candidate->next()) {
    while (taken != leases_.end() && taken->first < *candidate) ++taken;
    const bool is_taken = taken != leases_.end() && taken->first == *candidate;
    if (!is_taken && is_usable(pool, *candidate)) return candidate;
  }
  return std::nullopt;
}

std::optional<IpAddress> AddressPools::find_oldest(const std::vector<Prefix>& pools,
                                                   Family family) const {
  for (const auto& [ended, address] : kept_) {
    if (address.family() == family && is_in(pools, address)) return address;
  }
  return std::nullopt;
}

void AddressPools::take(const IpAddress& address, const std::string& identity, ike::IkeSaId sa) {
  const auto [at, is_new] = leases_.try_emplace(address);
  Lease& lease = at->second;
  if (!is_new && lease.identity != identity) {
    const auto [from, to] = by_identity_.equal_range(lease.identity);
    by_identity_.erase(std::find_if(from, to, [&](const auto& e) { return e.second == address; }));
  }
  if (lease.holders.empty()) {
    ++in_use_;
    kept_.erase(lease.ended);
  }
  if (is_new || lease.identity != identity) by_identity_.emplace(identity, address);
  lease.identity = identity;
  lease.holders.insert(sa);
  changed_.insert(address);
  by_sa_[sa].push_back(address);
}

void AddressPools::forget(const IpAddress& address) {
  const auto lease = leases_.find(address);
  const auto [from, to] = by_identity_.equal_range(lease->second.identity);
  by_identity_.erase(std::find_if(from, to, [&](const auto& e) { return e.second == address; }));
  kept_.erase(lease->second.ended);
  leases_.erase(lease);
  changed_.insert(address);
}

void AddressPools::restore(const std::vector<KeepLease>& leases) {
  for (const KeepLease& kept : leases) {
    if (kept_.size() == kept_leases_max || kept.user.empty()) continue;
    const auto [at, is_new] = leases_.try_emplace(kept.address);
    if (!is_new) continue;
    at->second.identity = kept.user;
    at->second.ended = ++ends_;
    kept_.emplace(at->second.ended, kept.address);
    by_identity_.emplace(kept.user, kept.address);
  }
}

std::optional<KeepLease> AddressPools::poll_change() {
  if (changed_.empty()) return std::nullopt;
  KeepLease change{*changed_.begin(), {}};
  changed_.erase(changed_.begin());
  const auto lease = leases_.find(change.address);
  if (lease != leases_.end()) change.user = lease->second.identity;
  return change;
}

std::vector<LeaseStatus> AddressPools::list() const {
  std::vector<LeaseStatus> all;
  for (const auto& [address, lease] : leases_) {
    all.push_back({address, lease.identity, !lease.holders.empty()});
  }
  return all;
}

ReleaseOutcome AddressPools::release(const IpAddress& address) {
  const auto lease = leases_.find(address);
  if (lease == leases_.end()) return ReleaseOutcome::unknown;
  if (!lease->second.holders.empty()) return ReleaseOutcome::held;
  forget(address);
  return ReleaseOutcome::released;
}

void AddressPools::end(ike::IkeSaId sa) {
  const auto found = by_sa_.find(sa);
  if (found == by_sa_.end()) return;
  for (const IpAddress& address : found->second) {
    Lease& lease = leases_.at(address);
    lease.holders.erase(sa);
    if (!lease.holders.empty()) continue;
    --in_use_;
    lease.ended = ++ends_;
    kept_.emplace(lease.ended, address);
    changed_.insert(address);
  }
  by_sa_.erase(found);
  while (kept_.size() > kept_leases_max) forget(kept_.begin()->second);
}

void AddressPools::move(ike::IkeSaId from, ike::IkeSaId to) {
  auto node = by_sa_.extract(from);
  if (node.empty()) return;
  for (const IpAddress& address : node.mapped()) {
    Lease& lease = leases_.at(address);
    lease.holders.erase(from);
    lease.holders.insert(to);
  }
  node.key() = to;
  by_sa_.insert(std::move(node));
}

}  // namespace caponier::gateway

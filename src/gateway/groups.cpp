#include "gateway/groups.h"

#include <algorithm>

namespace caponier::gateway {
namespace {

/// "*@example.org" is everybody whose name ends so.
bool is_member(std::string_view pattern, std::string_view user) {
  if (!pattern.starts_with('*')) return pattern == user;
  const std::string_view end = pattern.substr(1);
  return user.size() > end.size() && user.ends_with(end);
}

bool share_one(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::ranges::any_of(
      a, [&](const std::string& one) { return std::ranges::find(b, one) != b.end(); });
}

bool names(const config::GroupConfig& group, std::string_view user,
           const policy::UserGrant& grant) {
  const auto is_users = [&](const std::string& pattern) { return is_member(pattern, user); };
  const auto is_class = [&](const base::ByteVec& one) {
    return std::ranges::find(group.filters, base::as_text(one)) != group.filters.end();
  };
  return std::ranges::any_of(group.members, is_users) || share_one(group.filters, grant.filters) ||
         std::ranges::any_of(grant.classes, is_class) || share_one(group.units, grant.units) ||
         share_one(group.policies, grant.certificate_policies);
}

}  // namespace

const config::GroupConfig* find_group(const std::vector<config::GroupConfig>& groups,
                                      std::string_view user, const policy::UserGrant& grant) {
  const auto found = std::ranges::find_if(
      groups, [&](const config::GroupConfig& group) { return names(group, user, grant); });
  return found == groups.end() ? nullptr : &*found;
}

std::expected<LeaseTerms, std::string> terms_of(const config::Config& config,
                                                const config::PeerConfig& server,
                                                std::string_view user,
                                                const policy::UserGrant& grant) {
  const config::GroupConfig* const group = find_group(config.groups, user, grant);
  if (group == nullptr && server.server->refuses_others) {
    return std::unexpected{std::string{"no group has this user, and others = \"refuse\""}};
  }
  LeaseTerms terms{{},
                   server.server->pools,
                   server.server->all_pools,
                   server.local_nets(),
                   server.server->dns,
                   server.server->wins,
                   server.server->domains,
                   server.server->dns_encrypted};
  if (!grant.dns.empty()) terms.dns = grant.dns;
  if (group == nullptr) return terms;
  terms.group = group->name;
  if (!group->pools.empty()) terms.pools = group->pools;
  if (!group->networks.empty()) terms.networks = group->networks;
  if (!group->dns.empty()) terms.dns = group->dns;
  // The names are those of the server's own.
  if (terms.dns != server.server->dns) terms.dns_encrypted.clear();
  return terms;
}

}  // namespace caponier::gateway

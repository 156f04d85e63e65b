#include "swan/given_names.h"

#include <algorithm>

#include <fmt/format.h>

namespace caponier::swan {

namespace {

constexpr std::string_view connections_prefix = "connections.";

const Connection* origin_connection(const config::Place& where, const Document& document,
                                    const std::vector<Connection>& connections) {
  const Origin* const origin = document.origin_of(where.line);
  return origin == nullptr ? nullptr : find_in(connections, origin->path);
}

bool is_tunnel(const Child& child) { return child.mode != Mode::pass && child.mode != Mode::drop; }

/// The only child is called after its peer; of several each after itself, as far as it may.
void name_children(config::PeerConfig& peer, const Connection& connection) {
  for (config::ChildConfig& own : peer.children) {
    const auto given = std::ranges::find_if(connection.children, [&](const Child& child) {
      const bool fits = peer.children.size() == 1 || safe_name(child.name) == own.name;
      return is_tunnel(child) && fits;
    });
    if (given != connection.children.end()) own.name = given->name;
  }
}

}  // namespace

const Connection* find_in(const std::vector<Connection>& connections, std::string_view path) {
  if (!path.starts_with(connections_prefix)) return nullptr;
  path.remove_prefix(connections_prefix.size());
  const Connection* best = nullptr;
  for (const Connection& connection : connections) {
    const std::string& name = connection.name;
    const bool fits =
        path == name || (path.starts_with(name) && path.substr(name.size())[0] == '.');
    if (fits && (best == nullptr || best->name.size() < name.size())) best = &connection;
  }
  return best;
}

std::shared_ptr<const config::Config> with_given_names(const config::Config& config,
                                                       const Document& document,
                                                       const std::vector<Connection>& connections) {
  auto named = std::make_shared<config::Config>(config);
  for (config::PeerConfig& peer : named->peers) {
    const Connection* const connection = origin_connection(peer.where, document, connections);
    if (connection == nullptr) continue;
    name_children(peer, *connection);
    peer.name = connection->name;
  }
  std::ranges::sort(named->peers, {}, &config::PeerConfig::name);
  for (config::PolicyConfig& policy : named->policies) {
    const Connection* const connection = origin_connection(policy.where, document, connections);
    if (connection == nullptr) continue;
    const std::string_view path = document.origin_of(policy.where.line)->path;
    constexpr std::string_view children = ".children.";
    const std::size_t before = connections_prefix.size() + connection->name.size();
    if (path.substr(before).starts_with(children)) {
      policy.name = fmt::format("{}/{}", connection->name, path.substr(before + children.size()));
    }
  }
  return named;
}

}  // namespace caponier::swan

#include "gateway/radius_servers.h"

namespace caponier::gateway {

std::vector<radius::Server> radius_servers(const config::RadiusConfig& radius, RadiusUse use) {
  const bool is_accounting = use == RadiusUse::accounting;
  std::vector<radius::Server> servers;
  for (const base::Endpoint& endpoint : is_accounting ? radius.accounting : radius.servers) {
    radius::Server server;
    server.name = endpoint.to_string();
    if (is_accounting) {
      server.accounting = endpoint;
    } else {
      server.authentication = endpoint;
    }
    server.secret = base::SecretBytes{radius.secret->reveal()};
    servers.push_back(std::move(server));
  }
  return servers;
}

std::string nas_identifier(const config::PeerConfig& server) {
  return server.local_id ? server.local_id->to_string() : "caponier";
}

radius::NasAttributes nas_attributes(const config::PeerConfig& server, std::uint64_t first_ike_sa,
                                     const base::Path& path) {
  radius::NasAttributes nas;
  nas.identifier = nas_identifier(server);
  nas.port = static_cast<std::uint32_t>(first_ike_sa);
  nas.port_id = server.name;
  nas.called_station_id = path.local.to_string();
  nas.calling_station_id = path.remote.to_string();
  return nas;
}

}  // namespace caponier::gateway

#include "config/server_section.h"

#include <array>

#include <fmt/format.h>

#include "base/error.h"
#include "config/section.h"
#include "config/values.h"

namespace caponier::config {
namespace {

constexpr std::array server_keys = {
    KeySpec{"name", true, "\"vpn.example.org\""},
    KeySpec{"pool", true, "[\"10.9.0.0/24\"]"},
    KeySpec{"dns", false, "[\"10.1.0.53\"]"},
    KeySpec{"local_nets", false, "[\"10.1.0.0/16\"]"},
};

Parsed<std::string> parse_server_name(std::string_view text) {
  const Remote remote = TRY(parse_remote(text));
  if (remote.any) {
    return std::unexpected{
        Fault{"\"any\" is no name", "write the name or address by which clients reach us"}};
  }
  return remote.text;
}

void check_pool(Section& section, const std::vector<Located<base::Prefix>>& pool) {
  for (std::size_t i = 0; i < pool.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (!pool[i].value.overlaps(pool[j].value)) continue;
      section.note(
          pool[i].where, "pool",
          {fmt::format("{} overlaps {}", pool[i].value.to_string(), pool[j].value.to_string()),
           "keep one of the two"});
    }
  }
  if (pool.empty() && section.has("pool")) {
    section.note(section.place_of("pool"), "pool",
                 {"clients need addresses", "write pool = [\"10.9.0.0/24\"]"});
  }
}

}  // namespace

ServerConfig read_server(const Node& table, Errors& errors) {
  Section section{table, "[server]", server_keys, errors};
  ServerConfig server;
  server.where = section.where();
  if (auto name = section.text("name", parse_server_name)) server.name = std::move(name->value);
  const auto pool = section.list("pool", parse_prefix);
  check_pool(section, pool);
  for (const auto& prefix : pool) server.pool.push_back(prefix.value);
  for (const auto& address : section.list("dns", parse_address)) {
    server.dns.push_back(address.value);
  }
  for (const auto& network : section.list("local_nets", parse_prefix)) {
    server.local_nets.push_back(network.value);
  }
  return server;
}

}  // namespace caponier::config

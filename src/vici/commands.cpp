// Commands that tell of the daemon as a whole, and the table of all commands.

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "vici/names.h"
#include "vici/server_impl.h"

namespace caponier::vici {
namespace {

/// "10 seconds", "2 minutes", "3 hours", "5 days".
std::string age_text(base::Duration age) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(age).count();
  const auto text = [](std::int64_t count, std::string_view unit) {
    return fmt::format("{} {}{}", count, unit, count == 1 ? "" : "s");
  };
  constexpr std::int64_t minute = 60;
  constexpr std::int64_t hour = 60 * minute;
  constexpr std::int64_t day = 24 * hour;
  if (seconds > 2 * day) return text(seconds / day, "day");
  if (seconds > 2 * hour) return text(seconds / hour, "hour");
  if (seconds > 2 * minute) return text(seconds / minute, "minute");
  return text(seconds, "second");
}

void write_priorities(MessageWriter& out) {
  for (const char* priority : {"critical", "high", "medium", "low"}) out.value(priority, 0U);
}

/// How far behind `from` an address is; empty when it is before, of another family, or too far.
std::optional<std::uint64_t> distance(const base::IpAddress& from, const base::IpAddress& to) {
  if (from.family() != to.family() || to < from) return std::nullopt;
  const auto low = [](const base::IpAddress& address) {
    const base::Bytes octets = address.bytes();
    const std::size_t size = std::min<std::size_t>(octets.size(), 8);
    std::uint64_t value = 0;
    for (const std::byte octet : octets.last(size)) value = value << 8U | std::uint64_t(octet);
    return value;
  };
  const bool same_half =
      from.is_v4() || from.with_low_bits(64, false) == to.with_low_bits(64, false);
  return same_half ? std::optional{low(to) - low(from)} : std::nullopt;
}

struct Pool {
  std::string name;
  base::IpAddress base;
  std::uint64_t size = 0;
};

/// As strongSwan counts: neither the network's own address nor that for all of it.
Pool pool_of(std::string name, const base::Prefix& prefix) {
  const unsigned host_bits = prefix.address.bit_count() - prefix.length;
  constexpr std::uint64_t size_max = std::numeric_limits<std::int32_t>::max();
  const std::uint64_t all = host_bits >= 31 ? size_max : std::uint64_t{1} << host_bits;
  return {std::move(name), prefix.address, all > 2 ? std::min(all - 2, size_max) : all};
}

void write_pool(MessageWriter& out, const Pool& pool,
                const std::vector<gateway::LeaseStatus>& leases, bool with_leases) {
  std::vector<const gateway::LeaseStatus*> own;
  for (const gateway::LeaseStatus& lease : leases) {
    const auto at = distance(pool.base, lease.address);
    // The base is the network's address, which is not counted.
    if (at && *at <= pool.size) own.push_back(&lease);
  }
  const auto online = std::ranges::count_if(own, [](const auto* lease) { return lease->is_held; });
  out.begin_section(pool.name).value("base", pool.base.to_string()).value("size", pool.size);
  out.value("online", static_cast<std::size_t>(online));
  out.value("offline", own.size() - static_cast<std::size_t>(online));
  if (with_leases) {
    out.begin_section("leases");
    for (std::size_t i = 0; i < own.size(); ++i) {
      out.begin_section(std::to_string(i)).value("address", own[i]->address.to_string());
      out.value("identity", own[i]->user);
      out.value("status", std::string_view{own[i]->is_held ? "online" : "offline"});
      out.end_section();
    }
    out.end_section();
  }
  out.end_section();
}

std::vector<Pool> configured_pools(const config::Config& config) {
  std::vector<Pool> pools;
  const auto add = [&](const std::string& name, const std::vector<base::Prefix>& prefixes) {
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
      pools.push_back(pool_of(i == 0 ? name : fmt::format("{}-{}", name, i + 1), prefixes[i]));
    }
  };
  for (const config::PeerConfig& peer : config.peers) {
    if (peer.server) add(peer.name, peer.server->pools);
  }
  for (const config::GroupConfig& group : config.groups) add(group.name, group.pools);
  return pools;
}

void write_messages(MessageWriter& out, std::string_view exchange,
                    const ike::ExchangeCounters::Messages& messages) {
  out.value(fmt::format("{}-in-req", exchange), messages.requests_in);
  out.value(fmt::format("{}-in-resp", exchange), messages.responses_in);
  out.value(fmt::format("{}-out-req", exchange), messages.requests_out);
  out.value(fmt::format("{}-out-resp", exchange), messages.responses_out);
}

void write_counters(MessageWriter& out, std::string_view name,
                    const ike::ExchangeCounters& counters) {
  out.begin_section(name).value("ike-rekey-init", counters.ike_rekeys_begun);
  out.value("ike-rekey-resp", counters.ike_rekeys_answered);
  out.value("child-rekey", counters.child_rekeys).value("invalid", counters.invalid);
  out.value("invalid-spi", counters.invalid_spi);
  write_messages(out, "ike-init", counters.init);
  write_messages(out, "ike-auth", counters.auth);
  write_messages(out, "create-child", counters.create_child);
  write_messages(out, "info", counters.informational);
  out.end_section();
}

}  // namespace

const std::map<std::string_view, Server::Impl::Handler>& Server::Impl::commands() {
  static const std::map<std::string_view, Handler> table{
      {"version", &Impl::version},
      {"stats", &Impl::stats},
      {"reload-settings", &Impl::reload_settings},
      {"initiate", &Impl::initiate},
      {"terminate", &Impl::terminate},
      {"rekey", &Impl::rekey},
      {"redirect", &Impl::redirect},
      {"install", &Impl::install},
      {"uninstall", &Impl::uninstall},
      {"list-sas", &Impl::list_sas},
      {"list-policies", &Impl::list_policies},
      {"list-conns", &Impl::list_conns},
      {"get-conns", &Impl::get_conns},
      {"list-certs", &Impl::list_certs},
      {"list-authorities", &Impl::list_authorities},
      {"get-authorities", &Impl::get_authorities},
      {"load-conn", &Impl::load_conn},
      {"unload-conn", &Impl::unload_conn},
      {"load-cert", &Impl::load_cert},
      {"load-key", &Impl::load_key},
      {"unload-key", &Impl::unload_key},
      {"get-keys", &Impl::get_keys},
      {"load-token", &Impl::load_token},
      {"load-shared", &Impl::load_shared},
      {"unload-shared", &Impl::unload_shared},
      {"get-shared", &Impl::get_shared},
      {"flush-certs", &Impl::flush_certs},
      {"clear-creds", &Impl::clear_creds},
      {"load-authority", &Impl::load_authority},
      {"unload-authority", &Impl::unload_authority},
      {"load-pool", &Impl::load_pool},
      {"unload-pool", &Impl::unload_pool},
      {"get-pools", &Impl::get_pools},
      {"get-algorithms", &Impl::get_algorithms},
      {"get-counters", &Impl::get_counters},
      {"reset-counters", &Impl::reset_counters},
  };
  return table;
}

void Server::Impl::version(ClientId id, const Message&, base::Instant) {
  const HostFacts facts = host_.facts();
  MessageWriter out;
  out.value("daemon", std::string_view{"caponierd"});
  out.value("version", std::string_view{CAPONIER_VERSION}).value("sysname", facts.sysname);
  out.value("release", facts.release).value("machine", facts.machine);
  respond(id, out.text());
}

void Server::Impl::stats(ClientId id, const Message&, base::Instant now) {
  const HostFacts facts = host_.facts();
  const std::size_t workers = gateway_.worker_count();
  MessageWriter out;
  out.begin_section("uptime").value("running", age_text(now - facts.started));
  out.value("since", facts.since).end_section();
  out.begin_section("workers").value("total", workers).value("idle", workers);
  out.begin_section("active");
  write_priorities(out);
  out.end_section().end_section().begin_section("queues");
  write_priorities(out);
  out.end_section().value("scheduled", 0U);
  out.begin_section("ikesas").value("total", gateway_.sa_ids().size());
  out.value("half-open", gateway_.half_open()).end_section();
  out.list("plugins", {"caponier", std::string{host_.crypto().name()}, "vici"});
  out.begin_section("mallinfo").value("sbrk", facts.heap).value("mmap", facts.mapped);
  out.value("used", facts.used).value("free", facts.free).end_section();
  respond(id, out.text());
}

void Server::Impl::reload_settings(ClientId id, const Message&, base::Instant now) {
  const auto done = host_.reload_settings(now);
  answer(id, done ? Answer{Message{}} : std::unexpected{done.error()});
}

void Server::Impl::get_algorithms(ClientId id, const Message&, base::Instant) {
  const crypto::CryptoProvider& crypto = host_.crypto();
  const std::string_view maker = crypto.name();
  MessageWriter out;
  const auto write_ciphers = [&](std::string_view section, bool aead) {
    out.begin_section(section);
    for (const crypto::EncrInfo& info : crypto::all_encr()) {
      const crypto::IntegId integ =
          aead ? crypto::IntegId::none : crypto::IntegId::hmac_sha2_256_128;
      const crypto::CipherSuite suite{info.id, info.default_key_bits, integ};
      if (info.aead == aead && crypto.supports(suite)) out.value(name_of(info.id), maker);
    }
    out.end_section();
  };
  write_ciphers("encryption", false);
  out.begin_section("integrity");
  for (const crypto::IntegInfo& info : crypto::all_integ()) {
    const crypto::EncrId encr =
        crypto::is_gmac(info.id) ? crypto::EncrId::null : crypto::EncrId::aes_cbc;
    const std::uint16_t bits = crypto::is_gmac(info.id) ? 0 : 128;
    if (crypto.supports(crypto::CipherSuite{encr, bits, info.id}))
      out.value(name_of(info.id), maker);
  }
  out.end_section();
  write_ciphers("aead", true);
  out.begin_section("prf");
  for (const crypto::PrfInfo& info : crypto::all_prf()) {
    if (crypto.supports(info.id)) out.value(name_of(info.id), maker);
  }
  out.end_section().begin_section("dh");
  for (const crypto::KeInfo& info : crypto::all_ke()) {
    if (crypto.supports(info.id)) out.value(name_of(info.id), maker);
  }
  out.end_section();
  respond(id, out.text());
}

void Server::Impl::get_pools(ClientId id, const Message& request, base::Instant now) {
  host_.settle(now);
  const auto config = gateway_.config();
  // Those of connections that were loaded have been loaded themselves.
  std::vector<Pool> pools =
      config && host_.store().conns().empty() ? configured_pools(*config) : std::vector<Pool>{};
  for (const Element& loaded : host_.store().pools().elements) {
    const auto base = base::IpAddress::parse(loaded.section.text("base"));
    if (!base) continue;
    std::erase_if(pools, [&](const Pool& pool) { return pool.name == loaded.name; });
    pools.push_back(
        {loaded.name, *base, std::strtoull(loaded.section.text("size").c_str(), nullptr, 10)});
  }
  const std::string name = request.text("name");
  const auto leases = gateway_.leases();
  MessageWriter out;
  for (const Pool& pool : pools) {
    if (name.empty() || pool.name == name) write_pool(out, pool, leases, request.is_yes("leases"));
  }
  respond(id, out.text());
}

void Server::Impl::get_counters(ClientId id, const Message& request, base::Instant) {
  const ike::CounterBook* const book = gateway_.counters();
  const std::string name = request.text("name");
  const auto known =
      book == nullptr ? std::map<std::string, ike::ExchangeCounters>{} : book->by_connection();
  MessageWriter out;
  out.begin_section("counters");
  if (request.is_yes("all")) {
    for (const auto& [connection, counters] : known) write_counters(out, connection, counters);
  } else if (name.empty()) {
    write_counters(out, "", book == nullptr ? ike::ExchangeCounters{} : book->all());
  } else if (const auto found = known.find(name); found != known.end()) {
    write_counters(out, name, found->second);
  }
  out.end_section();
  const bool is_found = request.is_yes("all") || name.empty() || known.contains(name);
  out.value("success", std::string_view{is_found ? "yes" : "no"});
  if (!is_found) out.value("errmsg", std::string_view{"no counters found for this connection"});
  respond(id, out.text());
}

void Server::Impl::reset_counters(ClientId id, const Message& request, base::Instant) {
  const ike::CounterBook* const book = gateway_.counters();
  if (request.is_yes("all") && book != nullptr) {
    std::vector<std::string> names;
    for (const auto& [connection, counters] : book->by_connection()) names.push_back(connection);
    for (const std::string& each : names) gateway_.reset_counters(each);
  } else {
    gateway_.reset_counters(request.text("name"));
  }
  answer(id, Message{});
}

}  // namespace caponier::vici

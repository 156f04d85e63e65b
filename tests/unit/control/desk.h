#pragma once
// A control server over a real gateway, with a second gateway as its peer. No clock: time passes
// when the test says so.

#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "control/control.h"
#include "crypto/null/provider.h"
#include "gateway/gateway.h"
#include "gateway/keyholder.h"
#include "wire/natt.h"

namespace caponier::control {

using Json = nlohmann::ordered_json;

inline std::shared_ptr<const config::Config> make_config(std::vector<config::PeerConfig> peers,
                                                         bool allow_key_export) {
  auto config = std::make_shared<config::Config>();
  config->peers = std::move(peers);
  config->daemon.allow_key_export = allow_key_export;
  return config;
}

inline config::PeerConfig make_peer(std::string name, const char* local, const char* remote,
                                    const char* local_net, const char* remote_net) {
  config::PeerConfig peer;
  peer.name = std::move(name);
  peer.child().name = peer.name;
  peer.remote = remote;
  peer.remote_address = base::IpAddress::parse(remote);
  peer.local = base::IpAddress::parse(local);
  peer.child().local = config::Reach::of({base::Prefix::parse(local_net).value()});
  peer.child().remote = config::Reach::of({base::Prefix::parse(remote_net).value()});
  peer.psk = std::make_shared<const base::SecretBytes>(base::as_bytes("a secret of some length"));
  peer.ike = policy::default_ike_offers();
  peer.child().esp = policy::default_esp_offers();
  peer.encap = config::Encap::native;
  return peer;
}

/// One gateway with its keyholder; the events it told.
struct Side {
  explicit Side(std::uint64_t seed, base::Instant now)
      : rng(seed), gateway(options(), crypto, rng, now), keyholder(crypto) {}
  /// Nobody here would fetch packets that have waited for their SA.
  static gateway::GatewayOptions options() {
    gateway::GatewayOptions options;
    options.engine_limits.waiting_packets_max = 0;
    return options;
  }
  void apply(std::shared_ptr<const config::Config> config, base::Instant now) {
    keyholder.apply(config);
    gateway.apply(std::move(config), now);
  }

  crypto::NullProvider crypto{nullptr};
  base::SeededRng rng;
  gateway::Gateway gateway;
  gateway::Keyholder keyholder;
};

class Desk final : public Daemon {
 public:
  explicit Desk(bool allow_key_export = true)
      : here(1, now), there(2, now), server(here.gateway, *this) {
    auto there_peer = make_peer("back", "192.0.2.2", "192.0.2.1", "10.2.0.0/16", "10.1.0.0/16");
    there_peer.child().start = config::Start::on_command;
    there.apply(make_config({there_peer}, false), now);
    auto branch = make_peer("branch", "192.0.2.1", "192.0.2.2", "10.1.0.0/16", "10.2.0.0/16");
    branch.child().start = config::Start::on_command;
    auto other = make_peer("berlin", "192.0.2.1", "192.0.2.99", "10.1.0.0/16", "10.9.0.0/16");
    other.child().start = config::Start::on_command;
    here.apply(make_config({other, branch}, allow_key_export), now);
    run();
  }

  [[nodiscard]] std::expected<config::ConfigDiff, std::vector<config::ConfigError>> reload(
      base::Instant) override {
    ++reloads;
    return reload_result;
  }
  [[nodiscard]] std::expected<config::ConfigDiff, std::vector<config::ConfigError>> check_reload()
      override {
    return reload_result;
  }
  [[nodiscard]] base::DropCounters drops() const override {
    base::DropCounters counters;
    counters.add(base::DropReason::io_send_failed, 3);
    return counters;
  }
  [[nodiscard]] std::vector<base::DropCounters> worker_drops() const override { return {drops()}; }
  [[nodiscard]] Usage usage() const override {
    return {started, std::chrono::seconds{2}, {std::chrono::seconds{1}}};
  }
  [[nodiscard]] std::vector<std::string> notes() const override { return host_notes; }
  [[nodiscard]] std::vector<pki::Expiry> expiries() const override {
    return {{"certificate 'CN=gw' in gw.pem", {1'800'000'000}}};
  }

  ClientId connect(bool may_change = true) {
    const ClientId id = ++last_client_;
    if (!server.connect(id, {may_change})) return 0;
    return id;
  }
  void send(ClientId client, std::string_view text) {
    server.receive(client, text, now);
    run();
  }
  /// Sends one line and returns the first document that comes back.
  Json ask(ClientId client, const std::string& line) {
    send(client, line + "\n");
    return next(client);
  }
  Json next(ClientId client) {
    auto& waiting = documents[client];
    if (waiting.empty()) return Json{};
    Json first = std::move(waiting.front());
    waiting.pop_front();
    return first;
  }
  [[nodiscard]] bool is_closed(ClientId client) const { return closed.contains(client); }

  /// Everything that can happen now.
  void run() {
    bool busy = true;
    while (busy) {
      busy = pump(here, there, true);
      busy = pump(there, here, false) || busy;
    }
    server.handle_progress(now);
    while (pump(here, there, true) || pump(there, here, false)) {
    }
    server.handle_progress(now);
    collect();
  }
  void pass(base::Duration duration) {
    const base::Instant end = now + duration;
    for (;;) {
      std::optional<base::Instant> first;
      const auto consider = [&](const std::optional<base::Instant>& at) {
        if (at && (!first || *at < *first)) first = at;
      };
      for (const auto& deadline :
           {here.gateway.poll_deadline(), there.gateway.poll_deadline(), server.poll_deadline()}) {
        if (deadline) consider(deadline->at);
      }
      for (Side* side : {&here, &there}) consider(side->gateway.worker(0).next_deadline());
      if (!first || *first > end) break;
      now = std::max(now, *first);
      for (Side* side : {&here, &there}) {
        side->gateway.handle_deadline(now);
        side->gateway.worker(0).handle_deadline(now);
        side->gateway.handle_worker_news(now);
      }
      run();
    }
    now = end;
    run();
  }

  base::Instant now{std::chrono::hours{1}};
  base::Instant started = now;
  Side here;
  Side there;
  Server server;
  bool link_is_cut = false;
  bool acknowledges = true;  ///< the driver reports what it has written
  int reloads = 0;
  std::vector<std::string> host_notes;
  std::expected<config::ConfigDiff, std::vector<config::ConfigError>> reload_result;
  std::map<ClientId, std::deque<Json>> documents;
  std::map<ClientId, bool> closed;  ///< and whether it was cut

 private:
  bool pump(Side& from, Side& to, bool tells_events) {
    bool any = false;
    while (auto action = from.gateway.poll_action()) {
      any = true;
      if (auto* transmit = std::get_if<ike::Transmit>(&*action)) {
        if (link_is_cut) continue;
        const base::Path path{transmit->path.remote, transmit->path.local};
        // What the drivers do on the port that ESP shares.
        const std::size_t marker = path.local.port == 4500 ? wire::non_esp_marker.size() : 0;
        to.gateway.handle_ike(path, base::Bytes{transmit->datagram}.subspan(marker), now);
      } else if (auto* request = std::get_if<ike::AuthRequest>(&*action)) {
        from.keyholder.handle(*request);
        from.gateway.handle_auth_reply(from.keyholder.poll_reply().value(), now);
      } else if (auto* event = std::get_if<base::Event>(&*action)) {
        if (tells_events) server.handle_event({1'700'000'000'000'000, std::move(*event)});
      }
    }
    return any;
  }
  void collect() {
    while (auto output = server.poll_output()) {
      std::string_view data = output->data;
      while (!data.empty()) {
        const std::size_t end = data.find('\n');
        documents[output->client].push_back(Json::parse(data.substr(0, end)));
        data.remove_prefix(end + 1);
      }
      if (acknowledges) server.handle_written(output->client, output->data.size());
      if (output->close) closed[output->client] = output->cut;
    }
  }

  ClientId last_client_ = 0;
};

inline std::string request(std::string_view verb, const Json& args = Json::object()) {
  return Json{{"v", 1}, {"verb", verb}, {"args", args}}.dump();
}

}  // namespace caponier::control

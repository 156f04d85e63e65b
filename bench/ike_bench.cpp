#include "bench/ike_bench.h"

#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "bench/report.h"
#include "crypto/openssl/provider.h"
#include "ike/auth_methods.h"
#include "ike/endpoint.h"

namespace caponier::bench {
namespace {

using base::Instant;
using ike::ChildUp;
using ike::IkeEndpoint;
using ike::Transmit;
using namespace std::chrono_literals;

constexpr std::string_view psk = "a pre-shared key that nobody uses elsewhere";

base::IpAddress ip(std::string_view text) { return *base::IpAddress::parse(text); }

policy::TrafficSelectors net(std::string_view prefix) {
  return {policy::TrafficSelector::from_prefix(*base::Prefix::parse(prefix))};
}

ike::ConnectionConfig base_connection() {
  ike::ConnectionConfig connection;
  connection.offers = {*policy::parse_offer("aes256gcm16-prfsha384-x25519", wire::ProtocolId::ike)};
  connection.dpd_interval = {};
  connection.ike_lifetime = {};
  ike::ChildConfig child;
  child.name = "net";
  child.offers = {*policy::parse_offer("aes256gcm16", wire::ProtocolId::esp)};
  connection.children.push_back(std::move(child));
  return connection;
}

/// The responder whose cost is measured; its clients' is not.
class Server {
 public:
  explicit Server(const ike::IkeLimits& limits, Instant now)
      : endpoint_(endpoint_config(limits), rng_, crypto_, now) {
    auto connection = base_connection();
    connection.name = "clients";
    connection.own_rounds.front().identity = policy::Identity::parse("server.example");
    connection.children.front().local = net("10.0.0.0/8");
    connection.children.front().remote = net("172.16.0.0/12");
    endpoint_.set_connections(
        {std::make_shared<const ike::ConnectionConfig>(std::move(connection))});
  }

  static ike::EndpointConfig endpoint_config(const ike::IkeLimits& limits) {
    ike::EndpointConfig config;
    config.limits = limits;
    return config;
  }

  /// Measures `work` on the endpoint, and hands out what it wants to send.
  template <class Work>
  void run(Work work, Instant now, std::vector<Transmit>& out) {
    const std::size_t memory_before = bytes_in_use();
    const double before = cpu_seconds();
    work(endpoint_);
    while (auto action = endpoint_.poll_action()) {
      if (auto* const transmit = std::get_if<Transmit>(&*action)) {
        out.push_back(std::move(*transmit));
      } else if (const auto* const request = std::get_if<ike::AuthRequest>(&*action)) {
        endpoint_.handle_auth_reply(answer(crypto_, *request), now);
      } else if (const auto* const up = std::get_if<ChildUp>(&*action)) {
        if (!up->replaces) children.push_back(up->child_sa);
        if (up->replaces) ++rekeyed;
      }
      action.reset();
    }
    seconds += cpu_seconds() - before;
    ++stretches;
    bytes +=
        static_cast<std::ptrdiff_t>(bytes_in_use()) - static_cast<std::ptrdiff_t>(memory_before);
  }

  static ike::AuthReply answer(const crypto::CryptoProvider& crypto,
                               const ike::AuthRequest& request) {
    return ike::answer_by_shared_key(request, crypto, base::as_bytes(psk));
  }

  IkeEndpoint& endpoint() { return endpoint_; }

  double seconds = 0;
  std::uint64_t stretches = 0;  ///< that `seconds` is the sum of
  std::ptrdiff_t bytes = 0;
  std::vector<policy::ChildSaId> children;
  std::uint64_t rekeyed = 0;

 private:
  crypto::OpensslProvider crypto_;
  base::SeededRng rng_{1};
  IkeEndpoint endpoint_;
};

/// One initiator with an address of its own.
class Client {
 public:
  Client(std::uint32_t number, const crypto::CryptoProvider& crypto, base::Rng& rng, Instant now)
      : crypto_(crypto),
        path_{{base::IpAddress::v4(0x0a000000U + number), 500}, {ip("192.0.2.1"), 500}},
        endpoint_(ike::EndpointConfig{}, rng, crypto, now) {
    auto connection = base_connection();
    connection.name = "server";
    connection.remote_addresses = {path_.remote.address};
    connection.own_rounds.front().identity =
        policy::Identity::parse(fmt::format("client-{}.example", number));
    connection.peer_rounds.front().identity = policy::Identity::parse("server.example");
    connection.children.front().local = net("172.16.0.0/12");
    connection.children.front().remote = net("10.0.0.0/8");
    endpoint_.set_connections(
        {std::make_shared<const ike::ConnectionConfig>(std::move(connection))});
  }

  void initiate(Instant now, std::vector<Transmit>& out) {
    endpoint_.handle_command(ike::Initiate{.connection = "server", .path = path_}, now);
    collect(now, out);
  }
  void receive(const Transmit& message, Instant now, std::vector<Transmit>& out) {
    endpoint_.handle_datagram({message.path.remote, message.path.local}, message.datagram, now);
    collect(now, out);
  }
  [[nodiscard]] const base::IpAddress& address() const { return path_.local.address; }

 private:
  void collect(Instant now, std::vector<Transmit>& out) {
    while (auto action = endpoint_.poll_action()) {
      if (auto* const transmit = std::get_if<Transmit>(&*action)) {
        out.push_back(std::move(*transmit));
      } else if (const auto* const request = std::get_if<ike::AuthRequest>(&*action)) {
        endpoint_.handle_auth_reply(Server::answer(crypto_, *request), now);
      }
    }
  }

  const crypto::CryptoProvider& crypto_;
  base::Path path_;
  IkeEndpoint endpoint_;
};

/// Carries messages between the server and one client until both are quiet.
void talk(Server& server, Client& client, std::vector<Transmit> to_server, Instant now) {
  std::vector<Transmit> to_client;
  while (!to_server.empty() || !to_client.empty()) {
    for (const Transmit& message : std::exchange(to_server, {})) {
      server.run(
          [&](IkeEndpoint& endpoint) {
            endpoint.handle_datagram({message.path.remote, message.path.local}, message.datagram,
                                     now);
          },
          now, to_client);
    }
    for (const Transmit& message : std::exchange(to_client, {})) {
      client.receive(message, now, to_server);
    }
  }
}

ike::IkeLimits roomy(std::uint32_t count) {
  ike::IkeLimits limits;
  limits.ike_sas_max = std::size_t{2} * count + 16;
  return limits;
}

/// CPU seconds of one key pair and one shared secret.
double x25519_seconds(const crypto::CryptoProvider& crypto, base::Rng& rng, unsigned count) {
  const auto other = crypto.make_key_exchange(crypto::KeGroup::curve25519, rng);
  const base::ByteVec peer = base::to_vec((*other)->public_value());
  const double before = cpu_seconds();
  for (unsigned i = 0; i < count; ++i) {
    auto own = crypto.make_key_exchange(crypto::KeGroup::curve25519, rng);
    if (!own || !(*own)->derive(peer)) return 0;
  }
  return (cpu_seconds() - before) / count;
}

}  // namespace

void handshakes(unsigned repetitions) {
  constexpr std::uint32_t count = 300;
  heading("IKE_SA_INIT and IKE_AUTH as the responder: PSK, X25519, AES-256-GCM, one core");
  crypto::OpensslProvider crypto;
  base::SeededRng rng{2};
  std::vector<double> rates, floor_rates, shares;
  for (unsigned repetition = 0; repetition <= repetitions; ++repetition) {
    const Instant now{1h};
    Server server{roomy(count), now};
    for (std::uint32_t i = 0; i < count; ++i) {
      Client client{i, crypto, rng, now};
      std::vector<Transmit> first;
      client.initiate(now, first);
      talk(server, client, std::move(first), now);
    }
    const double operations = x25519_seconds(crypto, rng, 4 * count);
    if (server.children.size() != count) {
      std::fputs("  a handshake failed; no figure\n", stdout);
      return;
    }
    if (repetition == 0) continue;  // warms the caches
    const double clock = clock_cost() * static_cast<double>(server.stretches);
    const double each = (server.seconds - clock) / count;
    rates.push_back(1 / each);
    floor_rates.push_back(1 / operations);
    shares.push_back(100 * operations / each);
  }
  const Spread share = spread_of(shares);
  show("handshakes per second", spread_of(rates), "1/s");
  show("its two X25519 operations alone", spread_of(floor_rates), "1/s");
  show("share of what these allow", share, "%", "70 %", share.median >= 70);
}

void cookies(unsigned repetitions) {
  constexpr std::uint32_t count = 20'000;
  heading("Cookie replies to IKE_SA_INIT, one core");
  crypto::OpensslProvider crypto;
  base::SeededRng rng{3};
  const Instant now{1h};
  std::vector<Transmit> first;
  Client client{7, crypto, rng, now};
  client.initiate(now, first);
  base::ByteVec request = first.front().datagram;
  ike::IkeLimits limits;
  limits.cookie_threshold = 0;
  std::vector<double> rates;
  std::size_t answered = 0;
  for (unsigned repetition = 0; repetition <= repetitions; ++repetition) {
    Server server{limits, now};
    const double before = cpu_seconds();
    for (std::uint32_t i = 0; i < count; ++i) {
      base::store_be<std::uint64_t>(request.data(), i + 1);
      const base::Path path{{ip("192.0.2.1"), 500}, {base::IpAddress::v4(0x0a000000U + i), 500}};
      server.endpoint().handle_datagram(path, request, now);
      while (auto action = server.endpoint().poll_action()) {
        if (std::holds_alternative<Transmit>(*action)) ++answered;
      }
    }
    if (repetition > 0) rates.push_back(count / (cpu_seconds() - before));
  }
  const Spread spread = spread_of(rates);
  show("requests of so many bytes", static_cast<double>(request.size()), "bytes");
  show("answered", 100.0 * static_cast<double>(answered) / (count * (repetitions + 1.0)), "%");
  show("cookie replies per second", spread, "1/s", "200,000", spread.median >= 200'000);
}

void memory() {
  constexpr std::uint32_t count = 2000;
  heading("Memory of the responder");
  crypto::OpensslProvider crypto;
  base::SeededRng rng{4};
  const Instant now{1h};
  Server server{roomy(count), now};
  const auto establish = [&](std::uint32_t from, std::uint32_t to) {
    for (std::uint32_t i = from; i < to; ++i) {
      Client client{i, crypto, rng, now};
      std::vector<Transmit> first;
      client.initiate(now, first);
      talk(server, client, std::move(first), now);
    }
  };
  establish(0, count / 2);
  server.bytes = 0;  // what is needed once has been counted with the first half
  establish(count / 2, count);
  const double each = static_cast<double>(server.bytes) / (count / 2.0);
  show("bytes per established IKE and Child SA", each, "bytes", "6,144", each <= 6144);
}

void many_sas(std::uint32_t count) {
  heading(fmt::format("{} IKE SAs with a Child SA each in one process", grouped(count)));
  crypto::OpensslProvider crypto;
  base::SeededRng rng{5};
  Instant now{1h};
  ike::IkeLimits limits = roomy(count);
  limits.action_queue_max = 1 << 20;
  Server server{limits, now};
  std::vector<std::unique_ptr<Client>> clients;
  clients.reserve(count);
  double first_tenth = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<Client>(i, crypto, rng, now));
    std::vector<Transmit> first;
    clients.back()->initiate(now, first);
    talk(server, *clients.back(), std::move(first), now);
    if (i + 1 == count / 10) first_tenth = server.seconds;
  }
  show("established", static_cast<double>(server.children.size()), "SAs");
  show("one handshake among the first tenth", 1e6 * first_tenth / (count / 10.0), "us");
  show("one handshake among the others",
       1e6 * (server.seconds - first_tenth) / (count - count / 10.0), "us");
  show("memory", static_cast<double>(server.bytes) / (1 << 20), "MiB");
  server.seconds = 0;
  const auto children = server.children;
  now = now + 1min;
  for (std::size_t i = 0; i < children.size(); ++i) {
    std::vector<Transmit> to_client, to_server;
    server.run(
        [&](IkeEndpoint& endpoint) { endpoint.handle_command(ike::RekeyChild{children[i]}, now); },
        now, to_client);
    for (const Transmit& message : to_client) clients[i]->receive(message, now, to_server);
    talk(server, *clients[i], std::move(to_server), now);
  }
  show("rekeyed children", static_cast<double>(server.rekeyed), "SAs");
  show("the wave of rekeys, our side", server.seconds, "s");
  show("one rekey", 1e6 * server.seconds / static_cast<double>(children.size()), "us");
  const double before = cpu_seconds();
  for (int i = 0; i < 1000; ++i) {
    now = now + 1ms;
    server.endpoint().handle_deadline(now);
    while (server.endpoint().poll_action()) {
    }
  }
  show("one look at all timers", 1e6 * (cpu_seconds() - before) / 1000, "us");
}

}  // namespace caponier::bench

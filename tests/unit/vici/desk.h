#pragma once
// A VICI server over a real gateway, with a second gateway as its peer, and clients that take
// nothing but what the protocol allows. No clock: time passes when the test says so.

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "unit/control/desk.h"
#include "vici/packet.h"
#include "vici/server.h"

namespace caponier::vici {

using control::make_config;
using control::make_peer;
using control::Side;

/// Keeps what it was asked and answers what it is told to.
class FakeStore final : public Store {
 public:
  Answer load_conn(const Message& request, base::Instant) override {
    return note("load-conn", request);
  }
  Answer unload_conn(const Message& request, base::Instant) override {
    return note("unload-conn", request);
  }
  Answer load_cert(const Message& request, base::Instant) override {
    return note("load-cert", request);
  }
  Answer load_key(const Message& request, base::Instant) override {
    return note("load-key", request);
  }
  Answer unload_key(const Message& request, base::Instant) override {
    return note("unload-key", request);
  }
  Answer load_token(const Message& request, base::Instant) override {
    return note("load-token", request);
  }
  Answer load_shared(const Message& request, base::Instant) override {
    return note("load-shared", request);
  }
  Answer unload_shared(const Message& request, base::Instant) override {
    return note("unload-shared", request);
  }
  Answer load_authority(const Message& request, base::Instant) override {
    return note("load-authority", request);
  }
  Answer unload_authority(const Message& request, base::Instant) override {
    return note("unload-authority", request);
  }
  Answer load_pool(const Message& request, base::Instant) override {
    return note("load-pool", request);
  }
  Answer unload_pool(const Message& request, base::Instant) override {
    return note("unload-pool", request);
  }
  Answer flush_certs(const Message& request, base::Instant) override {
    return note("flush-certs", request);
  }
  Answer clear_creds(base::Instant) override { return note("clear-creds", {}); }
  std::vector<std::string> conns() const override { return {"one", "two"}; }
  std::vector<std::string> keys() const override { return {"00ff"}; }
  std::vector<std::string> shared() const override { return {"ike-one"}; }
  std::vector<std::string> authorities() const override { return {"ca"}; }
  std::vector<Message> authority_events() const override {
    return {Message{}.add_section("ca", Message{}.add("cacert", "CN=ca"))};
  }
  std::vector<Message> cert_events() const override {
    return {Message{}.add("type", "X509").add("flag", "CA").add("data", "der")};
  }
  Message conn_event(const std::string&) const override { return {}; }
  Message pools() const override {
    return Message{}.add_section("rw", Message{}.add("base", "10.9.0.0").add("size", "254"));
  }

  std::vector<std::string> calls;
  Message last;
  std::string refusal;  ///< not empty: it is the answer
  Message more;         ///< else this is

 private:
  Answer note(std::string what, const Message& request) {
    calls.push_back(std::move(what));
    last = request;
    if (!refusal.empty()) return std::unexpected{refusal};
    return more;
  }
};

class Desk final : public Host {
 public:
  explicit Desk(std::size_t idle_peers = 0)
      : here(1, now), there(2, now), server(here.gateway, *this) {
    auto back = make_peer("back", "192.0.2.2", "192.0.2.1", "10.2.0.0/16", "10.1.0.0/16");
    back.child().start = config::Start::on_command;
    there.apply(make_config({back}, false), now);
    std::vector<config::PeerConfig> peers;
    auto branch = make_peer("branch", "192.0.2.1", "192.0.2.2", "10.1.0.0/16", "10.2.0.0/16");
    branch.child().start = config::Start::on_command;
    auto silent = make_peer("silent", "192.0.2.1", "192.0.2.99", "10.1.0.0/16", "10.9.0.0/16");
    silent.child().start = config::Start::on_command;
    peers = {branch, silent};
    for (std::size_t i = 0; i < idle_peers; ++i) {
      auto peer = make_peer("x" + std::to_string(i), "192.0.2.1", "192.0.2.77", "10.1.0.0/16",
                            "10.3.0.0/16");
      peer.child().start = config::Start::on_command;
      peers.push_back(peer);
    }
    here.apply(make_config(std::move(peers), false), now);
    run();
  }

  HostFacts facts() const override {
    return {"Linux", "6.1", "x86_64", "Nov 22 22:08:12 2026", started, 100, 0, 60, 40};
  }
  std::expected<void, std::string> reload_settings(base::Instant) override {
    ++reloads;
    return reload_result;
  }
  const crypto::CryptoProvider& crypto() const override { return here.crypto; }
  const pki::PkiProvider* pki() const override { return nullptr; }
  Store& store() override { return fake; }
  void settle(base::Instant) override { ++settled; }

  /// What a client has got, packet by packet.
  struct Got {
    PacketType type{};
    std::string name;
    Message message;
    std::string octets;  ///< of the message
  };

  ClientId connect() {
    const ClientId id = ++last_client_;
    return server.connect(id) ? id : 0;
  }
  void send(ClientId client, std::string_view octets) {
    server.receive(client, octets, now);
    run();
  }
  void request(ClientId client, std::string_view command, const Message& message = {}) {
    send(client, make_packet(PacketType::cmd_request, command, message.encode()));
  }
  void subscribe(ClientId client, std::string_view event) {
    send(client, make_packet(PacketType::event_register, event));
    EXPECT_EQ(next(client).type, PacketType::event_confirm);
  }
  /// The response; events before it are in `events`.
  Message ask(ClientId client, std::string_view command, const Message& message = {}) {
    events.clear();
    request(client, command, message);
    return response(client);
  }
  Message response(ClientId client) {
    auto& waiting = got[client];
    while (!waiting.empty()) {
      Got first = next(client);
      if (first.type == PacketType::cmd_response) return first.message;
      events.push_back(std::move(first));
    }
    return Message{}.add("nothing", "came");
  }
  /// The response after all the events of a stream.
  Message stream(ClientId client, std::string_view command, std::string_view event,
                 const Message& message = {}) {
    subscribe(client, event);
    return ask(client, command, message);
  }
  Got next(ClientId client) {
    auto& waiting = got[client];
    if (waiting.empty()) return Got{PacketType::cmd_unknown, "nothing came", {}, {}};
    Got first = std::move(waiting.front());
    waiting.pop_front();
    return first;
  }
  [[nodiscard]] bool has_answer(ClientId client) const {
    const auto found = got.find(client);
    if (found == got.end()) return false;
    return std::ranges::any_of(found->second,
                               [](const Got& one) { return one.type == PacketType::cmd_response; });
  }
  [[nodiscard]] bool is_closed(ClientId client) const { return closed.contains(client); }

  void bring_up() {
    const ClientId client = connect();
    const Message done = ask(client, "initiate", Message{}.add("child", "branch"));
    ASSERT_EQ(done.value("success"), "yes") << done.text("errmsg");
    server.disconnect(client);
  }

  /// Everything that can happen now.
  void run() {
    for (int turn = 0; turn < 1000; ++turn) {
      bool busy = true;
      while (busy) {
        busy = pump(here, there, true);
        busy = pump(there, here, false) || busy;
      }
      server.handle_progress(now);
      const bool moved = pump(here, there, true) || pump(there, here, false);
      collect();
      const auto deadline = server.poll_deadline();
      if (!moved && !(deadline && deadline->at <= now)) return;
    }
    ADD_FAILURE() << "it never comes to rest";
  }
  void pass(base::Duration duration) {
    const base::Instant end = now + duration;
    for (;;) {
      std::optional<base::Instant> first;
      for (const auto& deadline :
           {here.gateway.poll_deadline(), there.gateway.poll_deadline(), server.poll_deadline()}) {
        if (deadline && (!first || deadline->at < *first)) first = deadline->at;
      }
      for (Side* side : {&here, &there}) {
        const auto at = side->gateway.worker(0).next_deadline();
        if (at && (!first || *at < *first)) first = at;
      }
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
  FakeStore fake;
  Server server;
  bool link_is_cut = false;
  bool acknowledges = true;  ///< the driver reports what it has written
  int reloads = 0;
  int settled = 0;
  std::expected<void, std::string> reload_result;
  std::map<ClientId, std::deque<Got>> got;
  std::vector<Got> events;
  std::map<ClientId, bool> closed;  ///< and whether it was cut
  std::size_t largest_turn = 0;     ///< octets given to drivers between two turns

 private:
  bool pump(Side& from, Side& to, bool tells_events) {
    bool any = false;
    while (auto action = from.gateway.poll_action()) {
      any = true;
      if (auto* transmit = std::get_if<ike::Transmit>(&*action)) {
        if (link_is_cut) continue;
        const base::Path path{transmit->path.remote, transmit->path.local};
        const std::size_t marker = path.local.port == 4500 ? wire::non_esp_marker.size() : 0;
        to.gateway.handle_ike(path, base::Bytes{transmit->datagram}.subspan(marker), now);
      } else if (auto* question = std::get_if<ike::AuthRequest>(&*action)) {
        from.keyholder.handle(*question);
        from.gateway.handle_auth_reply(from.keyholder.poll_reply().value(), now);
      } else if (auto* event = std::get_if<base::Event>(&*action)) {
        if (tells_events) server.handle_event(*event);
      }
    }
    return any;
  }
  void collect() {
    std::size_t octets = 0;
    while (auto output = server.poll_output()) {
      octets += output->data.size();
      std::string& buffer = buffers_[output->client];
      buffer += output->data;
      take(output->client, buffer);
      if (acknowledges) server.handle_written(output->client, output->data.size());
      if (output->close) closed[output->client] = output->cut;
    }
    largest_turn = std::max(largest_turn, octets);
  }
  /// Strictly: whole segments of known types, messages without a fault.
  void take(ClientId client, std::string& buffer) {
    for (;;) {
      const auto segment = first_segment(buffer);
      ASSERT_TRUE(segment);
      if (!*segment) return;
      const auto packet = Packet::decode(**segment);
      ASSERT_TRUE(packet);
      const auto message = Message::decode(base::as_bytes(packet->message));
      ASSERT_TRUE(message) << message.error().to_string();
      got[client].push_back(
          {packet->type, std::string{packet->name}, *message, std::string{packet->message}});
      buffer.erase(0, length_size + (*segment)->size());
    }
  }

  ClientId last_client_ = 0;
  std::map<ClientId, std::string> buffers_;
};

/// The only section of a message, whatever it is called.
inline const Element& only_section(const Message& message) {
  static const Element none;
  for (const Element& element : message.elements) {
    if (element.kind == Element::Kind::section) return element;
  }
  return none;
}

/// The names of what is in it, in their order.
inline std::string keys_of(const Message& message) {
  std::string keys;
  for (const Element& element : message.elements) {
    keys += (keys.empty() ? "" : " ") + element.name;
  }
  return keys;
}

}  // namespace caponier::vici

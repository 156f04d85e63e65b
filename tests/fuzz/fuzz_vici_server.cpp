// A client of the VICI socket says anything, in pieces; another one watches. Whatever is said, what
// comes back are packets, and the other client is served.

#include <map>

#include "crypto/null/provider.h"
#include "fuzz/fuzz.h"
#include "gateway/gateway.h"
#include "vici/packet.h"
#include "vici/server.h"

namespace {

using namespace caponier;
using fuzz::require;

constexpr base::Instant begin{std::chrono::hours{1}};

config::PeerConfig make_peer() {
  config::PeerConfig peer;
  peer.name = "net";
  peer.remote = "192.0.2.2";
  peer.remote_address = base::IpAddress::parse("192.0.2.2");
  peer.local = base::IpAddress::parse("192.0.2.1");
  config::ChildConfig& child = peer.child();
  child.name = peer.name;
  child.local = config::Reach::of({base::Prefix::parse("10.1.0.0/16").value()});
  child.remote = config::Reach::of({base::Prefix::parse("10.2.0.0/16").value()});
  child.esp = policy::default_esp_offers();
  child.start = config::Start::on_command;
  peer.psk = std::make_shared<const base::SecretBytes>(base::as_bytes("a secret of some length"));
  peer.ike = policy::default_ike_offers();
  return peer;
}

struct Setting final : vici::Host {
  Setting() : gateway({}, provider, rng, begin), server(gateway, *this) {
    auto config = std::make_shared<config::Config>();
    config->peers = {make_peer()};
    gateway.apply(std::move(config), begin);
    require(server.connect(1) && server.connect(2), "there is room for two");
  }
  [[nodiscard]] vici::HostFacts facts() const override { return {}; }
  [[nodiscard]] std::expected<void, std::string> reload_settings(base::Instant) override {
    return {};
  }
  [[nodiscard]] const crypto::CryptoProvider& crypto() const override { return provider; }
  [[nodiscard]] const pki::PkiProvider* pki() const override { return nullptr; }
  [[nodiscard]] vici::Store& store() override { return none; }
  void settle(base::Instant) override {}

  void run(base::Instant now) {
    for (int turn = 0; turn < 4; ++turn) {
      while (auto action = gateway.poll_action()) {
        if (const auto* event = std::get_if<base::Event>(&*action)) server.handle_event(*event);
      }
      server.handle_progress(now);
      while (auto output = server.poll_output()) take(*output);
    }
  }
  void take(const vici::Server::Output& output) {
    std::string& buffer = buffers[output.client];
    buffer += output.data;
    for (;;) {
      const auto segment = vici::first_segment(buffer);
      require(segment.has_value(), "segments have lengths");
      if (!*segment) break;
      const auto packet = vici::Packet::decode(**segment);
      require(packet.has_value(), "packets are whole");
      require(vici::Message::decode(base::as_bytes(packet->message)).has_value(),
              "messages are whole");
      ++packets[output.client];
      buffer.erase(0, vici::length_size + (*segment)->size());
    }
    server.handle_written(output.client, output.data.size());
  }

  crypto::NullProvider provider{nullptr};
  base::SeededRng rng{1};
  gateway::Gateway gateway;
  vici::NoStore none{"no"};
  vici::Server server;
  std::map<vici::ClientId, std::string> buffers;
  std::map<vici::ClientId, std::size_t> packets;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Setting setting;
  base::Instant now = begin;
  setting.server.receive(2, vici::make_packet(vici::PacketType::event_register, "log"), now);
  std::string_view rest = base::as_text(fuzz::bytes_of(data, size)).substr(1);
  const std::size_t piece = 1 + data[0];
  while (!rest.empty()) {
    setting.server.receive(1, rest.substr(0, piece), now);
    rest.remove_prefix(std::min(piece, rest.size()));
    setting.run(now);
    now = now + std::chrono::milliseconds{100};
    setting.gateway.handle_deadline(now);
  }
  const std::size_t before = setting.packets[2];
  setting.server.receive(2, vici::make_packet(vici::PacketType::cmd_request, "list-conns"), now);
  setting.run(now);
  require(setting.packets[2] > before, "the other client is answered");
  return 0;
}

#include "sim/random_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "sim/world.h"

namespace caponier::sim {
namespace {

/// A number in [0, limit] in steps of a thousandth.
double draw(base::Rng& rng, double limit) {
  return limit * static_cast<double>(rng.public_below(1001)) / 1000.0;
}

bool one_in(base::Rng& rng, std::uint64_t count) { return rng.public_below(count) == 0; }

policy::Offers draw_offers(base::Rng& rng, wire::ProtocolId protocol) {
  static constexpr std::array ike = {"aes256gcm16-prfsha384-x25519", "aes128gcm16-prfsha256-ecp256",
                                     "aes256-sha256-modp2048", "chacha20poly1305-prfsha256-x25519"};
  static constexpr std::array esp = {"aes256gcm16", "aes128gcm16", "aes128-sha256-noesn",
                                     "chacha20poly1305"};
  const bool is_ike = protocol == wire::ProtocolId::ike;
  const auto offer =
      policy::parse_offer((is_ike ? ike : esp)[rng.public_below(ike.size())], protocol);
  if (offer) return {*offer};
  return is_ike ? policy::default_ike_offers() : policy::default_esp_offers();
}

enum class Blow : std::uint8_t {
  outage,
  kill_a,
  kill_b,
  rebind,
  down_and_up_a,
  down_and_up_b,
  reload_a,
  quiet,
};
constexpr std::uint64_t blow_kinds = 8;
constexpr std::uint64_t blows_max = 4;

std::string_view name_of(Blow blow) {
  switch (blow) {
    case Blow::outage: return "outage";
    case Blow::kill_a: return "kill a";
    case Blow::kill_b: return "kill b";
    case Blow::rebind: return "rebind";
    case Blow::down_and_up_a: return "down and up a";
    case Blow::down_and_up_b: return "down and up b";
    case Blow::reload_a: return "reload a";
    case Blow::quiet: return "quiet";
  }
  return "unknown";
}

struct Scene {
  Tunnel tunnel;
  LinkQuality quality;
  bool nat = false;
  base::Duration nat_timeout{};
  bool traffic_early = false;
  std::vector<std::pair<Blow, base::Duration>> blows;

  [[nodiscard]] std::string to_string() const {
    std::string text = fmt::format(
        "loss {:.1f} %, dup {:.1f} %, reorder {:.1f} %, delay {:.0f} ms, jitter {:.0f} ms{}{}{}",
        100 * quality.loss, 100 * quality.duplicate, 100 * quality.reorder,
        1000 * base::seconds_of(quality.delay), 1000 * base::seconds_of(quality.jitter),
        nat ? fmt::format(", NAT ({:.0f} s)", base::seconds_of(nat_timeout)) : "",
        tunnel.b_starts ? ", both start" : "",
        tunnel.kind == config::PeerKind::host ? ", transport" : "");
    for (const auto& [blow, length] : blows) {
      text += fmt::format(", {} {:.0f} s", name_of(blow), base::seconds_of(length));
    }
    return text;
  }
};

Scene draw_scene(base::Rng& rng, double loss_max) {
  Scene scene;
  scene.quality.loss = draw(rng, loss_max);
  scene.quality.duplicate = draw(rng, 0.1);
  scene.quality.reorder = draw(rng, 0.3);
  scene.quality.delay = 1ms + base::Duration{rng.public_below(200'000'000)};
  scene.quality.jitter = base::Duration{rng.public_below(50'000'000)};
  scene.nat = one_in(rng, 3);
  scene.nat_timeout = 30s + base::Duration{rng.public_below(270'000'000'000)};
  for (std::uint64_t left = rng.public_below(blows_max + 1); left > 0; --left) {
    scene.blows.emplace_back(static_cast<Blow>(rng.public_below(blow_kinds)),
                             base::Duration{rng.public_below(120'000'000'000)});
  }
  scene.traffic_early = one_in(rng, 2);
  scene.tunnel.ike = draw_offers(rng, wire::ProtocolId::ike);
  scene.tunnel.esp = draw_offers(rng, wire::ProtocolId::esp);
  scene.tunnel.a_starts = true;
  scene.tunnel.b_starts = !scene.nat && one_in(rng, 2);
  scene.tunnel.a_fixes_local = !one_in(rng, 3);
  scene.tunnel.by_name = one_in(rng, 4);
  scene.tunnel.b_takes_any = scene.nat;
  scene.tunnel.named_ids = scene.nat || one_in(rng, 3);
  scene.tunnel.dpd = 5s + base::Duration{rng.public_below(25'000'000'000)};
  if (one_in(rng, 3))
    scene.tunnel.lifetime = 30s + base::Duration{rng.public_below(90'000'000'000)};
  if (one_in(rng, 4)) scene.tunnel.encap = config::Encap::always;
  if (!scene.nat && one_in(rng, 4)) scene.tunnel.kind = config::PeerKind::host;
  return scene;
}

/// What was drawn happens, and lasts so long.
void strike(World& world, Node& a, Node& b, Nat* nat, Blow blow, base::Duration length) {
  const auto restart = [&](Node& node) {
    node.kill();
    world.run_for(length);
    node.restart();
  };
  const auto take_down = [&](Node& node) {
    node.take_down();
    world.run_for(length);
    node.initiate();
  };
  switch (blow) {
    case Blow::outage:
      world.link(a, b).partition();
      world.run_for(length);
      return world.link(a, b).heal();
    case Blow::kill_a: return restart(a);
    case Blow::kill_b: return restart(b);
    case Blow::rebind:
      if (nat != nullptr) nat->rebind();
      return world.run_for(length);
    case Blow::down_and_up_a: return take_down(a);
    case Blow::down_and_up_b: return take_down(b);
    case Blow::reload_a:
      a.peers.front().dpd += 1s;
      a.reload();
      return world.run_for(length);
    case Blow::quiet: return world.run_for(length);
  }
}

void run(World& world, const Scene& scene, RunResult& result) {
  world.allow_weather();
  // A gateway that was taken down does not know its peer, and has no policy for its networks.
  world.allow({base::DropReason::ike_unknown_peer, base::DropReason::clear_no_policy});
  world.network().set_quality(scene.quality);
  Node& a = world.add();
  Node& b = world.add();
  Nat* nat = scene.nat ? &world.put_behind_nat(a, scene.nat_timeout) : nullptr;
  world.connect(a, b, scene.tunnel);
  a.start();
  b.start();
  if (scene.traffic_early) world.flow(a, b, 300ms);
  for (const auto& [blow, length] : scene.blows) {
    world.run_for(base::Duration{world.rng().public_below(60'000'000'000)});
    strike(world, a, b, nat, blow, length);
  }
  const base::Instant healed = world.now();
  const auto settled = [&] { return a.is_up() && b.is_up() && world.spis_match(); };
  if (!world.run_until(settled, settle_max)) {
    world.violations().add(
        Broken::not_up, "not up on both sides in time: " + a.peer().note + " / " + b.peer().note);
  }
  result.settled_after = world.now() - healed;
  const Flow& there = world.flow(a, b, 200ms);
  const Flow& back = world.flow(b, a, 250ms);
  const auto flowing = [&] { return there.replies_arrived >= 20 && back.replies_arrived >= 20; };
  if (!world.run_until(flowing, flow_max)) {
    world.violations().add(Broken::not_up, "no traffic in time");
  }
  const bool was_open = std::any_of(scene.blows.begin(), scene.blows.end(), [](const auto& blow) {
    return blow.first == Blow::kill_a || blow.first == Blow::kill_b ||
           blow.first == Blow::down_and_up_a || blow.first == Blow::down_and_up_b;
  });
  // Before its name is resolved the address of a host to be protected is not known.
  const bool is_unknown = scene.tunnel.by_name && scene.tunnel.kind == config::PeerKind::host;
  if (!was_open && !is_unknown && a.unrouted() + b.unrouted() > 0) {
    world.violations().add(Broken::clear_on_link, "a packet found no route into the tunnel");
  }
}

}  // namespace

RunResult random_run(std::uint64_t seed, double loss_max) {
  RunResult result;
  World world{seed};
  world.verbose = std::getenv("CAPONIER_SIM_VERBOSE") != nullptr;
  const Scene scene = draw_scene(world.rng(), loss_max);
  result.scene = scene.to_string();
  run(world, scene, result);
  world.finish();
  result.violations = world.violations().list();
  result.trace_hash = world.trace().hash();
  result.trace_count = world.trace().count();
  result.delivered = world.ledger().delivered();
  return result;
}

std::string describe(std::uint64_t seed, const RunResult& result) {
  std::string text = fmt::format("seed {} ({})", seed, result.scene);
  for (const Violation& violation : result.violations) {
    text += fmt::format("\n  {}: {}", name_of(violation.rule), violation.text);
  }
  return text + fmt::format("\n  repeat: ./dev sim {}", seed);
}

}  // namespace caponier::sim

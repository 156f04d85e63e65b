#include "sim/random_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

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
  outage_one_way,
  kill_a,
  kill_b,
  kill_both,
  rebind,
  nat_toggles,
  down_and_up_a,
  down_and_up_b,
  reload_a,
  sleep_a,
  sleep_b,
  jump,
  roam_a,
  interface_a,
  quiet,
};
constexpr std::uint64_t blow_kinds = 16;
constexpr std::uint64_t blows_max = 4;

std::string_view name_of(Blow blow) {
  switch (blow) {
    case Blow::outage: return "outage";
    case Blow::outage_one_way: return "one-way outage";
    case Blow::kill_a: return "kill a";
    case Blow::kill_b: return "kill b";
    case Blow::kill_both: return "kill both";
    case Blow::rebind: return "rebind";
    case Blow::nat_toggles: return "NAT comes or goes";
    case Blow::down_and_up_a: return "down and up a";
    case Blow::down_and_up_b: return "down and up b";
    case Blow::reload_a: return "reload a";
    case Blow::sleep_a: return "sleep a";
    case Blow::sleep_b: return "sleep b";
    case Blow::jump: return "jump of the clock";
    case Blow::roam_a: return "roam a";
    case Blow::interface_a: return "interface of a down";
    case Blow::quiet: return "quiet";
  }
  return "unknown";
}

/// What a hotel lets pass.
enum class Blocked : std::uint8_t { nothing, port_500, udp };

struct Scene {
  Tunnel tunnel;
  Blocked blocked = Blocked::nothing;
  LinkQuality quality;
  std::optional<LinkQuality> from_a;  ///< when that direction is another
  std::size_t mtu = 1500;
  std::size_t workers = 1;
  bool allows_nat = false;  ///< b takes a at any address
  bool nat = false;
  base::Duration nat_timeout{};
  bool has_two_addresses = false;
  bool traffic_early = false;
  bool ends_calm = false;  ///< the weather clears up after the last blow
  std::vector<std::pair<Blow, base::Duration>> blows;

  [[nodiscard]] std::string to_string() const;
};

std::string Scene::to_string() const {
  std::string text = fmt::format(
      "loss {:.1f} %, dup {:.1f} %, reorder {:.1f} %, delay {:.0f} ms, jitter {:.0f} ms, MTU {}",
      100 * quality.loss, 100 * quality.duplicate, 100 * quality.reorder,
      1000 * base::seconds_of(quality.delay), 1000 * base::seconds_of(quality.jitter), mtu);
  if (workers != 1) text += fmt::format(", {} workers", workers);
  if (tunnel.per_cpu_sas > 0) text += fmt::format(", an SA for each of {}", tunnel.per_cpu_sas);
  if (from_a) text += fmt::format(", from a loss {:.1f} %", 100 * from_a->loss);
  if (nat) text += fmt::format(", NAT ({:.0f} s)", base::seconds_of(nat_timeout));
  if (tunnel.b_starts) text += ", both start";
  if (tunnel.kind == config::PeerKind::host) text += ", transport";
  if (has_two_addresses) text += ", two addresses";
  if (ends_calm) text += ", ends calm";
  if (blocked == Blocked::port_500) text += ", port 500 blocked";
  if (blocked == Blocked::udp) text += ", UDP blocked";
  for (const auto& [blow, length] : blows) {
    text += fmt::format(", {} {:.0f} s", name_of(blow), base::seconds_of(length));
  }
  return text;
}

LinkQuality draw_quality(base::Rng& rng, double loss_max) {
  LinkQuality quality;
  quality.loss = draw(rng, loss_max);
  quality.duplicate = draw(rng, 0.1);
  quality.reorder = draw(rng, 0.3);
  quality.delay = 1ms + base::Duration{rng.public_below(200'000'000)};
  quality.jitter = base::Duration{rng.public_below(50'000'000)};
  return quality;
}

bool needs_nat_config(Blow blow) { return blow == Blow::nat_toggles || blow == Blow::roam_a; }

Scene draw_scene(base::Rng& rng, double loss_max) {
  static constexpr std::array<std::size_t, 4> mtus = {1500, 1500, 1280, 576};
  Scene scene;
  scene.quality = draw_quality(rng, loss_max);
  if (one_in(rng, 4)) scene.from_a = draw_quality(rng, loss_max);
  scene.mtu = mtus[rng.public_below(mtus.size())];
  scene.allows_nat = one_in(rng, 2);
  scene.nat = scene.allows_nat && one_in(rng, 2);
  scene.nat_timeout = 30s + base::Duration{rng.public_below(270'000'000'000)};
  scene.has_two_addresses = one_in(rng, 4);
  for (std::uint64_t left = rng.public_below(blows_max + 1); left > 0; --left) {
    const auto blow = static_cast<Blow>(rng.public_below(blow_kinds));
    const base::Duration length{rng.public_below(120'000'000'000)};
    if (needs_nat_config(blow) && !scene.allows_nat) continue;
    if (blow == Blow::interface_a && !scene.has_two_addresses) continue;
    scene.blows.emplace_back(blow, length);
  }
  if (one_in(rng, 6)) scene.blocked = one_in(rng, 2) ? Blocked::port_500 : Blocked::udp;
  scene.traffic_early = one_in(rng, 2);
  scene.ends_calm = one_in(rng, 2);
  scene.tunnel.ike = draw_offers(rng, wire::ProtocolId::ike);
  scene.tunnel.esp = draw_offers(rng, wire::ProtocolId::esp);
  scene.tunnel.a_starts = true;
  scene.tunnel.b_starts = !scene.allows_nat && one_in(rng, 2);
  scene.tunnel.a_fixes_local = !scene.has_two_addresses && !scene.allows_nat && !one_in(rng, 3);
  scene.tunnel.by_name = one_in(rng, 4);
  scene.tunnel.b_takes_any = scene.allows_nat;
  scene.tunnel.named_ids = scene.allows_nat || scene.has_two_addresses || one_in(rng, 3);
  scene.tunnel.dpd = 5s + base::Duration{rng.public_below(25'000'000'000)};
  if (one_in(rng, 3))
    scene.tunnel.lifetime = 30s + base::Duration{rng.public_below(90'000'000'000)};
  if (one_in(rng, 4)) scene.tunnel.encap = config::Encap::always;
  if (!scene.allows_nat && !scene.has_two_addresses && one_in(rng, 4)) {
    scene.tunnel.kind = config::PeerKind::host;
  }
  return scene;
}

/// One run: the two gateways and what befalls them.
class Run {
 public:
  Run(World& world, const Scene& scene)
      : world_(world), scene_(scene), a_(world.add()), b_(world.add()) {}

  void prepare();
  void strike(Blow blow, base::Duration length);
  /// Up, with traffic, and at rest. How long the first took.
  base::Duration check_end();
  void check_nothing_in_clear();

 private:
  void set_weather();
  void restart(std::initializer_list<Node*> nodes, base::Duration length);
  void down_and_up(Node& node, base::Duration length);
  void sleep(Node& node, base::Duration length);
  void toggle_nat();
  [[nodiscard]] base::Duration settle_limit() const;

  World& world_;
  const Scene& scene_;
  Node& a_;
  Node& b_;
  Nat* nat_ = nullptr;
  unsigned moves_ = 0;
};

void Run::set_weather() {
  world_.network().set_quality(scene_.quality);
  Link& link = world_.link(a_, b_);
  if (scene_.from_a) link.set_one_way(a_.id(), *scene_.from_a);
  link.mtu = scene_.mtu;
  if (scene_.blocked == Blocked::port_500) link.blocked_ports = {500};
  link.blocks_udp = link.blocks_esp = scene_.blocked == Blocked::udp;
}

void Run::toggle_nat() {
  if (nat_ == nullptr) {
    nat_ = &world_.put_behind_nat(a_, scene_.nat_timeout);
  } else {
    world_.network().remove_nat(a_.id());
    nat_ = nullptr;
  }
}

void Run::prepare() {
  world_.allow_weather();
  // A gateway that was taken down does not know its peer, and has no policy for its networks.
  world_.allow({base::DropReason::ike_unknown_peer, base::DropReason::clear_no_policy});
  set_weather();
  if (scene_.has_two_addresses) {
    world_.add_address(a_, base::IpAddress::v4(0xc6336401U));
  }
  if (scene_.nat) toggle_nat();
  world_.connect(a_, b_, scene_.tunnel);
  a_.workers = b_.workers = scene_.workers;
  a_.start();
  b_.start();
  if (scene_.traffic_early) world_.flow(a_, b_, 300ms);
}

void Run::restart(std::initializer_list<Node*> nodes, base::Duration length) {
  for (Node* node : nodes) node->kill();
  world_.run_for(length);
  for (Node* node : nodes) node->restart();
}

void Run::down_and_up(Node& node, base::Duration length) {
  node.take_down();
  world_.run_for(length);
  node.initiate();
}

void Run::sleep(Node& node, base::Duration length) {
  node.fall_asleep();
  world_.run_for(length);
  node.wake();
}

/// What was drawn happens, and lasts so long.
void Run::strike(Blow blow, base::Duration length) {
  Link& link = world_.link(a_, b_);
  switch (blow) {
    case Blow::outage:
      link.partition();
      world_.run_for(length);
      return link.heal();
    case Blow::outage_one_way:
      link.set_one_way(world_.rng().public_below(2) == 0 ? a_.id() : b_.id(), {.loss = 1});
      world_.run_for(length);
      return set_weather();
    case Blow::kill_a: return restart({&a_}, length);
    case Blow::kill_b: return restart({&b_}, length);
    case Blow::kill_both: return restart({&a_, &b_}, length);
    case Blow::rebind:
      if (nat_ != nullptr) nat_->rebind();
      return world_.run_for(length);
    case Blow::nat_toggles: toggle_nat(); return world_.run_for(length);
    case Blow::down_and_up_a: return down_and_up(a_, length);
    case Blow::down_and_up_b: return down_and_up(b_, length);
    case Blow::reload_a:
      a_.peers.front().dpd += 1s;
      a_.reload();
      return world_.run_for(length);
    case Blow::sleep_a: return sleep(a_, length);
    case Blow::sleep_b: return sleep(b_, length);
    case Blow::jump: return world_.jump(100 * length);
    case Blow::roam_a:
      ++moves_;
      world_.roam(a_, base::IpAddress::v4(0xc6336464U + moves_));
      return world_.run_for(length);
    case Blow::interface_a: {
      const base::IpAddress address = a_.address();
      world_.set_interface(a_, address, false);
      world_.run_for(length);
      return world_.set_interface(a_, address, true);
    }
    case Blow::quiet: return world_.run_for(length);
  }
}

base::Duration Run::settle_limit() const {
  // The ways to a peer are tried one after the other where some are blocked.
  if (!scene_.ends_calm || scene_.blocked != Blocked::nothing) return settle_max;
  const base::Duration dpd = a_.peers.front().dpd;
  return recovery_max(a_.options, dpd, 2 * LinkQuality{}.delay);
}

base::Duration Run::check_end() {
  if (scene_.ends_calm) world_.network().set_quality({});
  const base::Instant healed = world_.now();
  const auto settled = [&] { return a_.is_up() && b_.is_up() && world_.spis_match(); };
  if (!world_.run_until(settled, settle_limit())) {
    world_.violations().add(Broken::not_up, fmt::format("not up on both sides in {:.0f} s: {} / {}",
                                                        base::seconds_of(settle_limit()),
                                                        a_.peer().note, b_.peer().note));
  }
  const base::Duration settled_after = world_.now() - healed;
  Flow& there = world_.flow(a_, b_, 200ms);
  Flow& back = world_.flow(b_, a_, 250ms);
  const auto flowing = [&] { return there.replies_arrived >= 20 && back.replies_arrived >= 20; };
  if (!world_.run_until(flowing, flow_max)) {
    world_.violations().add(Broken::not_up, "no traffic in time");
  }
  // At rest, with nothing lost any more, both hold the same and nothing twice.
  world_.network().set_quality({});
  there.running = back.running = false;
  const auto agreed = [&] { return world_.disagreement(a_, b_).empty(); };
  if (!world_.run_until(agreed, settle_max)) {
    world_.violations().add(Broken::ends_differ, world_.disagreement(a_, b_));
  }
  return settled_after;
}

void Run::check_nothing_in_clear() {
  const bool was_open = std::ranges::any_of(scene_.blows, [](const auto& blow) {
    return blow.first == Blow::kill_a || blow.first == Blow::kill_b ||
           blow.first == Blow::kill_both || blow.first == Blow::down_and_up_a ||
           blow.first == Blow::down_and_up_b;
  });
  // Before its name is resolved the address of a host to be protected is not known.
  const bool is_unknown = scene_.tunnel.by_name && scene_.tunnel.kind == config::PeerKind::host;
  if (!was_open && !is_unknown && a_.unrouted() + b_.unrouted() > 0) {
    world_.violations().add(Broken::clear_on_link, "a packet found no route into the tunnel");
  }
}

}  // namespace

RunResult random_run(std::uint64_t seed, double loss_max) {
  RunResult result;
  World world{seed};
  world.verbose = std::getenv("CAPONIER_SIM_VERBOSE") != nullptr;
  Scene scene = draw_scene(world.rng(), loss_max);
  scene.workers = 1 + seed % 3;
  if (scene.tunnel.encap == config::Encap::native && seed % 2 == 0) {
    scene.tunnel.encap = config::Encap::automatic;
  }
  // A peer that may come from anywhere has none of these.
  const bool has_own = scene.workers > 1 && !scene.tunnel.b_takes_any && seed % 2 == 0;
  if (has_own) scene.tunnel.per_cpu_sas = 1 + static_cast<unsigned>(seed / 6 % 3);
  result.scene = scene.to_string();
  Run run{world, scene};
  run.prepare();
  for (const auto& [blow, length] : scene.blows) {
    world.run_for(base::Duration{world.rng().public_below(60'000'000'000)});
    world.say(name_of(blow));
    run.strike(blow, length);
  }
  result.settled_after = run.check_end();
  run.check_nothing_in_clear();
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

#include "explain/trial.h"

#include <cstdlib>
#include <stdexcept>

#include <fmt/format.h>

#include "cli/why.h"
#include "control/why.h"
#include "unit/config/memory_source.h"

namespace caponier::explain::test {

using sim::Node;

namespace {

constexpr std::uint64_t seed = 8;
constexpr base::Duration patience = std::chrono::minutes{4};

/// The keys of the catalogue are words, as people write them.
class WordSource final : public config::MemorySource {
 public:
  bool takes_weak_secrets() const override { return true; }
};

void put(std::string& text, const Keys& keys) {
  for (const auto& [key, value] : keys) text += fmt::format("{} = {}\n", key, value);
}

/// As World::connect() does it.
void certify(config::PeerConfig& peer, const std::string& certificate) {
  const std::string name = certificate.substr(0, certificate.find(' '));
  const std::string rest =
      certificate.size() > name.size() ? certificate.substr(name.size() + 1) : std::string{};
  peer.psk.reset();
  peer.exchange.auth = peer.exchange.remote_auth = config::Auth::pubkey;
  peer.proof.credential =
      std::make_shared<const pki::Credential>(gateway::test::fake_credential(name, rest));
  peer.proof.authorities = {"ca"};
}

}  // namespace

Trial::Trial(const BrokenSetup& setup, bool a_begins)
    : setup_(setup), a_begins_(a_begins), world_(seed), a_(&world_.add()), b_(&world_.add()) {
  world_.allow_weather();
  world_.verbose = std::getenv("CAPONIER_SIM_VERBOSE") != nullptr;
  configure(*a_, setup_.a, setup_.b, a_begins_);
  configure(*b_, setup_.b, setup_.a, !a_begins_);
  if (setup_.a_behind_nat) static_cast<void>(world_.put_behind_nat(*a_));
  break_network(true);
  if (!setup_.a.is_down) a_->start();
  if (!setup_.b.is_down) b_->start();
}

void Trial::break_network(bool is_broken) {
  sim::Link& link = world_.link(*a_, *b_);
  link.blocked_ports.clear();
  if (is_broken) {
    link.blocked_ports.insert(setup_.blocked_ports.begin(), setup_.blocked_ports.end());
  }
  link.blocks_udp = is_broken && setup_.blocks_udp;
  link.blocks_tcp = is_broken && setup_.blocks_tcp;
  link.blocks_esp = is_broken && setup_.blocks_esp;
  if (setup_.mtu > 0) link.mtu = is_broken ? setup_.mtu : std::size_t{1500};
}

std::string Trial::toml_of(const Node& node, const Half& half, bool begins) const {
  const Node& other = &node == a_ ? *b_ : *a_;
  const auto net = [](const Node& of) { return fmt::format("[\"10.{}.0.0/16\"]", of.id() + 1); };
  Keys keys{{"remote", fmt::format("\"{}\"", other.address().to_string())},
            {"local", fmt::format("\"{}\"", node.address().to_string())},
            {"psk", "\"@far\""},
            {"start", begins ? "true" : "false"}};
  if (half.table == "site") {
    keys.emplace("local_nets", net(node));
    keys.emplace("remote_nets", net(other));
  }
  for (const auto& [key, value] : half.keys) keys[key] = value;
  std::erase_if(keys, [](const auto& entry) { return entry.second.size() == 2; });
  std::string text = fmt::format("[{}.far]\n", half.table);
  put(text, keys);
  for (const auto& [child, own] : half.children) {
    text += fmt::format("[{}.far.children.{}]\n", half.table, child);
    put(text, own);
  }
  return text;
}

void Trial::configure(Node& node, const Half& half, const Half& other, bool begins) {
  WordSource source;
  const std::string text = toml_of(node, half, begins);
  source.files.emplace(std::string{config::main_file}, text);
  source.secrets.emplace("@far", half.secret);
  const auto loaded = config::load(std::string{config::main_file}, source);
  if (!loaded) {
    std::string errors = text;
    for (const config::ConfigError& error : loaded.error()) errors += error.to_string() + "\n";
    throw std::runtime_error{errors};
  }
  node.peers = (*loaded)->peers;
  // What is wrong with the other's status counts for those alone who want to know it.
  const bool is_of_status = other.certificate.find("refuse=revocation") != std::string::npos;
  if (is_of_status && !half.keys.contains("revocation")) {
    node.peers.front().proof.revocation = pki::Revocation::if_present;
  }
  if (!half.certificate.empty()) certify(node.peers.front(), half.certificate);
}

void Trial::run() {
  if (setup_.has_traffic) {
    world_.flow(initiator(), responder(), std::chrono::milliseconds{200});
  }
  world_.run_for(
      std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(setup_.seconds)));
}

std::vector<const Failure*> Trial::failures(Node& node) const {
  if (!node.is_running()) return {};
  auto all = node.gateway().history().of(peer_name());
  for (const Failure* stranger : node.gateway().history().of({})) all.push_back(stranger);
  return all;
}

std::vector<Diagnosis> Trial::diagnoses(Node& node) const {
  if (!node.is_running()) return {};
  if (const Failure* const failure = node.gateway().history().current(peer_name())) {
    return {failure->diagnosis};
  }
  std::vector<Diagnosis> found;
  for (const Failure* stranger : node.gateway().history().of({})) {
    found.push_back(stranger->diagnosis);
  }
  if (!found.empty()) return found;
  return control::health_of(node.gateway(), peer_name(), world_.now());
}

std::string Trial::text(Node& node) const {
  const auto known = node.gateway().history().current(peer_name());
  const auto strangers = node.gateway().history().of({});
  if (known == nullptr && !strangers.empty()) {
    return cli::why_unknown_text(control::why_unknown_json(node.gateway(), world_.now()), {});
  }
  return cli::why_text(control::why_json(node.gateway(), peer_name(), world_.now()), {});
}

bool Trial::is_up() const {
  return a_->is_running() && b_->is_running() && a_->is_up() && b_->is_up();
}

bool Trial::is_up_soon() {
  return world_.run_until([&] { return is_up(); }, patience);
}

bool Trial::comes_up_with(const Fix& fix, Node& told) {
  Node& changed = fix.side == Side::ours ? told : &told == a_ ? *b_ : *a_;
  const bool is_a = &changed == a_;
  Half& half = is_a ? setup_.a : setup_.b;
  for (const Setting& setting : fix.settings) {
    const std::string below = half.table + ".far.children.";
    const bool is_child = setting.table.starts_with(below);
    Keys& keys = is_child ? half.children[setting.table.substr(below.size())] : half.keys;
    keys[setting.key] = setting.value;
  }
  configure(changed, half, is_a ? setup_.b : setup_.a, is_a == a_begins_);
  changed.reload();
  return is_up_soon();
}

bool Trial::comes_up_repaired() {
  if (setup_.fix_is_network) break_network(false);
  for (auto [node, half, other] :
       {std::tuple{a_, &setup_.a, &setup_.b}, std::tuple{b_, &setup_.b, &setup_.a}}) {
    const bool is_changed =
        !half->repair.empty() || !half->repair_secret.empty() || !half->repair_certificate.empty();
    for (const auto& [key, value] : half->repair) {
      if (key == "table") {
        half->table = value.substr(1, value.size() - 2);
      } else {
        half->keys[key] = value;
      }
    }
    if (!half->repair_secret.empty()) half->secret = half->repair_secret;
    if (!half->repair_certificate.empty()) half->certificate = half->repair_certificate;
    if (is_changed) configure(*node, *half, *other, (node == a_) == a_begins_);
    if (half->is_down) {
      half->is_down = false;
      node->start();
    } else if (is_changed) {
      node->reload();
    }
  }
  return is_up_soon();
}

}  // namespace caponier::explain::test

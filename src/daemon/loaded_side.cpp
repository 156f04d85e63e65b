#include "daemon/loaded_side.h"

#include <algorithm>

#include "swan/given_names.h"

namespace caponier::daemon {

namespace {

/// Names of connections that something is missing for.
std::set<std::string> lacking(const swan::Report& report,
                              const std::vector<swan::Connection>& connections) {
  std::set<std::string> names;
  for (const swan::Remark& remark : report.remarks()) {
    if (!remark.is_lack) continue;
    if (const auto* const connection = swan::find_in(connections, remark.path)) {
      names.insert(connection->name);
    }
  }
  return names;
}

constexpr std::string_view keys_are_lost =
    "the process that has our keys was started again, and the private keys and pre-shared keys "
    "that "
    "clients had loaded are gone; load them again (swanctl --load-creds): until then nobody is "
    "authenticated with them";

const config::PeerConfig* find_peer(const config::Config& config, const std::string& name) {
  const auto found = std::ranges::find(config.peers, name, &config::PeerConfig::name);
  return found == config.peers.end() ? nullptr : &*found;
}

}  // namespace

LoadedSide::LoadedSide(const pki::PkiProvider& pki, KeySide& keys)
    : assembly_(&pki, disk_),
      store_(assembly_, &pki),
      keys_(keys),
      held_store_(assembly_, store_, keys) {}

std::optional<base::Instant> LoadedSide::poll_deadline() const {
  const auto changes = store_.changes();
  if (held_store_.is_behind()) return base::Instant{};
  if (!changes) return std::nullopt;
  return std::min(changes->last + patience, changes->first + patience_max);
}

LoadedSide::Taken LoadedSide::take(const config::Config& before) {
  std::vector<std::string> remarks;
  if (held_store_.is_behind()) {
    held_store_.catch_up();
    remarks.emplace_back(keys_are_lost);
  }
  store_.forget_changes();
  const auto held = keys_.load();
  if (!held) return {nullptr, std::move(remarks)};
  const swan::Assembly::Made made = assembly_.make(&*held);
  std::ranges::move(new_remarks(made.report), std::back_inserter(remarks));
  Taken taken{made.config, std::move(remarks)};
  if (!made.config) return taken;
  auto kept = std::make_shared<config::Config>(*made.config);
  for (const std::string& name : lacking(made.report, assembly_.connections())) {
    const config::PeerConfig* const old = find_peer(before, name);
    if (old != nullptr && find_peer(*kept, name) == nullptr) kept->peers.push_back(*old);
  }
  std::ranges::sort(kept->peers, {}, &config::PeerConfig::name);
  taken.config = std::move(kept);
  return taken;
}

std::vector<std::string> LoadedSide::new_remarks(const swan::Report& report) {
  std::vector<std::string> fresh;
  std::set<std::string> all;
  for (const swan::Remark& remark : report.remarks()) {
    if (remark.gravity == swan::Gravity::note) continue;
    std::string text = remark.to_string();
    if (!all.insert(text).second) continue;
    if (!told_.contains(text)) fresh.push_back(std::move(text));
  }
  told_ = std::move(all);
  return fresh;
}

}  // namespace caponier::daemon

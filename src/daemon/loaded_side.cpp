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

const config::PeerConfig* find_peer(const config::Config& config, const std::string& name) {
  const auto found = std::ranges::find(config.peers, name, &config::PeerConfig::name);
  return found == config.peers.end() ? nullptr : &*found;
}

}  // namespace

LoadedSide::LoadedSide(const pki::PkiProvider& pki, const crypto::CryptoProvider& crypto)
    : assembly_(&pki, disk_), store_(assembly_, &pki), keyholder_(crypto) {}

std::optional<base::Instant> LoadedSide::poll_deadline() const {
  const auto changes = store_.changes();
  if (!changes) return std::nullopt;
  return std::min(changes->last + patience, changes->first + patience_max);
}

LoadedSide::Taken LoadedSide::take(const config::Config& before) {
  const swan::Assembly::Made made = assembly_.make(nullptr);
  store_.forget_changes();
  Taken taken{made.config, new_remarks(made.report)};
  if (!made.config) return taken;
  complete_ = made.config;
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

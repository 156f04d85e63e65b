#include "explain/fixes.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "config/edit.h"

namespace caponier::explain {

namespace {

std::string_view section_of(config::PeerKind kind) {
  switch (kind) {
    case config::PeerKind::site: return "site";
    case config::PeerKind::host: return "host";
    case config::PeerKind::server: return "server";
    case config::PeerKind::client: return "client";
  }
  return {};
}

/// What another product calls a key of ours.
struct Translation {
  std::string_view ours;
  std::string_view strongswan;  ///< swanctl.conf; empty: there is no such line
  std::string_view libreswan;   ///< ipsec.conf
};
constexpr std::array translations = {
    Translation{"ike", "connections.<name>.proposals", "ike"},
    Translation{"esp", "connections.<name>.children.<name>.esp_proposals", "esp"},
    Translation{"ah", "connections.<name>.children.<name>.ah_proposals", "ah"},
    Translation{"local_id", "connections.<name>.local.id", "leftid"},
    Translation{"remote_id", "connections.<name>.remote.id", "rightid"},
    Translation{"local_nets", "connections.<name>.children.<name>.local_ts", "leftsubnets"},
    Translation{"remote_nets", "connections.<name>.children.<name>.remote_ts", "rightsubnets"},
    Translation{"mode", "connections.<name>.children.<name>.mode", "type"},
    Translation{"auth", "connections.<name>.local.auth", "authby"},
    Translation{"remote_auth", "connections.<name>.remote.auth", "authby"},
    Translation{"encap", "connections.<name>.encap", "encapsulation"},
    Translation{"fragmentation", "connections.<name>.fragmentation", "fragmentation"},
    Translation{"unique", "connections.<name>.unique", ""},
};

/// ["a", "b"] and "a" as those products write lists and words.
std::string plain(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c != '"' && c != '[' && c != ']') text += c;
  }
  return text;
}

std::vector<std::string> lines_of(policy::Product product, const std::vector<Setting>& settings) {
  std::vector<std::string> lines;
  for (const Setting& setting : settings) {
    if (product == policy::Product::caponier) {
      lines.push_back(fmt::format("{} = {}", setting.key, setting.value));
      continue;
    }
    for (const Translation& one : translations) {
      if (one.ours != setting.key) continue;
      const std::string_view key = product == policy::Product::strongswan  ? one.strongswan
                                   : product == policy::Product::libreswan ? one.libreswan
                                                                           : std::string_view{};
      if (!key.empty()) lines.push_back(fmt::format("{} = {}", key, plain(setting.value)));
    }
  }
  return lines;
}

}  // namespace

std::string table_of(const config::PeerConfig& peer) {
  if (peer.kind == config::PeerKind::server) return "server";
  return fmt::format("{}.{}", section_of(peer.kind), peer.name);
}

std::string child_table_of(const config::PeerConfig& peer, std::string_view child) {
  const bool is_named = peer.children.size() > 1 && peer.find_child(child) != nullptr;
  return is_named ? fmt::format("{}.children.{}", table_of(peer), child) : table_of(peer);
}

Fix fix_ours(const Context& context, std::string sentence, std::vector<Setting> settings) {
  if (context.peer == nullptr) return {Side::ours, std::move(sentence), {}, {}};
  for (Setting& setting : settings) setting.table = table_of(*context.peer);
  return {Side::ours, std::move(sentence), std::move(settings), {}};
}

Fix fix_our_child(const Context& context, std::string_view child, std::string sentence,
                  std::vector<Setting> settings) {
  if (context.peer == nullptr) return {Side::ours, std::move(sentence), {}, {}};
  for (Setting& setting : settings) setting.table = child_table_of(*context.peer, child);
  return {Side::ours, std::move(sentence), std::move(settings), {}};
}

Fix fix_theirs(const policy::Evidence& seen, std::string sentence, std::vector<Setting> settings) {
  Fix fix{Side::theirs, std::move(sentence), std::move(settings), {}};
  fix.lines = lines_of(seen.product, fix.settings);
  return fix;
}

Fix fix_between(std::string sentence) { return {Side::between, std::move(sentence), {}, {}}; }

std::string toml(std::string_view text) { return config::toml_string(text); }

std::string toml_list(const std::vector<std::string>& items) { return config::toml_strings(items); }

std::vector<std::string> networks_of(const policy::TrafficSelectors& selectors) {
  std::vector<std::string> networks;
  for (const policy::TrafficSelector& selector : selectors) {
    if (selector.protocol != 0 || !selector.is_any_port()) return {};
    for (const base::Prefix& prefix : policy::prefixes_of(selector)) {
      networks.push_back(prefix.to_string());
    }
  }
  return networks;
}

}  // namespace caponier::explain

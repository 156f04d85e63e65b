// What each configuration in tests/interop/swanctl is in our language: a.toml and b.toml beside
// a.conf and b.conf, which config::load() accepts; else they say why there is none.

#include <gtest/gtest.h>

#include <algorithm>

#include "pki/openssl/provider.h"
#include "swan/source.h"
#include "unit/swan/authority.h"
#include "unit/swan/memory_files.h"
#include "unit/swan/swanctl_folder.h"

namespace caponier::swan {
namespace {

struct Translated {
  Document document;
  Report report;
  std::shared_ptr<const config::Config> config;
  std::string complaints;  ///< of config::load()
};

Translated translated(MemoryFiles files, const std::string& strongswan_conf = "") {
  static const pki::OpensslPki pki;
  Translated result;
  result.document = translate_folder({"/etc/swanctl", strongswan_conf}, files, &pki, result.report);
  TranslatedSource source{result.document, files, &pki, nullptr, Weak::taken};
  auto made = make_config(result.document, source);
  if (made) {
    result.config = *made;
  } else {
    for (const config::ConfigError& error : made.error()) {
      result.complaints += error.to_string() + "\n";
    }
  }
  return result;
}

MemoryFiles with_credentials(std::string_view text) {
  MemoryFiles files = files_of(text);
  add_credentials(files);
  return files;
}

Everything everything_in(const std::filesystem::path& path) {
  MemoryFiles files = files_of(content_of(path));
  const auto settings = load_settings(std::string{settings_file}, files);
  Report report;
  return settings ? read_swanctl(settings->root, report) : Everything{};
}

void expect_selectors(const policy::TrafficSelectors& ours,
                      const std::vector<Selector>& selectors) {
  policy::TrafficSelectors theirs;
  for (const Selector& selector : selectors) {
    if (selector.is_dynamic) return;
    theirs.push_back(selector.ts);
  }
  EXPECT_TRUE(policy::contains(ours, theirs) && policy::contains(theirs, ours));
}

void expect_same_child(const config::PeerConfig& peer, const config::ChildConfig& ours,
                       const Child& child) {
  if (child.ah.offers.empty()) {
    EXPECT_EQ(ours.esp, child.esp.offers);
  }
  EXPECT_EQ(ours.ah, child.ah.offers);
  if (peer.kind == config::PeerKind::site) {
    expect_selectors(ours.local.nets, child.local_ts);
    expect_selectors(ours.remote.nets, child.remote_ts);
  }
  if (child.times.rekey > base::Duration{}) {
    EXPECT_EQ(ours.lifetime.soft_time, child.times.rekey);
  }
  EXPECT_EQ(ours.start == config::Start::at_once, child.start_action.start);
}

/// What a peer of ours has of the connection it was made of: offers, networks, identities, times.
void expect_same_meaning(const config::Config& config, const Everything& all) {
  for (const Connection& connection : all.connections) {
    const auto peer = std::ranges::find(config.peers, connection.name, &config::PeerConfig::name);
    if (peer == config.peers.end()) continue;
    EXPECT_EQ(peer->ike, connection.proposals.offers);
    std::vector<const Child*> tunnels;
    for (const Child& child : connection.children) {
      if (child.mode != Mode::pass && child.mode != Mode::drop) tunnels.push_back(&child);
    }
    ASSERT_EQ(peer->children.size(), tunnels.size());
    for (std::size_t i = 0; i < tunnels.size(); ++i) {
      expect_same_child(*peer, peer->children[i], *tunnels[i]);
    }
    if (connection.rekey_time > base::Duration{}) {
      EXPECT_EQ(peer->ike_lifetime, connection.rekey_time);
    }
    if (connection.local.front().id.pattern) {
      ASSERT_TRUE(peer->local_id);
      EXPECT_TRUE(connection.local.front().id.pattern->matches(*peer->local_id));
    }
    if (connection.remote.front().id.pattern) {
      EXPECT_EQ(peer->remote_id, connection.remote.front().id.pattern);
    }
    EXPECT_EQ(peer->mobike, connection.mobike);
  }
}

class Translation : public testing::TestWithParam<std::string> {};

TEST_P(Translation, is_ours_and_means_the_same) {
  const std::filesystem::path path = swanctl_folder() / GetParam();
  const Translated result = translated(with_credentials(content_of(path)));
  // There are no tokens in a test.
  const bool has_token = GetParam().starts_with("49-tokens/a");
  if (!has_token) {
    EXPECT_EQ(result.complaints, "");
  }
  if (result.config) expect_same_meaning(*result.config, everything_in(path));
  std::string text = result.document.text();
  for (const Remark& remark : result.report.remarks()) {
    std::string words = remark.to_string();
    for (std::size_t at = 0; (at = words.find('\n', at)) != std::string::npos; at += 2) {
      words.replace(at, 1, "\n# ");
    }
    constexpr std::array<std::string_view, 3> grades{"note", "warning", "error"};
    text +=
        "# " + std::string{grades[static_cast<std::size_t>(remark.gravity)]} + ": " + words + "\n";
  }
  expect_stored(std::filesystem::path{path}.replace_extension(".toml"), text);
}

INSTANTIATE_TEST_SUITE_P(All, Translation, testing::ValuesIn(swanctl_files()), test_name);

}  // namespace
}  // namespace caponier::swan

// What becomes of single settings, beside the configurations in tests/interop/swanctl.

#include <gtest/gtest.h>

#include <algorithm>

#include "pki/openssl/provider.h"
#include "swan/source.h"
#include "unit/swan/authority.h"
#include "unit/swan/memory_files.h"

namespace caponier::swan {
namespace {

/// Texts stand for the section's own, which come first.
struct Parts {
  std::string connection;
  std::string local = "auth = psk\nid = a.example.org\n";
  std::string remote = "auth = psk\nid = b.example.org\n";
  std::string child = "local_ts = 10.1.0.0/16\nremote_ts = 10.2.0.0/16\n";
  std::string more;  ///< behind children
  std::string secrets = "ike { secret = mJ2vQe8sWbX4nTyR6uKd9cLzA5hGf3Po }\n";
  std::string around;  ///< behind connections
  std::string strongswan_conf;
};

struct Translated {
  std::string text;
  std::string words;  ///< of the report
  std::shared_ptr<const config::Config> config;
};

Translated translated(const Parts& parts) {
  static const pki::OpensslPki pki;
  const std::string addresses = parts.connection.find("remote_addrs") == std::string::npos
                                    ? "remote_addrs = 192.0.2.2\n"
                                    : "";
  MemoryFiles files = files_of(
      "connections {\n gw {\nversion = 2\n" + addresses + parts.connection + "local {\n" +
      parts.local + "}\nremote {\n" + parts.remote + "}\nchildren {\n net {\n" + parts.child +
      "}\n}\n" + parts.more + "}\n}\n" + parts.around + "secrets {\n" + parts.secrets + "}\n");
  add_credentials(files);
  std::string strongswan;
  if (!parts.strongswan_conf.empty()) {
    strongswan = "/etc/strongswan.conf";
    files.files.emplace(strongswan, parts.strongswan_conf);
  }
  Report report;
  const Document document = translate_folder({"/etc/swanctl", strongswan}, files, &pki, report);
  TranslatedSource source{document, files, &pki, nullptr, Weak::taken};
  Translated result{document.text(), {}, nullptr};
  for (const Remark& remark : report.remarks()) result.words += remark.to_string() + "\n";
  if (auto made = make_config(document, source)) {
    result.config = *made;
  } else {
    for (const config::ConfigError& error : made.error()) result.words += error.to_string() + "\n";
  }
  return result;
}

Parts with_child(const std::string& lines) {
  Parts parts;
  parts.child += lines;
  return parts;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(TranslateCases, a_script_is_run_as_it_is_written_and_strongswans_own_is_ours) {
  const auto updown_of = [](const std::string& value) {
    const Translated result = translated(with_child("updown = " + value + "\n"));
    return result.config ? result.config->peers.at(0).child().updown : result.words;
  };
  EXPECT_EQ(updown_of("/etc/scripts/up.sh one two"), "/etc/scripts/up.sh one two");
  EXPECT_EQ(updown_of("ipsec _updown iptables"), "/usr/libexec/caponier/updown iptables");
  EXPECT_EQ(updown_of("/usr/lib/ipsec/_updown"), "/usr/libexec/caponier/updown");
  EXPECT_EQ(updown_of("up.sh"), "");
  EXPECT_TRUE(has(translated(with_child("updown = up.sh\n")).words, "is not named by its path"));
}

TEST(TranslateCases, an_idle_tunnel_ends) {
  const Translated result = translated(with_child("inactivity = 5m\n"));
  ASSERT_NE(result.config, nullptr) << result.words;
  EXPECT_EQ(result.config->peers.at(0).child().inactivity, std::chrono::minutes{5});
}

TEST(TranslateCases, several_addresses_and_networks_are_the_peers) {
  Parts parts;
  parts.connection = "remote_addrs = b.example.org, 192.0.2.7, 198.51.100.0/24\n";
  const Translated result = translated(parts);
  ASSERT_NE(result.config, nullptr) << result.words;
  const config::PeerConfig& peer = result.config->peers.at(0);
  EXPECT_EQ(peer.remote, "b.example.org");
  ASSERT_EQ(peer.remote_more.size(), 1u);
  EXPECT_EQ(peer.remote_more.front().to_string(), "192.0.2.7");
  ASSERT_EQ(peer.remote_within.size(), 1u);
  EXPECT_EQ(peer.remote_within.front().to_string(), "198.51.100.0/24");
}

TEST(TranslateCases, a_peer_of_some_network_may_come_from_there_alone) {
  Parts parts;
  parts.connection = "remote_addrs = 198.51.100.0/24\n";
  const Translated result = translated(parts);
  ASSERT_NE(result.config, nullptr) << result.words;
  EXPECT_TRUE(result.config->peers.at(0).remote_any);
  EXPECT_EQ(result.config->peers.at(0).remote_within.size(), 1u);
}

TEST(TranslateCases, rounds_of_both_sides_follow_each_other) {
  Parts parts;
  parts.local = "auth = pubkey\ncerts = a.pem\nid = a.example.org\n";
  parts.remote = "auth = pubkey\ncacerts = ca.pem\nid = b.example.org\n";
  parts.more =
      "local-2 {\nround = 2\nauth = psk\nid = second.example.org\n}\n"
      "remote-2 {\nround = 2\nauth = psk\nid = other.example.org\n}\n";
  const Translated result = translated(parts);
  ASSERT_NE(result.config, nullptr) << result.words;
  const config::PeerConfig& peer = result.config->peers.at(0);
  ASSERT_EQ(peer.local_rounds.size(), 2u);
  EXPECT_EQ(peer.local_rounds[0].auth, config::Auth::pubkey);
  EXPECT_EQ(peer.local_rounds[1].auth, config::Auth::psk);
  EXPECT_EQ(peer.local_rounds[1].id, policy::Identity::parse("second.example.org"));
  EXPECT_NE(peer.local_rounds[1].psk, nullptr);
  ASSERT_EQ(peer.remote_rounds.size(), 2u);
  EXPECT_EQ(peer.remote_rounds[0].authorities.size(), 1u);
  EXPECT_EQ(peer.remote_rounds[1].auth, config::Auth::psk);
  ASSERT_TRUE(peer.remote_rounds[1].id);
  EXPECT_EQ(peer.remote_rounds[1].id->to_string(), "other.example.org");
}

TEST(TranslateCases, a_server_takes_machines_first_and_their_users_then) {
  Parts parts;
  parts.connection = "remote_addrs = %any\npools = p\n";
  parts.local = "auth = pubkey\ncerts = a.pem\nid = a.example.org\n";
  parts.remote = "auth = pubkey\ncacerts = ca.pem\n";
  parts.child = "local_ts = 10.1.0.0/16\n";
  parts.more = "remote-2 {\nround = 2\nauth = eap-mschapv2\neap_id = %any\n}\n";
  parts.around = "pools {\n p {\naddrs = 10.9.0.0/24\n}\n}\n";
  parts.secrets = "eap-alice {\nid = alice\nsecret = correct-horse-battery\n}\n";
  const Translated result = translated(parts);
  ASSERT_NE(result.config, nullptr) << result.words;
  const config::PeerConfig& server = result.config->peers.at(0);
  ASSERT_EQ(server.remote_rounds.size(), 2u) << result.text;
  EXPECT_EQ(server.remote_rounds[0].auth, config::Auth::pubkey);
  EXPECT_EQ(server.remote_rounds[1].auth, config::Auth::eap);
  EXPECT_EQ(result.config->users.size(), 1u);
}

TEST(TranslateCases, peers_with_keys_of_their_own_have_a_tunnel_each) {
  Parts parts;
  parts.connection = "remote_addrs = %any\n";
  parts.remote = "auth = psk\n";
  parts.child = "local_ts = 10.1.0.0/16\n";
  parts.secrets =
      "ike-1 {\nid = x.example.org\nsecret = mJ2vQe8sWbX4nTyR6uKd9cLzA5hGf3Po\n}\n"
      "ike-2 {\nid = y.example.org\nsecret = Qw8sWbX4nTyR6uKd9cLzA5hGf3PomJ2v\n}\n";
  const Translated result = translated(parts);
  ASSERT_NE(result.config, nullptr) << result.words;
  ASSERT_EQ(result.config->peers.size(), 2u);
  EXPECT_EQ(result.config->peers[0].remote_id->to_string(), "x.example.org");
  EXPECT_EQ(result.config->peers[1].remote_id->to_string(), "y.example.org");
  EXPECT_FALSE(base::equal_constant_time(result.config->peers[0].psk->reveal(),
                                         result.config->peers[1].psk->reveal()));
  EXPECT_TRUE(has(result.words, "becomes 2 tunnels"));
  // Of one network of all of them only one could have it.
  parts.child += "remote_ts = 10.2.0.0/16\n";
  EXPECT_TRUE(has(translated(parts).words, "several pre-shared keys suit peers"));
}

TEST(TranslateCases, what_strongswan_has_for_all_each_tunnel_has_for_itself) {
  Parts parts;
  parts.strongswan_conf = "charon {\nkeep_alive = 45s\nfragment_size = 1400\n}\n";
  const Translated result = translated(parts);
  ASSERT_NE(result.config, nullptr) << result.words;
  EXPECT_EQ(result.config->peers.at(0).keepalive, std::chrono::seconds{45});
  EXPECT_EQ(result.config->peers.at(0).exchange.fragment_size, 1400);
  EXPECT_EQ(result.words, "");
}

TEST(TranslateCases, strongswans_log_file_is_written_on) {
  Parts parts;
  parts.strongswan_conf =
      "charon {\nfilelog {\ncharon {\npath = /var/log/charon.log\ntime_format = %b %e %T\n"
      "default = 1\n}\nstderr {\nike = 2\n}\n}\n}\n";
  const Translated result = translated(parts);
  ASSERT_NE(result.config, nullptr) << result.words;
  EXPECT_EQ(result.config->daemon.filelog, "/var/log/charon.log");
  EXPECT_EQ(result.config->daemon.filelog_time, "%b %e %T");
  EXPECT_TRUE(has(result.words, "in the log of the daemon"));
  // As old files have it; without a form of the time there is none.
  parts.strongswan_conf = "charon {\nfilelog {\n/var/log/old {\nappend = no\n}\n}\n}\n";
  const Translated old = translated(parts);
  ASSERT_NE(old.config, nullptr) << old.words;
  EXPECT_EQ(old.config->daemon.filelog, "/var/log/old");
  EXPECT_EQ(old.config->daemon.filelog_time, "");
  EXPECT_TRUE(has(old.words, "never emptied"));
}

}  // namespace
}  // namespace caponier::swan

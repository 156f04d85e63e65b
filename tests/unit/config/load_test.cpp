// What good configurations mean.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

using base::IpAddress;
using base::Prefix;
using policy::Identity;

//= rfc4301#4.5.3-1 type=test
TEST(ConfigLoad, the_minimal_site_takes_every_default) {
  const auto config = loaded(site_with(""));
  ASSERT_NE(config, nullptr);
  ASSERT_EQ(config->peers.size(), 1U);
  const PeerConfig& peer = config->peers[0];
  EXPECT_EQ(peer.name, "branch");
  EXPECT_EQ(peer.kind, PeerKind::site);
  EXPECT_EQ(peer.where, (Place{"caponier.toml", 1, 1}));
  EXPECT_EQ(peer.remote, "203.0.113.9");
  EXPECT_EQ(peer.remote_address, IpAddress::parse("203.0.113.9"));
  EXPECT_FALSE(peer.remote_any);
  EXPECT_EQ(peer.remote_port, 500);
  EXPECT_FALSE(peer.local);
  EXPECT_FALSE(peer.local_id);
  EXPECT_FALSE(peer.remote_id);
  EXPECT_EQ(peer.local_nets(), std::vector{*Prefix::parse("10.1.0.0/16")});
  EXPECT_EQ(peer.remote_nets(), std::vector{*Prefix::parse("10.2.0.0/16")});
  EXPECT_EQ(peer.ike, policy::default_ike_offers());
  EXPECT_EQ(peer.child().esp, policy::default_esp_offers());
  EXPECT_EQ(peer.encap, Encap::automatic);
  EXPECT_EQ(peer.child().start, Start::at_once);
  EXPECT_EQ(peer.dpd, std::chrono::seconds{30});
  EXPECT_EQ(peer.keepalive, std::chrono::seconds{20});
  EXPECT_TRUE(peer.mobike);
  EXPECT_EQ(peer.child().lifetime.soft_time, std::chrono::hours{1});
  EXPECT_EQ(peer.child().replay_window, 4096U);
  EXPECT_EQ(peer.tcp, Tcp::fallback);
  EXPECT_EQ(peer.retry_min, std::chrono::seconds{1});
  EXPECT_EQ(peer.retry_max, std::chrono::minutes{1});
  EXPECT_EQ(config->daemon.ike_port, 500);
  EXPECT_EQ(config->daemon.natt_port, 4500);
  EXPECT_EQ(config->daemon.tcp_ports, std::vector<std::uint16_t>{4500});
  EXPECT_EQ(config->daemon.tun, "caponier%d");
  EXPECT_EQ(config->daemon.mtu, 0U);
  EXPECT_FALSE(config->daemon.allow_key_export);
}

TEST(ConfigLoad, the_minimal_host_is_known_by_its_name) {
  const auto config = loaded(host_with("# ports = [\"tcp/5432\"]\n"));
  ASSERT_NE(config, nullptr);
  const PeerConfig& peer = config->peers.at(0);
  EXPECT_EQ(peer.kind, PeerKind::host);
  EXPECT_FALSE(peer.remote_address);
  EXPECT_FALSE(peer.remote_id);
  EXPECT_TRUE(peer.child().ports.empty());
}

TEST(ConfigLoad, when_tcp_is_used_and_how_often_is_tried_are_taken) {
  const auto config =
      loaded(site_with("tcp = \"always\"\nretry_min = \"5s\"\nretry_max = \"1d\"\n"
                       "[daemon]\ntcp_ports = [4500, 443]\n"));
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->peers.at(0).tcp, Tcp::always);
  EXPECT_EQ(config->peers.at(0).retry_min, std::chrono::seconds{5});
  EXPECT_EQ(config->peers.at(0).retry_max, std::chrono::days{1});
  EXPECT_EQ(config->daemon.tcp_ports, (std::vector<std::uint16_t>{4500, 443}));
  const auto silent = loaded(site_with("tcp = \"never\"\n[daemon]\ntcp_ports = []\n"));
  ASSERT_NE(silent, nullptr);
  EXPECT_TRUE(silent->daemon.tcp_ports.empty());
}

//= rfc4301#4.4.3.1-3 type=test
TEST(ConfigLoad, a_remote_id_may_name_several) {
  const auto remote_id = [](std::string_view text) {
    const auto config = loaded(site_with(fmt::format("remote_id = \"{}\"\n", text)));
    return config == nullptr ? std::string{} : config->peers.at(0).remote_id->to_string();
  };
  EXPECT_EQ(remote_id("*.example.org"), "*.example.org");
  EXPECT_EQ(remote_id("*@example.org"), "*@example.org");
  EXPECT_EQ(remote_id("192.0.2.0/30"), "192.0.2.0-192.0.2.3");
  EXPECT_EQ(remote_id("2001:db8::1-2001:db8::9"), "2001:db8::1-2001:db8::9");
  EXPECT_EQ(remote_id("my-host/1"), "my-host/1");
  EXPECT_EQ(remote_id("192.0.2.7"), "192.0.2.7");
}

//= rfc7296#3.3.4-4 type=test
TEST(ConfigLoad, every_key_of_a_peer_is_taken) {
  const auto config =
      loaded(site_with("local = \"198.51.100.1\"\n"
                       "local_id = \"gw.example.org\"\n"
                       "remote_id = \"alice@example.org\"\n"
                       "remote_port = 1500\n"
                       "ike = [\"aes256gcm16-prfsha384-x25519\", \"aes256-sha256-modp2048\"]\n"
                       "esp = [\"aes128gcm16\"]\n"
                       "encap = \"always\"\n"
                       "start = false\n"
                       "dpd = \"5m\"\n"
                       "keepalive = \"15s\"\n"
                       "mobike = false\n"
                       "lifetime = \"1d\"\n"
                       "lifetime_bytes = \"2G\"\n"
                       "lifetime_packets = 5000\n"
                       "ike_lifetime = \"2d\"\n"
                       "reauth = \"3d\"\n"
                       "auth_lifetime = \"4d\"\n"
                       "replay_window = 0\n"));
  ASSERT_NE(config, nullptr);
  const PeerConfig& peer = config->peers.at(0);
  EXPECT_EQ(peer.local, IpAddress::parse("198.51.100.1"));
  EXPECT_EQ(peer.local_id, Identity::parse("gw.example.org"));
  EXPECT_EQ(peer.remote_id, Identity::parse("alice@example.org"));
  EXPECT_EQ(peer.remote_port, 1500);
  EXPECT_EQ(peer.ike.size(), 2U);
  EXPECT_EQ(peer.child().esp.size(), 1U);
  EXPECT_EQ(peer.encap, Encap::always);
  EXPECT_EQ(peer.child().start, Start::on_command);
  EXPECT_EQ(peer.dpd, std::chrono::minutes{5});
  EXPECT_EQ(peer.keepalive, std::chrono::seconds{15});
  EXPECT_FALSE(peer.mobike);
  EXPECT_EQ(peer.child().lifetime.soft_time, std::chrono::days{1});
  EXPECT_EQ(peer.child().lifetime.soft_bytes, std::uint64_t{2} << 30);
  EXPECT_EQ(peer.child().lifetime.soft_packets, 5000U);
  EXPECT_EQ(peer.ike_lifetime, std::chrono::days{2});
  EXPECT_EQ(peer.reauth, std::chrono::days{3});
  EXPECT_EQ(peer.auth_lifetime, std::chrono::days{4});
  EXPECT_EQ(peer.child().replay_window, 0U);
}

TEST(ConfigLoad, daemon_and_debug_are_taken) {
  const auto config = loaded(
      "[daemon]\n"
      "listen = [\"198.51.100.1\", \"2001:db8::1\"]\n"
      "ike_port = 1500\n"
      "natt_port = 14500\n"
      "window = 4\n"
      "tun = \"vpn0\"\n"
      "mtu = 1400\n"
      "[debug]\n"
      "allow_key_export = true\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->daemon.listen.size(), 2U);
  EXPECT_EQ(config->daemon.ike_port, 1500);
  EXPECT_EQ(config->daemon.natt_port, 14500);
  EXPECT_EQ(config->daemon.window, 4U);
  EXPECT_EQ(config->daemon.tun, "vpn0");
  EXPECT_EQ(config->daemon.mtu, 1400U);
  EXPECT_TRUE(config->daemon.allow_key_export);
}

TEST(ConfigLoad, ports_of_a_host_become_rules) {
  const auto config =
      loaded(host_with("ports = [\"tcp/5432\", \"udp/1000-2000\", \"sctp\", \"icmp\"]\n"));
  ASSERT_NE(config, nullptr);
  const std::vector<PortRule> expected = {
      {6, 5432, 5432}, {17, 1000, 2000}, {132, 0, 0xffff}, {1, 0, 0xffff}};
  EXPECT_EQ(config->peers.at(0).child().ports, expected);
}

TEST(ConfigLoad, a_peer_from_anywhere_only_answers_and_has_no_identity_of_its_own) {
  const auto config = loaded(
      "[host.any]\n"
      "remote = \"any\"\n"
      "psk = \"@branch\"\n");
  ASSERT_NE(config, nullptr);
  EXPECT_TRUE(config->peers.at(0).remote_any);
  EXPECT_FALSE(config->peers.at(0).remote_id);
  EXPECT_EQ(config->peers.at(0).child().start, Start::on_command);
}

//= rfc4301#4.4.3.3-1 type=test
TEST(ConfigLoad, bare_addresses_and_ipv6_networks_are_networks) {
  const auto config = loaded(
      "[site.six]\n"
      "remote = \"2001:db8::9\"\n"
      "psk = \"@branch\"\n"
      "local_nets = [\"10.1.0.5\", \"2001:db8:1::/48\"]\n"
      "remote_nets = [\"10.2.0.0/16\", \"2001:db8:2::/48\"]\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->peers.at(0).local_nets().at(0), Prefix::parse("10.1.0.5/32"));
  EXPECT_FALSE(config->peers.at(0).remote_id);
}

TEST(ConfigLoad, an_empty_configuration_is_a_configuration) {
  const auto config = loaded("");
  ASSERT_NE(config, nullptr);
  EXPECT_TRUE(config->peers.empty());
}

TEST(ConfigLoad, dotted_keys_and_inline_tables_are_the_same_as_headers) {
  const auto config = loaded(
      "debug.allow_key_export = true\n"
      "host.db1 = { remote = \"192.0.2.7\", psk = \"@branch\" }\n");
  ASSERT_NE(config, nullptr);
  EXPECT_TRUE(config->daemon.allow_key_export);
  EXPECT_EQ(config->peers.at(0).name, "db1");
}

TEST(ConfigLoad, fragments_add_peers_and_peers_are_ordered_by_name) {
  MemorySource source = source_of(site_with(""));
  source.files.emplace("conf.d/10-zebra.toml",
                       "[host.zebra]\nremote = \"192.0.2.1\"\npsk = \"@branch\"\n");
  source.files.emplace("conf.d/20-antelope.toml",
                       "[host.antelope]\nremote = \"192.0.2.2\"\npsk = \"cred:antelope\"\n");
  source.secrets["cred:antelope"] = "9f86d081884c7d659a2feaa0c55ad015";
  const auto config = loaded(std::move(source));
  ASSERT_NE(config, nullptr);
  ASSERT_EQ(config->peers.size(), 3U);
  EXPECT_EQ(config->peers[0].name, "antelope");
  EXPECT_EQ(config->peers[0].where.file, "conf.d/20-antelope.toml");
  EXPECT_EQ(config->peers[1].name, "branch");
  EXPECT_EQ(config->peers[2].name, "zebra");
}

TEST(ConfigLoad, the_newline_at_the_end_of_a_secret_is_not_part_of_it) {
  for (const std::string_view end : {"", "\n", "\r\n", "\n\n"}) {
    MemorySource source = source_of(site_with(""));
    source.secrets["@branch"] = std::string{strong_secret} + std::string{end};
    const auto config = loaded(std::move(source));
    ASSERT_NE(config, nullptr);
    EXPECT_EQ(base::as_text(config->peers.at(0).psk->reveal()), strong_secret);
  }
}

TEST(ConfigLoad, nul_and_newline_inside_a_secret_stay) {
  const std::string secret = std::string{strong_secret} + '\0' + "\nQ7#";
  MemorySource source = source_of(site_with(""));
  source.secrets["@branch"] = secret + "\n";
  const auto config = loaded(std::move(source));
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(base::as_text(config->peers.at(0).psk->reveal()), secret);
}

//= rfc7296#2.15-2 type=test
TEST(ConfigLoad, an_ascii_secret_of_any_sensible_length_is_taken_octet_by_octet) {
  for (const std::size_t size : {std::size_t{64}, std::size_t{200}}) {
    std::string secret;
    while (secret.size() < size) secret += strong_secret;
    secret.resize(size);
    MemorySource source = source_of(site_with(""));
    source.secrets["@branch"] = secret;
    const auto config = loaded(std::move(source));
    ASSERT_NE(config, nullptr);
    EXPECT_EQ(base::as_text(config->peers.at(0).psk->reveal()), secret) << "no NUL at the end";
  }
}

//= rfc7296#2.15-3 type=test
TEST(ConfigLoad, a_secret_in_hexadecimal_stands_for_its_octets) {
  MemorySource source = source_of(site_with(""));
  source.secrets["@branch"] = "0x9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c\n";
  const auto config = loaded(std::move(source));
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(base::to_hex(config->peers.at(0).psk->reveal()),
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c");
}

TEST(ConfigLoad, a_secret_that_only_begins_like_hexadecimal_is_refused_without_being_shown) {
  for (const std::string_view digits : {"", "9f86d", "9f86zz81884c7d659a2feaa0c55ad015"}) {
    MemorySource source = source_of(site_with(""));
    source.secrets["@branch"] = "0x" + std::string{digits};
    const std::string said = complaints(source);
    EXPECT_NE(said.find("is not hexadecimal"), std::string::npos) << said;
    EXPECT_EQ(said.find("9f86"), std::string::npos);
  }
}

TEST(ConfigLoad, a_secret_that_two_peers_share_is_read_once) {
  MemorySource source =
      source_of(site_with("[host.db1]\nremote = \"192.0.2.1\"\n"
                          "psk = \"@branch\"\n"));
  const auto config = load(std::string{main_file}, source);
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(source.secret_reads, 1U);
  EXPECT_EQ((*config)->peers[0].psk, (*config)->peers[1].psk);
}

TEST(ConfigLoad, sites_may_share_remote_networks_for_different_local_ones) {
  EXPECT_EQ(complaints("[site.a]\nremote = \"192.0.2.1\"\npsk = \"@branch\"\n"
                       "local_nets = [\"10.1.0.0/24\"]\nremote_nets = [\"10.2.0.0/16\"]\n"
                       "[site.b]\nremote = \"192.0.2.2\"\npsk = \"@branch\"\n"
                       "local_nets = [\"10.1.1.0/24\"]\nremote_nets = [\"10.2.0.0/16\"]\n"),
            "loaded\n");
}

TEST(ConfigLoad, peers_at_one_address_are_told_apart_by_their_identities) {
  EXPECT_EQ(complaints("[host.a]\nremote = \"any\"\npsk = \"@branch\"\nremote_id = \"a\"\n"
                       "[host.b]\nremote = \"any\"\npsk = \"@branch\"\nremote_id = \"b\"\n"),
            "loaded\n");
}

TEST(ConfigDiffers, nothing_has_changed_when_a_file_moves_lines) {
  const auto before = loaded(site_with(""));
  const auto after = loaded("# a new comment\n\n" + site_with("dpd = \"30s\"\n"));
  const ConfigDiff changes = diff(*before, *after);
  EXPECT_TRUE(changes.added.empty());
  EXPECT_TRUE(changes.changed.empty());
  EXPECT_TRUE(changes.removed.empty());
  EXPECT_FALSE(changes.daemon_changed);
}

TEST(ConfigDiffers, added_changed_and_removed_peers_are_named_in_order) {
  const auto peer = [](std::string_view name, std::string_view address) {
    return "[host." + std::string{name} + "]\nremote = \"" + std::string{address} +
           "\"\npsk = \"@branch\"\n";
  };
  const auto before =
      loaded(peer("b", "192.0.2.2") + peer("c", "192.0.2.3") + peer("d", "192.0.2.4"));
  const auto after = loaded(peer("e", "192.0.2.5") + peer("a", "192.0.2.1") +
                            peer("c", "192.0.2.33") + peer("d", "192.0.2.4"));
  const ConfigDiff changes = diff(*before, *after);
  EXPECT_EQ(changes.added, (std::vector<std::string>{"a", "e"}));
  EXPECT_EQ(changes.changed, std::vector<std::string>{"c"});
  EXPECT_EQ(changes.removed, std::vector<std::string>{"b"});
}

TEST(ConfigDiffers, every_key_changes_the_tunnel) {
  const auto before = loaded(site_with(""));
  for (const std::string_view line :
       {"local = \"198.51.100.1\"", "local_id = \"a\"", "remote_id = \"b\"", "remote_port = 501",
        "ike = [\"aes256gcm16-prfsha384-x25519\"]", "esp = [\"aes256gcm16\"]", "encap = \"always\"",
        "start = false", "dpd = \"31s\"", "keepalive = \"21s\"", "mobike = false",
        "encap = \"never\"", "lifetime = \"2h\"", "lifetime_bytes = \"1G\"",
        "lifetime_packets = 1000", "ike_lifetime = \"1h\"", "reauth = \"1d\"",
        "auth_lifetime = \"1d\"", "replay_window = 64"}) {
    const auto after = loaded(site_with(line));
    ASSERT_NE(after, nullptr) << line;
    EXPECT_FALSE(before->peers[0].same_tunnel(after->peers[0])) << line;
  }
}

TEST(ConfigDiffers, a_new_secret_in_the_same_file_changes_the_tunnel) {
  const auto before = loaded(site_with(""));
  MemorySource source = source_of(site_with(""));
  source.secrets["@branch"] = "QdEaKiOyUfWtSx4Zk3vQ0mY8s1RrT6uXw9bNc2LhJ5o=";
  const auto after = loaded(std::move(source));
  EXPECT_EQ(diff(*before, *after).changed, std::vector<std::string>{"branch"});
}

TEST(ConfigDiffers, the_daemon_needs_a_restart_for_sockets_but_not_for_key_export) {
  const auto before = loaded("");
  EXPECT_TRUE(diff(*before, *loaded("[daemon]\nike_port = 501\n")).daemon_changed);
  EXPECT_TRUE(diff(*before, *loaded("[daemon]\nmtu = 1400\n")).daemon_changed);
  EXPECT_FALSE(diff(*before, *loaded("[debug]\nallow_key_export = true\n")).daemon_changed);
}

}  // namespace
}  // namespace caponier::config

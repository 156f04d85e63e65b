#include "swan/ipsec_conf.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "swan/connection.h"
#include "unit/swan/memory_files.h"

namespace caponier::swan {
namespace {

constexpr std::string_view ipsec_file = "/etc/ipsec.conf";

struct Read {
  Section root;
  Everything all;
  Report report;
  std::string words;  ///< everything that is said
};

Read read(MemoryFiles files) {
  Read result;
  const auto file = load_ipsec_conf(std::string{ipsec_file}, files);
  if (!file) {
    for (const config::ConfigError& error : file.error()) result.words += error.to_string() + "\n";
    return result;
  }
  result.root = swanctl_of(*file, detect_dialect(*file), {{*base::IpAddress::parse("192.0.2.1")}},
                           result.report);
  result.root.sections.push_back(load_ipsec_secrets("/etc/ipsec.secrets", files, result.report));
  offer_ike2(result.root, result.report);
  result.all = read_swanctl(result.root, result.report);
  for (const Remark& remark : result.report.remarks()) result.words += remark.to_string() + "\n";
  return result;
}

Read read(std::string_view text) {
  MemoryFiles files;
  files.files.emplace(ipsec_file, text);
  return read(files);
}

std::string shown_conn(std::string_view text) {
  const Read result = read(text);
  const Section* const connections = result.root.find_section("connections");
  return connections == nullptr ? "" : shown(*connections);
}

Dialect dialect_of(std::string_view text) {
  MemoryFiles files;
  files.files.emplace(ipsec_file, text);
  return detect_dialect(*load_ipsec_conf(std::string{ipsec_file}, files));
}

constexpr std::string_view strongswan_conn =
    "config setup\n"
    "  uniqueids=no\n"
    "conn %default\n"
    "  keyexchange=ikev2\n"
    "  ike=aes256-sha256-modp2048!\n"
    "  esp=aes256gcm16!\n"
    "conn base\n"
    "  auto=ignore\n"
    "  leftauth=psk\n"
    "  rightauth=psk\n"
    "conn office\n"
    "  also=base\n"
    "  left=192.0.2.1   # here\n"
    "  leftid=@a.example.org\n"
    "  leftsubnet=10.1.0.0/16\n"
    "  right=192.0.2.2\n"
    "  rightid=\"@b.example.org\"\n"
    "  rightsubnet=10.2.0.0/16,10.3.0.0/16\n"
    "  dpdaction=restart\n"
    "  auto=start\n";

TEST(IpsecConf, a_conn_of_strongswan_becomes_a_connection) {
  EXPECT_EQ(
      shown_conn(strongswan_conn),
      "office{version=2;local_addrs=192.0.2.1;remote_addrs=192.0.2.2;dpd_delay=30s;unique=no;"
      "rekey_time=0s;reauth_time=10260s;over_time=540s;rand_time=540s;"
      "proposals=aes256-sha256-modp2048;"
      "local{auth=psk;id=@a.example.org;}remote{auth=psk;id=@b.example.org;}"
      "children{office{local_ts=10.1.0.0/16;remote_ts=10.2.0.0/16,10.3.0.0/16;start_action=start;"
      "dpd_action=start;rekey_time=3060s;life_time=3600s;rand_time=540s;"
      "esp_proposals=aes256gcm16;}}}");
}

TEST(IpsecConf, what_is_read_has_no_mistakes_and_knows_its_places) {
  const Read result = read(strongswan_conn);
  ASSERT_EQ(result.all.connections.size(), 1u);
  EXPECT_EQ(result.report.error_count(), 0u) << result.words;
  EXPECT_EQ(result.root.find_section("connections")
                ->find_section("office")
                ->find("remote_addrs")
                ->where.to_string(),
            "/etc/ipsec.conf:16:3");
}

TEST(IpsecConf, an_ignored_conn_is_only_there_for_others) {
  EXPECT_NE(read(strongswan_conn).words.find("conn base: auto: is never loaded"),
            std::string::npos);
}

TEST(IpsecConf, without_an_exclamation_mark_strongswan_takes_its_own_proposals_too) {
  EXPECT_NE(shown_conn("conn a\n  ike=aes256-sha256-modp2048\n  leftauth=psk\n")
                .find("proposals=aes256-sha256-modp2048,default;"),
            std::string::npos);
}

TEST(IpsecConf, the_side_that_is_here_is_local) {
  const std::string text = shown_conn(
      "conn a\n  left=192.0.2.2\n  right=192.0.2.1\n  rightid=@here\n  leftid=@there\n"
      "  authby=secret\n");
  EXPECT_NE(text.find("local_addrs=192.0.2.1;remote_addrs=192.0.2.2"), std::string::npos) << text;
  EXPECT_NE(text.find("local{auth=psk;id=@here;}"), std::string::npos) << text;
}

TEST(IpsecConf, the_two_dialects_are_told_apart) {
  EXPECT_EQ(dialect_of(strongswan_conn), Dialect::strongswan);
  EXPECT_EQ(dialect_of("config setup\n  virtual-private=%v4:10.0.0.0/8\n"), Dialect::libreswan);
  EXPECT_EQ(dialect_of("conn a\n  ike=aes256-sha2_512;dh14\n  auto=ondemand\n"),
            Dialect::libreswan);
  EXPECT_EQ(dialect_of("ca x\n  cacert=ca.pem\n"), Dialect::strongswan);
}

constexpr std::string_view libreswan_conn =
    "config setup\n"
    "    protostack=netkey\n"
    "conn office\n"
    "    ikev2=insist\n"
    "    authby=secret\n"
    "    left=%defaultroute\n"
    "    leftid=@a.example.org\n"
    "    leftsubnets={10.1.0.0/24 10.1.1.0/24}\n"
    "    right=192.0.2.2\n"
    "    rightid=@b.example.org\n"
    "    rightsubnet=10.2.0.0/16\n"
    "    ike=aes256-sha2_512+sha2_256;dh14,aes_gcm256-sha2;dh31\n"
    "    esp=aes_gcm256-null,aes128-sha2_256\n"
    "    auto=ondemand\n"
    "    dpddelay=10\n"
    "    nic-offload=no\n";

TEST(IpsecConf, a_conn_of_libreswan_becomes_a_connection) {
  EXPECT_EQ(shown_conn(libreswan_conn),
            "office{version=2;local_addrs=%any;remote_addrs=192.0.2.2;dpd_delay=10;mobike=no;"
            "unique=replace;rekey_time=28260s;over_time=540s;rand_time=540s;"
            "proposals=aes256-sha512-sha256-modp2048,aes256gcm16-prfsha256-x25519;"
            "local{auth=psk;id=@a.example.org;}remote{auth=psk;id=@b.example.org;}"
            "children{office{local_ts=10.1.0.0/24,10.1.1.0/24;remote_ts=10.2.0.0/16;"
            "start_action=trap;rekey_time=28260s;life_time=28800s;rand_time=540s;"
            "esp_proposals=aes256gcm16-esn-noesn,aes128-sha256-esn-noesn;}}}");
  EXPECT_EQ(read(libreswan_conn).report.error_count(), 0u) << read(libreswan_conn).words;
}

TEST(IpsecConf, certificates_of_nss_are_to_be_exported) {
  const Read result = read(
      "conn a\n  ikev2=insist\n  authby=rsasig\n  left=192.0.2.1\n  right=192.0.2.2\n"
      "  leftcert=gw\n  leftrsasigkey=%cert\n  rightrsasigkey=%cert\n");
  EXPECT_NE(result.words.find("pk12util -o gw.p12 -n gw"), std::string::npos) << result.words;
}

TEST(IpsecConf, what_is_for_ikev1_alone_is_offered_with_ikev2) {
  const Read result =
      read("conn a\n  keyexchange=ikev1\n  left=192.0.2.1\n  right=192.0.2.2\n  authby=xauthpsk\n");
  ASSERT_EQ(result.all.connections.size(), 1u) << result.words;
  EXPECT_EQ(result.all.connections[0].version, 2u);
  EXPECT_EQ(result.all.connections[0].local.size(), 1u);
  EXPECT_NE(result.words.find("is for IKEv1, which is obsolete"), std::string::npos);
  EXPECT_NE(result.words.find("XAuth is left out"), std::string::npos);
}

TEST(IpsecConf, users_and_their_addresses_become_pools) {
  const Read result = read(
      "conn users\n  leftauth=pubkey\n  leftcert=gw.pem\n  right=%any\n  rightauth=eap-mschapv2\n"
      "  rightsourceip=10.9.0.0/24\n  rightdns=10.1.0.53\n  eap_identity=%identity\n  auto=add\n");
  ASSERT_EQ(result.all.pools.size(), 1u) << result.words;
  EXPECT_EQ(result.all.connections[0].pools, std::vector<std::string>{"users"});
  EXPECT_EQ(result.all.connections[0].remote[0].eap_id, "%any");
  EXPECT_EQ(result.all.pools[0].attributes[0].values, std::vector<std::string>{"10.1.0.53"});
}

TEST(IpsecConf, protocols_and_ports_narrow_the_selectors) {
  const std::string text = shown_conn(
      "conn a\n  leftauth=psk\n  leftprotoport=17/1701\n  rightprotoport=udp/%any\n"
      "  rightsubnet=10.2.0.0/16\n  type=transport\n");
  EXPECT_NE(text.find("local_ts=dynamic[17/1701];remote_ts=10.2.0.0/16[udp];"), std::string::npos)
      << text;
}

TEST(IpsecConf, an_unknown_key_is_told_with_the_one_that_was_meant) {
  const Read result = read("conn a\n  leftauth=psk\n  rightsubnt=10.2.0.0/16\n");
  EXPECT_NE(result.words.find("conn a: rightsubnt: is not understood\n  fix: did you mean "
                              "'rightsubnet'?"),
            std::string::npos)
      << result.words;
}

TEST(IpsecConf, a_firewall_is_opened_by_the_script_unless_another_one_is_named) {
  const std::string conn = "conn gw\n left=192.0.2.1\n right=192.0.2.2\n";
  const auto child_of = [&](const std::string& lines) {
    return read(conn + lines).all.connections.at(0).children.at(0);
  };
  EXPECT_EQ(child_of(" leftfirewall=yes\n lefthostaccess=yes\n").updown, "ipsec _updown iptables");
  EXPECT_TRUE(child_of(" leftfirewall=yes\n lefthostaccess=yes\n").hostaccess);
  EXPECT_EQ(child_of(" leftfirewall=yes\n leftupdown=/etc/up\n").updown, "/etc/up");
  EXPECT_EQ(child_of(" leftfirewall=no\n rightfirewall=yes\n").updown, "");
}

TEST(IpsecConf, every_mistake_is_told_at_once) {
  EXPECT_EQ(read("left=1\nconn a\n  also=none\n  what\nfoo bar\n").words,
            "/etc/ipsec.conf:1:1: 'left' stands outside any section\n"
            "  fix: indent it with a blank, below its conn\n"
            "/etc/ipsec.conf:3:3: there is no conn 'none'\n"
            "  fix: write the name of another conn behind also=\n"
            "/etc/ipsec.conf:4:3: 'what' is no parameter\n"
            "  fix: write key=value\n"
            "/etc/ipsec.conf:5:1: 'foo bar' opens no section\n"
            "  fix: write conn NAME, config setup or include FILE\n");
}

// fuzz_swan_ipsec: the list of names lay in what the first of them made grow.
TEST(IpsecConf, a_second_name_behind_also_is_read_after_the_first_has_brought_much) {
  std::string text = "conn a\n  also=b\n  also=c\n  left=1.2.3.4\nconn b\n  leftid=gw.example\n";
  for (int i = 0; i < 40; ++i) text += fmt::format("  key{}=value\n", i);
  text += "conn c\n  right=5.6.7.8\n";
  const std::string all = shown_conn(text);
  const std::string conn = all.substr(0, all.find("b{"));
  EXPECT_NE(conn.find("gw.example"), std::string::npos) << conn;
  EXPECT_NE(conn.find("5.6.7.8"), std::string::npos) << conn;
}

TEST(IpsecConf, conns_that_name_each_other_end) {
  const std::string text = shown_conn("conn a\n  also=b\n  left=1.2.3.4\nconn b\n  also=a\n");
  EXPECT_NE(text.find("a{"), std::string::npos);
}

TEST(IpsecConf, files_may_include_files) {
  MemoryFiles files;
  files.files.emplace(ipsec_file, "include ipsec.d/*.conf\n");
  files.files.emplace("/etc/ipsec.d/a.conf", "conn a\n  leftauth=psk\n");
  EXPECT_NE(read(files).root.find_section("connections"), nullptr);
}

TEST(IpsecSecrets, each_kind_is_read_with_its_owners) {
  MemoryFiles files;
  files.files.emplace("/etc/ipsec.secrets",
                      "# comment\n"
                      "192.0.2.1 @b.example.org : PSK \"with blanks # here\"\n"
                      ": RSA gw.key \"passphrase\"\n"
                      "alice : EAP 0x616263\n"
                      "include more.secrets\n"
                      ": RSA {\n  Modulus: 0x00\n  }\n"
                      "no secret\n");
  files.files.emplace("/etc/more.secrets", ": PSK 0sYWJj\n");
  Report report;
  Section root;
  root.sections.push_back(load_ipsec_secrets("/etc/ipsec.secrets", files, report));
  const Everything all = read_swanctl(root, report);
  ASSERT_EQ(all.secrets.size(), 4u);
  EXPECT_EQ(base::as_text(all.secrets[0].value->reveal()), "with blanks # here");
  EXPECT_EQ(all.secrets[0].owners.size(), 2u);
  EXPECT_EQ(all.secrets[1].file, "gw.key");
  EXPECT_EQ(base::as_text(all.secrets[2].value->reveal()), "abc");
  EXPECT_EQ(base::as_text(all.secrets[3].value->reveal()), "abc");
  ASSERT_EQ(report.remarks().size(), 1u);
  EXPECT_EQ(report.remarks()[0].where.line, 9u);
}

TEST(LibreswanProposals, are_said_in_strongswans_words) {
  EXPECT_EQ(libreswan_proposals("aes256-sha2_512+sha2_256;dh19"), "aes256-sha512-sha256-ecp256");
  EXPECT_EQ(libreswan_proposals("aes_gcm256-null"), "aes256gcm16");
  EXPECT_EQ(libreswan_proposals("aes-sha1;modp2048, 3des-md5"),
            "aes256-aes128-sha1-modp2048,3des-md5");
}

}  // namespace
}  // namespace caponier::swan

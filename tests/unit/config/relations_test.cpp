// Networks, peers, fragments and secrets that do not go together.

#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

/// A site of five lines: remote in 2, psk in 3, local_nets in 4, remote_nets in 5.
std::string site(std::string_view name, std::string_view remote, std::string_view local_nets,
                 std::string_view remote_nets) {
  return "[site." + std::string{name} + "]\nremote = \"" + std::string{remote} +
         "\"\npsk = \"@branch\"\nlocal_nets = [" + std::string{local_nets} + "]\nremote_nets = [" +
         std::string{remote_nets} + "]\n";
}

std::string nets(std::string_view local_nets, std::string_view remote_nets) {
  return complaints(site("a", "192.0.2.1", local_nets, remote_nets));
}

TEST(ConfigNets, broken_networks_are_met_with_the_right_ones) {
  EXPECT_EQ(nets("\"10.1.2.3/16\"", "\"10.2.0.0/16\""),
            "caponier.toml:4:15: local_nets: '10.1.2.3/16' has bits set behind its prefix length\n"
            "  fix: write \"10.1.0.0/16\"\n");
  EXPECT_EQ(nets("\"2001:db8:1::1/48\"", "\"2001:db8:2::/48\""),
            "caponier.toml:4:15: local_nets: '2001:db8:1::1/48' has bits set behind its prefix "
            "length\n  fix: write \"2001:db8:1::/48\"\n");
  EXPECT_EQ(nets("\"10.1.0.0/16\"", "\"10.2.0.0/16\", \"10.3.0.0/33\""),
            "caponier.toml:5:31: remote_nets: '10.3.0.0/33' has no valid prefix length\n"
            "  fix: write a length from 0 to 32 behind the slash\n");
  EXPECT_EQ(nets("\"office\"", "\"10.2.0.0/16\""),
            "caponier.toml:4:15: local_nets: 'office' is not an address or a network\n"
            "  fix: write a network such as 10.1.0.0/16 or 2001:db8:1::/48\n");
  EXPECT_EQ(nets("", "\"10.2.0.0/16\""),
            "caponier.toml:4:14: local_nets: the list is empty\n"
            "  fix: write for example local_nets = [\"10.1.0.0/16\"]\n");
}

TEST(ConfigNets, a_list_may_not_overlap_itself) {
  EXPECT_EQ(nets("\"10.1.0.0/16\", \"10.1.5.0/24\"", "\"10.2.0.0/16\""),
            "caponier.toml:4:30: local_nets: 10.1.5.0/24 overlaps 10.1.0.0/16 at "
            "caponier.toml:4:15\n  fix: remove 10.1.5.0/24, which the other contains\n");
  EXPECT_EQ(nets("\"10.1.0.0/16\"", "\"10.2.5.0/24\", \"10.2.0.0/16\""),
            "caponier.toml:5:31: remote_nets: 10.2.0.0/16 overlaps 10.2.5.0/24 at "
            "caponier.toml:5:16\n  fix: remove 10.2.5.0/24, which the other contains\n");
  EXPECT_EQ(nets("\"10.1.0.0/16\"", "\"10.2.0.0/16\", \"10.2.0.0/16\""),
            "caponier.toml:5:31: remote_nets: '10.2.0.0/16' is already listed at "
            "caponier.toml:5:16\n  fix: remove one of the two\n");
}

TEST(ConfigNets, local_and_remote_networks_may_not_overlap) {
  EXPECT_EQ(nets("\"10.1.0.0/16\"", "\"10.0.0.0/8\""),
            "caponier.toml:5:16: remote_nets: 10.0.0.0/8 overlaps local_nets 10.1.0.0/16 at "
            "caponier.toml:4:15\n  fix: an address can be on one side only: narrow one of the two "
            "networks\n");
}

TEST(ConfigNets, a_family_needs_its_counterpart) {
  EXPECT_EQ(nets("\"10.1.0.0/16\"", "\"10.2.0.0/16\", \"2001:db8:2::/48\""),
            "caponier.toml:5:31: remote_nets: 2001:db8:2::/48 is IPv6, but local_nets holds no "
            "IPv6 network\n  fix: add an IPv6 network to local_nets, or remove this one\n");
  EXPECT_EQ(nets("\"10.1.0.0/16\"", "\"2001:db8:2::/48\""),
            "caponier.toml:4:15: local_nets: 10.1.0.0/16 is IPv4, but remote_nets holds no IPv4 "
            "network\n  fix: add an IPv4 network to remote_nets, or remove this one\n"
            "caponier.toml:5:16: remote_nets: 2001:db8:2::/48 is IPv6, but local_nets holds no "
            "IPv6 network\n  fix: add an IPv6 network to local_nets, or remove this one\n");
}

TEST(ConfigNets, two_sites_may_not_claim_the_same_remote_network) {
  EXPECT_EQ(
      complaints(site("a", "192.0.2.1", "\"10.1.0.0/16\"", "\"10.2.5.0/24\"") +
                 site("b", "192.0.2.2", "\"10.1.0.0/16\"", "\"10.9.0.0/16\", \"10.2.0.0/16\"")),
      "caponier.toml:10:31: remote_nets: 10.2.0.0/16 overlaps 10.2.5.0/24 of site 'a' at "
      "caponier.toml:5:16, for the same local_nets\n"
      "  fix: let only one site have these addresses behind it\n");
  EXPECT_EQ(complaints(site("a", "192.0.2.1", "\"10.1.0.0/16\"", "\"10.2.0.0/16\"") +
                       site("b", "192.0.2.2", "\"10.1.0.0/24\"", "\"10.2.5.0/24\"")),
            "caponier.toml:10:16: remote_nets: 10.2.5.0/24 overlaps 10.2.0.0/16 of site 'a' at "
            "caponier.toml:5:16, for the same local_nets\n"
            "  fix: let only one site have these addresses behind it\n");
}

TEST(ConfigNets, a_small_mtu_and_ipv6_do_not_go_together) {
  EXPECT_EQ(complaints("[daemon]\nmtu = 1279\n" +
                       site("a", "192.0.2.1", "\"2001:db8:1::/48\"", "\"2001:db8:2::/48\"")),
            "caponier.toml:2:7: mtu: 1279 is too small for IPv6, which 2001:db8:1::/48 at "
            "caponier.toml:6:15 needs\n  fix: write 1280 or more, or leave mtu out\n");
  EXPECT_EQ(complaints("[daemon]\nmtu = 576\n" +
                       site("a", "192.0.2.1", "\"10.1.0.0/16\"", "\"10.2.0.0/16\"")),
            "loaded\n");
}

TEST(ConfigPeers, two_peers_at_one_remote_need_different_identities) {
  EXPECT_EQ(complaints("[host.a]\nremote = \"192.0.2.1\"\npsk = \"@branch\"\n"
                       "[host.b]\nremote = \"192.0.2.1\"\npsk = \"@branch\"\n"),
            "caponier.toml:5:10: remote: '192.0.2.1' is also the remote of 'a' at "
            "caponier.toml:2:10, with the same identities\n  fix: give one of them its own "
            "remote_id, or put their networks into one section\n");
  EXPECT_EQ(complaints("[host.a]\nremote = \"GW.example.org\"\npsk = \"@branch\"\n"
                       "[host.b]\nremote = \"gw.example.org.\"\npsk = \"@branch\"\n"),
            "caponier.toml:5:10: remote: 'gw.example.org.' is also the remote of 'a' at "
            "caponier.toml:2:10, with the same identities\n  fix: give one of them its own "
            "remote_id, or put their networks into one section\n");
  EXPECT_EQ(complaints("[host.a]\nremote = \"192.0.2.1\"\npsk = \"@branch\"\n"
                       "[host.b]\nremote = \"192.0.2.1\"\npsk = \"@branch\"\n"
                       "remote_id = \"other\"\n"),
            "loaded\n");
}

TEST(ConfigPeers, sites_and_hosts_share_their_names) {
  EXPECT_EQ(complaints(site("db", "192.0.2.1", "\"10.1.0.0/16\"", "\"10.2.0.0/16\"") +
                       "[host.db]\nremote = \"192.0.2.9\"\npsk = \"@branch\"\n"),
            "caponier.toml:6:1: the name of [host.db] is taken by the peer at caponier.toml:1:1\n"
            "  fix: sites, hosts and clients share their names, and [server] has \"users\": rename "
            "one of "
            "them\n");
}

TEST(ConfigFragments, a_table_in_two_files_is_an_error_that_names_both) {
  MemorySource source = source_of("[daemon]\nmtu = 1400\n\n" + host_with(""));
  source.files.emplace("conf.d/a.toml",
                       "\n[host.db1]\nremote = \"192.0.2.1\"\npsk = \"@branch\"\n");
  source.files.emplace("conf.d/b.toml", "[daemon]\nmtu = 1400\n");
  EXPECT_EQ(complaints(source),
            "conf.d/a.toml:2:1: [host.db1] is already defined at caponier.toml:4:1\n"
            "  fix: keep one of the two, or rename one\n"
            "conf.d/b.toml:1:1: [daemon] is already defined at caponier.toml:1:1\n"
            "  fix: keep one of the two, or rename one\n");
}

TEST(ConfigFragments, a_conflict_between_files_names_both) {
  MemorySource source = source_of(site("a", "192.0.2.1", "\"10.1.0.0/16\"", "\"10.2.0.0/16\""));
  source.files.emplace("conf.d/b.toml",
                       site("b", "192.0.2.2", "\"10.1.0.0/16\"", "\"10.2.0.0/16\""));
  EXPECT_EQ(complaints(source),
            "conf.d/b.toml:5:16: remote_nets: 10.2.0.0/16 overlaps 10.2.0.0/16 of site 'a' at "
            "caponier.toml:5:16, for the same local_nets\n"
            "  fix: let only one site have these addresses behind it\n");
}

TEST(ConfigFragments, files_that_cannot_be_read_are_errors) {
  MemorySource source = source_of("");
  source.files.emplace("conf.d/a.toml", "");
  source.broken.emplace("conf.d/a.toml", FileError{"Permission denied", "run it as root"});
  source.broken.emplace("caponier.toml", FileError{"No such file or directory", ""});
  EXPECT_EQ(complaints(source),
            "caponier.toml: cannot read the configuration: No such file or directory\n"
            "  fix: check that the file exists and may be read\n"
            "conf.d/a.toml: cannot read the configuration: Permission denied\n"
            "  fix: run it as root\n");
}

TEST(ConfigSecrets, references_must_not_leave_their_folder) {
  for (const std::string_view text :
       {"@", "cred:", "@../x", "@..", "@.hidden", "@a/b", "cred:a b"}) {
    EXPECT_EQ(complaints("[host.a]\nremote = \"192.0.2.1\"\npsk = \"" + std::string{text} + "\"\n"),
              "caponier.toml:3:7: psk: the secret's name holds characters that are not allowed\n"
              "  fix: use 1 to 64 of A-Z a-z 0-9 . _ - and no dot in front\n")
        << text;
  }
}

TEST(ConfigSecrets, a_literal_secret_is_refused_and_not_repeated) {
  EXPECT_EQ(complaints("[host.a]\nremote = \"192.0.2.1\"\npsk = \"hunter2\"\n"),
            "caponier.toml:3:7: psk: a secret must not stand in this file\n"
            "  fix: write it to the file secrets/a (mode 0600) beside the configuration and refer "
            "to it: psk = \"@a\"\n");
}

TEST(ConfigSecrets, secrets_that_cannot_be_read_say_why_wherever_they_are_used) {
  MemorySource source = source_of(
      "[host.a]\nremote = \"192.0.2.1\"\npsk = \"@missing\"\n"
      "[host.b]\nremote = \"192.0.2.2\"\npsk = \"@open\"\n"
      "[host.c]\nremote = \"192.0.2.3\"\npsk = \"@open\"\n");
  source.broken.emplace("@open",
                        FileError{"readable by others (mode 0644)", "chmod 600 secrets/open"});
  EXPECT_EQ(complaints(source),
            "caponier.toml:3:7: psk: cannot read secret '@missing': No such file or directory\n"
            "  fix: the file must exist with mode 0600; `openssl rand -base64 32 > FILE` makes a "
            "secret\n"
            "caponier.toml:6:7: psk: cannot read secret '@open': readable by others (mode 0644)\n"
            "  fix: chmod 600 secrets/open\n"
            "caponier.toml:9:7: psk: cannot read secret '@open': readable by others (mode 0644)\n"
            "  fix: chmod 600 secrets/open\n");
  EXPECT_EQ(source.secret_reads, 2U);
}

TEST(ConfigSecrets, empty_and_weak_secrets_are_refused_without_being_shown) {
  const auto with_secret = [](std::string secret) {
    MemorySource source = source_of(host_with(""));
    source.secrets["@branch"] = std::move(secret);
    return complaints(source);
  };
  const std::string fix =
      "\n  fix: make a new one with `openssl rand -base64 32 > FILE` and give the same to the "
      "peer\n";
  EXPECT_EQ(with_secret("\n"), "caponier.toml:3:7: psk: secret '@branch' is empty" + fix);
  EXPECT_EQ(with_secret("hunter2\n"),
            "caponier.toml:3:7: psk: secret '@branch' is weak: about 36 bits of entropy, 128 are "
            "needed" +
                fix);
  EXPECT_EQ(with_secret(std::string(4097, 'x')),
            "caponier.toml:3:7: psk: secret '@branch' has 4097 bytes, more than 4096" + fix);
}

}  // namespace
}  // namespace caponier::config

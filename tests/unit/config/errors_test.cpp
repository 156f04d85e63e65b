// Every mistake in a file, its place and its cure, as people see them.

#include "config/errors.h"

#include <array>

#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

struct Case {
  std::string_view text;      ///< what is written
  std::string_view expected;  ///< what is printed behind the file and, where fixed, the line
};

void expect_each(std::initializer_list<Case> cases, std::string_view before, std::string_view start,
                 std::string_view after) {
  for (const Case& c : cases) {
    const std::string text = std::string{before} + std::string{c.text} + std::string{after};
    EXPECT_EQ(complaints(text), std::string{start} + std::string{c.expected} + "\n") << c.text;
  }
}

/// What a site with one more line, the sixth, earns.
void expect_site(std::initializer_list<Case> cases) {
  expect_each(cases, site_with(""), "caponier.toml:6:", "\n");
}

/// What a host with one more line, the fourth, earns.
void expect_host(std::initializer_list<Case> cases) {
  expect_each(cases, host_with(""), "caponier.toml:4:", "\n");
}

/// What a host whose remote, in line 2, is `text` earns.
void expect_remote(std::initializer_list<Case> cases) {
  expect_each(cases, "[host.a]\nremote = \"",
              "caponier.toml:2:10: remote: ", "\"\npsk = \"@branch\"\n");
}

/// What a whole file earns.
void expect_file(std::initializer_list<Case> cases) {
  expect_each(cases, "", "caponier.toml:", "");
}

TEST(ConfigErrors, unknown_keys_are_met_with_the_nearest_known_one) {
  expect_site({
      {"remot = 1", "1: unknown key 'remot' in [site.branch]\n  fix: did you mean 'remote'?"},
      {"lcoal = 1", "1: unknown key 'lcoal' in [site.branch]\n  fix: did you mean 'local'?"},
      {"secret = 1", "1: unknown key 'secret' in [site.branch]\n  fix: did you mean 'psk'?"},
      {"  rightsubnet = 1",
       "3: unknown key 'rightsubnet' in [site.branch]\n  fix: did you mean 'remote_nets'?"},
      {"wibble = 1",
       "1: unknown key 'wibble' in [site.branch]\n  fix: the keys here are remote, psk, cert, "
       "key, key_passphrase, ca, crl, revocation, hash_and_url, cert_url, peer_key, local, "
       "local_id, remote_id, "
       "remote_port, ike, esp, ah, compat, encap, tcp, start, pfp, "
       "per_cpu_sas, dpd, keepalive, lifetime, lifetime_bytes, lifetime_packets, ike_lifetime, "
       "reauth, "
       "auth_lifetime, "
       "replay_window, retry_min, retry_max, fragmentation, fragment_size, "
       "auth, remote_auth, local_rounds, remote_rounds, peer, childless, unique, redirect, "
       "redirect_to, resumption, "
       "crash_detection, mtu, fragment, clamp_mss, df, dscp, dscp_inward, ecn, ttl, flow_label, "
       "tfc_padding, dummy_packets, updown, hostaccess, inactivity, local_nets, remote_nets, "
       "mobike, mode, after_close, "
       "after_loss and children"},
      {"ports = [\"tcp/1\"]",
       "1: unknown key 'ports' in [site.branch]\n  fix: only [host.NAME] narrows to ports: "
       "remove it"},
  });
  expect_host({
      {"local_nets = []",
       "1: unknown key 'local_nets' in [host.db1]\n  fix: a host tunnel has no networks: remove "
       "it, or write [site.NAME]"},
  });
  expect_file({
      {"[daemon]\nport = 5",
       "2:1: unknown key 'port' in [daemon]\n  fix: did you mean 'ike_port'?"},
      {"[debug]\nallow_key_exprt = true",
       "2:1: unknown key 'allow_key_exprt' in [debug]\n  fix: did you mean 'allow_key_export'?"},
  });
}

TEST(ConfigErrors, a_misspelt_required_key_is_one_mistake) {
  expect_file({{"[host.a]\nremot = \"192.0.2.1\"\npsk = \"@branch\"\n",
                "2:1: unknown key 'remot' in [host.a]\n  fix: did you mean 'remote'?"}});
}

TEST(ConfigErrors, unknown_sections_and_loose_keys_are_refused) {
  expect_file({
      {"[sit.a]", "1:2: unknown section [sit]\n  fix: did you mean 'site'?"},
      {"\n[wibble]\nname = \"x\"",
       "2:2: unknown section [wibble]\n  fix: the sections are [site.NAME], [host.NAME], "
       "[client.NAME], [server], [group.NAME], [[policy]], [daemon] and [debug]"},
      {"remote = \"x\"",
       "1:1: key 'remote' stands outside any section\n  fix: put it below a header such as "
       "[site.NAME]"},
      {"[site]\nremote = \"x\"",
       "2:1: 'remote' in [site]: expected a table, got a string\n  fix: each peer has its own "
       "table: [site.NAME]"},
      {"site = 5",
       "1:8: site: expected a table, got an integer\n  fix: write it as a header: "
       "[site.NAME]"},
      {"daemon = [1]",
       "1:10: daemon: expected a table, got an array\n  fix: write it as a header: [daemon]"},
      {"[[host.a]]",
       "1:8: 'a' in [host]: expected a table, got an array\n  fix: each peer has its own table: "
       "[host.NAME]"},
  });
}

TEST(ConfigErrors, a_wrong_type_says_what_was_expected) {
  expect_site({
      {"local = 5",
       "9: local: expected a string, got an integer\n  fix: write for example local = "
       "\"198.51.100.1\""},
      {"remote_port = \"500\"",
       "15: remote_port: expected an integer, got a string\n  fix: leave out the quotes: "
       "remote_port = 500"},
      {"remote_port = 1.5",
       "15: remote_port: expected an integer, got a decimal number\n  fix: write for example "
       "remote_port = 500"},
      {"start = \"true\"",
       "9: start: expected a boolean, got a string\n  fix: leave out the quotes: start = true"},
      {"start = 1",
       "9: start: expected a boolean, got an integer\n  fix: write for example start = true"},
      {"ike = \"aes256gcm16-prfsha384-x25519\"",
       "7: ike: expected an array, got a string\n  fix: put it in brackets: ike = "
       "[\"aes256gcm16-prfsha384-x25519\"]"},
      {"ike = [5]",
       "8: ike: expected a list of strings, got an integer in it\n  fix: write for example ike = "
       "[\"aes256gcm16-prfsha384-x25519\"]"},
      {"dpd = 1979-05-27",
       "7: dpd: expected a string, got a date or time\n  fix: write for "
       "example dpd = \"30s\""},
      {"encap = {}",
       "9: encap: expected a string, got a table\n  fix: write for example encap = \"auto\""},
  });
}

TEST(ConfigErrors, toml_syntax_errors_keep_their_place) {
  expect_file({
      {"a = \n",
       "1:5: TOML syntax: key-value pair: expected value, saw the end of the line\n  "
       "fix: put the value in quotes: key = \"value\""},
      {"[daemon]\nmtu = 1\nmtu = 2",
       "3:7: TOML syntax: key-value pair: cannot redefine existing integer 'mtu'\n  fix: keep one "
       "of the two definitions"},
      {"[host.a]\n[host.a]",
       "2:1: TOML syntax: table header: cannot redefine existing table 'host.a'\n  fix: keep one "
       "of the two definitions"},
      {"[daemon\n",
       "1:8: TOML syntax: table header: expected ']', saw the end of the line\n  fix: "
       "close the header with ]"},
      {"[debug]\nallow_key_export = True",
       "2:20: TOML syntax: boolean: expected 'true', saw 'T'\n  fix: write true or false, in lower "
       "case and without quotes"},
      {"a: 1", "1:2: TOML syntax: key-value pair: expected '=', saw ':'\n  fix: write key = value"},
      {"# \xc3\xa4\n# \xc3\xa4 \xf6",
       "2:5: TOML syntax: the file is not UTF-8 from here on\n  fix: "
       "save the file as UTF-8"},
      {"\xed\xa0\x80",
       "1:1: TOML syntax: the file is not UTF-8 from here on\n  fix: save the file "
       "as UTF-8"},
      {"[site.stra\xc3\x9f\x65]",
       "1:11: TOML syntax: a character beyond ASCII outside of quotes\n  "
       "fix: put the text in quotes, or remove the character"},
      {"[daemon]\ntun = \"\"\"x\n\"\"\"",
       "2:7: TOML syntax: strings of many lines are not used here\n  "
       "fix: write the value on one line: key = \"value\""},
  });
}

TEST(ConfigErrors, a_syntax_error_beside_a_secret_does_not_repeat_it) {
  expect_file({{"[host.a]\npsk = 99999999999999999999999\n",
                "2:30: TOML syntax: this line, which is about a secret, is not valid\n  fix: write "
                "a smaller number, or put the value in quotes"}});
}

TEST(ConfigErrors, endless_dotted_keys_are_refused_before_they_are_parsed) {
  std::string key = "a";
  for (int i = 0; i < 200000; ++i) key += ".a";
  const std::string expected =
      "TOML syntax: a dotted key with more than 16 parts\n  fix: sections are [site.NAME]; no key "
      "needs more than three parts\n";
  EXPECT_EQ(complaints(key + " = 1"), "caponier.toml:1:32: " + expected);
  EXPECT_EQ(complaints("\n[" + key + "]"), "caponier.toml:2:33: " + expected);
  for (const std::string_view before :
       {"x = {b = \"\\\"\", ", "x = {b = '\"', ", "x = [ # \"\n{", "x = {\"b\".'c' = '', "}) {
    EXPECT_NE(complaints(std::string{before} + key + " = 1}").find(expected), std::string::npos)
        << before;
  }
  EXPECT_EQ(complaints("# ....................................\n"
                       "debug.allow_key_export = true # ...........................\n"
                       "[daemon]\ntun = \"a............b\"\n"),
            "loaded\n");
}

TEST(ConfigErrors, comments_and_strings_may_hold_any_text) {
  EXPECT_EQ(complaints("\xef\xbb\xbf# \xc3\xa4 \"\"\" '''\n" +
                       host_with("local_id = \"\xc3\xa4@example.org\"\n")),
            "loaded\n");
}

TEST(ConfigErrors, a_huge_file_is_refused) {
  EXPECT_EQ(complaints(std::string((1U << 20) + 1, '#')),
            "caponier.toml: the file has 1048577 bytes, more than 1048576\n  fix: spread the "
            "configuration over files below conf.d\n");
}

TEST(ConfigErrors, missing_keys_are_reported_at_the_header) {
  expect_file({
      {"\n  [site.a]",
       "2:3: [site.a] lacks 'remote'\n  fix: add for example remote = \"203.0.113.9\"\n"
       "caponier.toml:2:3: [site.a] lacks 'psk'\n  fix: add for example psk = \"@a\"\n"
       "caponier.toml:2:3: [site.a] lacks 'local_nets'\n  fix: add for example local_nets = "
       "[\"10.1.0.0/16\"]\n"
       "caponier.toml:2:3: [site.a] lacks 'remote_nets'\n  fix: add for example remote_nets = "
       "[\"10.2.0.0/16\"]"},
      {"[host.a]\nremote = \"any\"",
       "1:1: [host.a] lacks 'psk'\n  fix: add for example psk = \"@a\""},
  });
}

TEST(ConfigErrors, bad_names_of_peers_are_refused) {
  const std::string peer = "]\nremote = \"192.0.2.1\"\npsk = \"@branch\"\n";
  const std::string fix = " is not a name for a peer\n  fix: use 1 to 64 of A-Z a-z 0-9 . _ -\n";
  EXPECT_EQ(complaints("[host.\"a b\"" + peer), "caponier.toml:1:7: 'a b'" + fix);
  EXPECT_EQ(complaints("[host.\"\"" + peer), "caponier.toml:1:7: ''" + fix);
  EXPECT_EQ(complaints("[host.\"\\u001b\"" + peer), "caponier.toml:1:7: '\\x1b'" + fix);
  EXPECT_EQ(complaints("[host." + std::string(65, 'x') + peer),
            "caponier.toml:1:7: '" + std::string(65, 'x') + "'" + fix);
  EXPECT_EQ(complaints("[host." + std::string(64, 'x') + peer), "loaded\n");
}

TEST(ConfigErrors, remotes_that_are_no_remotes_are_refused) {
  expect_remote({
      {"203.0.113.300",
       "'203.0.113.300' is not an IP address\n  fix: write an address such as "
       "203.0.113.9 or 2001:db8::9"},
      {"2001:db8::z",
       "'2001:db8::z' is not an IP address\n  fix: write an address such as "
       "203.0.113.9 or 2001:db8::9"},
      {"203.0.113.9/24",
       "'203.0.113.9/24' is a network, not an address\n  fix: write "
       "\"203.0.113.9\""},
      {"203.0.113.9:500",
       "'203.0.113.9:500' holds a port\n  fix: write \"203.0.113.9\" and put "
       "the port into remote_port"},
      {"[2001:db8::1]:500",
       "'[2001:db8::1]:500' holds a port\n  fix: write \"2001:db8::1\" and "
       "put the port into remote_port"},
      {"gw.example.org:500",
       "'gw.example.org:500' holds a port\n  fix: write \"gw.example.org\" "
       "and put the port into remote_port"},
      {"0.0.0.0",
       "'0.0.0.0' is not the address of a peer\n  fix: write \"any\" to answer whoever "
       "knows the secret"},
      {"%any",
       "'%any' is not the address of a peer\n  fix: write \"any\" to answer whoever knows "
       "the secret"},
      {"224.0.0.5",
       "'224.0.0.5' is a multicast or reserved address\n  fix: write the host's own "
       "address"},
      {"a..b",
       "'a..b' is neither an address nor a DNS name\n  fix: write an address, a name such "
       "as gw.example.org, or \"any\""},
      {"",
       "'' is neither an address nor a DNS name\n  fix: write an address, a name such as "
       "gw.example.org, or \"any\""},
      {"-x.example",
       "'-x.example' is neither an address nor a DNS name\n  fix: write an address, "
       "a name such as gw.example.org, or \"any\""},
  });
}

TEST(ConfigErrors, our_own_address_must_be_ours_and_fit_the_remote) {
  expect_site({
      {"local = \"frog\"",
       "9: local: 'frog' is not an IP address\n  fix: write an address such as "
       "203.0.113.9 or 2001:db8::9"},
      {"local = \"::\"", "9: local: '::' stands for no host\n  fix: write the host's address"},
      {"local = \"203.0.113.9\"",
       "9: local: 203.0.113.9 is also the remote, at caponier.toml:2:10\n  fix: local is our own "
       "address, remote the peer's"},
      {"local = \"2001:db8::1\"",
       "9: local: 2001:db8::1 is IPv6, the remote 203.0.113.9 is IPv4\n  fix: write an IPv4 "
       "address of ours"},
      {"local = \"198.51.100.1\"\n[daemon]\nlisten = [\"198.51.100.2\"]",
       "9: local: 198.51.100.1 is not among the listen addresses at caponier.toml:8:11\n  fix: add "
       "\"198.51.100.1\" to listen in [daemon]"},
  });
}

TEST(ConfigErrors, identities_must_not_be_empty_or_broken) {
  expect_site({
      {"local_id = \"\"",
       "12: local_id: the identity is empty\n  fix: write an address, a name, user@host or "
       "keyid:HEX, or leave the key out"},
      {"remote_id = \"keyid:xyz\"",
       "13: remote_id: 'keyid:xyz' holds no hexadecimal bytes\n  fix: write an even number of "
       "digits 0-9 and a-f behind keyid:"},
      {"remote_id = \"gw*.example.org\"",
       "13: remote_id: 'gw*.example.org' is no group of names\n  fix: write *.example.org, "
       "*@example.org, or one whole name"},
      {"remote_id = \"*.\"",
       "13: remote_id: '*.' is no group of names\n  fix: write *.example.org, *@example.org, or "
       "one whole name"},
  });
}

//= rfc7296#3.3.4-4 type=test
TEST(ConfigErrors, algorithms_are_judged_by_policy) {
  expect_site({
      {"ike = [\"aes256gcm17-prfsha384-x25519\"]",
       "8: ike: 'aes256gcm17' is not a known algorithm\n  fix: did you mean 'aes256gcm16'?"},
      {"ike = [\"aes256gcm16-prfsha384\"]",
       "8: ike: the key exchange is missing\n  fix: add 'x25519'"},
      {"esp = [\"aes256gcm16\", \"aes256gcm16-sha256\"]",
       "23: esp: 'aes256gcm16' brings its own integrity\n  fix: leave out 'sha256'"},
      {"esp = [\"aes256\"]", "8: esp: 'aes256' needs an integrity algorithm\n  fix: add 'sha256'"},
      {"esp = [\"aes256gcm16\", \"aes256gcm16\"]",
       "23: esp: 'aes256gcm16' is already listed at caponier.toml:6:8\n  fix: remove one of the "
       "two"},
      {"ike = []",
       "7: ike: the list is empty\n  fix: write for example ike = "
       "[\"aes256gcm16-prfsha384-x25519\"], or leave the key out"},
  });
}

TEST(ConfigErrors, durations_need_units_and_sense) {
  expect_site({
      {"dpd = 30",
       "7: dpd: expected a string, got an integer\n  fix: add a unit: dpd = \"30s\" "
       "for seconds, \"30m\" for minutes"},
      {"dpd = \"30\"",
       "7: dpd: '30' has no unit\n  fix: write \"30s\" for seconds, \"30m\" for minutes"},
      {"dpd = \"30x\"",
       "7: dpd: '30x' is not a duration\n  fix: write a number and a unit, such "
       "as 30s, 5m, 1h or 1d"},
      {"dpd = \"-5s\"",
       "7: dpd: '-5s' is not a duration\n  fix: write a number and a unit, such "
       "as 30s, 5m, 1h or 1d"},
      {"dpd = \"0s\"", "7: dpd: '0s' is outside 1s to 1d\n  fix: write for example \"30s\""},
      {"lifetime = \"9s\"",
       "12: lifetime: '9s' is outside 10s to 30d\n  fix: write for example \"1h\""},
      {"lifetime = \"99999999999999999999d\"",
       "12: lifetime: '99999999999999999999d' is too long\n  fix: write a shorter duration"},
  });
}

TEST(ConfigErrors, numbers_have_ranges) {
  expect_site({
      {"remote_port = 0",
       "15: remote_port: 0 is outside 1 to 65535\n  fix: write a number from 1 to 65535"},
      {"remote_port = 65536",
       "15: remote_port: 65536 is outside 1 to 65535\n  fix: write a number from 1 to 65535"},
      {"lifetime_bytes = \"10\"",
       "18: lifetime_bytes: '10' is not a size\n  fix: write a number and a unit of octets, such "
       "as "
       "500M or 100G"},
      {"lifetime_bytes = \"9K\"",
       "18: lifetime_bytes: '9K' is too little\n  fix: write at least 1M"},
      {"lifetime_bytes = \"99999999T\"",
       "18: lifetime_bytes: '99999999T' is too much\n  fix: write a smaller size, or none"},
      {"ike_lifetime = \"9s\"",
       "16: ike_lifetime: '9s' is outside 10s to 30d\n  fix: write for example \"8h\""},
      {"reauth = \"1s\"",
       "10: reauth: '1s' is outside 10s to 365d\n  fix: write for example \"1d\""},
      {"auth_lifetime = \"366d\"",
       "17: auth_lifetime: '366d' is outside 1m to 365d\n  fix: write for example \"1d\""},
      {"replay_window = 31",
       "17: replay_window: 31 is neither 0 nor within 32 to 65536\n  fix: write 4096, or 0 to "
       "switch the check off"},
      {"replay_window = 65537",
       "17: replay_window: 65537 is neither 0 nor within 32 to 65536\n  fix: write 4096, or 0 to "
       "switch the check off"},
  });
}

TEST(ConfigErrors, encap_and_start_must_be_possible) {
  expect_site({
      {"encap = \"alway\"",
       "9: encap: 'alway' is not a way to encapsulate\n  fix: did you mean 'always'?"},
      {"encap = \"x\"",
       "9: encap: 'x' is not a way to encapsulate\n  fix: write \"auto\", \"native\", \"always\" "
       "or \"never\""},
  });
  expect_file({{"[host.a]\nremote = \"any\"\npsk = \"@branch\"\nstart = true\n",
                "4:9: start: a tunnel with remote = \"any\" cannot be started from here\n  fix: "
                "write start = false, or name the remote"}});
}

TEST(ConfigErrors, tcp_and_the_pauses_between_attempts_must_be_possible) {
  expect_site({
      {"tcp = \"allways\"",
       "7: tcp: 'allways' is not when to use TCP\n  fix: did you mean 'always'?"},
      {"retry_min = \"0s\"",
       "13: retry_min: '0s' is outside 1s to 1d\n  fix: write for example \"1s\""},
      {"retry_min = \"2h\"",
       "13: retry_min: retry_min (2h) is above retry_max (1m)\n  fix: raise retry_max, or lower "
       "retry_min"},
  });
  expect_file({
      {"[daemon]\ntcp_ports = [4500, 70000]",
       "2:20: tcp_ports: expected numbers from 1 to 65535\n  fix: write for example tcp_ports = "
       "[4500, 443]"},
      {"[daemon]\ntcp_ports = [443, 443]",
       "2:19: tcp_ports: 443 is already listed\n  fix: remove one of the two"},
  });
}

TEST(ConfigErrors, port_rules_must_name_a_protocol_and_ports_it_has) {
  expect_host({
      {"ports = [\"5432\"]",
       "10: ports: '5432' names no protocol\n  fix: write \"tcp/5432\" or \"udp/5432\""},
      {"ports = [\"tpc/5432\"]", "10: ports: 'tpc' is not a protocol\n  fix: did you mean 'tcp'?"},
      {"ports = [\"icmp/8\"]", "10: ports: icmp has no ports\n  fix: write \"icmp\""},
      {"ports = [\"tcp/0\"]",
       "10: ports: '0' is not a port\n  fix: write a number from 1 to 65535"},
      {"ports = [\"tcp/1-70000\"]",
       "10: ports: '70000' is not a port\n  fix: write a number from 1 to 65535"},
      {"ports = [\"tcp/20-10\"]",
       "10: ports: 'tcp/20-10' ends before it begins\n  fix: write \"tcp/10-20\""},
      {"ports = [\"tcp/1-100\", \"udp/50\", \"tcp/50\"]",
       "33: ports: overlaps the ports at caponier.toml:4:10\n  fix: write one range that covers "
       "both"},
      {"ports = []",
       "9: ports: the list is empty\n  fix: write for example ports = "
       "[\"tcp/5432\"], or leave the key out"},
  });
}

TEST(ConfigErrors, the_daemon_section_is_checked) {
  expect_file({
      {"[daemon]\nmtu = 575",
       "2:7: mtu: 575 is outside 576 to 9000\n  fix: write a number from 576 to 9000"},
      {"[daemon]\nmtu = 9001",
       "2:7: mtu: 9001 is outside 576 to 9000\n  fix: write a number from 576 to 9000"},
      {"[daemon]\nike_port = 4500",
       "2:12: ike_port and natt_port are the same\n  fix: write two different ports, such as 500 "
       "and 4500"},
      {"[daemon]\nnatt_port = -1",
       "2:13: natt_port: -1 is outside 1 to 65535\n  fix: write a number from 1 to 65535"},
      {"[daemon]\nlisten = [\"0.0.0.0\"]",
       "2:11: listen: '0.0.0.0' is no address of its own\n  fix: leave out listen to listen on "
       "every address"},
      {"[daemon]\nlisten = [\"192.0.2.1\", \"192.0.2.1\"]",
       "2:24: listen: '192.0.2.1' is already listed at caponier.toml:2:11\n  fix: remove one of "
       "the two"},
      {"[daemon]\ntun = \"way-too-long-a-name\"",
       "2:7: tun: 'way-too-long-a-name' is not a name for an interface\n  fix: use 1 to 15 of A-Z "
       "a-z 0-9 . _ - and at most one %d for a number"},
      {"[daemon]\ntun = \"a/b\"",
       "2:7: tun: 'a/b' is not a name for an interface\n  fix: use 1 to 15 of A-Z a-z 0-9 . _ - "
       "and at most one %d for a number"},
  });
}

TEST(ConfigErrors, every_mistake_is_told_at_once_in_the_order_of_the_files) {
  MemorySource source = source_of(
      "[site.branch]\n"
      "remot = \"203.0.113.9\"\n"
      "psk = \"hunter2\"\n"
      "local_nets = [\"10.1.0.1/16\"]\n"
      "remote_nets = \"10.2.0.0/16\"\n"
      "dpd = 30\n");
  source.files.emplace("conf.d/b.toml", "[daemon]\nmtu = 5\n");
  source.files.emplace("conf.d/a.toml", "[debug\n");
  EXPECT_EQ(complaints(source),
            "caponier.toml:2:1: unknown key 'remot' in [site.branch]\n"
            "  fix: did you mean 'remote'?\n"
            "caponier.toml:3:7: psk: a secret must not stand in this file\n"
            "  fix: write it to the file secrets/branch (mode 0600) beside the configuration and "
            "refer to it: psk = \"@branch\"\n"
            "caponier.toml:4:15: local_nets: '10.1.0.1/16' has bits set behind its prefix length\n"
            "  fix: write \"10.1.0.0/16\"\n"
            "caponier.toml:5:15: remote_nets: expected an array, got a string\n"
            "  fix: put it in brackets: remote_nets = [\"10.2.0.0/16\"]\n"
            "caponier.toml:6:7: dpd: expected a string, got an integer\n"
            "  fix: add a unit: dpd = \"30s\" for seconds, \"30m\" for minutes\n"
            "conf.d/a.toml:1:7: TOML syntax: table header: expected ']', saw the end of the line\n"
            "  fix: close the header with ]\n"
            "conf.d/b.toml:2:7: mtu: 5 is outside 576 to 9000\n"
            "  fix: write a number from 576 to 9000\n");
}

TEST(ConfigErrors, endless_mistakes_end_in_a_count) {
  std::string text = "[daemon]\n";
  for (int i = 0; i < 300; ++i) text += "wrong" + std::to_string(i) + " = 1\n";
  MemorySource source = source_of(text);
  const auto config = load(std::string{main_file}, source);
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().size(), errors_max + 1);
  EXPECT_EQ(config.error().back().to_string(),
            "caponier.toml: 44 further errors are not shown\n  fix: correct those above first");
}

TEST(EditDistance, counts_insertions_deletions_replacements_and_swaps) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("remot", "remote"), 1U);
  EXPECT_EQ(edit_distance("lcoal", "local"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(EditDistance, words_far_from_everything_have_no_nearest) {
  constexpr std::array<std::string_view, 2> words = {"remote", "local"};
  EXPECT_EQ(nearest("remto", words), "remote");
  EXPECT_EQ(nearest("wibble", words), "");
  EXPECT_EQ(nearest(std::string(100000, 'x'), words), "");
}

}  // namespace
}  // namespace caponier::config

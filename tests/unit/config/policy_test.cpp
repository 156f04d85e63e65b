#include <gtest/gtest.h>

#include "unit/config/memory_source.h"

namespace caponier::config {
namespace {

std::string site_and(std::string_view rest, std::string_view keys = "") {
  return std::string{
             "[site.branch]\nremote = \"203.0.113.9\"\npsk = \"@branch\"\n"
             "local_nets = [\"10.1.0.0/16\"]\nremote_nets = [\"10.2.0.0/16\"]\n"} +
         std::string{keys} + "\n" + std::string{rest};
}

std::shared_ptr<const Config> config_of(const std::string& text) {
  MemorySource source = source_of(text);
  auto config = load(std::string{main_file}, source);
  EXPECT_TRUE(config.has_value()) << complaints(text);
  return config ? *config : nullptr;
}

/// The only policy of the file, as selectors.
std::string selectors(std::string_view keys) {
  const auto config = config_of("[[policy]]\naction = \"bypass\"\n" + std::string{keys});
  if (!config || config->policies.size() != 1) return {};
  const PolicyConfig& policy = config->policies.front();
  return policy::to_string(policy.local) + " === " + policy::to_string(policy.remote);
}

//= rfc4301#4.4.1-3 rfc4301#4.4.1-6..8 type=test
TEST(ConfigPolicy, policies_keep_the_order_of_the_file) {
  const auto config =
      config_of(site_and("[[policy]]\nname = \"web\"\naction = \"protect\"\npeer = \"branch\"\n"
                         "[[policy]]\naction = \"discard\"\ndirection = \"in\"\n"
                         "[[policy]]\naction = \"bypass\"\ndirection = \"out\"\n"));
  ASSERT_NE(config, nullptr);
  ASSERT_EQ(config->policies.size(), 3U);
  EXPECT_EQ(config->policies[0].name, "web");
  EXPECT_EQ(config->policies[0].action, PolicyAction::protect);
  EXPECT_EQ(config->policies[0].peer, "branch");
  EXPECT_EQ(config->policies[0].direction, PolicyDirection::both);
  EXPECT_EQ(config->policies[1].action, PolicyAction::discard);
  EXPECT_EQ(config->policies[1].direction, PolicyDirection::inbound);
  EXPECT_EQ(config->policies[2].action, PolicyAction::bypass);
  EXPECT_EQ(config->policies[2].direction, PolicyDirection::outbound);
}

TEST(ConfigPolicy, without_addresses_it_is_about_both_families) {
  EXPECT_EQ(selectors(""), "0.0.0.0/0, ::/0 === 0.0.0.0/0, ::/0");
}

//= rfc4301#4.4.1-8 rfc4301#4.4.1.1-1 type=test
TEST(ConfigPolicy, addresses_are_networks_ranges_or_single_ones) {
  EXPECT_EQ(selectors("local = [\"10.1.0.0/16\", \"fd01::1\"]\n"
                      "remote = [\"10.2.0.5-10.2.0.99\"]\n"),
            "10.1.0.0/16, fd01::1/128 === 10.2.0.5-10.2.0.99");
}

//= rfc4301#4.4.1-8 rfc4301#4.4.1.1-1 rfc4301#4.4.1.1-4 rfc4301#7.1-2 type=test
TEST(ConfigPolicy, protocols_ports_and_types_narrow_it) {
  const std::string nets = "local = [\"10.1.0.0/16\"]\nremote = [\"10.2.0.0/16\"]\n";
  EXPECT_EQ(selectors(nets + "protocol = \"tcp\"\nremote_ports = [\"443\", \"8000-8099\"]\n"),
            "10.1.0.0/16[tcp] === 10.2.0.0/16[tcp/443], 10.2.0.0/16[tcp/8000-8099]");
  EXPECT_EQ(selectors(nets + "protocol = \"udp\"\nlocal_ports = [\"opaque\"]\n"),
            "10.1.0.0/16[udp/opaque] === 10.2.0.0/16[udp]");
  EXPECT_EQ(selectors(nets + "protocol = \"icmp\"\ntypes = [\"8\", \"3(4)\"]\n"),
            "10.1.0.0/16[icmp/8], 10.1.0.0/16[icmp/3(4)] === "
            "10.2.0.0/16[icmp/8], 10.2.0.0/16[icmp/3(4)]");
  EXPECT_EQ(selectors(nets + "protocol = \"mobility\"\ntypes = [\"5\"]\n"),
            "10.1.0.0/16[135/1280-1535] === 10.2.0.0/16[135/1280-1535]");
  EXPECT_EQ(selectors(nets + "protocol = \"115\"\n"), "10.1.0.0/16[115] === 10.2.0.0/16[115]");
}

//= rfc4301#7.1-3 type=test
TEST(ConfigPolicy, every_mistake_has_its_place_and_its_cure) {
  const auto says = [](std::string_view keys) {
    return complaints("[[policy]]\naction = \"bypass\"\n" + std::string{keys});
  };
  EXPECT_EQ(complaints("[[policy]]\naction = \"allow\"\n"),
            "caponier.toml:2:10: action: 'allow' is not an action\n"
            "  fix: write bypass, discard or protect\n");
  EXPECT_EQ(complaints("[[policy]]\nname = \"x\"\n"),
            "caponier.toml:1:1: [[policy]] lacks 'action'\n"
            "  fix: add for example action = \"bypass\"\n");
  EXPECT_EQ(complaints("[policy]\naction = \"bypass\"\n"),
            "caponier.toml:1:1: policy: expected tables in a list, got a table\n"
            "  fix: write each policy below a header of its own with two brackets: [[policy]]\n");
  EXPECT_EQ(complaints("[[policy]]\naction = \"protect\"\n"),
            "caponier.toml:2:10: action: \"protect\" needs a tunnel\n"
            "  fix: add peer = \"NAME\" of a [site.NAME] or [host.NAME]\n");
  EXPECT_EQ(complaints("[[policy]]\naction = \"protect\"\npeer = \"brunch\"\n" + site_and("")),
            "caponier.toml:3:8: peer: there is no peer 'brunch'\n"
            "  fix: did you mean 'branch'?\n");
  EXPECT_EQ(says("peer = \"branch\"\n"),
            "caponier.toml:3:8: peer: only action = \"protect\" has a peer\n"
            "  fix: remove peer, or write \"protect\"\n");
  EXPECT_EQ(says("remote = [\"10.2.0.9-10.2.0.1\"]\n"),
            "caponier.toml:3:11: remote: '10.2.0.9-10.2.0.1' ends before it begins\n"
            "  fix: write \"10.2.0.1-10.2.0.9\"\n");
  EXPECT_EQ(says("remote_ports = [\"443\"]\n"),
            "caponier.toml:3:16: remote_ports: only tcp, udp, udplite, sctp and dccp have ports\n"
            "  fix: write protocol = \"tcp\", or remove remote_ports\n");
  EXPECT_EQ(says("protocol = \"udp\"\ntypes = [\"8\"]\n"),
            "caponier.toml:4:9: types: only icmp, icmpv6 and mobility have types\n"
            "  fix: write protocol = \"icmp\", or remove types\n");
  EXPECT_EQ(says("local = [\"10.1.0.0/16\"]\nremote = [\"fd02::/64\"]\n"),
            "caponier.toml:4:11: remote: holds no address of the family of local, so nothing would "
            "match\n  fix: write addresses of the same family in both\n");
  EXPECT_EQ(says("direction = \"inn\"\n"),
            "caponier.toml:3:13: direction: 'inn' is not a direction\n  fix: did you mean 'in'?\n");
}

TEST(ConfigDiffers, in_its_policies_by_what_they_decide_and_their_order) {
  const std::string web =
      "[[policy]]\naction = \"bypass\"\nprotocol = \"tcp\"\nremote_ports = [\"443\"]\n";
  const std::string rest = "[[policy]]\naction = \"discard\"\n";
  const auto before = config_of(web + rest);
  ASSERT_NE(before, nullptr);
  EXPECT_FALSE(diff(*before, *config_of("\n\n" + web + "# the rest\n" + rest)).policies_changed);
  EXPECT_TRUE(diff(*before, *config_of(rest + web)).policies_changed);
  EXPECT_TRUE(diff(*before, *config_of(web)).policies_changed);
}

TEST(ConfigStart, is_at_once_or_with_the_first_packet_or_on_command) {
  const auto start_of = [](std::string_view keys) {
    const auto config = config_of(site_and("", keys));
    return config ? config->peers.front().child().start : Start::on_command;
  };
  EXPECT_EQ(start_of(""), Start::at_once);
  EXPECT_EQ(start_of("start = true"), Start::at_once);
  EXPECT_EQ(start_of("start = \"trap\""), Start::trap);
  EXPECT_EQ(start_of("start = false"), Start::on_command);
  EXPECT_EQ(start_of("pfp = [\"remote_address\"]"), Start::trap);
}

TEST(ConfigStart, values_from_the_packet_need_a_packet) {
  EXPECT_EQ(complaints(site_and("", "pfp = [\"protocol\"]\nstart = true")),
            "caponier.toml:7:9: start: with pfp it is the first packet that says what the tunnel "
            "carries\n  fix: write start = \"trap\", or remove pfp\n");
  EXPECT_EQ(complaints(site_and("", "pfp = [\"remote_adress\"]")),
            "caponier.toml:6:8: pfp: 'remote_adress' is not a value of packets\n"
            "  fix: did you mean 'remote_address'?\n");
}

TEST(ConfigPerCpuSas, are_as_many_as_there_are_workers_or_as_are_written) {
  const auto sas_of = [](std::string_view keys) {
    const auto config = config_of(site_and("", keys));
    return config ? config->peers.front().child().per_cpu_sas : 999;
  };
  EXPECT_EQ(sas_of(""), 0U);  // RFC 9611 s7: not unless somebody says so
  EXPECT_EQ(sas_of("per_cpu_sas = false"), 0U);
  EXPECT_EQ(sas_of("per_cpu_sas = true"), workers_max);
  EXPECT_EQ(sas_of("per_cpu_sas = 4"), 4U);
  EXPECT_EQ(sas_of("per_cpu_sas = 0"), 0U);
}

TEST(ConfigPerCpuSas, mistakes_are_told_with_their_cure) {
  EXPECT_EQ(complaints(site_and("", "per_cpu_sas = 65")),
            "caponier.toml:6:15: per_cpu_sas: 65 is outside 0 to 64\n"
            "  fix: write a number from 0 to 64\n");
  EXPECT_EQ(complaints(site_and("", "per_cpu_sas = \"yes\"")),
            "caponier.toml:6:15: per_cpu_sas: expected a boolean, got a string\n"
            "  fix: write for example per_cpu_sas = true\n");
  EXPECT_EQ(
      complaints(site_and("", "pfp = [\"protocol\"]\nper_cpu_sas = true")),
      "caponier.toml:7:15: per_cpu_sas: with pfp the packets say which SAs there are, not the "
      "CPUs\n  fix: remove per_cpu_sas or pfp\n");
  EXPECT_EQ(complaints("[site.branch]\nremote = \"any\"\npsk = \"@branch\"\n"
                       "local_nets = [\"10.1.0.0/16\"]\nremote_nets = [\"10.2.0.0/16\"]\n"
                       "per_cpu_sas = 2\n"),
            "caponier.toml:6:15: per_cpu_sas: a tunnel with remote = \"any\" has one SA for each "
            "peer\n  fix: name the remote, or remove per_cpu_sas\n");
}

TEST(ConfigPerCpuSas, a_change_is_a_change_of_the_tunnel) {
  const auto before = config_of(site_and(""));
  const auto after = config_of(site_and("", "per_cpu_sas = true"));
  EXPECT_EQ(diff(*before, *after).changed.size(), 1U);
}

TEST(ConfigNets, everything_is_everything_else) {
  const auto config = config_of(
      "[site.branch]\nremote = \"203.0.113.9\"\npsk = \"@branch\"\n"
      "local_nets = [\"10.1.0.0/16\"]\nremote_nets = [\"0.0.0.0/0\"]\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->peers.front().remote_nets().front().length, 0U);
  ASSERT_NE(config_of("[site.branch]\nremote = \"203.0.113.9\"\npsk = \"@branch\"\n"
                      "local_nets = [\"0.0.0.0/0\"]\nremote_nets = [\"10.1.0.0/16\"]\n"),
            nullptr);
}

}  // namespace
}  // namespace caponier::config

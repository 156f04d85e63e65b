// The keys that say what becomes of packets.

#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

//= rfc4301#8.1-2 type=test
TEST(ConfigTreatment, every_key_is_taken) {
  const auto config = loaded(
      site_with("mtu = 1400\nfragment = \"after\"\nclamp_mss = false\ndf = \"clear\"\ndscp = 46\n"
                "dscp_inward = true\necn = false\nttl = 255\nflow_label = \"copy\"\n"));
  ASSERT_NE(config, nullptr);
  const PeerConfig& peer = config->peers.at(0);
  EXPECT_EQ(peer.mtu, 1400);
  policy::SaTreatment expected;
  expected.fragment = policy::FragmentWhen::after;
  expected.clamp_mss = false;
  expected.outer = {.dscp = 46,
                    .ecn = false,
                    .df = policy::OuterDf::clear,
                    .ttl = 255,
                    .copy_flow_label = true,
                    .copy_dscp_inward = true};
  EXPECT_EQ(peer.child().treatment, expected);
}

TEST(ConfigTreatment, without_them_headers_are_copied_and_packets_cut_before_esp) {
  const auto config = loaded(site_with(""));
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->peers.at(0).child().treatment, policy::SaTreatment{});
  EXPECT_EQ(config->peers.at(0).mtu, 1500);
  const auto spelled = loaded(site_with("dscp = \"copy\"\nflow_label = \"hash\"\n"));
  ASSERT_NE(spelled, nullptr);
  EXPECT_EQ(spelled->peers.at(0).child().treatment, policy::SaTreatment{});
}

TEST(ConfigTreatment, a_change_is_a_change_of_the_tunnel) {
  const auto before = loaded(site_with(""));
  for (const std::string_view line : {"mtu = 1400\n", "df = \"set\"\n", "clamp_mss = false\n"}) {
    const auto after = loaded(site_with(line));
    ASSERT_NE(after, nullptr);
    EXPECT_EQ(diff(*before, *after).changed.size(), 1u) << line;
  }
}

TEST(ConfigTreatment, mistakes_are_told_with_their_cure) {
  const std::string tail =
      "remote = \"203.0.113.9\"\npsk = \"@branch\"\nlocal_nets = [\"10.1.0.0/16\"]\n"
      "remote_nets = [\"10.2.0.0/16\"]\n";
  const auto say = [&](std::string_view lines) {
    return complaints("[site.branch]\n" + std::string{lines} + tail);
  };
  EXPECT_EQ(say("dscp = 64\n"),
            "caponier.toml:2:8: dscp: 64 is outside 0 to 63\n  fix: write a number from 0 to 63\n");
  EXPECT_EQ(say("dscp = \"ef\"\n"),
            "caponier.toml:2:8: dscp: 'ef' is none of copy\n"
            "  fix: write dscp = \"copy\", or leave the key out\n");
  EXPECT_EQ(say("ttl = 0\n"),
            "caponier.toml:2:7: ttl: 0 is outside 1 to 255\n  fix: write a number from 1 to 255\n");
  EXPECT_EQ(say("mtu = 575\n"),
            "caponier.toml:2:7: mtu: 575 is outside 576 to 9000\n"
            "  fix: write a number from 576 to 9000\n");
  EXPECT_EQ(say("df = \"clean\"\n"),
            "caponier.toml:2:6: df: 'clean' is none of copy, set and clear\n"
            "  fix: did you mean 'clear'?\n");
  EXPECT_EQ(say("fragment = \"befor\"\n"),
            "caponier.toml:2:12: fragment: 'befor' is none of before and after\n"
            "  fix: did you mean 'before'?\n");
}

}  // namespace
}  // namespace caponier::config

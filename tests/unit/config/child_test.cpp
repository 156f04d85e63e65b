// What a Child SA has for itself, and several of them under one site.

#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

const std::string head = "[site.branch]\n";
const std::string nets =
    "remote = \"203.0.113.9\"\npsk = \"@branch\"\nlocal_nets = [\"10.1.0.0/16\"]\n"
    "remote_nets = [\"10.2.0.0/16\"]\n";

TEST(ConfigChildKind, ah_takes_the_place_of_esp_and_of_tcp) {
  const auto config = loaded(site_with("ah = [\"sha256-x25519\", \"aes256gmac\"]\n"));
  ASSERT_NE(config, nullptr);
  const PeerConfig& peer = config->peers.at(0);
  ASSERT_EQ(peer.child().ah.size(), 2u);
  EXPECT_EQ(peer.child().ah[0].protocol, wire::ProtocolId::ah);
  EXPECT_EQ(peer.child().ah[0].integrity, std::vector{crypto::IntegId::hmac_sha2_256_128});
  EXPECT_EQ(peer.child().ah[1].integrity, std::vector{crypto::IntegId::aes_256_gmac});
  EXPECT_EQ(peer.tcp, Tcp::never);
  EXPECT_TRUE(loaded(site_with(""))->peers.at(0).child().ah.empty());
}

TEST(ConfigChildKind, what_ah_cannot_be_had_with_is_told) {
  const auto say = [&](std::string_view lines) {
    return complaints(head + "ah = [\"sha256\"]\n" + std::string{lines} + nets);
  };
  EXPECT_EQ(say("esp = [\"aes256gcm16\"]\n"),
            "caponier.toml:2:6: ah: a tunnel is of ESP or of AH, and esp is there too\n"
            "  fix: remove one of the two\n");
  EXPECT_EQ(say("encap = \"always\"\n"),
            "caponier.toml:2:6: ah: AH cannot travel in UDP, as encap = \"always\" wants\n"
            "  fix: use esp, or leave encap out\n");
  EXPECT_EQ(say("tcp = \"always\"\n"),
            "caponier.toml:2:6: ah: AH cannot travel in TCP\n"
            "  fix: use esp, or write tcp = \"never\"\n");
  EXPECT_EQ(say("tfc_padding = 1000\n"),
            "caponier.toml:2:6: ah: AH hides nothing, so tfc_padding has no use\n"
            "  fix: use esp, or leave tfc_padding out\n");
  EXPECT_NE(complaints(head + "ah = [\"aes256gcm16\"]\n" + nets).find("encrypts nothing"),
            std::string::npos);
}

//= rfc4301#4.1-12 type=test
TEST(ConfigChildKind, beet_has_one_address_at_each_end) {
  const auto config = loaded(
      "[site.branch]\nremote = \"203.0.113.9\"\npsk = \"@branch\"\nmode = \"beet\"\n"
      "local_nets = [\"10.1.0.1\"]\nremote_nets = [\"10.2.0.1\"]\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->peers.at(0).child().mode, policy::SaMode::beet);
  EXPECT_EQ(complaints(head + "mode = \"beet\"\n" + nets),
            "caponier.toml:5:15: local_nets: BEET mode has one address at each end\n"
            "  fix: write one address without a prefix length, or leave mode out\n"
            "caponier.toml:6:16: remote_nets: BEET mode has one address at each end\n"
            "  fix: write one address without a prefix length, or leave mode out\n");
  EXPECT_EQ(complaints(head + "mode = \"tunnle\"\n" + nets),
            "caponier.toml:2:8: mode: 'tunnle' is none of tunnel, transport and beet\n"
            "  fix: did you mean 'tunnel'?\n");
}

//= rfc4303#2.7-4 type=test
TEST(ConfigChildKind, tfc_padding_is_a_number_of_octets_or_as_much_as_fits) {
  const auto padding = [](std::string_view line) {
    return loaded(site_with(line))->peers.at(0).child().treatment.tfc_pad;
  };
  EXPECT_EQ(padding(""), 0);
  EXPECT_EQ(padding("tfc_padding = 1400\n"), 1400);
  EXPECT_EQ(padding("tfc_padding = \"mtu\"\n"), policy::tfc_pad_to_mtu);
  EXPECT_EQ(padding("tfc_padding = \"off\"\n"), 0);
  EXPECT_NE(complaints(head + "tfc_padding = 9001\n" + nets).find("0 to 9000"), std::string::npos);
}

//= rfc4303#2.6-4..5 type=test
TEST(ConfigChildKind, dummy_packets_are_sent_where_an_interval_is_given) {
  const auto interval = [](std::string_view line) {
    return loaded(site_with(line))->peers.at(0).child().treatment.dummy_interval;
  };
  EXPECT_EQ(interval(""), base::Duration{});
  EXPECT_EQ(interval("dummy_packets = \"100ms\"\n"), std::chrono::milliseconds{100});
}

TEST(ConfigChildKind, a_change_is_a_change_of_the_tunnel) {
  const auto before = loaded(site_with(""));
  for (const std::string_view line : {"ah = [\"sha256\"]\n", "tfc_padding = 100\n"}) {
    EXPECT_EQ(diff(*before, *loaded(site_with(line))).changed.size(), 1u) << line;
  }
}

const std::string two_children =
    "[site.branch]\nremote = \"203.0.113.9\"\npsk = \"@branch\"\nlocal_nets = [\"10.1.0.0/16\"]\n"
    "lifetime = \"2h\"\nesp = [\"aes256gcm16\"]\n"
    "[site.branch.children.voice]\nremote_nets = [\"10.2.0.0/24\"]\nlifetime = \"1h\"\n"
    "start = \"trap\"\n"
    "[site.branch.children.data]\nremote_nets = [\"10.2.1.0/24\"]\nlocal_nets = [\"10.1.1.0/24\"]\n"
    "esp = [\"aes128gcm16\"]\n";

TEST(ConfigChildren, each_is_as_the_site_says_but_for_what_it_says_itself) {
  const auto config = loaded(two_children);
  ASSERT_NE(config, nullptr);
  const PeerConfig& peer = config->peers.at(0);
  ASSERT_EQ(peer.children.size(), 2u);
  const ChildConfig& voice = *peer.find_child("voice");
  EXPECT_EQ(voice.local.prefixes(), std::vector{*base::Prefix::parse("10.1.0.0/16")});
  EXPECT_EQ(voice.remote.prefixes(), std::vector{*base::Prefix::parse("10.2.0.0/24")});
  EXPECT_EQ(voice.lifetime.soft_time, std::chrono::hours{1});
  EXPECT_EQ(voice.start, Start::trap);
  EXPECT_EQ(voice.esp.at(0).encryption.at(0).key_bits, 256);
  const ChildConfig& data = *peer.find_child("data");
  EXPECT_EQ(data.local.prefixes(), std::vector{*base::Prefix::parse("10.1.1.0/24")});
  EXPECT_EQ(data.lifetime.soft_time, std::chrono::hours{2});
  EXPECT_EQ(data.start, Start::at_once);
  EXPECT_EQ(data.esp.at(0).encryption.at(0).key_bits, 128);
  EXPECT_EQ(peer.find_child("branch"), nullptr);
}

TEST(ConfigChildren, what_is_wrong_with_them_is_told_where_it_stands) {
  const std::string site =
      "[site.branch]\nremote = \"203.0.113.9\"\npsk = \"@branch\"\nlocal_nets = "
      "[\"10.1.0.0/16\"]\n";
  EXPECT_EQ(complaints(site + "[site.branch.children.a]\nstart = false\n"),
            "caponier.toml:5:1: [site.branch.children.a] lacks 'remote_nets'\n"
            "  fix: add it there, or to [site.branch] for all children\n");
  EXPECT_EQ(complaints(site + "children = 3\n"),
            "caponier.toml:5:12: children: each child has a table of its own\n"
            "  fix: write [site.branch.children.CHILD]\n");
  const std::string same = "remote_nets = [\"10.2.0.0/24\"]\n";
  EXPECT_NE(
      complaints(site + "[site.branch.children.a]\n" + same + "[site.branch.children.b]\n" + same)
          .find("overlaps"),
      std::string::npos);
  EXPECT_NE(complaints(site + "[site.branch.children.a]\n" + same + "remote = \"192.0.2.1\"\n")
                .find("unknown key 'remote'"),
            std::string::npos);
}

TEST(ConfigChildren, protect_less_than_networks_and_the_ends_themselves) {
  const auto config = loaded(
      "[site.branch]\nremote = \"203.0.113.9\"\npsk = \"@branch\"\nafter_close = \"trap\"\n"
      "local_nets = [\"dynamic\", \"10.1.0.5-10.1.0.9\"]\n"
      "remote_nets = [\"10.2.0.0/16[tcp/443]\", \"dynamic[udp/53]\"]\n");
  ASSERT_NE(config, nullptr);
  const ChildConfig& child = config->peers.at(0).child();
  EXPECT_EQ(child.local.own, std::vector{PortRule{}});
  ASSERT_EQ(child.local.nets.size(), 1u);
  EXPECT_EQ(child.local.nets[0].to_string(), "10.1.0.5-10.1.0.9");
  ASSERT_EQ(child.remote.nets.size(), 1u);
  EXPECT_EQ(child.remote.nets[0].to_string(), "10.2.0.0/16[tcp/443]");
  EXPECT_EQ(child.remote.own, (std::vector{PortRule{17, 53, 53}}));
  EXPECT_EQ(child.after_close, Start::trap);
  EXPECT_FALSE(child.after_loss);
}

TEST(ConfigChildren, transport_mode_is_for_the_ends_alone) {
  const std::string site =
      "[site.branch]\nremote = \"203.0.113.9\"\npsk = \"@branch\"\nmode = \"transport\"\n"
      "local_nets = [\"dynamic\"]\n";
  const auto config = loaded(site + "remote_nets = [\"dynamic[tcp]\"]\n");
  ASSERT_NE(config, nullptr);
  EXPECT_TRUE(config->peers.at(0).has_transport());
  EXPECT_EQ(complaints(site + "remote_nets = [\"10.2.0.0/16\"]\n"),
            "caponier.toml:6:15: remote_nets: transport mode is between the two hosts themselves\n"
            "  fix: write remote_nets = [\"dynamic\"], or leave mode out\n");
}

TEST(ConfigRemote, may_be_several_addresses_and_networks_to_come_from) {
  const auto with = [](std::string_view remote) {
    return loaded("[site.branch]\nremote = " + std::string{remote} +
                  "\npsk = \"@branch\"\nlocal_nets = [\"10.1.0.0/16\"]\n"
                  "remote_nets = [\"10.2.0.0/16\"]\n");
  };
  const auto two = with("[\"203.0.113.9\", \"203.0.113.10\", \"198.51.100.0/24\"]");
  ASSERT_NE(two, nullptr);
  const PeerConfig& peer = two->peers.at(0);
  EXPECT_EQ(peer.remote_address, *base::IpAddress::parse("203.0.113.9"));
  EXPECT_EQ(peer.remote_more, std::vector{*base::IpAddress::parse("203.0.113.10")});
  EXPECT_EQ(peer.remote_within, std::vector{*base::Prefix::parse("198.51.100.0/24")});
  EXPECT_FALSE(peer.remote_any);
  const auto answers = with("[\"198.51.100.0/24\"]");
  ASSERT_NE(answers, nullptr);
  EXPECT_TRUE(answers->peers.at(0).remote_any);
  EXPECT_EQ(answers->peers.at(0).child().start, Start::on_command);
}

}  // namespace
}  // namespace caponier::config

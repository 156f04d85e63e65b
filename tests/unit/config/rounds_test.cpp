// local_rounds and remote_rounds (RFC 4739), as far as nothing is read by OpenSSL.

#include <gtest/gtest.h>

#include "unit/config/memory_source.h"
#include "unit/gateway/fake_pki.h"

namespace caponier::config {
namespace {

const std::string site =
    "[site.branch]\nremote = \"b.example\"\nlocal_nets = [\"10.1.0.0/16\"]\n"
    "remote_nets = [\"10.2.0.0/16\"]\n";

std::string say(const std::string& text) {
  MemorySource source = source_of(text);
  return complaints(source);
}

TEST(ConfigRounds, a_round_has_what_it_says_and_else_what_the_section_has) {
  MemorySource source = source_of(
      site +
      "psk = \"@branch\"\nlocal_id = \"gw.example\"\nremote_id = \"b.example\"\n"
      "[[site.branch.local_rounds]]\nauth = \"psk\"\n"
      "[[site.branch.local_rounds]]\nauth = \"eap\"\nuser = \"alice\"\npassword = \"@alice\"\n"
      "[[site.branch.remote_rounds]]\nauth = \"psk\"\n"
      "[[site.branch.remote_rounds]]\nauth = \"psk\"\nid = \"*.example\"\npsk = \"@second\"\n");
  source.secrets.emplace("@alice", "short\n");
  source.secrets.emplace("@second", "kGq8ZxuW3tYb7Rn2Vd5Lm9Pc4Hs6Jf1QaEo\n");
  const auto config = loaded(std::move(source));
  ASSERT_NE(config, nullptr);
  const PeerConfig& peer = config->peers.at(0);
  ASSERT_EQ(local_rounds(peer), 2u);
  EXPECT_EQ(local_round(peer, 0)->auth, Auth::psk);
  EXPECT_EQ(local_round(peer, 0)->psk, peer.psk);
  EXPECT_EQ(local_round(peer, 0)->id->to_string(), "gw.example");
  EXPECT_EQ(local_round(peer, 1)->auth, Auth::eap);
  EXPECT_EQ(local_round(peer, 1)->id->to_string(), "alice");
  EXPECT_TRUE(
      base::equal_constant_time(local_round(peer, 1)->password->reveal(), base::as_bytes("short")));
  ASSERT_EQ(remote_rounds(peer), 2u);
  EXPECT_EQ(remote_round(peer, 0)->id->to_string(), "b.example");
  EXPECT_EQ(remote_round(peer, 0)->psk, peer.psk);
  EXPECT_EQ(remote_round(peer, 1)->id->to_string(), "*.example");
  EXPECT_NE(remote_round(peer, 1)->psk, peer.psk);
  EXPECT_FALSE(local_round(peer, 2));
  EXPECT_FALSE(remote_round(peer, 2));
}

TEST(ConfigRounds, without_any_there_is_the_one_of_the_section) {
  const auto config = loaded(source_of(site + "psk = \"@branch\"\nremote_id = \"b.example\"\n"));
  ASSERT_NE(config, nullptr);
  const PeerConfig& peer = config->peers.at(0);
  EXPECT_EQ(local_rounds(peer), 1u);
  EXPECT_EQ(local_round(peer, 0)->psk, peer.psk);
  EXPECT_FALSE(local_round(peer, 0)->id) << "the outer address";
  EXPECT_EQ(remote_round(peer, 0)->id->to_string(), "b.example");
  EXPECT_FALSE(remote_round(peer, 1));
}

TEST(ConfigRounds, each_round_needs_what_its_way_cannot_do_without) {
  EXPECT_EQ(say(site + "local_rounds = [{auth = \"psk\"}]\nremote_rounds = [{auth = \"psk\"}]\n"),
            "caponier.toml:5:17: [site.branch] local_rounds, round 1: the pre-shared key is "
            "missing\n  fix: add psk = \"@NAME\" to the round\n"
            "caponier.toml:6:18: [site.branch] remote_rounds, round 1: the pre-shared key is "
            "missing\n  fix: add psk = \"@NAME\" to the round\n");
  const auto first_of = [](const std::string& rounds) {
    return say(site + "psk = \"@branch\"\n" + rounds + "\n");
  };
  EXPECT_NE(first_of("local_rounds = [{auth = \"psk\"}, {auth = \"eap\"}]")
                .find("local_rounds, round 2: the user is missing"),
            std::string::npos);
  EXPECT_NE(first_of("local_rounds = [{auth = \"psk\"}, {auth = \"pubkey\"}]")
                .find("local_rounds, round 2: our key is missing"),
            std::string::npos);
  EXPECT_NE(first_of("remote_rounds = [{auth = \"psk\"}, {auth = \"pubkey\"}]")
                .find("remote_rounds, round 2: whom to trust is missing"),
            std::string::npos);
  EXPECT_NE(first_of("remote_rounds = [{auth = \"psk\"}, {auth = \"eap\"}]")
                .find("users that authenticate by EAP come to a [server]"),
            std::string::npos);
  EXPECT_NE(first_of("remote_rounds = [{auth = \"null\"}]").find("auth:"), std::string::npos);
  EXPECT_NE(first_of("remote_rounds = [{id = \"x\"}]").find("auth"), std::string::npos);
}

TEST(ConfigRounds, there_are_few_of_them_and_nothing_beside_them_says_the_same) {
  const auto say_with = [](const std::string& rest) {
    return say(site + "psk = \"@branch\"\n" + rest + "\n");
  };
  EXPECT_NE(say_with("local_rounds = [{auth = \"psk\"}, {auth = \"psk\"}, {auth = \"psk\"}, "
                     "{auth = \"psk\"}, {auth = \"psk\"}]")
                .find("there are more than 4 rounds"),
            std::string::npos);
  EXPECT_NE(say_with("local_rounds = [\"psk\"]").find("expected one table for each round"),
            std::string::npos);
  EXPECT_NE(say_with("local_rounds = []").find("expected one table for each round"),
            std::string::npos);
  EXPECT_NE(say_with("auth = \"psk\"\nlocal_rounds = [{auth = \"psk\"}]")
                .find("local_rounds says that already"),
            std::string::npos);
}

TEST(ConfigRounds, a_change_of_a_round_is_a_change_of_the_tunnel) {
  const auto with = [](const std::string& id) {
    const auto config = loaded(
        source_of(site + "psk = \"@branch\"\n" +
                  "remote_rounds = [{auth = \"psk\"}, {auth = \"psk\", id = \"" + id + "\"}]\n"));
    return config->peers.at(0);
  };
  EXPECT_TRUE(with("a.example").same_tunnel(with("a.example")));
  EXPECT_FALSE(with("a.example").same_tunnel(with("b.example")));
}

}  // namespace
}  // namespace caponier::config

#include "gateway/match.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "unit/config/memory_source.h"

namespace caponier::gateway {
namespace {

std::shared_ptr<const config::Config> loaded(const std::string& text, const std::string& secret) {
  config::MemorySource source;
  source.files.emplace(std::string{config::main_file}, text);
  source.secrets.emplace("@key", secret);
  const auto config = config::load(std::string{config::main_file}, source);
  if (!config) {
    for (const auto& error : config.error()) ADD_FAILURE() << error.to_string();
    return std::make_shared<const config::Config>();
  }
  return *config;
}

const std::string secret = "Zk3vQ0mY8s1RrT6uXw9bNc2LhJ5pGdEaKiOyUfWtSx4=";
const std::string other_secret = "Bq7wE2nM5k9PjU0tYv4cXa1RgF8sHdLoJiKzUfWtSx4=";

std::string side(bool is_a, const std::string& keys = {}) {
  return fmt::format(
      "[site.{}]\nlocal = \"192.0.2.{}\"\nremote = \"192.0.2.{}\"\npsk = \"@key\"\n"
      "local_nets = [\"10.{}.0.0/16\"]\nremote_nets = [\"10.{}.0.0/16\"]\n{}",
      is_a ? "branch" : "office", is_a ? 1 : 2, is_a ? 2 : 1, is_a ? 1 : 2, is_a ? 2 : 1, keys);
}

std::vector<std::string> codes(const std::string& a, const std::string& b,
                               const std::string& secret_b = secret) {
  const auto matches = match(*loaded(a, secret), *loaded(b, secret_b));
  std::vector<std::string> found;
  for (const Match& one : matches) {
    for (const explain::Diagnosis& diagnosis : one.differences) {
      EXPECT_EQ(diagnosis.certainty, explain::Certainty::proven);
      found.push_back(explain::text_of(diagnosis.code));
    }
  }
  return found;
}

using List = std::vector<std::string>;

TEST(Match, two_halves_of_one_tunnel_agree) { EXPECT_EQ(codes(side(true), side(false)), List{}); }

TEST(Match, each_difference_is_told) {
  EXPECT_EQ(codes(side(true, "ike = [\"aes256gcm16-prfsha384-x25519\"]"),
                  side(false, "ike = [\"aes128-sha256-modp2048\"]")),
            List{"CP-2001"});
  EXPECT_EQ(codes(side(true, "remote_id = \"gw2.example\""), side(false)), List{"CP-3003"});
  EXPECT_EQ(codes(side(true), side(false, "remote_id = \"gw1.example\"")), List{"CP-3005"});
  EXPECT_EQ(codes(side(true), side(false), other_secret), List{"CP-3001"});
  EXPECT_EQ(codes(side(true, "esp = [\"aes256gcm16\"]"), side(false, "esp = [\"aes128-sha256\"]")),
            List{"CP-4001"});
}

TEST(Match, pfs_is_compared_although_the_first_keys_do_without) {
  EXPECT_EQ(codes(side(true, "esp = [\"aes256gcm16-x25519\"]"),
                  side(false, "esp = [\"aes256gcm16-modp2048\"]")),
            List{"CP-4002"});
}

TEST(Match, several_differences_are_all_told) {
  EXPECT_EQ(
      codes(side(true, "ike = [\"aes256gcm16-prfsha384-x25519\"]\nremote_id = \"gw2.example\""),
            side(false, "ike = [\"aes128-sha256-modp2048\"]"), other_secret),
      (List{"CP-2001", "CP-3003", "CP-3001"}));
}

TEST(Match, a_tunnel_that_nobody_there_is_for) {
  std::string other = side(false);
  other.replace(other.find("192.0.2.1"), 9, "192.0.2.9");
  EXPECT_EQ(codes(side(true), other), List{"CP-2003"});
}

TEST(Match, the_one_for_our_addresses_is_found_among_several) {
  const std::string other =
      "[site.else]\nlocal = \"192.0.2.2\"\nremote = \"192.0.2.7\"\npsk = \"@key\"\n"
      "local_nets = [\"10.2.0.0/16\"]\nremote_nets = [\"10.7.0.0/16\"]\n";
  const auto matches = match(*loaded(side(true), secret), *loaded(other + side(false), secret));
  ASSERT_EQ(matches.size(), 1u);
  EXPECT_EQ(matches.front().theirs, "office");
  EXPECT_TRUE(matches.front().differences.empty());
}

}  // namespace
}  // namespace caponier::gateway

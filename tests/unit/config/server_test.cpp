#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

TEST(ConfigServer, every_key_is_taken) {
  const auto config = loaded(
      "[server]\nname = \"vpn.example.org\"\npool = [\"10.9.0.0/24\", \"fd09:1::/112\"]\n"
      "dns = [\"10.1.0.53\"]\nlocal_nets = [\"10.1.0.0/16\"]\n");
  ASSERT_NE(config, nullptr);
  ASSERT_TRUE(config->server);
  EXPECT_EQ(config->server->name, "vpn.example.org");
  EXPECT_EQ(config->server->pool.at(1), base::Prefix::parse("fd09:1::/112"));
  EXPECT_EQ(config->server->dns.at(0), base::IpAddress::parse("10.1.0.53"));
  EXPECT_EQ(config->server->local_nets.at(0), base::Prefix::parse("10.1.0.0/16"));
}

TEST(ConfigServer, without_the_section_there_is_no_server) {
  const auto config = loaded("");
  ASSERT_NE(config, nullptr);
  EXPECT_FALSE(config->server);
}

TEST(ConfigServer, mistakes_are_told_with_their_cure) {
  EXPECT_NE(complaints("[server]\npool = [\"10.9.0.0/24\"]\n").find("name"), std::string::npos);
  EXPECT_NE(complaints("[server]\nname = \"any\"\npool = [\"10.9.0.0/24\"]\n").find("no name"),
            std::string::npos);
  EXPECT_NE(complaints("[server]\nname = \"vpn\"\npool = []\n").find("need addresses"),
            std::string::npos);
  EXPECT_NE(complaints("[server]\nname = \"vpn\"\npool = [\"10.9.0.0/24\", \"10.9.0.0/25\"]\n")
                .find("10.9.0.0/25 overlaps 10.9.0.0/24"),
            std::string::npos);
}

}  // namespace
}  // namespace caponier::config

// Configuration payloads in INFORMATIONAL (RFC 7296 s3.15).

#include "ike/configuration.h"

#include <gtest/gtest.h>

namespace caponier::ike {
namespace {

using Type = wire::ConfigAttributeType;

std::vector<wire::Payload> message(wire::ConfigType type, const std::vector<Type>& attributes) {
  wire::ConfigPayload config;
  config.cfg_type = static_cast<std::uint8_t>(type);
  for (const Type one : attributes) {
    config.attributes.push_back({static_cast<std::uint16_t>(one), {}});
  }
  std::vector<wire::Payload> payloads;
  payloads.emplace_back(std::move(config));
  return payloads;
}

std::vector<wire::Payload> answer(const std::vector<wire::Payload>& request) {
  const std::vector inner{*base::IpAddress::parse("10.9.0.7"), *base::IpAddress::parse("fd09::7")};
  std::vector<wire::Payload> payloads;
  append_configuration_answer(request, inner, payloads);
  return payloads;
}

TEST(Configuration, a_request_gets_what_was_given_before_and_nothing_new) {
  const auto said = answer(
      message(wire::ConfigType::request, {Type::internal_ip6_address, Type::internal_ip4_nbns}));
  ASSERT_EQ(said.size(), 1u);
  const auto* const reply = wire::find<wire::ConfigPayload>(said);
  EXPECT_EQ(reply->cfg_type, static_cast<std::uint8_t>(wire::ConfigType::reply));
  ASSERT_EQ(reply->attributes.size(), 1u);
  EXPECT_EQ(reply->attributes[0].value.size(), 17u);
}

TEST(Configuration, whoever_asks_is_told_which_attributes_there_are) {
  const auto said = answer(message(wire::ConfigType::request, {Type::supported_attributes}));
  const auto* const reply = wire::find<wire::ConfigPayload>(said);
  ASSERT_EQ(reply->attributes.size(), 1u);
  EXPECT_EQ(reply->attributes[0].value.size() % 2, 0u);
  EXPECT_GE(reply->attributes[0].value.size(), 14u);
}

TEST(Configuration, what_a_peer_wants_to_set_is_accepted_in_no_part) {
  const auto said = answer(message(wire::ConfigType::set, {Type::internal_ip4_dns}));
  const auto* const ack = wire::find<wire::ConfigPayload>(said);
  ASSERT_NE(ack, nullptr);
  EXPECT_EQ(ack->cfg_type, static_cast<std::uint8_t>(wire::ConfigType::ack));
  EXPECT_TRUE(ack->attributes.empty());
}

TEST(Configuration, a_reply_that_nobody_asked_for_gets_none) {
  EXPECT_TRUE(answer(message(wire::ConfigType::reply, {})).empty());
  EXPECT_TRUE(answer({}).empty());
}

}  // namespace
}  // namespace caponier::ike

#include "policy/trigger.h"

#include <gtest/gtest.h>

namespace caponier::policy {
namespace {

base::IpAddress ip(std::string_view text) { return base::IpAddress::parse(text).value(); }
TrafficSelector net(std::string_view text, std::uint8_t protocol = 0) {
  return TrafficSelector::from_prefix(base::Prefix::parse(text).value(), protocol);
}

const wire::PacketSelectorFields web{ip("10.1.0.5"), ip("10.2.0.9"), 6,     false,
                                     false,          true,           40000, 443};

std::string text_of(const Trigger& trigger) {
  return to_string(trigger.local) + " === " + to_string(trigger.remote);
}

TEST(Trigger, without_pfp_is_the_packet_itself) {
  const Trigger trigger = make_trigger(web, {}, {net("10.1.0.0/16")}, {net("10.2.0.0/16")});
  EXPECT_FALSE(trigger.is_exact);
  EXPECT_EQ(text_of(trigger), "10.1.0.5/32[tcp/40000] === 10.2.0.9/32[tcp/443]");
}

TEST(Trigger, of_a_packet_without_ports_names_none) {
  wire::PacketSelectorFields gre = web;
  gre.protocol = 47;
  gre.has_ports = false;
  EXPECT_EQ(text_of(make_trigger(gre, {}, {net("10.1.0.0/16")}, {net("10.2.0.0/16")})),
            "10.1.0.5/32[47] === 10.2.0.9/32[47]");
}

TEST(Trigger, with_pfp_takes_the_flagged_values_from_the_packet_and_the_rest_from_the_policy) {
  const TrafficSelectors local{net("10.1.0.0/16"), net("10.3.0.0/16")};
  const TrafficSelectors remote{net("10.2.0.0/16")};
  const auto with = [&](PfpFlags pfp) { return text_of(make_trigger(web, pfp, local, remote)); };
  EXPECT_EQ(with({.remote_address = true}), "10.1.0.0/16, 10.3.0.0/16 === 10.2.0.9/32");
  EXPECT_EQ(with({.local_address = true}), "10.1.0.5/32 === 10.2.0.0/16");
  EXPECT_EQ(with({.protocol = true}), "10.1.0.0/16[tcp], 10.3.0.0/16[tcp] === 10.2.0.0/16[tcp]");
  EXPECT_EQ(with({.remote_port = true}), "10.1.0.0/16, 10.3.0.0/16 === 10.2.0.0/16[tcp/443]");
  EXPECT_EQ(with({true, true, true, true, true}),
            "10.1.0.5/32[tcp/40000] === 10.2.0.9/32[tcp/443]");
}

TEST(Trigger, with_pfp_for_ports_makes_an_opaque_selector_of_a_fragment) {
  wire::PacketSelectorFields fragment = web;
  fragment.has_ports = false;
  const Trigger trigger = make_trigger(fragment, {.local_port = true, .remote_port = true},
                                       {net("10.1.0.0/16")}, {net("10.2.0.0/16")});
  EXPECT_EQ(text_of(trigger), "10.1.0.0/16[tcp/opaque] === 10.2.0.0/16[tcp/opaque]");
}

//= rfc7296#2.9-1 type=test
TEST(Offer, begins_with_the_packet_and_goes_on_with_the_policy) {
  const TrafficSelectors allowed{net("10.1.0.0/16")};
  EXPECT_EQ(to_string(offer_for({net("10.1.0.5/32", 6)}, false, allowed)),
            "10.1.0.5/32[tcp], 10.1.0.0/16");
  EXPECT_EQ(to_string(offer_for({net("10.1.0.5/32")}, true, allowed)), "10.1.0.5/32");
  EXPECT_EQ(to_string(offer_for({net("10.1.0.0/16")}, false, allowed)), "10.1.0.0/16");
  EXPECT_EQ(to_string(offer_for({net("192.0.2.1/32")}, true, allowed)), "10.1.0.0/16");
}

TEST(Offer, never_has_more_selectors_than_a_payload_can_count) {
  TrafficSelectors many;
  for (std::uint32_t i = 0; i < 300; ++i) {
    many.push_back(net("10.1.0.0/32"));
    many.back().first = many.back().last = base::IpAddress::v4(0x0a010000 + i);
  }
  EXPECT_EQ(offer_for({net("10.1.0.5/32", 6)}, false, many).size(),
            wire::traffic_selector_count_max);
}

}  // namespace
}  // namespace caponier::policy

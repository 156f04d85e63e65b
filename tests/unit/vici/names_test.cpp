#include "vici/names.h"

#include <gtest/gtest.h>

namespace caponier::vici {
namespace {

policy::TrafficSelector of(const char* prefix, std::uint8_t protocol = 0, std::uint16_t first = 0,
                           std::uint16_t last = 0xffff) {
  return policy::TrafficSelector::from_prefix(base::Prefix::parse(prefix).value(), protocol, first,
                                              last);
}

TEST(ViciNames, every_algorithm_that_we_have_has_strongswans_name) {
  for (const auto& info : crypto::all_encr()) EXPECT_NE(name_of(info.id).front(), '(') << info.name;
  for (const auto& info : crypto::all_integ())
    EXPECT_NE(name_of(info.id).front(), '(') << info.name;
  for (const auto& info : crypto::all_prf()) EXPECT_NE(name_of(info.id).front(), '(') << info.name;
  for (const auto& info : crypto::all_ke()) EXPECT_NE(name_of(info.id).front(), '(') << info.name;
  EXPECT_EQ(name_of(crypto::EncrId{1234}), "(1234)");
}

TEST(ViciNames, selectors_are_prefixes_or_ranges_with_protocols_and_ports_by_name) {
  EXPECT_EQ(selector_text(of("10.1.0.0/16")), "10.1.0.0/16");
  EXPECT_EQ(selector_text(of("192.0.2.1/32")), "192.0.2.1/32");
  EXPECT_EQ(selector_text(of("::/0")), "::/0");
  EXPECT_EQ(selector_text(of("10.1.0.0/24", 6, 22, 22)), "10.1.0.0/24[tcp/ssh]");
  EXPECT_EQ(selector_text(of("10.1.0.0/24", 17)), "10.1.0.0/24[udp]");
  EXPECT_EQ(selector_text(of("10.1.0.0/24", 17, 1000, 2000)), "10.1.0.0/24[udp/1000-2000]");
  EXPECT_EQ(selector_text(of("10.1.0.0/24", 17, 80, 80)), "10.1.0.0/24[udp/80]");
  EXPECT_EQ(selector_text(of("10.1.0.0/24", 0, 443, 443)), "10.1.0.0/24[/443]");
  EXPECT_EQ(selector_text(of("10.1.0.0/24", 200)), "10.1.0.0/24[200]");
  EXPECT_EQ(selector_text(of("10.1.0.0/24", 6, 0xffff, 0)), "10.1.0.0/24[tcp/OPAQUE]");
  EXPECT_EQ(selector_text(of("10.1.0.0/24", 1, 0x0800, 0x08ff)), "10.1.0.0/24[icmp/8]");
  auto range = of("10.1.0.5/32");
  range.last = base::IpAddress::parse("10.1.0.9").value();
  EXPECT_EQ(selector_text(range), "10.1.0.5..10.1.0.9");
}

TEST(ViciNames, identities_are_bare) {
  const auto text = [](std::string_view identity) {
    return identity_text(policy::Identity::parse(identity), nullptr);
  };
  EXPECT_EQ(text("@moon.example"), "moon.example");
  EXPECT_EQ(text("carol@example.org"), "carol@example.org");
  EXPECT_EQ(text("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(text("keyid:secretid"), "secretid");
  EXPECT_EQ(text("keyid:00ff"), "00:ff");
  EXPECT_EQ(identity_text(std::nullopt, nullptr), "%any");
}

}  // namespace
}  // namespace caponier::vici

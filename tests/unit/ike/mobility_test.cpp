// Addresses that change: RFC 4555 in both roles, RFC 7296 s2.23, liveness and keep-alives.

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;

void bring_up(Pair& pair) {
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  pair.sent.clear();
}

SetLocalAddresses addresses(std::initializer_list<std::string_view> list) {
  SetLocalAddresses command;
  for (const std::string_view text : list) command.addresses.push_back(ip(text));
  return command;
}

TEST(IkeMobility, without_mobike_a_lost_address_ends_the_sa_at_once) {
  Pair pair;
  pair.command_a(addresses({"192.0.2.1"}));
  bring_up(pair);
  pair.command_a(addresses({"198.51.100.7"}));
  ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::address_lost);
  EXPECT_TRUE(pair.a.record.ike_downs.at(0).was_established);
  EXPECT_TRUE(pair.a.live().empty());
}

TEST(IkeMobility, a_host_without_any_address_keeps_its_sas) {
  Pair pair;
  pair.command_a(addresses({"192.0.2.1"}));
  bring_up(pair);
  pair.command_a(addresses({}));
  pair.command_a(addresses({"2001:db8::7"}));
  pair.command_a(addresses({"192.0.2.1", "198.51.100.7"}));
  EXPECT_TRUE(pair.is_up());
}

TEST(IkeMobility, an_address_that_was_never_listed_is_not_missed) {
  Pair pair;
  bring_up(pair);
  pair.command_a(addresses({"198.51.100.7"}));
  EXPECT_TRUE(pair.is_up());
}

}  // namespace
}  // namespace caponier::ike::test

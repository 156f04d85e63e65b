// The packet that asks for a tunnel is offered first, or alone (RFC 7296 s2.9, RFC 4301 s4.4.1).

#include <gtest/gtest.h>

#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

const std::string to_b = "to-b.example";

policy::Trigger trigger(std::string_view remote, bool is_exact) {
  return {net("10.1.0.5/32"), net(remote), is_exact};
}

Initiate initiate(const Pair& pair, policy::Trigger wanted) {
  Initiate command{to_b, pair.path_of(true, 500)};
  command.trigger = std::move(wanted);
  return command;
}

//= rfc7296#2.9-1 type=test
TEST(IkeTrigger, the_packet_comes_first_and_the_policy_is_what_both_get) {
  EndpointConfig config = test_config();
  config.export_keys = true;
  Pair pair{config};
  pair.command_a(initiate(pair, trigger("10.2.0.9/32", false)));
  pair.run();
  ASSERT_TRUE(pair.is_up());
  EXPECT_EQ(policy::to_string(pair.a.live().at(0)->remote), "10.2.0.0/16");
  Forger forger{pair.a.record.keys.at(0)};
  for (const Datagram& datagram : pair.sent) {
    const auto header = datagram.header();
    if (header.exchange != wire::ExchangeType::ike_auth || header.is_response()) continue;
    const auto payloads = forger.open(datagram.message);
    const auto ts = policy::from_wire(*wire::find_ts(payloads, false));
    EXPECT_EQ(policy::to_string(ts), "10.2.0.9/32, 10.2.0.0/16");
  }
}

TEST(IkeTrigger, an_exact_one_is_all_there_is_and_each_makes_a_child) {
  Pair pair;
  pair.command_a(initiate(pair, trigger("10.2.0.9/32", true)));
  pair.run();
  ASSERT_TRUE(pair.is_up());
  const std::string child = pair.a.record.child_ups.at(0).child;
  for (const std::string_view remote : {"10.2.0.10/32", "10.2.0.11/32"}) {
    pair.command_a(InitiateChild{to_b, child, trigger(remote, true)});
    // Asked twice, made once.
    pair.command_a(InitiateChild{to_b, child, trigger(remote, true)});
  }
  pair.run();
  const auto at_a = pair.a.live();
  const auto at_b = pair.b.live();
  ASSERT_EQ(at_a.size(), 3u);
  ASSERT_EQ(at_b.size(), 3u);
  EXPECT_EQ(policy::to_string(at_a[0]->remote), "10.2.0.9/32");
  EXPECT_EQ(policy::to_string(at_a[1]->remote), "10.2.0.10/32");
  EXPECT_EQ(policy::to_string(at_a[2]->remote), "10.2.0.11/32");
  EXPECT_EQ(policy::to_string(at_b[2]->local), "10.2.0.11/32");
  EXPECT_EQ(policy::to_string(at_b[2]->remote), "10.1.0.5/32");
}

TEST(IkeTrigger, the_selectors_stay_those_of_the_packet_through_a_rekey) {
  Pair pair;
  pair.command_a(initiate(pair, trigger("10.2.0.9/32", true)));
  pair.run();
  ASSERT_TRUE(pair.is_up());
  pair.command_a(RekeyChild{pair.a.live().at(0)->id});
  pair.run();
  EXPECT_EQ(policy::to_string(pair.a.live().back()->remote), "10.2.0.9/32");
}

TEST(IkeTrigger, one_outside_the_policy_is_of_no_account) {
  Pair pair;
  pair.command_a(initiate(pair, trigger("192.0.2.77/32", true)));
  pair.run();
  ASSERT_TRUE(pair.is_up());
  EXPECT_EQ(policy::to_string(pair.a.live().at(0)->remote), "10.2.0.0/16");
}

}  // namespace
}  // namespace caponier::ike::test

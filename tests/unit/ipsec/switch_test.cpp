// Several SAs of one child: which one carries outbound traffic while one replaces another.

#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

Spec second_spec() {
  Spec spec;
  spec.id = 2;
  return spec;
}

std::uint64_t carrier(Engine& engine, const ByteVec& packet) {
  return protect_one(engine, packet).item.sa.value;
}

/// A pair with a second SA that only receives on A's side.
struct Replaced : Pair {
  Replaced() {
    policy::InstallSa for_a = install_for_a(second_spec());
    for_a.receives_only = true;
    EXPECT_TRUE(a.install(std::move(for_a), {}).has_value());
    EXPECT_TRUE(b.install(install_for_b(second_spec()), {}).has_value());
  }
};

TEST(SwitchSa, one_that_receives_only_sends_when_told_to_and_not_before) {
  Replaced pair;
  EXPECT_EQ(carrier(pair.a, v4_packet()), 1u);
  pair.a.switch_outbound({{2}, true});
  EXPECT_EQ(carrier(pair.a, v4_packet()), 2u);
  pair.a.switch_outbound({{2}, false});
  EXPECT_EQ(carrier(pair.a, v4_packet()), 1u);
  pair.a.switch_outbound({{77}, true});
}

TEST(SwitchSa, one_that_receives_only_sends_when_there_is_no_other) {
  Replaced pair;
  pair.a.remove({1});
  EXPECT_EQ(carrier(pair.a, v4_packet()), 2u);
}

TEST(SwitchSa, the_first_packet_on_one_that_receives_only_is_announced_once) {
  Replaced pair;
  const ByteVec packet = udp_packet("10.2.0.9", "10.1.0.5", 1);
  ByteVec forged = protect_one(pair.b, packet).esp;
  forged.back() ^= std::byte{1};
  (void)open_one(pair.a, forged);
  EXPECT_TRUE(notices_of<PeerSends>(pair.a).empty());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pair.b_to_a(packet));
  const auto notices = notices_of<PeerSends>(pair.a);
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].id.value, 2u);
}

}  // namespace
}  // namespace caponier::ipsec::test

// Packets that are cut before ESP, and those that are not.

#include <gtest/gtest.h>

#include "ipsec/reassembly.h"
#include "unit/ipsec/pair.h"
#include "wire/ip_split.h"

namespace caponier::ipsec::test {
namespace {

struct Sent {
  Protected first;
  std::vector<Protected> made;
};

Sent send(Engine& engine, const ByteVec& packet) {
  Sent sent;
  sent.first = protect_one(engine, packet);
  for (const ProtectItem& item : engine.made()) {
    sent.made.push_back({item, base::to_vec(std::as_const(*item.packet).bytes())});
  }
  return sent;
}

std::size_t outer_size(const Protected& sent) { return 20 + sent.esp.size(); }

//= rfc4301#8.2.1-2 rfc4301#8.2.1-4 type=test
TEST(SplitBefore, every_fragment_fits_and_the_peer_gets_what_was_sent) {
  for (const std::size_t path_mtu : {1500U, 1280U, 700U}) {
    Pair pair;
    pair.a.set_path_mtu({1}, path_mtu);
    const ByteVec packet = without_df(v4_packet(3000));
    const Sent sent = send(pair.a, packet);
    base::DropCounters drops;
    Reassembly reassembly{{}, drops};
    ASSERT_EQ(sent.first.item.verdict, Verdict::forward);
    EXPECT_LE(outer_size(sent.first), path_mtu);
    auto whole = reassembly.add(open_one(pair.b, sent.first.esp).packet, {}).value();
    for (const Protected& piece : sent.made) {
      ASSERT_EQ(piece.item.verdict, Verdict::forward);
      EXPECT_EQ(piece.item.path, pair.spec.path);
      EXPECT_LE(outer_size(piece), path_mtu);
      EXPECT_FALSE(whole.has_value());
      const Opened got = open_one(pair.b, piece.esp);
      ASSERT_EQ(got.item.verdict, Verdict::forward);
      whole = reassembly.add(got.packet, {}).value();
    }
    EXPECT_EQ(whole, packet);
    EXPECT_EQ(pair.a.counters({1})->packets_out, 1 + sent.made.size());
  }
}

TEST(SplitBefore, is_not_done_to_what_fits_or_must_not_be_fragmented) {
  Pair pair;
  EXPECT_TRUE(send(pair.a, without_df(v4_packet(1000))).made.empty());
  EXPECT_EQ(send(pair.a, v4_packet(3000)).first.item.drop, DropReason::clear_too_big);
  EXPECT_TRUE(pair.a.made().empty());
  EXPECT_EQ(send(pair.a, v6_packet(3000)).first.item.drop, DropReason::clear_too_big);
  EXPECT_TRUE(pair.a.made().empty());
}

//= rfc4301#7.3-2 rfc4301#7.3-4 type=test
TEST(SplitBefore, is_not_done_where_later_fragments_would_miss_the_selectors) {
  Spec spec;
  spec.a_nets = {prefix("10.1.0.0/16", 17, 1000, 1000)};
  Pair pair{spec};
  const ByteVec packet = without_df(v4_packet(3000));
  const Sent sent = send(pair.a, packet);
  EXPECT_TRUE(sent.made.empty());
  EXPECT_FALSE(sent.first.item.dont_fragment);
  EXPECT_EQ(open_one(pair.b, sent.first.esp).packet, packet);
}

TEST(SplitBefore, goes_through_the_sa_of_the_whole_packet_whatever_policy_later_fragments_match) {
  Pair pair;
  const policy::TrafficSelectors everything{policy::TrafficSelector::any(base::Family::v4)};
  pair.a.set_policies({{PolicyAction::protect,
                        "site",
                        "net",
                        {prefix("10.1.0.0/16", 17, 1000, 1000)},
                        {prefix("10.2.0.0/16")}},
                       {PolicyAction::bypass, "", "", everything, everything}});
  const Sent sent = send(pair.a, without_df(v4_packet(3000)));
  ASSERT_EQ(sent.made.size(), 2u);
  for (const Protected& piece : sent.made) EXPECT_EQ(piece.item.verdict, Verdict::forward);
}

TEST(SplitBefore, of_ipv6_is_done_to_what_had_come_in_fragments) {
  Pair pair;
  const policy::TrafficSelectors everything{policy::TrafficSelector::any(base::Family::v6)};
  // Whether it is this policy's, no later fragment tells.
  pair.a.set_policies(
      {{PolicyAction::bypass, "", "", {prefix("2001:db8:1::/48", 17, 5000, 5000)}, everything},
       {PolicyAction::protect, "site", "net", everything, everything}});
  const ByteVec packet = v6_packet(3000);
  const auto plan = wire::Ipv6Split::plan(packet, 1280, 7).value();
  for (std::size_t i = 0; i < plan.count(); ++i) {
    ByteVec piece(plan.size_of(i));
    plan.write(i, piece);
    EXPECT_EQ(protect_one(pair.a, piece).item.verdict, Verdict::held);
  }
  PacketBuffer buffer{buffer_size};
  PacketBuffer* const to = &buffer;
  ASSERT_EQ(pair.a.take_waiting({&to, 1}), 1u);
  ProtectItem first;
  first.packet = &buffer;
  pair.a.protect({&first, 1}, {});
  ASSERT_EQ(first.verdict, Verdict::forward);
  ASSERT_EQ(pair.a.made().size(), 2u);
  base::DropCounters drops;
  Reassembly reassembly{{}, drops};
  auto whole = reassembly.add(open_one(pair.b, base::to_vec(buffer.bytes())).packet, {}).value();
  for (const ProtectItem& item : pair.a.made()) {
    EXPECT_FALSE(whole.has_value());
    ASSERT_EQ(item.verdict, Verdict::forward);
    EXPECT_LE(item.packet->size() + 20, 1500u);
    whole = reassembly.add(open_one(pair.b, base::to_vec(item.packet->bytes())).packet, {}).value();
  }
  EXPECT_EQ(whole, packet);
}

TEST(Fragments, go_the_way_of_the_whole_packet_where_ports_decide) {
  Pair pair;
  const policy::TrafficSelectors everything{policy::TrafficSelector::any(base::Family::v4)};
  pair.a.set_policies(
      {{PolicyAction::discard, "", "", {prefix("10.1.0.0/16", 17, 1000, 1000)}, everything},
       {PolicyAction::bypass, "", "", everything, everything}});
  const auto verdict_of_whole = [&](std::uint16_t port) {
    const ByteVec packet = without_df(udp_packet("10.1.0.5", "10.2.0.9", 3000, port));
    const auto plan = wire::Ipv4Split::plan(packet, 1400).value();
    for (std::size_t i = 1; i < plan.count(); ++i) {
      ByteVec piece(plan.size_of(i));
      plan.write(i, piece);
      EXPECT_EQ(protect_one(pair.a, piece).item.verdict, Verdict::held);
    }
    ByteVec head = packet;
    plan.cut_first(head);
    head.resize(plan.size_of(0));
    EXPECT_EQ(protect_one(pair.a, head).item.verdict, Verdict::held);
    return protect_one(pair.a, take_all(pair.a).front()).item.verdict;
  };
  EXPECT_EQ(verdict_of_whole(1000), Verdict::drop);
  EXPECT_EQ(verdict_of_whole(1001), Verdict::bypass);
}

TEST(Fragments, that_a_policy_of_their_own_waits_for_are_left_alone) {
  Pair pair;
  const policy::TrafficSelectors everything{policy::TrafficSelector::any(base::Family::v4)};
  pair.a.set_policies(
      {{PolicyAction::discard, "", "", {prefix("10.1.0.0/16", 17, 1000, 1000)}, everything},
       {PolicyAction::bypass, "", "", {prefix("10.1.0.0/16", 17, 0xffff, 0)}, everything}});
  ByteVec fragment = v4_packet();
  set_v4_word(fragment, 6, 0x0010);
  EXPECT_EQ(protect_one(pair.a, fragment).item.verdict, Verdict::bypass);
}

TEST(SplitAfter, leaves_it_to_the_outer_packet) {
  Pair pair;
  pair.a.remove({1});
  policy::InstallSa sa = install_for_a(pair.spec);
  sa.treatment.fragment = policy::FragmentWhen::after;
  ASSERT_TRUE(pair.a.install(std::move(sa), {}).has_value());
  const ByteVec packet = without_df(v4_packet(3000));
  const Sent sent = send(pair.a, packet);
  EXPECT_TRUE(sent.made.empty());
  EXPECT_FALSE(sent.first.item.dont_fragment);
  EXPECT_EQ(open_one(pair.b, sent.first.esp).packet, packet);
}

TEST(SplitBefore, of_more_than_the_limit_is_refused) {
  EngineLimits limits;
  limits.made_packets_max = 3;
  Pair pair{{}, limits};
  const ByteVec packet = without_df(v4_packet(3000));  // two fragments besides the first
  const auto sent = protect_all(pair.a, {packet, packet, v4_packet()}, {});
  EXPECT_EQ(sent[0].item.verdict, Verdict::forward);
  EXPECT_EQ(sent[1].item.drop, DropReason::clear_queue_full);
  EXPECT_EQ(sent[2].item.verdict, Verdict::forward);
  EXPECT_EQ(pair.a.made().size(), 2u);
}

TEST(SplitBefore, of_many_packets_of_one_call_is_done_in_bursts) {
  Pair pair;
  const ByteVec packet = without_df(v4_packet(4000));
  const auto sent = protect_all(pair.a, std::vector<ByteVec>(200, packet), {});
  for (const Protected& one : sent) ASSERT_EQ(one.item.verdict, Verdict::forward);
  ASSERT_EQ(pair.a.made().size(), 400u);
  for (const ProtectItem& item : pair.a.made()) ASSERT_EQ(item.verdict, Verdict::forward);
}

TEST(SplitBefore, of_a_fragment_makes_fragments_of_it) {
  Pair pair;
  pair.a.set_path_mtu({1}, 600);
  ByteVec fragment = v4_packet(1000);
  set_v4_word(fragment, 6, 0x2000 | 10);  // 80 octets into the packet, more to follow
  const Sent sent = send(pair.a, fragment);
  ASSERT_EQ(sent.made.size(), 1u);
  const ByteVec first = open_one(pair.b, sent.first.esp).packet;
  const ByteVec second = open_one(pair.b, sent.made[0].esp).packet;
  const auto head = wire::Ipv4View::checked(first).value();
  const auto tail = wire::Ipv4View::checked(second).value();
  EXPECT_EQ(head.fragment_offset(), 80u);
  EXPECT_EQ(tail.fragment_offset(), 80u + head.payload().size());
  EXPECT_TRUE(head.more_fragments());
  EXPECT_TRUE(tail.more_fragments());
  EXPECT_EQ(head.payload().size() + tail.payload().size(), 1008u);
}

}  // namespace
}  // namespace caponier::ipsec::test

// Policies, associations and sizes on the way out.

#include <gtest/gtest.h>

#include <limits>

#include "unit/ipsec/pair.h"
#include "wire/icmp.h"
#include "wire/tcp.h"

namespace caponier::ipsec::test {
namespace {

DropReason drop_of(Engine& engine, const ByteVec& packet, Instant now = {}) {
  const Protected sent = protect_one(engine, packet, now);
  EXPECT_EQ(sent.item.verdict, Verdict::drop);
  return sent.item.drop;
}

const policy::TrafficSelectors everything{policy::TrafficSelector::any(base::Family::v4)};

//= rfc4301#4.4.1-1 rfc4301#4.4.1-3 rfc4301#4.4.1-6 rfc4301#5.1-1 type=test
TEST(Policies, the_first_that_matches_decides) {
  Pair pair;
  const policy::TrafficSelectors dns{prefix("0.0.0.0/0", 17, 53, 53)};
  pair.a.set_policies({{PolicyAction::bypass, "", "", everything, dns},
                       {PolicyAction::discard, "", "", {prefix("10.1.0.7/32")}, everything},
                       {PolicyAction::protect, "site", "net", {prefix("10.1.0.0/16")}, everything},
                       {PolicyAction::bypass, "", "", everything, everything}});
  const auto verdict = [&](std::string_view from, std::uint16_t port) {
    return protect_one(pair.a, udp_packet(from, "10.2.0.9", 9, 1, port)).item.verdict;
  };
  EXPECT_EQ(verdict("10.1.0.7", 53), Verdict::bypass);
  EXPECT_EQ(verdict("10.1.0.7", 54), Verdict::drop);
  EXPECT_EQ(verdict("10.1.0.8", 54), Verdict::forward);
  EXPECT_EQ(verdict("10.9.0.8", 54), Verdict::bypass);
  EXPECT_EQ(pair.a.drops()[DropReason::clear_policy_discard], 1u);
  EXPECT_EQ(drop_of(pair.a, v6_packet()), DropReason::clear_no_policy);
}

TEST(Policies, new_ones_hold_for_flows_already_seen) {
  Pair pair;
  EXPECT_TRUE(pair.a_to_b(v4_packet()));
  pair.a.set_policies({{PolicyAction::discard, "", "", everything, everything}});
  EXPECT_EQ(drop_of(pair.a, v4_packet()), DropReason::clear_policy_discard);
  pair.a.set_policies({});
  EXPECT_EQ(drop_of(pair.a, v4_packet()), DropReason::clear_no_policy);
}

//= rfc4301#7.1-1 type=test
TEST(Policies, a_later_fragment_needs_no_ports_unless_an_earlier_policy_asks_for_them) {
  ByteVec fragment = v4_packet();
  set_v4_word(fragment, 6, 0x0010);
  Pair pair;
  EXPECT_EQ(pair.a_to_b(fragment), fragment);
  const Policy site{PolicyAction::protect, "site", "net", everything, everything};
  const Policy ports{
      PolicyAction::discard, "", "", {prefix("10.1.0.0/16", 17, 1000, 1000)}, everything};
  pair.a.set_policies({site, ports});
  EXPECT_EQ(pair.a_to_b(fragment), fragment);
  pair.a.set_policies({ports, site});
  EXPECT_EQ(protect_one(pair.a, fragment).item.verdict, Verdict::held);
  EXPECT_EQ(drop_of(pair.a, v4_packet()), DropReason::clear_policy_discard);
}

//= rfc4301#7.4-1 type=test
TEST(Policies, discard_fragments_as_they_do_whole_packets) {
  Pair pair;
  pair.a.set_policies(
      {{PolicyAction::discard, "", "", {prefix("10.1.0.0/16", 17)}, everything},
       {PolicyAction::discard, "", "", {prefix("10.1.0.0/16", 6, 0xffff, 0)}, everything},
       {PolicyAction::bypass, "", "", everything, everything}});
  ByteVec fragment = v4_packet();
  set_v4_word(fragment, 6, 0x2000);
  EXPECT_EQ(drop_of(pair.a, fragment), DropReason::clear_policy_discard);
  set_v4_word(fragment, 6, 0x2010);
  EXPECT_EQ(drop_of(pair.a, fragment), DropReason::clear_policy_discard);
  fragment[9] = std::byte{6};
  set_v4_word(fragment, 6, 0x0010);
  EXPECT_EQ(drop_of(pair.a, fragment), DropReason::clear_policy_discard) << "by OPAQUE ports";
}

//= rfc4301#4.4.1.1-1 rfc4301#4.4.1.1-6 rfc4301#6-1 type=test
TEST(Policies, icmp_selectors_hold_type_and_code) {
  Pair pair;
  const policy::TrafficSelector echo = prefix("0.0.0.0/0", 1, 8 << 8, (8 << 8) | 0xff);
  pair.a.set_policies({{PolicyAction::bypass, "", "", {echo}, {echo}}});
  const wire::Echo request{false, 1, 1, {}};
  const wire::Echo reply{true, 1, 1, {}};
  const IpAddress from = ip("10.1.0.1");
  const IpAddress to = ip("10.2.0.1");
  EXPECT_EQ(protect_one(pair.a, wire::make_echo_packet(from, to, request)).item.verdict,
            Verdict::bypass);
  EXPECT_EQ(drop_of(pair.a, wire::make_echo_packet(from, to, reply)), DropReason::clear_no_policy);
}

//= rfc4301#5.1-1 type=test
TEST(Associations, without_one_the_key_exchange_is_asked_once_per_interval) {
  Pair pair;
  pair.a.remove({1});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(protect_one(pair.a, v4_packet(), at_seconds(10)).item.verdict, Verdict::held);
  }
  const auto first = notices_of<Acquire>(pair.a);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].connection, "site");
  EXPECT_EQ(first[0].child, "net");
  (void)protect_one(pair.a, v4_packet(), at_seconds(10) + base::Duration{999'999'999});
  EXPECT_TRUE(notices_of<Acquire>(pair.a).empty());
  (void)protect_one(pair.a, v4_packet(), at_seconds(11));
  EXPECT_EQ(notices_of<Acquire>(pair.a).size(), 1u);
  EXPECT_EQ(pair.a.drops().total(), 0u);
}

TEST(Associations, a_full_notice_queue_delays_an_acquire_but_does_not_lose_it) {
  EngineLimits limits;
  limits.notice_queue_max = 0;
  Pair pair{{}, limits};
  pair.a.remove({1});
  EXPECT_EQ(protect_one(pair.a, v4_packet()).item.verdict, Verdict::held);
  EXPECT_FALSE(pair.a.poll_notice().has_value());
}

//= rfc7296#2.8.1-2 rfc4301#4.1-6..7 type=test
TEST(Associations, the_newest_carries_traffic_and_the_old_one_still_receives) {
  Pair pair;
  const Protected old = protect_one(pair.a, v4_packet(1));
  Spec second;
  second.id = 2;
  ASSERT_TRUE(pair.install(second));
  const Protected fresh = protect_one(pair.a, v4_packet(2));
  EXPECT_EQ(old.item.sa.value, 1u);
  EXPECT_EQ(fresh.item.sa.value, 2u);
  EXPECT_EQ(open_one(pair.b, fresh.esp).packet, v4_packet(2));
  EXPECT_EQ(open_one(pair.b, old.esp).packet, v4_packet(1));
  pair.a.remove({2});
  EXPECT_EQ(protect_one(pair.a, v4_packet()).item.sa.value, 1u);
}

TEST(Associations, one_whose_selectors_were_narrowed_leaves_the_rest_to_another) {
  Spec narrow;
  narrow.a_nets = {prefix("10.1.0.5/32")};
  Pair pair{narrow};
  pair.a.set_policies({{PolicyAction::protect, "site", "net", everything, everything}});
  EXPECT_TRUE(pair.a_to_b(v4_packet()));
  const ByteVec other = udp_packet("10.1.0.6", "10.2.0.9", 1);
  EXPECT_EQ(protect_one(pair.a, other).item.verdict, Verdict::held);
  EXPECT_EQ(notices_of<Acquire>(pair.a).size(), 1u);
  Spec second;
  second.id = 2;
  second.a_nets = {prefix("10.1.0.6/32")};
  ASSERT_TRUE(pair.install(second));
  EXPECT_EQ(protect_one(pair.a, other).item.sa.value, 2u);
  EXPECT_EQ(protect_one(pair.a, v4_packet()).item.sa.value, 1u);
}

TEST(Associations, are_refused_when_they_clash_or_are_too_many) {
  EngineLimits limits;
  limits.associations_max = 2;
  Pair pair{{}, limits};
  const auto error_of = [&](policy::InstallSa sa) {
    const auto result = pair.a.install(std::move(sa), {});
    return result.has_value() ? std::nullopt : std::optional{result.error()};
  };
  EXPECT_EQ(error_of(install_for_a({})), crypto::CryptoError::backend_failure);
  policy::InstallSa same_spi = install_for_a({});
  same_spi.id = {9};
  EXPECT_EQ(error_of(std::move(same_spi)), crypto::CryptoError::backend_failure);
  Spec second;
  second.id = 2;
  policy::InstallSa bad_key = install_for_a(second);
  bad_key.keys_out.encr = base::SecretBytes{7};
  EXPECT_EQ(error_of(std::move(bad_key)), crypto::CryptoError::bad_key_size);
  policy::InstallSa unknown = install_for_a(second);
  unknown.suite.cipher.encr = static_cast<crypto::EncrId>(999);
  EXPECT_EQ(error_of(std::move(unknown)), crypto::CryptoError::unsupported);
  EXPECT_EQ(pair.a.association_count(), 1u);
  EXPECT_EQ(error_of(install_for_a(second)), std::nullopt);
  second.id = 3;
  EXPECT_EQ(error_of(install_for_a(second)), crypto::CryptoError::backend_failure);
}

//= rfc4303#2.2-1 rfc4303#2.2-3 rfc4303#2.2-5 rfc4303#3.3.3-1 type=test
TEST(Sequence, starts_at_one_and_never_wraps_without_esn) {
  Spec spec;
  spec.esn = false;
  Pair pair{spec};
  const auto sequence_of = [&] {
    return base::load_be<std::uint32_t>(protect_one(pair.a, v4_packet()).esp.data() + 4);
  };
  EXPECT_EQ(sequence_of(), 1u);
  pair.a.advance_sequence({1}, 0xfffffffd);
  pair.a.advance_sequence({1}, 5);  // never back
  EXPECT_EQ(sequence_of(), 0xfffffffe);
  const auto soft = notices_of<Expired>(pair.a);
  ASSERT_EQ(soft.size(), 1u);
  EXPECT_FALSE(soft[0].hard);
  EXPECT_EQ(sequence_of(), 0xffffffff);
  EXPECT_EQ(drop_of(pair.a, v4_packet()), DropReason::clear_sequence_limit);
  EXPECT_EQ(drop_of(pair.a, v4_packet()), DropReason::clear_sequence_limit);
  const auto hard = notices_of<Expired>(pair.a);
  ASSERT_EQ(hard.size(), 1u);
  EXPECT_TRUE(hard[0].hard);
  EXPECT_TRUE(pair.b_to_a(udp_packet("10.2.0.9", "10.1.0.5", 1)).has_value());
}

std::uint32_t sequence_of_next(Pair& pair) {
  return base::load_be<std::uint32_t>(protect_one(pair.a, v4_packet()).esp.data() + 4);
}

TEST(Outbound, skipped_sequence_numbers_are_left_out_and_the_peer_goes_along) {
  Pair pair;
  EXPECT_EQ(sequence_of_next(pair), 1u);
  pair.a.skip({{1}, 1000});
  EXPECT_EQ(sequence_of_next(pair), 1002u);
  pair.a.skip({{1}, 0});
  pair.a.skip({{77}, 1000});
  EXPECT_EQ(sequence_of_next(pair), 1003u) << "of another SA";
  EXPECT_TRUE(pair.a_to_b(v4_packet()).has_value());
}

//= rfc4303#3.3.3-1 type=test
TEST(Outbound, as_many_skipped_as_there_are_use_the_sa_up) {
  Spec spec;
  spec.esn = false;
  Pair pair{spec};
  pair.a.skip({{1}, std::numeric_limits<std::uint64_t>::max()});
  EXPECT_EQ(drop_of(pair.a, v4_packet()), DropReason::clear_sequence_limit);
  const auto expired = notices_of<Expired>(pair.a);
  ASSERT_FALSE(expired.empty());
  EXPECT_TRUE(expired.back().hard);
}

/// Remembers the IV of every packet.
class Ivs final : public crypto::SealObserver {
 public:
  void on_seal(Bytes key, Bytes iv, Bytes) override {
    repeated |= !seen_.emplace(base::to_hex(key), base::to_hex(iv)).second;
    ++count;
  }
  bool repeated = false;
  std::size_t count = 0;

 private:
  std::set<std::pair<std::string, std::string>> seen_;
};

TEST(Sequence, no_iv_repeats_under_a_key_also_after_a_take_over) {
  Ivs ivs;
  const crypto::NullProvider provider{&ivs};
  Pair pair{{}, {}, provider};
  for (int i = 0; i < 600; ++i) {
    (void)protect_all(pair.a, {v4_packet(), v6_packet(), v4_packet()}, {});
    if (i % 7 == 0) pair.a.advance_sequence({1}, static_cast<std::uint64_t>(i) * 5);
    (void)protect_one(pair.b, udp_packet("10.2.0.9", "10.1.0.5", 1));
  }
  EXPECT_EQ(ivs.count, 2400u);
  EXPECT_FALSE(ivs.repeated);
}

std::size_t outer_size(const Spec& spec, const Protected& sent) {
  return sent.esp.size() + (spec.path.remote.address.is_v4() ? 20u : 40u) +
         (spec.udp_encap ? 8u : 0u);
}

void expect_exact_mtu(const Spec& spec) {
  Pair pair{spec};
  const base::Endpoint from{spec.a_nets[0].first, 1};
  const base::Endpoint to{spec.b_nets[0].first, 2};
  const std::size_t headers = from.address.is_v4() ? 28 : 48;
  pair.a.set_path_mtu({1}, 60000);
  for (std::size_t size = headers; size <= 1600; ++size) {
    const ByteVec packet = wire::make_udp_packet(from, to, ByteVec(size - headers));
    ASSERT_EQ(packet.size(), size);
    const Protected sent = protect_one(pair.a, packet);
    ASSERT_EQ(sent.item.verdict, Verdict::forward);
    const std::size_t outer = outer_size(spec, sent);
    ASSERT_GE(pair.a.inner_mtu({1}, outer), size);
    ASSERT_LT(pair.a.inner_mtu({1}, outer - 1), size);
  }
}

TEST(Mtu, inner_mtu_predicts_the_outer_size_to_the_byte) {
  for (const auto& suite : {aes_gcm, aes_cbc}) {
    for (const bool outer_v4 : {true, false}) {
      for (const bool udp : {true, false}) {
        Spec spec;
        spec.suite = suite;
        spec.udp_encap = udp;
        if (!outer_v4) spec.path = {{ip("2001:db8::1"), 4500}, {ip("2001:db8::2"), 4500}};
        expect_exact_mtu(spec);
        std::swap(spec.a_nets[0], spec.a_nets[1]);
        std::swap(spec.b_nets[0], spec.b_nets[1]);
        expect_exact_mtu(spec);
        spec.mode = policy::SaMode::transport;
        spec.a_nets = {prefix(spec.path.local.address.to_string())};
        spec.b_nets = {prefix(spec.path.remote.address.to_string())};
        expect_exact_mtu(spec);
      }
    }
  }
}

TEST(Mtu, is_zero_for_unknown_associations_and_hopeless_paths) {
  Pair pair;
  EXPECT_EQ(pair.a.inner_mtu({99}, 1500), 0u);
  for (std::size_t mtu = 0; mtu < 56; ++mtu) EXPECT_EQ(pair.a.inner_mtu({1}, mtu), 0u) << mtu;
  EXPECT_EQ(pair.a.inner_mtu({1}, 56), 2u);
  EXPECT_EQ(pair.a.inner_mtu({1}, 1500), 1446u);
}

//= rfc4303#3.3.4-2 rfc4301#5.1-7 rfc4301#8.2.1-2..3 type=test
TEST(Mtu, a_packet_too_big_with_df_is_answered_and_dropped) {
  Pair pair;
  const std::size_t limit = pair.a.inner_mtu({1}, path_mtu_default);
  const ByteVec fits = v4_packet(limit - 28);
  const ByteVec too_long = v4_packet(limit - 27);
  const Protected sent = protect_one(pair.a, fits);
  EXPECT_EQ(sent.item.verdict, Verdict::forward);
  EXPECT_TRUE(sent.item.dont_fragment);
  EXPECT_EQ(drop_of(pair.a, too_long), DropReason::clear_too_big);
  const auto notices = notices_of<TooBig>(pair.a);
  ASSERT_EQ(notices.size(), 1u);
  const auto reply = wire::Ipv4View::checked(notices[0].icmp_reply).value();
  EXPECT_EQ(reply.source(), ip("10.2.0.9"));
  EXPECT_EQ(reply.destination(), ip("10.1.0.5"));
  const auto icmp = wire::IcmpView::checked(reply.payload()).value();
  EXPECT_EQ(icmp.type(), wire::icmp_type::destination_unreachable);
  EXPECT_EQ(icmp.next_hop_mtu(), limit);
}

//= rfc4303#3.3.4-2 rfc4301#8.2.1-2 rfc4301#8.2.1-6 type=test
TEST(Mtu, ipv6_is_answered_above_1280_and_fragmented_outside_below) {
  Pair pair;
  EXPECT_EQ(drop_of(pair.a, v6_packet(1452)), DropReason::clear_too_big);
  auto notices = notices_of<TooBig>(pair.a);
  ASSERT_EQ(notices.size(), 1u);
  const auto big = wire::Ipv6View::checked(notices[0].icmp_reply).value();
  EXPECT_EQ(wire::IcmpView::checked(big.payload())->mtu(), 1446u);

  pair.a.set_path_mtu({1}, 1280);
  EXPECT_EQ(drop_of(pair.a, v6_packet(1281 - 48)), DropReason::clear_too_big);
  notices = notices_of<TooBig>(pair.a);
  ASSERT_EQ(notices.size(), 1u);
  const auto least = wire::Ipv6View::checked(notices[0].icmp_reply).value();
  EXPECT_EQ(wire::IcmpView::checked(least.payload())->mtu(), 1280u);
  const Protected sent = protect_one(pair.a, v6_packet(1280 - 48));
  EXPECT_EQ(sent.item.verdict, Verdict::forward);
  EXPECT_FALSE(sent.item.dont_fragment);
}

TEST(Mtu, answers_are_limited_in_rate) {
  EngineLimits limits;
  limits.too_big_burst_max = 3;
  Pair pair{{}, limits};
  const std::vector<ByteVec> flood(10, v4_packet(1500));
  (void)protect_all(pair.a, flood, at_seconds(1));
  EXPECT_EQ(notices_of<TooBig>(pair.a).size(), 3u);
  (void)protect_all(pair.a, flood, at_seconds(2));
  EXPECT_EQ(notices_of<TooBig>(pair.a).size(), 3u);
  EXPECT_EQ(pair.a.drops()[DropReason::clear_too_big], 20u);
}

TEST(Mtu, a_packet_that_no_outer_packet_could_carry_is_dropped) {
  Pair pair;
  pair.a.remove({1});
  policy::InstallSa whole = install_for_a(pair.spec);
  whole.treatment.fragment = policy::FragmentWhen::after;
  ASSERT_TRUE(pair.a.install(std::move(whole), {}).has_value());
  EXPECT_EQ(drop_of(pair.a, without_df(v4_packet(65535 - 28))), DropReason::clear_too_big);
  EXPECT_TRUE(notices_of<TooBig>(pair.a).empty());
}

std::uint16_t mss_of(const ByteVec& packet) {
  return base::load_be<std::uint16_t>(packet.data() + packet.size() - 2);
}

TEST(Mss, of_a_syn_is_clamped_outbound_and_inbound_in_both_families) {
  for (const bool v4 : {true, false}) {
    const std::string_view a = v4 ? "10.1.0.5" : "2001:db8:1::5";
    const std::string_view b = v4 ? "10.2.0.9" : "2001:db8:2::9";
    const std::uint16_t expected = v4 ? 1446 - 40 : 1446 - 60;
    Pair pair;
    const ByteVec out = pair.a_to_b(syn_packet(a, b, 8960)).value();
    EXPECT_EQ(mss_of(out), expected);
    EXPECT_TRUE(has_good_checksum(out));
    EXPECT_EQ(pair.a_to_b(syn_packet(a, b, 500)), syn_packet(a, b, 500));
    // The peer does not clamp: we do it for what arrives too.
    EngineLimits limits;
    limits.clamp_mss = false;
    Engine lax{limits, pair.rng, pair.provider};
    Spec second;
    second.id = 2;
    ASSERT_TRUE(lax.install(install_for_b(second), {}).has_value());
    ASSERT_TRUE(pair.a.install(install_for_a(second), {}).has_value());
    lax.set_policies({{PolicyAction::protect, "site", "net", second.b_nets, second.a_nets}});
    const Protected sent = protect_one(lax, syn_packet(b, a, 8960));
    const Opened got = open_one(pair.a, sent.esp);
    EXPECT_EQ(mss_of(got.packet), expected);
    EXPECT_TRUE(has_good_checksum(got.packet));
  }
}

TEST(Mss, is_left_alone_when_switched_off_or_in_fragments) {
  EngineLimits limits;
  limits.clamp_mss = false;
  Pair off{{}, limits};
  const ByteVec syn = syn_packet("10.1.0.5", "10.2.0.9", 8960);
  EXPECT_EQ(off.a_to_b(syn), syn);
  Pair on;
  ByteVec fragment = syn;
  set_v4_word(fragment, 6, 0x0003);
  EXPECT_EQ(on.a_to_b(fragment), fragment);
}

TEST(Mss, follows_the_path_mtu) {
  Pair pair;
  pair.a.set_path_mtu({1}, 1000);
  const auto out = pair.a_to_b(syn_packet("10.1.0.5", "10.2.0.9", 1460)).value();
  EXPECT_EQ(mss_of(out), pair.a.inner_mtu({1}, 1000) - 40);
}

}  // namespace
}  // namespace caponier::ipsec::test

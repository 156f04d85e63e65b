// Fragmented messages (RFC 7383): in every order, with every loss, within every limit.

#include "ike/fragments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "ike/messages.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

constexpr std::size_t udp_overhead = 28;

policy::Identity large_identity(std::size_t size) {
  return {wire::IdType::key_id, ByteVec(size, std::byte{'x'})};
}

/// Identities of these sizes, so that IKE_AUTH becomes large.
struct Sizes {
  std::size_t of_a = 3000;
  std::size_t of_b = 3000;
};

void set_large(Pair& pair, Sizes sizes, const std::function<void(ConnectionConfig&)>& change = {}) {
  ConnectionConfig a = make_connection(end_a, end_b);
  ConnectionConfig b = make_connection(end_b, end_a);
  a.peer_rounds.front().identity = std::nullopt;
  b.peer_rounds.front().identity = std::nullopt;
  if (sizes.of_a > 0) a.own_rounds.front().identity = large_identity(sizes.of_a);
  if (sizes.of_b > 0) b.own_rounds.front().identity = large_identity(sizes.of_b);
  if (change) change(a);
  pair.a.set(std::move(a));
  pair.b.set(std::move(b));
}

bool is_fragment(const Datagram& datagram) {
  return datagram.header().next_payload == PayloadType::skf;
}

std::size_t count_fragments(const Pair& pair, bool to_b) {
  return static_cast<std::size_t>(std::ranges::count_if(
      pair.sent, [&](const Datagram& d) { return d.to_b == to_b && is_fragment(d); }));
}

/// Up, with A's keys in the test's hands.
struct Fixture {
  Fixture() {
    pair.initiate_a();
    pair.run();
    forger.emplace(pair.a.record.keys.at(0));
  }
  [[nodiscard]] std::vector<ByteVec> cut(std::uint32_t id, std::uint16_t total,
                                         std::size_t size = 600) {
    const wire::NotifyPayload notify =
        make_notify(static_cast<NotifyType>(40000), ByteVec(size, std::byte{7}));
    return forger->fragments(forger->header(ExchangeType::informational, id), {notify}, total);
  }
  std::size_t answers() const { return pair.b.record.transmits.size() - answers_before; }
  void mark() { answers_before = pair.b.record.transmits.size(); }

  Pair pair;
  std::optional<Forger> forger;
  std::size_t answers_before = 0;
};

//= rfc7383#2.5-1..3,7 type=test
TEST(IkeFragments, a_large_ike_auth_goes_in_fragments_both_ways) {
  Pair pair;
  set_large(pair, {});
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  EXPECT_EQ(count_fragments(pair, true), 3u);
  EXPECT_EQ(count_fragments(pair, false), 3u);
  std::uint16_t expected = 1;
  for (const Datagram& datagram : pair.sent) {
    EXPECT_LE(datagram.message.size() + udp_overhead, 1280u);
    if (!datagram.to_b || !is_fragment(datagram)) continue;
    EXPECT_EQ(datagram.header().exchange, ExchangeType::ike_auth);
    EXPECT_EQ(datagram.header().message_id.value, 1u);
    EXPECT_EQ(static_cast<PayloadType>(datagram.message.at(28)),
              expected == 1 ? PayloadType::id_i : PayloadType::none);
    EXPECT_EQ(find_fragment_numbers(datagram.message)->number, expected++);
  }
}

//= rfc7383#2.3-1..3 type=test
TEST(IkeFragments, the_agreement_is_an_empty_notify_from_each_side) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  for (const std::size_t i : {0u, 1u}) {
    const auto message = wire::IkeMessage::decode(pair.sent.at(i).message).value();
    const auto* const notify =
        wire::find_notify(message.payloads, NotifyType::ikev2_fragmentation_supported);
    ASSERT_NE(notify, nullptr);
    EXPECT_EQ(notify->protocol, wire::ProtocolId::none);
    EXPECT_TRUE(notify->spi.empty());
    EXPECT_TRUE(notify->data.empty());
    EXPECT_EQ(static_cast<unsigned>(notify->type), 16430u);
  }
}

//= rfc7383#2.4-1 type=test
TEST(IkeFragments, both_sides_must_want_them) {
  for (const bool at_a : {true, false}) {
    Pair pair;
    set_large(pair, {}, [&](ConnectionConfig& a) { a.fragmentation = !at_a; });
    if (!at_a) {
      ConnectionConfig b = make_connection(end_b, end_a);
      b.peer_rounds.front().identity = std::nullopt;
      b.fragmentation = false;
      pair.b.set(std::move(b));
    }
    pair.initiate_a();
    pair.run();
    EXPECT_TRUE(pair.is_up());
    EXPECT_EQ(count_fragments(pair, true) + count_fragments(pair, false), 0u);
  }
}

//= rfc7383#2.5.1-1 type=test
TEST(IkeFragments, the_configured_size_is_kept) {
  Pair pair;
  set_large(pair, {}, [](ConnectionConfig& a) { a.fragment_size = 576; });
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  for (const Datagram& datagram : pair.sent) {
    EXPECT_TRUE(!is_fragment(datagram) || datagram.message.size() + udp_overhead <= 576);
  }
  EXPECT_EQ(count_fragments(pair, true), count_fragments(pair, false));
}

/// Up over IPv6 with fragments of this configured size; the largest IP datagram of IKE_AUTH.
std::size_t largest_over_ipv6(Pair& pair, std::uint16_t configured, std::size_t identity = 5000) {
  constexpr std::size_t ipv6_overhead = 48;
  constexpr std::size_t marker = 4;
  const End at_a{"2001:db8::1", end_a.identity, end_a.network};
  const End at_b{"2001:db8::2", end_b.identity, end_b.network};
  for (const bool a : {true, false}) {
    ConnectionConfig connection = make_connection(a ? at_a : at_b, a ? at_b : at_a);
    connection.own_rounds.front().identity = large_identity(identity);
    connection.peer_rounds.front().identity.reset();
    connection.fragment_size = configured;
    (a ? pair.a : pair.b).set(std::move(connection));
  }
  pair.command_a(Initiate{"to-b.example", {{ip(at_a.address), 500}, {ip(at_b.address), 500}}});
  pair.run();
  std::size_t largest = 0;
  for (const Datagram& datagram : pair.sent) {
    if (!is_fragment(datagram)) continue;
    const bool has_marker = datagram.path.local.port == 4500;
    largest =
        std::max(largest, datagram.message.size() + ipv6_overhead + (has_marker ? marker : 0));
  }
  return largest;
}

//= rfc7383#2.5.1-3 type=test
TEST(IkeFragments, over_ipv6_their_datagrams_have_1280_octets_or_what_is_configured_above) {
  constexpr std::size_t block = 16;
  for (const std::uint16_t configured : {std::uint16_t{576}, std::uint16_t{1280}}) {
    Pair pair;
    const std::size_t largest = largest_over_ipv6(pair, configured);
    EXPECT_LE(largest, 1280u);
    EXPECT_GT(largest, 1280u - block) << "every IPv6 path carries that much";
    EXPECT_EQ(pair.a.live().size(), 1u);
  }
  Pair pair;
  const std::size_t largest = largest_over_ipv6(pair, 1400);
  EXPECT_LE(largest, 1400u);
  EXPECT_GT(largest, 1400u - block);
}

TEST(IkeFragments, over_ipv6_those_that_are_not_answered_shrink_to_1280_and_no_further) {
  Pair pair;
  pair.filter = [](Datagram& datagram) { return datagram.message.size() + 48 <= 1280; };
  (void)largest_over_ipv6(pair, 1500);
  ASSERT_TRUE(pair.a.live().empty());
  pair.advance(30s);
  EXPECT_EQ(pair.a.live().size(), 1u);
  std::size_t smallest_set = 0;
  for (const Datagram& datagram : pair.sent) {
    const bool fits = is_fragment(datagram) && datagram.message.size() + 48 <= 1280;
    if (fits) smallest_set = std::max(smallest_set, datagram.message.size() + 48);
  }
  EXPECT_GT(smallest_set, 1200u);
}

TEST(IkeFragments, a_smaller_set_of_as_many_fragments_becomes_one_of_more) {
  Pair pair;
  pair.filter = [](Datagram& datagram) { return datagram.message.size() + 48 <= 1280; };
  (void)largest_over_ipv6(pair, 1500, 4000);  // four of 1500 octets, and four of 1280
  pair.advance(30s);
  EXPECT_EQ(pair.a.live().size(), 1u);
}

//= rfc7383#2.6.1-1 type=test
TEST(IkeFragments, order_and_repetition_do_not_matter) {
  Pair pair;
  set_large(pair, {});
  pair.initiate_a();
  pair.filter = [&](Datagram& datagram) {
    if (!is_fragment(datagram)) return true;
    pair.wire.push_front(datagram);  // the last one overtakes all
    pair.wire.push_front(datagram);
    return false;
  };
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_GT(pair.b.endpoint.drops()[DropReason::ike_duplicate], 0u);
}

TEST(IkeFragments, any_lost_fragment_is_made_good_by_the_repetition) {
  for (std::size_t lost = 0; lost < 6; ++lost) {
    Pair pair;
    set_large(pair, {});
    std::size_t seen = 0;
    pair.filter = [&](Datagram& datagram) { return !is_fragment(datagram) || seen++ != lost; };
    pair.initiate_a();
    pair.run();
    EXPECT_FALSE(pair.is_up());
    pair.advance(1500ms);
    EXPECT_TRUE(pair.is_up()) << "lost fragment " << lost;
  }
}

//= rfc7383#2.5.2-2..4,7 type=test
TEST(IkeFragments, unanswered_large_messages_become_smaller_in_either_direction) {
  for (const bool to_b : {true, false}) {
    Pair pair;
    set_large(pair, {});
    pair.filter = [&](Datagram& datagram) {
      return datagram.to_b != to_b || datagram.message.size() + udp_overhead <= 600;
    };
    pair.initiate_a();
    pair.advance(10s);
    EXPECT_TRUE(pair.is_up()) << to_b;
    const Side& adapting = to_b ? pair.a : pair.b;
    EXPECT_GT(adapting.record.count(EventKind::ike_fragments), 0u);
  }
}

//= rfc7383#2.5.2-5 type=test
TEST(IkeFragments, at_the_smallest_size_the_repetitions_go_on_until_the_usual_end) {
  Pair pair;
  set_large(pair, {});
  pair.filter = [](Datagram& d) { return !is_fragment(d); };
  pair.initiate_a();
  pair.advance(60s);
  ASSERT_TRUE(pair.a.record.ike_downs.empty());
  pair.advance(60s);
  ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::timeout);
}

TEST(IkeFragments, a_message_that_went_whole_is_cut_when_no_answer_comes) {
  Pair pair;
  set_large(pair, {700, 0});
  pair.filter = [&](Datagram& datagram) {
    return datagram.message.size() + udp_overhead <= 600 ||
           datagram.header().exchange == ExchangeType::ike_sa_init;
  };
  pair.initiate_a();
  pair.advance(10s);
  EXPECT_TRUE(pair.is_up());
}

//= rfc7383#2.6.1-2 type=test
TEST(IkeFragments, only_the_first_fragment_of_a_repeated_request_triggers_the_answer) {
  Fixture f;
  const auto fragments = f.cut(2, 3);
  for (const ByteVec& fragment : fragments) f.pair.inject(true, fragment);
  f.mark();
  f.pair.inject(true, fragments.at(1));
  f.pair.inject(true, fragments.at(2));
  EXPECT_EQ(f.answers(), 0u);
  f.pair.inject(true, fragments.at(0));
  EXPECT_EQ(f.answers(), 1u);
  ByteVec forged = fragments.at(0);
  forged.back() ^= std::byte{1};
  f.pair.inject(true, forged);
  EXPECT_EQ(f.answers(), 1u);
}

TEST(IkeFragments, a_partial_set_blocks_neither_its_own_message_nor_the_next) {
  Fixture f;
  f.mark();
  f.pair.inject(true, f.cut(2, 3).at(1));
  f.pair.inject(true, f.forger->request(ExchangeType::informational, 2, {}));
  EXPECT_EQ(f.answers(), 1u);
  f.pair.inject(true, f.cut(3, 3).at(2));
  for (const ByteVec& fragment : f.cut(3, 4)) f.pair.inject(true, fragment);
  EXPECT_EQ(f.answers(), 2u);
}

//= rfc7383#2.6-1,4 type=test
TEST(IkeFragments, a_larger_total_starts_over_and_a_smaller_one_is_dropped) {
  Fixture f;
  f.mark();
  const auto coarse = f.cut(2, 2);
  const auto fine = f.cut(2, 3);
  f.pair.inject(true, coarse.at(0));
  f.pair.inject(true, fine.at(0));
  f.pair.inject(true, coarse.at(1));
  EXPECT_EQ(f.pair.b.endpoint.drops()[DropReason::ike_bad_fragment], 1u);
  f.pair.inject(true, fine.at(1));
  EXPECT_EQ(f.answers(), 0u);
  f.pair.inject(true, fine.at(2));
  EXPECT_EQ(f.answers(), 1u);
}

//= rfc7383#2.5-4..6 rfc7383#2.6-1..3 type=test
TEST(IkeFragments, wrong_numbers_and_forgeries_are_dropped) {
  Fixture f;
  const auto drops = [&](DropReason reason) { return f.pair.b.endpoint.drops()[reason]; };
  const auto header = f.forger->header(ExchangeType::informational, 2);
  const auto send = [&](std::uint16_t number, std::uint16_t total) {
    f.pair.inject(true, f.forger->seal_raw(header, PayloadType::none, ByteVec(8),
                                           FragmentNumbers{number, total}));
  };
  send(0, 2);
  send(0, 0);
  send(3, 2);
  EXPECT_EQ(drops(DropReason::ike_bad_fragment), 3u);
  send(1, 65);
  EXPECT_EQ(drops(DropReason::ike_fragment_limit), 1u);
  auto forged = f.cut(2, 2).at(0);
  forged.back() ^= std::byte{1};
  f.pair.inject(true, forged);
  EXPECT_EQ(drops(DropReason::ike_bad_icv), 1u);
  f.pair.inject(true, f.cut(9, 2).at(0));
  EXPECT_EQ(drops(DropReason::ike_bad_message_id), 1u);
  f.mark();
  for (const ByteVec& fragment : f.cut(2, 2)) f.pair.inject(true, fragment);
  EXPECT_EQ(f.answers(), 1u);
}

TEST(IkeFragments, sixty_four_fragments_and_empty_ones_make_a_message) {
  Fixture f;
  f.mark();
  for (const ByteVec& fragment : f.cut(2, 64, 60000)) f.pair.inject(true, fragment);
  EXPECT_EQ(f.answers(), 1u);
  for (const ByteVec& fragment : f.cut(3, 64, 20)) f.pair.inject(true, fragment);  // some are empty
  EXPECT_EQ(f.answers(), 2u);
  for (const ByteVec& fragment : f.cut(4, 1)) f.pair.inject(true, fragment);
  EXPECT_EQ(f.answers(), 3u);
}

//= rfc7383#2.6-5 type=test
TEST(IkeFragments, an_incomplete_message_is_forgotten_after_a_while) {
  Fixture f;
  f.pair.inject(true, f.cut(2, 3).at(0));
  ASSERT_TRUE(f.pair.b.endpoint.poll_deadline());
  f.pair.advance(31s);
  EXPECT_EQ(f.pair.b.record.count(EventKind::ike_fragments), 1u);
  f.mark();
  f.pair.inject(true, f.cut(2, 3).at(1));
  f.pair.inject(true, f.cut(2, 3).at(2));
  EXPECT_EQ(f.answers(), 0u);
  EXPECT_EQ(f.pair.b.state(), IkeState::established);
}

//= rfc7383#2.4-1 type=test
TEST(IkeFragments, without_the_agreement_a_fragment_is_dropped) {
  Pair pair;
  ConnectionConfig b = make_connection(end_b, end_a);
  b.fragmentation = false;
  pair.b.set(std::move(b));
  pair.initiate_a();
  pair.run();
  Forger forger{pair.a.record.keys.at(0)};
  const auto header = forger.header(ExchangeType::informational, 2);
  pair.inject(true, forger.fragments(header, {}, 1).at(0));
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_unexpected], 1u);
}

// ---- The assembler alone

Unsealed piece_of(std::size_t size) {
  Unsealed piece;
  piece.chain = ByteVec(size);
  return piece;
}
const base::Instant start{1h};
constexpr FragmentKey key_of(std::uint32_t id) { return {false, {id}}; }

//= rfc7383#5-1 rfc7383#5-3 type=test
TEST(IkeFragmentAssembler, one_sa_keeps_64_kib_and_its_oldest_incomplete_message_goes_first) {
  const IkeLimits limits;
  FragmentBudget budget{limits.fragment_bytes_max};
  FragmentAssembler assembler{limits, budget};
  const auto add = [&](std::uint32_t id, std::uint16_t number, std::size_t size) {
    return assembler.add(key_of(id), {number, 3}, piece_of(size), size, false,
                         start + std::chrono::seconds{id});
  };
  ASSERT_TRUE(add(1, 1, 30000));
  ASSERT_TRUE(add(2, 1, 30000));
  ASSERT_TRUE(add(3, 1, 30000));  // 1 goes
  EXPECT_EQ(assembler.size(), 2u);
  ASSERT_TRUE(add(3, 2, 35000));  // 2 goes
  EXPECT_EQ(assembler.size(), 1u);
  const auto too_much = add(3, 3, 1000);
  ASSERT_FALSE(too_much);
  EXPECT_EQ(too_much.error(), DropReason::ike_fragment_limit);
  EXPECT_EQ(assembler.size(), 0u);
  EXPECT_EQ(budget.used(), 0u);
}

TEST(IkeFragmentAssembler, all_sas_share_a_budget_of_which_strangers_get_half) {
  IkeLimits limits;
  limits.fragment_bytes_max = 10000;
  FragmentBudget budget{limits.fragment_bytes_max};
  FragmentAssembler stranger{limits, budget};
  FragmentAssembler known{limits, budget};
  ASSERT_TRUE(stranger.add(key_of(1), {1, 3}, piece_of(4000), 4000, true, start));
  EXPECT_FALSE(stranger.add(key_of(1), {2, 3}, piece_of(4000), 4000, true, start));
  EXPECT_EQ(budget.used(), 0u);
  ASSERT_TRUE(known.add(key_of(1), {1, 3}, piece_of(9000), 9000, false, start));
  EXPECT_FALSE(stranger.add(key_of(2), {1, 3}, piece_of(500), 500, true, start));
  EXPECT_FALSE(known.add(key_of(1), {2, 3}, piece_of(2000), 2000, false, start));
  EXPECT_EQ(budget.used(), 0u);
}

TEST(IkeFragmentAssembler, what_is_joined_is_the_chain_in_the_order_of_numbers) {
  const IkeLimits limits;
  FragmentBudget budget{limits.fragment_bytes_max};
  FragmentAssembler assembler{limits, budget};
  const auto piece = [](std::string_view text, PayloadType first) {
    Unsealed unsealed;
    unsealed.outer_first = PayloadType::skf;
    unsealed.first = first;
    unsealed.chain = base::to_vec(base::as_bytes(text));
    return unsealed;
  };
  const auto key = key_of(5);
  ASSERT_TRUE(assembler.add(key, {3, 3}, piece("c", PayloadType::none), 300, false, start));
  ASSERT_TRUE(assembler.add(key, {1, 3}, piece("a", PayloadType::notify), 400, false, start));
  EXPECT_EQ(assembler.objection(key, {1, 3}), DropReason::ike_duplicate);
  const auto done =
      assembler.add(key, {2, 3}, piece("b", PayloadType::none), 500, false, start).value();
  ASSERT_TRUE(done);
  EXPECT_EQ(base::as_text(done->inside.chain), "abc");
  EXPECT_EQ(done->inside.first, PayloadType::notify);
  EXPECT_EQ(done->inside.outer_first, PayloadType::sk);
  EXPECT_EQ(done->datagram_size_max, 500u);
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace caponier::ike::test

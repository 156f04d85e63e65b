// Puzzles (RFC 8019): set under attack, solved in turns, checked cheaply.

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "ike/messages.h"
#include "ike/puzzle.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

constexpr unsigned easy_bits = 6;

EndpointConfig under_attack() {
  EndpointConfig config = test_config();
  config.limits.puzzle_threshold = 0;
  config.limits.puzzle_bits = easy_bits;
  config.limits.puzzle_bits_suspect = easy_bits + 1;
  config.limits.puzzle_legacy_percent = 0;
  return config;
}

std::unique_ptr<crypto::Prf> make_prf() {
  return crypto::NullProvider{nullptr}.make_prf(crypto::PrfId::hmac_sha2_256).value();
}

ByteVec solve(Bytes text, unsigned bits) {
  PuzzleSolver solver{make_prf(), base::to_vec(text), bits, 1};
  EXPECT_TRUE(solver.work(1000000));
  return solver.solution();
}

TEST(IkePuzzle, a_solution_has_four_different_keys_with_the_bits_asked_for) {
  const ByteVec text(20, std::byte{3});
  const ByteVec solution = solve(text, 10);
  EXPECT_EQ(solution.size(), 16u);
  const auto bits = solved_bits(*make_prf(), text, solution);
  ASSERT_TRUE(bits);
  EXPECT_GE(*bits, 10u);
  EXPECT_LT(*solved_bits(*make_prf(), ByteVec(20, std::byte{4}), solution), 10u)
      << "it is for one text only";
}

//= rfc8019#8.2-1..2 rfc8019#8.2-4 type=test
TEST(IkePuzzle, solutions_of_illegal_shape_are_refused) {
  const ByteVec text(20, std::byte{3});
  const ByteVec right = solve(text, 4);
  ByteVec same = right;
  std::copy_n(same.begin(), 4, same.begin() + 4);
  EXPECT_FALSE(solved_bits(*make_prf(), text, {})) << "empty";
  EXPECT_FALSE(solved_bits(*make_prf(), text, Bytes{right}.first(15))) << "not four of one size";
  EXPECT_FALSE(solved_bits(*make_prf(), text, same)) << "one key twice";
  EXPECT_FALSE(solved_bits(*make_prf(), text, ByteVec(4 * 33))) << "longer than the PRF likes";
}

//= rfc8019#7.1.4-6..7 type=test
TEST(IkePuzzle, the_least_of_the_four_counts) {
  const ByteVec text(20, std::byte{3});
  ByteVec mixed = solve(text, 12);
  const ByteVec weak = solve(text, 0);
  std::copy_n(weak.begin(), 4, mixed.begin());
  EXPECT_LT(*solved_bits(*make_prf(), text, mixed), 12u);
}

TEST(IkePuzzle, the_solver_works_in_portions) {
  PuzzleSolver solver{make_prf(), ByteVec(8), 12, 1};
  std::size_t portions = 0;
  while (!solver.work(100)) ASSERT_LT(++portions, 10000u);
  EXPECT_GT(portions, 1u);
  EXPECT_LE(solver.hashes(), (portions + 1) * 100);
}

TEST(IkePuzzle, the_notify_survives_encoding_and_refuses_nonsense) {
  const auto read = read_puzzle(make_puzzle({crypto::PrfId::hmac_sha2_384, 19}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->prf, crypto::PrfId::hmac_sha2_384);
  EXPECT_EQ(read->bits, 19);
  wire::NotifyPayload notify;
  EXPECT_FALSE(read_puzzle(notify));
  notify.data = ByteVec(2);
  EXPECT_FALSE(read_puzzle(notify));
  notify.data = ByteVec(4);
  EXPECT_FALSE(read_puzzle(notify));
}

//= rfc8019#7.1.1-1 rfc8019#7.1.5-1 type=test
TEST(IkePuzzle, an_initiator_solves_it_and_gets_in) {
  Pair pair{under_attack()};
  pair.initiate_a();
  pair.advance(5s);
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.b.record.count(EventKind::ike_puzzle), 1u);
  EXPECT_EQ(pair.a.record.count(EventKind::ike_puzzle), 4u) << "two, set and solved";
  const auto demand = wire::IkeMessage::decode(pair.sent.at(1).message).value();
  EXPECT_NE(wire::find_notify(demand.payloads, NotifyType::cookie), nullptr);
  EXPECT_LE(pair.sent.at(1).message.size(), pair.sent.at(0).message.size());
  const auto request = wire::IkeMessage::decode(pair.sent.at(2).message).value();
  EXPECT_NE(find_solution(request.payloads), nullptr);
}

TEST(IkePuzzle, nobody_is_blocked_while_one_is_solved) {
  EndpointConfig config = under_attack();
  config.limits.puzzle_bits = config.limits.puzzle_bits_suspect = 10;
  config.limits.puzzle_hashes_per_call = 16;
  Pair pair{config};
  pair.initiate_a();
  pair.run();
  std::size_t turns = 0;
  while (!pair.is_up() && turns < 5000) {
    ++turns;
    pair.advance(1ms);
  }
  EXPECT_TRUE(pair.is_up());
  EXPECT_GT(turns, 10u);
}

//= rfc8019#7.1.2-1 rfc8019#9-1 type=test
TEST(IkePuzzle, one_that_is_too_hard_or_takes_too_long_is_left) {
  for (const bool too_hard : {true, false}) {
    EndpointConfig config = under_attack();
    config.limits.puzzle_bits = config.limits.puzzle_bits_suspect = too_hard ? 40 : 20;
    if (!too_hard) config.limits.puzzle_hashes_max = 10000;
    Pair pair{config};
    pair.initiate_a();
    pair.advance(10s);
    EXPECT_FALSE(pair.is_up());
    EXPECT_GT(pair.b.endpoint.drops()[DropReason::ike_low_difficulty], 0u);
    EXPECT_LT(pair.sent.size(), 40u) << "it does not ask for ever";
  }
}

TEST(IkePuzzle, peers_without_puzzles_have_their_share) {
  EndpointConfig config = under_attack();
  config.limits.puzzle_legacy_percent = 50;
  std::size_t served = 0;
  constexpr std::size_t attempts = 200;
  Pair asker{under_attack()};
  asker.initiate_a();
  const auto genuine = wire::IkeMessage::decode(asker.sent.at(0).message).value();
  Pair pair{config};
  for (std::size_t i = 0; i < attempts; ++i) {
    wire::IkeMessage request = genuine;
    request.header.spi_i.value += i + 1;
    pair.sent.clear();
    pair.inject(true, *request.encode());
    const auto demand = wire::IkeMessage::decode(pair.sent.at(0).message).value();
    request.payloads.insert(request.payloads.begin(),
                            *wire::find_notify(demand.payloads, NotifyType::cookie));
    pair.now = pair.now + 40s;  // the half-open ones go
    pair.b.endpoint.handle_deadline(pair.now);
    pair.sent.clear();
    pair.inject(true, *request.encode());
    const auto answer = wire::IkeMessage::decode(pair.sent.at(0).message).value();
    served += wire::find<wire::KePayload>(answer.payloads) == nullptr ? 0 : 1;
    pair.wire.clear();
  }
  EXPECT_GT(served, attempts / 4);
  EXPECT_LT(served, attempts * 3 / 4);
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_low_difficulty], attempts - served);
}

/// A's first request, B's demand for a puzzle, and a second request with this solution.
std::vector<wire::Payload> answer_to(Pair& pair, const ByteVec& solution, base::Duration delay) {
  pair.filter = [](Datagram&) { return false; };
  pair.initiate_a();
  const auto first = wire::IkeMessage::decode(pair.sent.at(0).message).value();
  pair.inject(true, pair.sent.at(0).message);
  const auto demand = wire::IkeMessage::decode(pair.sent.at(1).message).value();
  const auto* const cookie = wire::find_notify(demand.payloads, NotifyType::cookie);
  const auto puzzle = read_puzzle(*wire::find_notify(demand.payloads, NotifyType::puzzle));
  wire::IkeMessage second = first;
  ByteVec keys = solution;
  if (keys.empty()) {
    PuzzleSolver solver{pair.a.crypto.make_prf(puzzle->prf).value(), cookie->data, puzzle->bits, 1};
    EXPECT_TRUE(solver.work(1000000));
    keys = solver.solution();
  }
  second.payloads.insert(second.payloads.begin(), make_solution(keys));
  second.payloads.insert(second.payloads.begin(), *cookie);
  pair.now = pair.now + delay;
  pair.b.endpoint.handle_deadline(pair.now);
  pair.inject(true, *second.encode());
  return wire::IkeMessage::decode(pair.sent.back().message)->payloads;
}

//= rfc8019#7.1.4-5 type=test
TEST(IkePuzzle, a_wrong_solution_brings_another_puzzle_and_no_state) {
  Pair pair{under_attack()};
  ByteVec wrong(16);
  for (std::size_t i = 0; i < 16; ++i) wrong[i] = static_cast<std::byte>(i);
  const auto answer = answer_to(pair, wrong, {});
  EXPECT_NE(wire::find_notify(answer, NotifyType::puzzle), nullptr);
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_bad_puzzle], 1u);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
}

//= rfc8019#10-3 type=test
TEST(IkePuzzle, a_right_solution_is_taken_while_it_is_fresh) {
  Pair fresh{under_attack()};
  EXPECT_NE(wire::find<wire::KePayload>(answer_to(fresh, {}, 20s)), nullptr);
  Pair stale{under_attack()};
  EXPECT_EQ(wire::find<wire::KePayload>(answer_to(stale, {}, 40s)), nullptr)
      << "else it would serve again when its half-open SA has expired";
}

//= rfc8019#7.1.1.1-3 type=test
TEST(IkePuzzle, nets_with_many_half_open_sas_get_harder_ones) {
  EndpointConfig config = under_attack();
  config.limits.cookie_threshold_per_net = 0;
  Pair pair{config};
  pair.filter = [](Datagram&) { return false; };
  pair.initiate_a();
  pair.inject(true, pair.sent.at(0).message);
  const auto demand = wire::IkeMessage::decode(pair.sent.at(1).message).value();
  const auto puzzle = read_puzzle(*wire::find_notify(demand.payloads, NotifyType::puzzle));
  EXPECT_EQ(puzzle->bits, easy_bits + 1);
}

//= rfc8019#7.1.2-2 type=test
TEST(IkePuzzle, a_puzzle_without_a_cookie_is_ignored) {
  Pair pair;
  pair.initiate_a();
  const auto genuine = std::exchange(pair.wire, {});
  wire::IkeMessage forged;
  forged.header = pair.sent.at(0).header();
  forged.header.flags = wire::IkeHeader::flag_response;
  forged.payloads.emplace_back(make_puzzle({crypto::PrfId::hmac_sha2_256, 5}));
  pair.inject(false, *forged.encode());
  EXPECT_EQ(pair.a.endpoint.drops()[DropReason::ike_unexpected], 1u);
  EXPECT_EQ(pair.a.record.count(EventKind::ike_puzzle), 0u);
  pair.wire = genuine;
  pair.run();
  EXPECT_TRUE(pair.is_up());
}

/// B demands a puzzle in IKE_SA_INIT; nothing is half open, so one in four is reached at once.
//= rfc8019#7.2-1 rfc8019#7.2.2-1..2 type=test
TEST(IkePuzzle, ike_auth_has_a_puzzle_of_its_own_when_our_work_is_vain) {
  Pair pair{under_attack()};
  pair.initiate_a();
  pair.advance(5s);
  ASSERT_TRUE(pair.is_up());
  bool is_set = false;
  bool is_solved = false;
  for (const Datagram& datagram : pair.sent) {
    const auto message = wire::IkeMessage::decode(datagram.message).value();
    const bool has_keys = wire::find<wire::KePayload>(message.payloads) != nullptr;
    const bool has_puzzle = wire::find_notify(message.payloads, NotifyType::puzzle) != nullptr;
    is_set = is_set || (!datagram.to_b && has_keys && has_puzzle);
    is_solved = is_solved || (message.header.exchange == ExchangeType::ike_auth &&
                              find_solution(message.payloads) != nullptr);
  }
  EXPECT_TRUE(is_set);
  EXPECT_TRUE(is_solved) << "outside the encrypted payload";
}

//= rfc8019#7.2.4-1..2 type=test
TEST(IkePuzzle, ike_auth_without_the_solution_costs_no_key_exchange) {
  for (const bool wrong : {true, false}) {
    Pair pair{under_attack()};
    Datagram auth;
    pair.filter = [&auth](Datagram& datagram) {
      if (!datagram.to_b || datagram.header().exchange != ExchangeType::ike_auth) return true;
      if (auth.message.empty()) auth = datagram;
      return false;
    };
    pair.initiate_a();
    pair.advance(500ms);
    ASSERT_FALSE(auth.message.empty());
    auto message = wire::IkeMessage::decode(auth.message).value();
    if (wrong) {
      message.payloads.front() = make_solution(ByteVec(16));
    } else {
      message.payloads.erase(message.payloads.begin());
    }
    pair.inject(true, *message.encode());
    EXPECT_EQ(pair.b.endpoint
                  .drops()[wrong ? DropReason::ike_bad_puzzle : DropReason::ike_low_difficulty],
              1u);
    EXPECT_TRUE(pair.b.record.keys.empty());
    pair.inject(true, auth.message);
    pair.filter = nullptr;
    pair.advance(5s);
    EXPECT_TRUE(pair.is_up());
  }
}

TEST(IkePuzzle, difficulty_zero_leaves_the_effort_to_the_initiator) {
  Pair pair;
  pair.filter = [](Datagram&) { return false; };
  pair.initiate_a();
  wire::IkeMessage demand;
  demand.header = pair.sent.at(0).header();
  demand.header.flags = wire::IkeHeader::flag_response;
  demand.payloads.emplace_back(make_notify(NotifyType::cookie, ByteVec(40, std::byte{9})));
  demand.payloads.emplace_back(make_puzzle({crypto::PrfId::hmac_sha2_256, 0}));
  pair.inject(false, *demand.encode());
  pair.advance(30s);
  const auto answer = wire::IkeMessage::decode(pair.sent.at(1).message).value();
  const ByteVec* const solution = find_solution(answer.payloads);
  ASSERT_NE(solution, nullptr);
  EXPECT_GE(*solved_bits(*make_prf(), ByteVec(40, std::byte{9}), *solution), 8u);
}

}  // namespace
}  // namespace caponier::ike::test

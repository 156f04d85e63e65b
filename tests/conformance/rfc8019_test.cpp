// RFC 8019, puzzles and what else holds back floods: what unit/ike/puzzle_test.cpp and
// unit/ike/flood_test.cpp do not say already.

#include "conformance/conversation.h"
#include "ike/puzzle.h"

namespace caponier::ike::test {
namespace {

constexpr std::uint8_t easy_bits = 6;

EndpointConfig under_attack(unsigned legacy_percent = 0) {
  EndpointConfig config = test_config();
  config.limits.puzzle_threshold = 0;
  config.limits.puzzle_bits = easy_bits;
  config.limits.puzzle_bits_suspect = easy_bits;
  config.limits.puzzle_legacy_percent = legacy_percent;
  return config;
}

ByteVec solve(Bytes text, unsigned bits) {
  auto prf = crypto::NullProvider{nullptr}.make_prf(crypto::PrfId::hmac_sha2_384);
  PuzzleSolver solver{std::move(*prf), base::to_vec(text), bits, 1};
  EXPECT_TRUE(solver.work(1000000));
  return solver.solution();
}

/// The solution with a key in this place that solves nothing.
ByteVec weakened(Bytes text, ByteVec solution, std::size_t place) {
  const auto prf = crypto::NullProvider{nullptr}.make_prf(crypto::PrfId::hmac_sha2_384).value();
  const std::size_t size = solution.size() / puzzle_keys;
  for (std::uint32_t candidate = 0x80000000; solved_bits(*prf, text, solution) > 0u; ++candidate) {
    base::store_be(solution.data() + place * size, candidate);
  }
  return solution;
}

/// Strangers who speak to B with variations of A's first request.
struct Attacked {
  explicit Attacked(const EndpointConfig& config = under_attack()) : pair(config) {
    pair.filter = [](Datagram&) { return false; };
    ConnectionConfig any = make_connection(end_b, end_a);
    any.remote_addresses.clear();
    pair.b.set(any);
    pair.initiate_a();
    genuine = decoded(pair.sent.at(0).message);
  }
  Payloads send(const wire::IkeMessage& request, std::string_view from = end_a.address) {
    const std::size_t before = pair.sent.size();
    pair.b.endpoint.handle_datagram({{ip(end_b.address), 500}, {ip(from), 500}}, *request.encode(),
                                    pair.now);
    pair.collect();
    if (pair.sent.size() != before + 1) return {};
    return decoded(pair.sent.back().message).payloads;
  }
  /// The request again with a cookie, and a solution unless empty.
  [[nodiscard]] wire::IkeMessage with(const ByteVec& cookie, const ByteVec& solution = {}) const {
    wire::IkeMessage request = genuine;
    if (!solution.empty()) {
      request.payloads.insert(request.payloads.begin(), make_solution(solution));
    }
    request.payloads.insert(request.payloads.begin(), notify_of(NotifyType::cookie, cookie));
    return request;
  }
  [[nodiscard]] ByteVec cookie() {
    const Payloads demand = send(genuine);
    const auto* const notify = wire::find_notify(demand, NotifyType::cookie);
    return notify == nullptr ? ByteVec{} : notify->data;
  }
  [[nodiscard]] std::uint64_t drops(DropReason reason) const {
    return pair.b.endpoint.drops()[reason];
  }
  [[nodiscard]] std::size_t half_open() const { return pair.b.endpoint.half_open_count(); }

  Pair pair;
  wire::IkeMessage genuine;
};

bool is_served(const Payloads& answer) { return wire::find<wire::KePayload>(answer) != nullptr; }
bool is_demand(const Payloads& answer) {
  return wire::find_notify(answer, NotifyType::cookie) != nullptr;
}

//= rfc8019#8.1-1..4 rfc8019#7.1.1-1 type=test
TEST(PuzzleNotify, has_number_16434_no_spi_and_a_prf_the_initiator_offers) {
  Attacked b;
  const Payloads demand = b.send(b.genuine);
  const auto* const notify = wire::find_notify(demand, NotifyType{16434});
  ASSERT_NE(notify, nullptr);
  EXPECT_EQ(notify->protocol, ProtocolId::none);
  EXPECT_TRUE(notify->spi.empty());
  EXPECT_EQ(notify->data, (ByteVec{std::byte{0}, std::byte{6}, std::byte{easy_bits}}));
  EXPECT_TRUE(is_demand(demand)) << "a cookie is beside it";
}

//= rfc8019#7.1-1..2 rfc8019#7.1.4-1 rfc8019#7.1.5-2 rfc8019#7.2.1-1 type=test
TEST(PuzzleLottery, is_for_those_with_a_cookie_and_leads_to_no_puzzle_in_ike_auth) {
  Attacked b{under_attack(100)};
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(is_demand(b.send(b.genuine)));
  EXPECT_EQ(b.half_open(), 0u);
  const Payloads answer = b.send(b.with(b.cookie()));
  EXPECT_TRUE(is_served(answer));
  EXPECT_EQ(wire::find_notify(answer, NotifyType::puzzle), nullptr);
}

//= rfc8019#7.1.1.3-1..2 rfc8019#7.1.4-2..3 type=test
TEST(PuzzleCookie, with_any_octet_changed_is_none_whatever_was_solved) {
  Attacked b;
  const ByteVec genuine = b.cookie();
  for (std::size_t at = 0; at < genuine.size(); ++at) {
    ByteVec changed = genuine;
    changed[at] ^= std::byte{1};
    EXPECT_TRUE(is_demand(b.send(b.with(changed, solve(changed, easy_bits))))) << at;
  }
  EXPECT_EQ(b.drops(DropReason::ike_bad_cookie), genuine.size());
  EXPECT_EQ(b.drops(DropReason::ike_bad_puzzle), 0u) << "the cookie is looked at first";
  EXPECT_EQ(b.half_open(), 0u);
  EXPECT_TRUE(is_served(b.send(b.with(genuine, solve(genuine, easy_bits)))));
}

//= rfc8019#7.1.1.3-3 rfc8019#10-3 type=test
TEST(PuzzleSolution, serves_for_one_request_only) {
  Attacked b;
  const ByteVec cookie = b.cookie();
  const wire::IkeMessage solved = b.with(cookie, solve(cookie, easy_bits));
  EXPECT_TRUE(is_served(b.send(solved)));
  EXPECT_TRUE(is_served(b.send(solved))) << "repeated, it gets the same answer";
  EXPECT_EQ(b.half_open(), 1u);
  wire::IkeMessage other_spi = solved;
  other_spi.header.spi_i.value += 1;
  EXPECT_TRUE(is_demand(b.send(other_spi)));
  wire::IkeMessage other_nonce = solved;
  for (wire::Payload& payload : other_nonce.payloads) {
    if (auto* const nonce = std::get_if<wire::NoncePayload>(&payload)) {
      nonce->data.front() ^= std::byte{1};
    }
  }
  other_nonce.header.spi_i.value += 2;
  EXPECT_TRUE(is_demand(b.send(other_nonce)));
  EXPECT_TRUE(is_demand(b.send(solved, "198.51.100.7")));
  EXPECT_EQ(b.half_open(), 1u);
}

//= rfc8019#7.1.4-4 type=test
TEST(PuzzleSolution, that_nobody_asked_for_is_ignored) {
  EndpointConfig config = under_attack();
  config.limits.cookie_threshold = 0;
  config.limits.puzzle_threshold = 1;
  Attacked b{config};
  const ByteVec cookie = b.cookie();
  const wire::IkeMessage junk = b.with(cookie, ByteVec(16, std::byte{1}));
  EXPECT_TRUE(is_served(b.send(junk)));
  // Meanwhile there is an attack: it counts as one that has solved nothing, and did nothing wrong.
  wire::IkeMessage late = b.genuine;
  Attacked c{config};
  const ByteVec before = c.cookie();
  late.header.spi_i.value += 1;
  const Payloads demand = c.send(late);
  const auto* const other = wire::find_notify(demand, NotifyType::cookie);
  ASSERT_NE(other, nullptr);
  wire::IkeMessage filler = late;
  filler.payloads.insert(filler.payloads.begin(), *other);
  const Payloads served = c.send(filler);
  EXPECT_TRUE(is_served(served));
  EXPECT_TRUE(is_demand(c.send(c.with(before, ByteVec(16, std::byte{1})))));
  EXPECT_EQ(c.drops(DropReason::ike_bad_puzzle), 0u);
  EXPECT_EQ(c.drops(DropReason::ike_low_difficulty), 1u);
}

//= rfc8019#7.1.4-5..7 type=test
TEST(PuzzleSolution, is_as_good_as_the_weakest_of_its_four_keys) {
  for (std::size_t place = 0; place < puzzle_keys; ++place) {
    Attacked b;
    const ByteVec cookie = b.cookie();
    const ByteVec right = solve(cookie, easy_bits);
    EXPECT_TRUE(is_demand(b.send(b.with(cookie, weakened(cookie, right, place))))) << place;
    EXPECT_EQ(b.drops(DropReason::ike_bad_puzzle), 1u);
    EXPECT_EQ(b.half_open(), 0u);
    EXPECT_TRUE(is_served(b.send(b.with(cookie, right))));
  }
}

/// Both sides until IKE_AUTH, whose first request is held back.
struct BeforeAuth {
  BeforeAuth() : pair(under_attack()) {
    pair.filter = [this](Datagram& datagram) {
      if (is_response(datagram, ExchangeType::ike_sa_init)) response = decoded(datagram.message);
      if (!is_request(datagram, ExchangeType::ike_auth)) return true;
      if (auth.message.empty()) auth = datagram;
      return false;
    };
    pair.initiate_a();
    pair.advance(500ms);
    pair.sent.clear();
  }
  [[nodiscard]] ByteVec text() const {
    return auth_puzzle_text(wire::find<wire::NoncePayload>(response.payloads)->data,
                            response.header.spi_r);
  }
  /// B has said nothing and derived nothing.
  [[nodiscard]] bool is_untouched() const {
    return pair.b.record.keys.empty() &&
           std::ranges::none_of(pair.sent, [](const Datagram& d) { return !d.to_b; });
  }
  Pair pair;
  wire::IkeMessage response;
  Datagram auth;
};

//= rfc8019#7.2.1.1-1 rfc8019#7.2.4-1..4 type=test
TEST(PuzzleOfIkeAuth, is_solved_with_all_four_keys_before_anything_is_computed) {
  BeforeAuth f;
  const auto* const notify = wire::find_notify(f.response.payloads, NotifyType::puzzle);
  ASSERT_NE(notify, nullptr);
  EXPECT_GT(read_puzzle(*notify)->bits, 0);
  wire::IkeMessage message = decoded(f.auth.message);
  ASSERT_NE(find_solution(message.payloads), nullptr);
  const ByteVec right = *find_solution(message.payloads);
  wire::IkeMessage bare = message;
  bare.payloads.erase(bare.payloads.begin());
  f.pair.inject(true, *bare.encode());
  EXPECT_TRUE(f.is_untouched());
  EXPECT_EQ(f.pair.b.endpoint.drops()[DropReason::ike_low_difficulty], 1u);
  for (std::size_t place = 0; place < puzzle_keys; ++place) {
    message.payloads.front() = make_solution(weakened(f.text(), right, place));
    f.pair.inject(true, *message.encode());
    EXPECT_TRUE(f.is_untouched()) << place;
    EXPECT_EQ(f.pair.b.endpoint.drops()[DropReason::ike_bad_puzzle], place + 1);
  }
  f.pair.inject(true, f.auth.message);
  EXPECT_FALSE(f.pair.b.record.keys.empty());
  EXPECT_EQ(f.pair.b.state(), IkeState::established);
}

//= rfc8019#7.2.2-3 rfc8019#7.2.4-7 rfc7383#2.5.3-1 type=test
TEST(PuzzleOfIkeAuth, is_in_the_first_fragment_only_and_no_other_is_opened_before) {
  Pair pair{under_attack()};
  for (const bool a : {true, false}) {
    ConnectionConfig connection = make_connection(a ? end_a : end_b, a ? end_b : end_a);
    connection.own_rounds.front().identity = {wire::IdType::key_id, ByteVec(3000, std::byte{'x'})};
    connection.peer_rounds.front().identity.reset();
    (a ? pair.a : pair.b).set(connection);
  }
  std::vector<Datagram> fragments;
  pair.filter = [&](Datagram& datagram) {
    if (!is_request(datagram, ExchangeType::ike_auth)) return true;
    fragments.push_back(datagram);
    return false;
  };
  pair.initiate_a();
  pair.advance(500ms);
  ASSERT_GE(fragments.size(), 3u);
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    const Payloads outer = decoded(fragments[i].message).payloads;
    EXPECT_EQ(wire::type_of(outer.back()), PayloadType::skf);
    EXPECT_EQ(find_solution(outer) != nullptr, i == 0) << i;
    EXPECT_EQ(outer.size(), i == 0 ? 2u : 1u);
  }
  for (std::size_t i = 1; i < fragments.size(); ++i) pair.inject(true, fragments[i].message);
  EXPECT_TRUE(pair.b.record.keys.empty());
  pair.filter = nullptr;
  for (const Datagram& fragment : fragments) pair.inject(true, fragment.message);
  pair.run();
  EXPECT_TRUE(pair.is_up());
}

//= rfc8019#4.5-1..3 type=test
TEST(Attack, leaves_those_with_a_ticket_a_cheaper_way_and_others_theirs) {
  Pair pair{under_attack()};
  for (const bool a : {true, false}) {
    ConnectionConfig connection = make_connection(a ? end_a : end_b, a ? end_b : end_a);
    connection.resumption = true;
    (a ? pair.a : pair.b).set(connection);
  }
  pair.initiate_a();
  pair.advance(5s);
  ASSERT_TRUE(pair.is_up()) << "without a ticket";
  pair.filter = [](Datagram&) { return false; };
  pair.command_a(CheckLiveness{"to-b.example"});
  pair.advance(80s);
  pair.filter = nullptr;
  pair.sent.clear();
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.b.record.count(EventKind::ike_resumed), 1u);
  const auto answers = said(pair, false, ExchangeType::ike_session_resume);
  ASSERT_EQ(answers.size(), 2u);
  const Payloads demand = decoded(answers.at(0).message).payloads;
  EXPECT_TRUE(is_demand(demand)) << "return routability";
  EXPECT_EQ(wire::find_notify(demand, NotifyType::puzzle), nullptr);
}

//= rfc8019#4.1-1 type=test
TEST(HalfOpenTimeout, leaves_room_for_several_repetitions) {
  Pair pair;
  int lost = 4;
  pair.filter = [&](Datagram& datagram) {
    return !is_request(datagram, ExchangeType::ike_auth) || lost-- <= 0;
  };
  pair.initiate_a();
  pair.advance(30s);
  EXPECT_TRUE(pair.is_up());
}

}  // namespace
}  // namespace caponier::ike::test

// The two windows of an IKE SA (RFC 7296 s2.3): how many requests may be under way, in which order
// they come, and what happens outside.

#include "ike/windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "ike/messages.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using wire::ExchangeType;
using wire::NotifyType;

EndpointConfig with_window(unsigned size) {
  EndpointConfig config = test_config();
  config.limits.peer_window_size = size;
  return config;
}

wire::NotifyPayload window_of(std::uint32_t size) {
  ByteVec data(4);
  base::store_be(data.data(), size);
  return make_notify(NotifyType::set_window_size, std::move(data));
}

/// Children besides the first, on both sides.
void add_children(Pair& pair, unsigned count) {
  const auto extend = [&](ConnectionConfig connection) {
    for (unsigned i = 0; i < count; ++i) {
      ChildConfig child = connection.children.front();
      child.name = "more" + std::to_string(i);
      connection.children.push_back(std::move(child));
    }
    return connection;
  };
  pair.a.set(extend(make_connection(end_a, end_b)));
  pair.b.set(extend(make_connection(end_b, end_a)));
}

std::size_t requests_on_the_wire(const Pair& pair) {
  return static_cast<std::size_t>(std::ranges::count_if(
      pair.wire, [](const Datagram& d) { return d.to_b && !d.header().is_response(); }));
}

struct Up {
  explicit Up(unsigned window = 4, unsigned children = 6) : pair(with_window(window)) {
    add_children(pair, children);
    pair.initiate_a();
    pair.run();
    forger.emplace(pair.a.record.keys.at(0));
    pair.sent.clear();
  }
  void want(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      pair.command_a(InitiateChild{"to-b.example", "more" + std::to_string(i)});
    }
  }
  [[nodiscard]] std::size_t answers() const { return pair.b.record.transmits.size(); }
  Pair pair;
  std::optional<Forger> forger;
};

//= rfc7296#2.3-1 type=test
TEST(IkeWindows, both_sides_tell_their_window_in_ike_auth) {
  Pair pair{with_window(4)};
  pair.initiate_a();
  pair.run();
  Forger forger{pair.a.record.keys.at(0)};
  for (const std::size_t i : {2u, 3u}) {
    const auto payloads = forger.open(pair.sent.at(i).message);
    const auto* const notify = wire::find_notify(payloads, NotifyType::set_window_size);
    ASSERT_NE(notify, nullptr);
    EXPECT_EQ(notify->data, window_of(4).data);
  }
}

//= rfc8019#5-1 type=test
TEST(IkeWindows, a_peer_without_an_identity_gets_a_window_of_one) {
  Pair pair{with_window(4)};
  ConnectionConfig own = make_connection(end_a, end_b);
  own.own_rounds.front().kind = AuthKind::null;
  ConnectionConfig anybody = make_connection(end_b, end_a);
  anybody.peer_rounds.front().kinds = {AuthKind::null};
  anybody.peer_rounds.front().identity = std::nullopt;
  pair.a.set(own);
  pair.b.set(anybody);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  Forger forger{pair.a.record.keys.at(0)};
  const auto request = forger.open(pair.sent.at(2).message);
  const auto response = forger.open(pair.sent.at(3).message);
  EXPECT_NE(wire::find_notify(request, NotifyType::set_window_size), nullptr);  // B proves itself
  EXPECT_EQ(wire::find_notify(response, NotifyType::set_window_size), nullptr);
  // What B has not offered it does not take either.
  pair.inject(true, forger.request(ExchangeType::informational, 3, {}));
  EXPECT_FALSE(pair.sent.back().header().is_response());
  pair.inject(true, forger.request(ExchangeType::informational, 2, {}));
  EXPECT_TRUE(pair.sent.back().header().is_response());
}

//= rfc7296#2.3-2,3,5,6 type=test
TEST(IkeWindows, as_many_requests_go_at_once_as_the_peer_allows_and_no_more) {
  for (const unsigned window : {1u, 2u, 4u}) {
    Up up{window};
    up.want(6);
    EXPECT_EQ(requests_on_the_wire(up.pair), window);
    up.pair.run();
    EXPECT_EQ(up.pair.a.live().size(), 7u);
    EXPECT_EQ(up.pair.b.live().size(), 7u);
  }
}

TEST(IkeWindows, however_much_the_peer_allows_ours_has_a_limit) {
  Up up{4, 20};
  up.pair.command_b(CheckLiveness{"to-a.example"});
  up.pair.run();
  up.pair.inject(true, up.forger->request(ExchangeType::informational, 2, {window_of(1000000)}));
  // The genuine A has not used Message ID 2: only B has heard of the window, and obeys its limit.
  for (unsigned i = 0; i < 20; ++i) {
    up.pair.command_b(InitiateChild{"to-a.example", "more" + std::to_string(i)});
  }
  const auto count = std::ranges::count_if(
      up.pair.wire, [](const Datagram& d) { return !d.to_b && !d.header().is_response(); });
  EXPECT_EQ(count, 16);
}

TEST(IkeWindows, requests_that_overtake_each_other_are_all_served) {
  Up up;
  up.want(4);
  ASSERT_EQ(requests_on_the_wire(up.pair), 4u);
  std::ranges::reverse(up.pair.wire);
  up.pair.run();
  EXPECT_EQ(up.pair.a.live().size(), 5u);
  EXPECT_EQ(up.pair.b.live().size(), 5u);
}

TEST(IkeWindows, one_lost_request_holds_up_only_itself_until_the_window_is_full) {
  Up up;
  std::size_t index = 0;
  up.pair.filter = [&](Datagram& d) {
    return !(d.to_b && !d.header().is_response() && index++ == 0);
  };
  up.want(6);
  up.pair.run();
  EXPECT_GE(up.pair.a.live().size(), 4u);
  up.pair.advance(2s);
  EXPECT_EQ(up.pair.a.live().size(), 7u);
  EXPECT_EQ(up.pair.b.live().size(), 7u);
}

//= rfc7296#2.3-8 type=test
TEST(IkeWindows, every_answer_of_a_whole_window_is_kept_for_repetition) {
  Up up;
  std::vector<ByteVec> requests;
  for (std::uint32_t id = 2; id < 8; ++id) {
    requests.push_back(up.forger->request(ExchangeType::informational, id, {}));
    up.pair.inject(true, requests.back());
  }
  const std::size_t before = up.answers();
  for (const ByteVec& request : requests) up.pair.inject(true, request);
  EXPECT_EQ(up.answers(), before + 4);  // 2 and 3 have left it
}

//= rfc7296#2.3-9,10 type=test
TEST(IkeWindows, a_message_id_beyond_the_window_is_told_once_and_not_answered) {
  Up up;
  const std::size_t before = up.answers();
  up.pair.inject(true, up.forger->request(ExchangeType::informational, 6, {}));  // 2 to 5 are in
  ASSERT_EQ(up.answers(), before + 1);
  const auto header = up.pair.sent.back().header();
  EXPECT_FALSE(header.is_response());
  EXPECT_EQ(header.exchange, ExchangeType::informational);
  const auto payloads = up.forger->open(up.pair.sent.back().message);
  const auto* const notify = wire::find_notify(payloads, NotifyType::invalid_message_id);
  ASSERT_NE(notify, nullptr);
  EXPECT_EQ(notify->data, (ByteVec{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{6}}));
  up.pair.run();
  for (std::uint32_t id = 7; id < 20; ++id) {
    up.pair.inject(true, up.forger->request(ExchangeType::informational, id, {}));
  }
  EXPECT_EQ(up.answers(), before + 1);
  EXPECT_EQ(up.pair.b.endpoint.drops()[DropReason::ike_bad_message_id], 14u);
  up.pair.inject(true, up.forger->request(ExchangeType::informational, 5, {}));
  EXPECT_EQ(up.answers(), before + 2);
  up.pair.inject(true, up.forger->request(ExchangeType::informational, 2, {}));
  EXPECT_EQ(up.answers(), before + 3);
}

TEST(IkeWindows, a_window_of_nothing_or_of_the_wrong_size_is_ignored) {
  Up up;
  up.pair.inject(true, up.forger->request(ExchangeType::informational, 2, {window_of(0)}));
  up.pair.inject(true, up.forger->request(ExchangeType::informational, 3,
                                          {make_notify(NotifyType::set_window_size, ByteVec(2))}));
  EXPECT_EQ(up.pair.b.state(), IkeState::established);
  up.pair.command_b(InitiateChild{"to-a.example", "more0"});
  up.pair.command_b(InitiateChild{"to-a.example", "more1"});
  EXPECT_EQ(up.pair.wire.size(), 4u);  // two answers and two requests
}

TEST(IkeWindows, a_rekeyed_ike_sa_has_the_windows_of_the_old_one) {
  for (const bool by_a : {true, false}) {
    Up up{4};
    if (by_a) up.pair.command_a(RekeyIke{"to-b.example"});
    if (!by_a) up.pair.command_b(RekeyIke{"to-a.example"});
    up.pair.run();
    ASSERT_EQ(up.pair.a.record.count(base::EventKind::ike_rekeyed), 1u);
    up.pair.filter = [](Datagram&) { return false; };
    up.pair.sent.clear();
    up.want(6);
    EXPECT_EQ(up.pair.sent.size(), 4u) << by_a;
    up.pair.filter = nullptr;
    up.pair.advance(10s);
    EXPECT_EQ(up.pair.b.live().size(), 7u) << by_a;
  }
}

TEST(IkeWindows, a_rekeyed_ike_sa_whose_peer_does_not_say_so_again_has_a_window_of_one) {
  Up up{4};
  up.pair.filter = [](Datagram& d) { return d.header().exchange == ExchangeType::create_child_sa; };
  up.pair.command_a(RekeyIke{"to-b.example"});
  up.pair.run();
  up.pair.sent.clear();
  up.want(6);
  EXPECT_EQ(requests_on_the_wire(up.pair), 0u) << "our own announcement is under way";
}

TEST(IkeWindows, the_last_request_waits_until_the_others_are_answered) {
  Up up;
  up.want(2);
  up.pair.command_a(DeleteIke{"to-b.example"});
  EXPECT_EQ(requests_on_the_wire(up.pair), 2u);
  up.pair.run();
  EXPECT_TRUE(up.pair.a.endpoint.snapshot().empty());
  EXPECT_TRUE(up.pair.b.endpoint.snapshot().empty());
  EXPECT_TRUE(up.pair.a.live().empty());
  EXPECT_TRUE(up.pair.b.live().empty());
}

}  // namespace
}  // namespace caponier::ike::test

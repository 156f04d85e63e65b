// Message IDs and sequence numbers after a failover (RFC 6311), both roles.

#include "ike/message_id_sync.h"

#include <gtest/gtest.h>

#include <utility>

#include "ike/messages.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

EndpointConfig with_window(unsigned size) {
  EndpointConfig config = test_config();
  config.limits.peer_window_size = size;
  return config;
}

/// A is the cluster member as far as the test forges its messages; B is its peer.
struct Cluster {
  explicit Cluster(unsigned window = 1) : pair(with_window(window)) {
    pair.initiate_a();
    pair.run();
    forger.emplace(pair.a.record.keys.at(0));
    pair.sent.clear();
  }
  [[nodiscard]] ByteVec request(const std::vector<wire::Payload>& payloads) {
    return forger->request(ExchangeType::informational, 0, payloads);
  }
  void sync(MessageIdSync values) { pair.inject(true, request({values.to_notify()})); }
  /// What B answered since; nothing when it kept silent.
  [[nodiscard]] std::optional<MessageIdSync> answer() {
    if (pair.sent.empty()) return std::nullopt;
    const Datagram last = pair.sent.back();
    pair.sent.clear();
    if (last.to_b || !last.header().is_response() || last.header().message_id.value != 0) {
      return std::nullopt;
    }
    return MessageIdSync::find(forger->open(last.message));
  }
  [[nodiscard]] bool is_served(std::uint32_t id) {
    pair.sent.clear();
    pair.inject(true, forger->request(ExchangeType::informational, id, {}));
    return !pair.sent.empty() && pair.sent.back().header().is_response();
  }

  Pair pair;
  std::optional<Forger> forger;
};

TEST(IkeMessageIdSync, higher_values_are_taken_over_and_confirmed) {
  Cluster c;
  c.sync({0x01020304, 20, 30});
  const auto answer = c.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->nonce, 0x01020304u);
  EXPECT_EQ(answer->send, 30u);
  EXPECT_EQ(answer->receive, 20u);
  EXPECT_FALSE(c.is_served(2));
  EXPECT_TRUE(c.is_served(20));
  c.pair.sent.clear();
  c.pair.command_b(CheckLiveness{"to-a.example"});
  EXPECT_EQ(c.pair.sent.back().header().message_id.value, 30u);
  EXPECT_EQ(c.pair.b.record.count(EventKind::ike_ids_synced), 1u);
}

TEST(IkeMessageIdSync, the_answer_never_goes_below_what_the_peer_has_used_itself) {
  Cluster c;
  for (int i = 0; i < 3; ++i) {
    c.pair.command_b(CheckLiveness{"to-a.example"});
    c.pair.run();
  }
  c.pair.sent.clear();
  c.sync({7, 9, 1});
  const auto answer = c.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->send, 3u);
  EXPECT_EQ(answer->receive, 9u);
}

TEST(IkeMessageIdSync, values_not_above_what_was_seen_are_silently_dropped) {
  Cluster c;
  c.sync({7, 1, 0});  // IKE_AUTH had it
  EXPECT_FALSE(c.answer());
  c.sync({7, 2, 0});
  EXPECT_TRUE(c.answer());
  c.sync({8, 2, 0});
  EXPECT_FALSE(c.answer());
  c.sync({8, 1, 50});
  EXPECT_FALSE(c.answer());
  EXPECT_EQ(c.pair.b.endpoint.drops()[DropReason::ike_duplicate], 3u);
}

TEST(IkeMessageIdSync, a_replayed_request_changes_nothing) {
  Cluster c;
  const ByteVec request = c.request({MessageIdSync{7, 20, 5}.to_notify()});
  c.pair.inject(true, request);
  ASSERT_TRUE(c.answer());
  EXPECT_TRUE(c.is_served(20));
  EXPECT_TRUE(c.is_served(21));
  c.pair.sent.clear();
  c.pair.inject(true, request);
  EXPECT_TRUE(c.pair.sent.empty());
  EXPECT_TRUE(c.is_served(22));
}

TEST(IkeMessageIdSync, requests_seen_beyond_a_gap_count_as_seen) {
  Cluster c{4};
  EXPECT_TRUE(c.is_served(4));  // 2 and 3 are missing, 4 is within the window
  c.pair.sent.clear();
  c.sync({7, 4, 0});
  EXPECT_FALSE(c.answer());
  c.sync({7, 5, 0});
  ASSERT_TRUE(c.answer());
  EXPECT_FALSE(c.is_served(3));  // not expected any more
  EXPECT_TRUE(c.is_served(5));
}

TEST(IkeMessageIdSync, what_the_peer_had_under_way_goes_again_with_a_new_message_id) {
  Cluster c;
  c.pair.filter = [](Datagram& d) { return d.to_b; };
  c.pair.command_b(CheckLiveness{"to-a.example"});
  c.pair.sent.clear();
  c.sync({7, 20, 40});
  ASSERT_EQ(c.pair.sent.size(), 2u);
  EXPECT_EQ(c.pair.sent.at(0).header().message_id.value, 0u);
  EXPECT_EQ(c.pair.sent.at(1).header().message_id.value, 40u);
  EXPECT_FALSE(c.pair.sent.at(1).header().is_response());
  // The answer to the old one comes late and is nobody's.
  wire::IkeHeader header = c.forger->header(ExchangeType::informational, 0);
  header.flags |= wire::IkeHeader::flag_response;
  c.pair.inject(true, c.forger->seal(header, {}));
  header.message_id.value = 40;
  c.pair.inject(true, c.forger->seal(header, {}));
  EXPECT_EQ(c.pair.b.state(), IkeState::established);
  c.pair.advance(100ms);
  EXPECT_EQ(c.pair.b.endpoint.snapshot().at(0).round_trips, 1u);
}

TEST(IkeMessageIdSync, anything_beside_the_two_notifies_makes_it_no_request) {
  Cluster c;
  const auto notify = MessageIdSync{7, 20, 30}.to_notify();
  c.pair.inject(true, c.request({notify, make_notify(NotifyType::cookie2)}));
  wire::NotifyPayload cut = notify;
  cut.data.pop_back();
  c.pair.inject(true, c.request({cut}));
  c.sync({7, 0xffffffff, 30});
  c.sync({7, 20, 0xffffffff});
  EXPECT_TRUE(c.pair.sent.empty());
  EXPECT_TRUE(c.is_served(2));
}

TEST(IkeMessageIdSync, without_the_agreement_it_is_dropped) {
  Cluster c;
  Pair pair;
  pair.filter = [&](Datagram& d) { return d.header().exchange != ExchangeType::ike_auth; };
  pair.initiate_a();
  pair.run();
  // A peer that never said so: its IKE_AUTH without the two notifies.
  Forger forger{pair.a.record.keys.at(0)};
  auto payloads = forger.open(pair.sent.back().message);
  std::erase_if(payloads, [](const wire::Payload& payload) {
    const auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
    return notify != nullptr && notify->type == NotifyType::ikev2_message_id_sync_supported;
  });
  pair.filter = nullptr;
  pair.sent.clear();
  pair.inject(true, forger.request(ExchangeType::ike_auth, 1, payloads));
  ASSERT_EQ(pair.b.state(), IkeState::established);
  const auto answer = forger.open(pair.sent.back().message);
  EXPECT_EQ(wire::find_notify(answer, NotifyType::ikev2_message_id_sync_supported), nullptr);
  EXPECT_NE(wire::find_notify(answer, NotifyType::ipsec_replay_counter_sync_supported), nullptr);
  pair.sent.clear();
  pair.inject(
      true, forger.request(ExchangeType::informational, 0, {MessageIdSync{7, 20, 30}.to_notify()}));
  EXPECT_TRUE(pair.sent.empty());
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_unexpected], 1u);
}

TEST(IkeMessageIdSync, the_peer_skips_what_the_member_may_have_missed) {
  Cluster c;
  c.pair.inject(
      true, c.request({MessageIdSync{7, 20, 30}.to_notify(), make_counter_sync(1u << 30, true)}));
  ASSERT_EQ(c.pair.b.record.skips.size(), 1u);
  EXPECT_EQ(c.pair.b.record.skips.at(0).id, c.pair.b.live().at(0)->id);
  EXPECT_EQ(c.pair.b.record.skips.at(0).count, 1u << 30);
  // A replay of the whole message is dropped before it counts.
  c.pair.inject(
      true, c.request({MessageIdSync{8, 20, 30}.to_notify(), make_counter_sync(1u << 30, true)}));
  EXPECT_EQ(c.pair.b.record.skips.size(), 1u);
  // Alone it comes in an ordinary request, and counts once.
  const auto request =
      c.forger->request(ExchangeType::informational, 20, {make_counter_sync(5, false)});
  c.pair.inject(true, request);
  c.pair.inject(true, request);
  ASSERT_EQ(c.pair.b.record.skips.size(), 2u);
  EXPECT_EQ(c.pair.b.record.skips.at(1).count, 5u);
}

// ---- The member

//= rfc7383#3-1 type=test
TEST(IkeMessageIdSync, a_member_and_its_peer_agree_and_go_on) {
  Cluster c;
  c.pair.command_b(CheckLiveness{"to-a.example"});
  c.pair.run();
  c.pair.sent.clear();
  c.pair.command_a(SyncMessageIds{"to-b.example", 1000});
  c.pair.run();
  ASSERT_EQ(c.pair.sent.size(), 2u);
  for (const Datagram& datagram : c.pair.sent) {
    EXPECT_EQ(datagram.header().next_payload, wire::PayloadType::sk);  // never in fragments
    EXPECT_EQ(datagram.header().message_id.value, 0u);
  }
  EXPECT_EQ(c.pair.a.record.count(EventKind::ike_ids_synced), 1u);
  EXPECT_EQ(c.pair.b.record.count(EventKind::ike_ids_synced), 1u);
  ASSERT_EQ(c.pair.b.record.skips.size(), 1u);
  EXPECT_EQ(c.pair.b.record.skips.at(0).count, 1000u);
  c.pair.command_a(CheckLiveness{"to-b.example"});
  c.pair.command_b(CheckLiveness{"to-a.example"});
  c.pair.run();
  EXPECT_EQ(c.pair.a.endpoint.snapshot().at(0).round_trips, 3u);
  EXPECT_EQ(c.pair.b.endpoint.snapshot().at(0).round_trips, 2u);
  EXPECT_TRUE(c.pair.is_up());
}

TEST(IkeMessageIdSync, the_member_may_be_the_responder) {
  for (const bool is_a : {true, false}) {
    Cluster c;
    const Side& peer = is_a ? c.pair.b : c.pair.a;
    if (is_a) c.pair.command_a(SyncMessageIds{"to-b.example", 7});
    if (!is_a) c.pair.command_b(SyncMessageIds{"to-a.example", 7});
    c.pair.run();
    EXPECT_EQ(c.pair.sent.size(), 2u);
    EXPECT_EQ(peer.record.count(EventKind::ike_ids_synced), 1u);
    EXPECT_EQ(peer.record.skips.size(), 1u);
    c.pair.command_a(CheckLiveness{"to-b.example"});
    c.pair.command_b(CheckLiveness{"to-a.example"});
    c.pair.run();
    c.pair.advance(60s);
    EXPECT_TRUE(c.pair.is_up()) << is_a;
  }
}

TEST(IkeMessageIdSync, each_repetition_is_a_new_request_and_only_its_answer_counts) {
  Cluster c;
  std::vector<ByteVec> answers;
  c.pair.filter = [&](Datagram& d) {
    if (d.to_b) return true;
    answers.push_back(d.message);
    return false;
  };
  c.pair.command_a(SyncMessageIds{"to-b.example", 0});
  c.pair.advance(4s);  // two repetitions
  ASSERT_EQ(answers.size(), 3u);
  c.pair.filter = nullptr;
  c.pair.inject(false, answers.at(0));
  EXPECT_EQ(c.pair.a.record.count(EventKind::ike_ids_synced), 0u);
  c.pair.inject(false, answers.at(2));
  EXPECT_EQ(c.pair.a.record.count(EventKind::ike_ids_synced), 1u);
  c.pair.command_a(CheckLiveness{"to-b.example"});
  c.pair.run();
  c.pair.advance(60s);
  EXPECT_TRUE(c.pair.is_up());
}

TEST(IkeMessageIdSync, what_the_member_had_under_way_goes_again_afterwards) {
  Cluster c;
  c.pair.filter = [](Datagram& d) { return !d.to_b; };
  c.pair.command_a(DeleteChild{c.pair.a.live().at(0)->id});
  c.pair.filter = nullptr;
  c.pair.command_a(SyncMessageIds{"to-b.example", 0});
  c.pair.run();
  EXPECT_TRUE(c.pair.a.live().empty());
  EXPECT_TRUE(c.pair.b.live().empty());
}

TEST(IkeMessageIdSync, no_answer_at_all_ends_the_sa_as_any_silence_does) {
  Cluster c;
  c.pair.filter = [](Datagram& d) { return d.to_b; };
  c.pair.command_a(SyncMessageIds{"to-b.example", 0});
  c.pair.advance(200s);
  EXPECT_TRUE(c.pair.a.endpoint.snapshot().empty());
}

TEST(IkeMessageIdSync, the_notifies_have_the_sizes_of_the_rfc) {
  EXPECT_EQ((MessageIdSync{1, 2, 3}.to_notify().data.size()), 12u);
  EXPECT_EQ(make_counter_sync(7, false).data.size(), 4u);
  EXPECT_EQ(make_counter_sync(7, true).data.size(), 8u);
  EXPECT_EQ(find_counter_sync({make_counter_sync(std::uint64_t{1} << 40, false)}), 0xffffffffu);
  EXPECT_EQ(find_counter_sync({make_counter_sync(std::uint64_t{1} << 40, true)}),
            std::uint64_t{1} << 40);
  EXPECT_FALSE(find_counter_sync({make_notify(NotifyType::ipsec_replay_counter_sync, ByteVec(5))}));
}

}  // namespace
}  // namespace caponier::ike::test

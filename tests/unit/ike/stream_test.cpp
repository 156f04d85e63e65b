// IKE over TCP (RFC 9329), and several initiations beside each other.

#include <gtest/gtest.h>

#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using base::Transport;

/// A stream that A opens from this port to port 4500 of B, or of B's TCP port 443.
base::Path stream(std::uint16_t from, std::uint16_t to = 4500) {
  return {{ip(end_a.address), from}, {ip(end_b.address), to}, Transport::tcp};
}
base::Path reversed(const base::Path& path) { return {path.remote, path.local, path.transport}; }

IkeSaInfo only_ike(const Side& side) {
  const auto infos = side.endpoint.snapshot();
  EXPECT_EQ(infos.size(), 1u);
  return infos.empty() ? IkeSaInfo{} : infos.front();
}

void bring_up(Pair& pair, std::uint16_t port = 50000) {
  pair.command_a(Initiate{"to-b.example", stream(port)});
  pair.run();
  ASSERT_TRUE(pair.is_up());
}

//= rfc9329#5-3 type=test
//= rfc9329#6.5-1 type=test
TEST(IkeStream, ike_and_esp_of_one_sa_share_one_stream_and_no_nat_is_seen) {
  Pair pair;
  bring_up(pair);
  for (const Side* side : {&pair.a, &pair.b}) {
    const base::Path expected = side == &pair.a ? stream(50000) : reversed(stream(50000));
    EXPECT_EQ(only_ike(*side).path, expected);
    EXPECT_EQ(side->live().front()->path, expected);
    EXPECT_TRUE(side->live().front()->udp_encap);
    EXPECT_FALSE(only_ike(*side).local_behind_nat);
    EXPECT_FALSE(only_ike(*side).remote_behind_nat);
    EXPECT_EQ(side->record.count(EventKind::ike_transport), 1u);
  }
}

TEST(IkeStream, every_message_has_the_non_esp_marker_on_any_port) {
  Pair pair;
  pair.command_a(Initiate{"to-b.example", stream(50000, 443)});
  pair.run();
  ASSERT_TRUE(pair.is_up());
  for (const Side* side : {&pair.a, &pair.b}) {
    for (const Transmit& transmit : side->record.transmits) {
      EXPECT_EQ(base::load_be<std::uint32_t>(transmit.datagram.data()), 0u);
    }
  }
}

//= rfc9329#6.6-1 type=test
TEST(IkeStream, behind_a_nat_there_are_no_keepalives) {
  Pair pair;
  pair.put_a_behind_nat("198.51.100.9", 1000);
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.remote_addresses.clear();
  pair.b.set(at_b);
  bring_up(pair);
  EXPECT_TRUE(only_ike(pair.a).local_behind_nat);
  EXPECT_EQ(only_ike(pair.a).path, stream(50000)) << "a NAT changes nothing on a stream";
  const std::size_t before = pair.a.record.transmits.size();
  pair.advance(29s);
  EXPECT_EQ(pair.a.record.transmits.size(), before);
}

//= rfc9329#6.2-1 type=test
TEST(IkeStream, nothing_is_repeated_while_the_stream_may_still_carry_the_answer) {
  Pair pair;
  bring_up(pair);
  pair.filter = [](const Datagram&) { return false; };
  pair.command_a(CheckLiveness{"to-b.example"});
  const std::size_t before = pair.a.record.transmits.size();
  pair.advance(11s);
  EXPECT_EQ(pair.a.record.transmits.size(), before);
  pair.advance(2s);
  EXPECT_EQ(pair.a.record.transmits.size(), before + 1);
}

//= rfc9329#6.2-2 type=test
//= rfc9329#6.1-7 type=test
TEST(IkeStream, a_lost_stream_is_replaced_by_its_originator_and_what_waited_is_repeated_there) {
  Pair pair;
  bring_up(pair);
  pair.filter = [](const Datagram&) { return false; };
  pair.command_a(CheckLiveness{"to-b.example"});
  pair.filter = nullptr;
  pair.advance(3s);
  pair.command_a(StreamClosed{stream(50000)});
  pair.advance(0s);
  const base::Path moved = only_ike(pair.a).path;
  EXPECT_NE(moved.local.port, 50000);
  EXPECT_GE(moved.local.port, 49152);
  EXPECT_EQ(moved.remote, stream(50000).remote);
  EXPECT_EQ(pair.a.record.transmits.back().path, moved);
  EXPECT_EQ(pair.a.record.moves.back().path, moved);
  EXPECT_TRUE(pair.a.record.moves.back().udp_encap);
  EXPECT_EQ(only_ike(pair.b).path, reversed(moved)) << "the other end follows";
  EXPECT_EQ(pair.b.record.moves.back().path, reversed(moved));
  EXPECT_EQ(only_ike(pair.a).round_trips, 2u) << "the first transmission does not count";
}

TEST(IkeStream, without_a_request_under_way_a_new_stream_begins_with_a_liveness_check) {
  Pair pair;
  bring_up(pair);
  const std::size_t before = pair.a.record.transmits.size();
  pair.command_a(StreamClosed{stream(50000)});
  EXPECT_EQ(pair.a.record.transmits.size(), before + 1);
  pair.run();
  EXPECT_EQ(only_ike(pair.b).path, reversed(only_ike(pair.a).path));
}

//= rfc9329#6.1-6 type=test
TEST(IkeStream, whose_stream_cannot_be_opened_again_keeps_its_sa_as_long_as_over_udp) {
  Pair pair;
  bring_up(pair);
  pair.filter = [](const Datagram&) { return false; };
  const base::Instant begin = pair.now;
  pair.command_a(StreamClosed{stream(50000)});
  unsigned opened = 0;
  while (pair.a.ike_count(IkeState::established) == 1 && pair.now - begin < 200s) {
    // Refused at once, each time.
    const std::size_t sent = pair.a.record.transmits.size();
    pair.command_a(StreamClosed{only_ike(pair.a).path});
    pair.advance(100ms);
    if (pair.a.record.transmits.size() > sent) ++opened;
  }
  EXPECT_GT(pair.now - begin, 60s);
  EXPECT_LT(pair.now - begin, 90s);
  EXPECT_EQ(opened, 6u);
}

TEST(IkeStream, the_responder_waits_for_its_peer) {
  Pair pair;
  bring_up(pair);
  const std::size_t before = pair.b.record.transmits.size();
  pair.command_b(StreamClosed{reversed(stream(50000))});
  pair.run();
  EXPECT_EQ(pair.b.record.transmits.size(), before);
  EXPECT_EQ(only_ike(pair.b).state, IkeState::established);
}

TEST(IkeStream, esp_moves_the_responder_to_another_stream_but_not_the_originator) {
  Pair pair;
  bring_up(pair);
  const base::Path other = stream(51111);
  pair.command_b(PeerMoved{pair.b.live().front()->id, reversed(other)});
  EXPECT_EQ(only_ike(pair.b).path, reversed(other));
  pair.command_a(PeerMoved{pair.a.live().front()->id, other});
  EXPECT_EQ(only_ike(pair.a).path, stream(50000));
}

TEST(IkeStream, a_responder_follows_from_the_stream_to_udp_and_back) {
  Pair pair;
  bring_up(pair);
  const auto child = pair.b.live().front()->id;
  pair.command_b(PeerMoved{child, pair.path_of(false, 4500)});
  EXPECT_FALSE(pair.b.record.moves.back().udp_encap) << "there is no NAT";
  pair.command_b(PeerMoved{child, reversed(stream(50000))});
  EXPECT_TRUE(pair.b.record.moves.back().udp_encap);
}

TEST(IkeStream, a_stream_that_cannot_be_opened_ends_the_attempt_at_once) {
  Pair pair;
  pair.filter = [](const Datagram&) { return false; };
  pair.command_a(Initiate{"to-b.example", stream(50000)});
  pair.command_a(StreamClosed{stream(50000)});
  ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.ike_downs.front().reason, EndReason::timeout);
  EXPECT_FALSE(pair.a.record.ike_downs.front().was_established);
}

//= rfc9329#6.4-1 type=test
TEST(IkeStream, a_refusal_is_believed_at_once) {
  Pair pair;
  ConnectionConfig other = make_connection(end_b, end_a);
  other.offers = {ike_offer("aes128gcm16-prfsha256-x25519")};
  pair.b.set(other);
  pair.command_a(Initiate{"to-b.example", stream(50000)});
  pair.advance(0s);
  ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.ike_downs.front().reason, EndReason::no_proposal);
}

//= rfc9329#6.3-1 type=test
TEST(IkeStream, no_cookie_is_demanded_where_tcp_has_proven_the_address_but_limits_hold) {
  EndpointConfig config = test_config();
  config.limits.cookie_threshold = 0;
  config.limits.half_open_per_address_max = 2;
  Pair pair{config};
  pair.filter = [](const Datagram& d) { return d.to_b; };
  for (std::uint16_t i = 0; i < 3; ++i) {
    const auto port = static_cast<std::uint16_t>(50000 + i);
    pair.command_a(Initiate{"to-b.example", stream(port), true});
  }
  pair.run();
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 2u);
  EXPECT_EQ(pair.b.record.count(EventKind::ike_cookie_demanded), 0u);
  EXPECT_EQ(pair.b.endpoint.drops()[base::DropReason::ike_half_open_limit], 1u);
}

//= rfc9329#6.1-4 type=test
TEST(IkeStream, a_stream_nobody_needs_any_more_is_closed_by_its_originator) {
  Pair pair;
  bring_up(pair);
  EXPECT_TRUE(pair.a.record.closed_streams.empty());
  pair.command_a(DeleteIke{"to-b.example"});
  pair.run();
  EXPECT_EQ(pair.a.record.closed_streams, std::vector<base::Path>{stream(50000)});
  EXPECT_TRUE(pair.b.record.closed_streams.empty());
}

//= rfc9329#6.1-11 type=test
TEST(IkeStream, authenticating_anew_takes_a_stream_of_its_own_and_is_the_originators_to_begin) {
  Pair pair;
  bring_up(pair);
  pair.command_b(Reauthenticate{"to-a.example"});
  EXPECT_EQ(pair.b.endpoint.snapshot().size(), 1u);
  pair.command_a(Reauthenticate{"to-b.example"});
  pair.advance(40s);
  EXPECT_TRUE(pair.is_up());
  EXPECT_NE(only_ike(pair.a).path, stream(50000));
  EXPECT_EQ(only_ike(pair.a).path.remote, stream(50000).remote);
  EXPECT_EQ(pair.a.record.closed_streams, std::vector<base::Path>{stream(50000)});
}

TEST(IkeStream, udp_is_tried_from_a_stream_and_taken_when_it_works) {
  Pair pair;
  bring_up(pair);
  pair.filter = [](const Datagram& d) { return d.path.transport == Transport::tcp; };
  pair.command_a(Reauthenticate{"to-b.example", pair.path_of(true, 4500)});
  pair.advance(300s);
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(only_ike(pair.a).path, stream(50000)) << "and nothing else was tried instead";
  pair.filter = nullptr;
  pair.command_a(Reauthenticate{"to-b.example", pair.path_of(true, 4500)});
  pair.advance(40s);
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(only_ike(pair.a).path, pair.path_of(true, 4500));
  EXPECT_FALSE(pair.a.live().front()->udp_encap) << "there is no NAT";
  EXPECT_EQ(pair.a.record.closed_streams, std::vector<base::Path>{stream(50000)});
}

TEST(IkeStream, the_first_answer_ends_the_initiations_beside_it) {
  Pair pair;
  pair.filter = [](const Datagram& d) {
    return d.path.transport == Transport::tcp || d.path.local.port == 4500;
  };
  pair.initiate_a();
  pair.run();
  pair.command_a(Initiate{"to-b.example", pair.path_of(true, 4500), true});
  pair.command_a(Initiate{"to-b.example", stream(50000), true});
  EXPECT_EQ(pair.a.endpoint.snapshot().size(), 3u);
  pair.run();
  EXPECT_TRUE(pair.is_up());
  ASSERT_EQ(pair.a.record.answered.size(), 1u);
  EXPECT_EQ(pair.a.record.answered.front().path, pair.path_of(true, 4500));
  EXPECT_EQ(pair.a.record.closed_streams, std::vector<base::Path>{stream(50000)});
  ASSERT_EQ(pair.a.record.ike_downs.size(), 2u);
  for (const IkeDown& down : pair.a.record.ike_downs) {
    EXPECT_EQ(down.reason, EndReason::replaced);
    EXPECT_FALSE(down.was_established);
  }
}

TEST(IkeStream, an_initiation_is_not_put_beside_another_unasked) {
  Pair pair;
  pair.filter = [](const Datagram&) { return false; };
  pair.initiate_a();
  pair.initiate_a();
  EXPECT_EQ(pair.a.endpoint.snapshot().size(), 1u);
}

TEST(IkeStream, beside_an_established_sa_nothing_is_initiated) {
  Pair pair;
  bring_up(pair);
  pair.command_a(Initiate{"to-b.example", pair.path_of(true, 4500), true});
  EXPECT_EQ(pair.a.endpoint.snapshot().size(), 1u);
}

TEST(IkeStream, both_sides_on_several_paths_at_once_end_in_one_sa) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Pair pair{test_config(), seed};
    pair.initiate_a();
    pair.initiate_b();
    pair.command_a(Initiate{"to-b.example", pair.path_of(true, 4500), true});
    pair.command_b(Initiate{"to-a.example", pair.path_of(false, 4500), true});
    pair.command_a(Initiate{"to-b.example", stream(50000), true});
    pair.advance(40s);  // the losers' half-open SAs end too
    EXPECT_TRUE(pair.is_up()) << seed;
    EXPECT_EQ(only_ike(pair.a).spi_i, only_ike(pair.b).spi_i);
  }
}

}  // namespace
}  // namespace caponier::ike::test

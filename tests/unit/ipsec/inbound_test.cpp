// What ESP packets an engine refuses, and why.

#include <gtest/gtest.h>

#include "crypto/openssl/provider.h"
#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

/// Plaintext of an ESP packet: payload, padding 1, 2, 3 ... to a multiple of 4, trailer.
ByteVec text_of(Bytes payload, std::uint8_t next_header, std::size_t extra_padding = 0) {
  ByteVec text = base::to_vec(payload);
  const std::size_t padding = (2 - text.size() % 4 + 4) % 4 + extra_padding;
  for (std::size_t i = 0; i < padding; ++i) text.push_back(static_cast<std::byte>(i + 1));
  text.push_back(static_cast<std::byte>(padding));
  text.push_back(std::byte{next_header});
  return text;
}

DropReason drop_of_text(Bytes text) {
  Pair pair;
  const Opened got = open_one(pair.b, pair.forge_to_b(text, 1));
  EXPECT_EQ(got.item.verdict, Verdict::drop);
  EXPECT_EQ(pair.b.drops().total(), 1u);
  EXPECT_EQ(pair.b.drops()[got.item.drop], 1u);
  EXPECT_EQ(pair.b.counters({1})->drops[got.item.drop], 1u);
  return got.item.drop;
}

void expect_every_flip_is_dropped(const crypto::CryptoProvider& provider,
                                  const crypto::CipherSuite& suite) {
  Spec spec;
  spec.suite = suite;
  Pair pair{spec, {}, provider};
  for (int i = 0; i < 3; ++i) (void)pair.a_to_b(v4_packet());
  const ByteVec good = protect_one(pair.a, v4_packet(40)).esp;
  std::uint64_t count = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      ByteVec bad = good;
      bad[at] ^= std::byte{static_cast<std::uint8_t>(1U << bit)};
      const Opened got = open_one(pair.b, bad);
      ASSERT_EQ(got.item.verdict, Verdict::drop) << at << '.' << bit;
      const DropReason reason = got.item.drop;
      if (at < 4) {
        EXPECT_EQ(reason, DropReason::esp_no_sa);
      } else if (at < 8) {
        EXPECT_TRUE(reason == DropReason::esp_bad_icv || reason == DropReason::esp_replay);
      } else {
        EXPECT_EQ(reason, DropReason::esp_bad_icv);
      }
      EXPECT_EQ(pair.b.drops().total(), ++count);
    }
  }
  EXPECT_EQ(pair.b.counters({1})->packets_in, 3u);
  EXPECT_EQ(open_one(pair.b, good).item.verdict, Verdict::forward);
}

//= rfc4303#3.4.2-1 rfc4303#3.4.3-8 rfc4303#3.4.4.1-1 rfc4303#3.4.4.1-5 rfc4303#3.4.4.2-1 type=test
TEST(Inbound, a_flipped_bit_anywhere_is_a_named_drop) {
  const crypto::NullProvider null{nullptr};
  const crypto::OpensslProvider openssl;
  for (const auto& suite : {aes_gcm, aes_cbc}) {
    expect_every_flip_is_dropped(null, suite);
    expect_every_flip_is_dropped(openssl, suite);
  }
}

TEST(Inbound, a_packet_cut_anywhere_is_a_named_drop) {
  for (const auto& suite : {aes_gcm, aes_cbc}) {
    Spec spec;
    spec.suite = suite;
    Pair pair{spec};
    const ByteVec good = protect_one(pair.a, v4_packet(40)).esp;
    for (std::size_t size = 0; size < good.size(); ++size) {
      const Opened got = open_one(pair.b, {good.begin(), good.begin() + static_cast<long>(size)});
      ASSERT_EQ(got.item.verdict, Verdict::drop) << size;
      EXPECT_TRUE(got.item.drop == DropReason::esp_malformed ||
                  got.item.drop == DropReason::esp_bad_icv);
    }
    EXPECT_EQ(pair.b.drops().total(), good.size());
    EXPECT_EQ(open_one(pair.b, good).item.verdict, Verdict::forward);
  }
}

//= rfc4303#2.2-3 rfc4303#3.4.3-1 rfc4303#3.4.3-5 type=test
TEST(Inbound, a_replayed_packet_is_dropped_also_within_one_batch) {
  Pair pair;
  const ByteVec first = protect_one(pair.a, v4_packet(1)).esp;
  const ByteVec second = protect_one(pair.a, v4_packet(2)).esp;
  const auto got = open_all(pair.b, {second, first, first, second}, {}, {});
  EXPECT_EQ(got[0].packet, v4_packet(2));
  EXPECT_EQ(got[1].packet, v4_packet(1));
  EXPECT_EQ(got[2].item.drop, DropReason::esp_replay);
  EXPECT_EQ(got[3].item.drop, DropReason::esp_replay);
  EXPECT_EQ(open_one(pair.b, first).item.drop, DropReason::esp_replay);
  EXPECT_EQ(pair.b.drops()[DropReason::esp_replay], 3u);
}

//= rfc4303#3.4.3-6 type=test
TEST(Inbound, a_repeated_number_is_seen_before_the_icv_is_computed) {
  Pair pair;
  ByteVec esp = protect_one(pair.a, v4_packet()).esp;
  EXPECT_EQ(open_one(pair.b, esp).item.verdict, Verdict::forward);
  esp.back() ^= std::byte{1};
  EXPECT_EQ(open_one(pair.b, esp).item.drop, DropReason::esp_replay);
}

TEST(Inbound, a_forged_packet_does_not_move_the_window) {
  Pair pair;
  ByteVec forged = protect_one(pair.a, v4_packet()).esp;
  base::store_be<std::uint32_t>(forged.data() + 4, 100'000);
  EXPECT_EQ(open_one(pair.b, forged).item.drop, DropReason::esp_bad_icv);
  EXPECT_TRUE(pair.a_to_b(v4_packet()).has_value());
}

TEST(Inbound, a_packet_left_of_the_window_is_dropped) {
  for (const bool esn : {true, false}) {
    Spec spec;
    spec.esn = esn;
    Pair pair{spec};
    const ByteVec old = protect_one(pair.a, v4_packet()).esp;
    for (std::uint32_t i = 0; i < spec.window; ++i) ASSERT_TRUE(pair.a_to_b(v4_packet()));
    // With ESN it is taken for one of the next 2^32, whose ICV it does not have.
    EXPECT_EQ(open_one(pair.b, old).item.drop,
              esn ? DropReason::esp_bad_icv : DropReason::esp_replay);
  }
}

//= rfc4303#2.2.1-1 type=test
TEST(Inbound, extended_sequence_numbers_cross_the_wrap) {
  Pair pair;
  pair.a.advance_sequence({1}, 0x80000000);
  EXPECT_TRUE(pair.a_to_b(v4_packet()));
  pair.a.advance_sequence({1}, 0xfffffff0);
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(pair.a_to_b(v4_packet())) << i;
  const Protected sent = protect_one(pair.a, v4_packet());
  EXPECT_EQ(base::load_be<std::uint32_t>(sent.esp.data() + 4), 0xfffffff0 + 41);
}

//= rfc4303#3.4.3-1 type=test
TEST(Inbound, a_window_of_zero_accepts_repeats) {
  Spec spec;
  spec.window = 0;
  Pair pair{spec};
  const ByteVec esp = protect_one(pair.a, v4_packet()).esp;
  EXPECT_EQ(open_one(pair.b, esp).item.verdict, Verdict::forward);
  EXPECT_EQ(open_one(pair.b, esp).item.verdict, Verdict::forward);
}

//= rfc4303#2.4-4 rfc4303#3.4.4.1-3 type=test
TEST(Inbound, wrong_padding_is_dropped) {
  const ByteVec packet = v4_packet(10);
  ByteVec text = text_of(packet, 4, 8);
  text[text.size() - 5] ^= std::byte{1};
  EXPECT_EQ(drop_of_text(text), DropReason::esp_bad_padding);
  text = text_of(packet, 4);
  text[text.size() - 2] = std::byte{0xff};
  EXPECT_EQ(drop_of_text(text), DropReason::esp_bad_padding);
  EXPECT_EQ(drop_of_text(ByteVec{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}}),
            DropReason::esp_bad_padding);
}

//= rfc4303#2.4-1..2 type=test
TEST(Inbound, the_longest_padding_is_accepted) {
  Pair pair;
  const ByteVec packet = v4_packet(2);  // 30 bytes: 32 with the trailer
  const ByteVec text = text_of(packet, 4, 252);
  EXPECT_EQ(open_one(pair.b, pair.forge_to_b(text, 1)).packet, packet);
}

TEST(Inbound, traffic_flow_padding_behind_the_inner_packet_is_cut_off) {
  Pair pair;
  for (const bool v4 : {true, false}) {
    const ByteVec packet = v4 ? v4_packet(10) : v6_packet(10);
    ByteVec padded = packet;
    padded.resize(800, std::byte{0xaa});
    const ByteVec esp = pair.forge_to_b(text_of(padded, v4 ? 4 : 41), v4 ? 1 : 2);
    EXPECT_EQ(open_one(pair.b, esp).packet, packet);
  }
}

//= rfc4303#2.6-2 type=test
TEST(Inbound, dummy_packets_disappear_and_prove_the_peer_alive) {
  Pair pair;
  const ByteVec esp = pair.forge_to_b(text_of(ByteVec(30), wire::ip_protocol::no_next_header), 1);
  EXPECT_EQ(open_one(pair.b, esp, {}, at_seconds(5)).item.drop, DropReason::esp_dummy);
  EXPECT_EQ(pair.b.counters({1})->last_in, at_seconds(5));
  EXPECT_EQ(pair.b.counters({1})->packets_in, 0u);
}

TEST(Inbound, only_whole_ip_packets_come_out_of_a_tunnel) {
  const ByteVec v4 = v4_packet(10);
  const ByteVec v6 = v6_packet(10);
  EXPECT_EQ(drop_of_text(text_of(v4, 41)), DropReason::esp_bad_inner);
  EXPECT_EQ(drop_of_text(text_of(v6, 4)), DropReason::esp_bad_inner);
  EXPECT_EQ(drop_of_text(text_of(v4, 17)), DropReason::esp_bad_inner);
  EXPECT_EQ(drop_of_text(text_of(v4, 0)), DropReason::esp_bad_inner);
  EXPECT_EQ(drop_of_text(text_of(Bytes{v4}.first(v4.size() - 4), 4)), DropReason::esp_bad_inner);
  EXPECT_EQ(drop_of_text(text_of({}, 4)), DropReason::esp_bad_inner);
  ByteVec cut = udp_packet("10.1.0.5", "10.2.0.9", 0);
  cut.resize(23);
  set_v4_word(cut, 2, 23);  // ends before its ports
  EXPECT_EQ(drop_of_text(text_of(cut, 4)), DropReason::esp_bad_inner);
}

//= rfc4301#4.4.2-2 rfc4301#5.2-6 type=test
TEST(Inbound, packets_outside_the_selectors_are_dropped) {
  EXPECT_EQ(drop_of_text(text_of(udp_packet("10.9.0.5", "10.2.0.9", 9), 4)),
            DropReason::esp_selector);
  EXPECT_EQ(drop_of_text(text_of(udp_packet("10.1.0.5", "10.9.0.9", 9), 4)),
            DropReason::esp_selector);
  EXPECT_EQ(drop_of_text(text_of(udp_packet("10.2.0.9", "10.1.0.5", 9), 4)),
            DropReason::esp_selector);
  EXPECT_EQ(drop_of_text(text_of(udp_packet("2001:db8:1::5", "2001:db8:3::9", 9), 41)),
            DropReason::esp_selector);
}

//= rfc4301#4.4.1.1-5 rfc4301#7.3-5..6 type=test
TEST(Inbound, selectors_for_ports_bind_what_is_inside) {
  Spec spec;
  spec.a_nets = {prefix("10.1.0.0/16", 17)};
  spec.b_nets = {prefix("10.2.0.0/16", 17, 53, 60)};
  Pair pair{spec};
  const auto drop_of = [&](const ByteVec& packet, std::uint64_t sequence) {
    const Opened got = open_one(pair.b, pair.forge_to_b(text_of(packet, 4), sequence));
    return got.item.verdict == Verdict::forward ? DropReason{} : got.item.drop;
  };
  EXPECT_EQ(drop_of(udp_packet("10.1.0.5", "10.2.0.9", 9, 1, 53), 1), DropReason{});
  EXPECT_EQ(drop_of(udp_packet("10.1.0.5", "10.2.0.9", 9, 1, 61), 2), DropReason::esp_selector);
  EXPECT_EQ(drop_of(syn_packet("10.1.0.5", "10.2.0.9", 9), 3), DropReason::esp_selector);
  ByteVec fragment = udp_packet("10.1.0.5", "10.2.0.9", 9, 1, 53);
  set_v4_word(fragment, 6, 0x0010);
  EXPECT_EQ(drop_of(fragment, 4), DropReason::esp_selector);
}

//= rfc4301#7.2-2 type=test
TEST(Inbound, fragments_that_come_alone_must_not_reach_where_ports_are) {
  const auto opens = [](std::uint16_t first_port, std::uint16_t last_port, std::uint16_t offset) {
    Spec spec;
    spec.a_nets = {prefix("10.1.0.0/16", 17, first_port, last_port)};
    spec.b_nets = {prefix("10.2.0.0/16", 17, first_port, last_port)};
    Pair pair{spec};
    ByteVec fragment = v4_packet();
    set_v4_word(fragment, 6, static_cast<std::uint16_t>(offset / 8));
    const Opened got = open_one(pair.b, pair.forge_to_b(text_of(fragment, 4), 1));
    EXPECT_TRUE(got.item.verdict == Verdict::forward || got.item.drop == DropReason::esp_bad_inner);
    return got.item.verdict == Verdict::forward;
  };
  EXPECT_FALSE(opens(0xffff, 0, 8));
  EXPECT_FALSE(opens(0xffff, 0, 120));
  EXPECT_TRUE(opens(0xffff, 0, 128));
  EXPECT_TRUE(opens(0, 0xffff, 8)) << "where ports decide nothing";
}

TEST(Inbound, an_authenticated_newer_packet_from_elsewhere_is_announced_once) {
  Spec spec;
  spec.udp_encap = true;
  spec.b_behind_nat = true;
  Pair pair{spec};
  const base::Path usual = spec.path;
  base::Path moved = usual;
  moved.remote.port = 61000;
  const auto esp = [&] { return protect_one(pair.b, udp_packet("10.2.0.9", "10.1.0.5", 1)).esp; };
  const ByteVec late = esp();
  EXPECT_EQ(open_one(pair.a, esp(), usual).item.verdict, Verdict::forward);
  EXPECT_EQ(open_one(pair.a, late, moved).item.verdict, Verdict::forward);  // not the newest
  ByteVec forged = esp();
  forged.back() ^= std::byte{1};
  EXPECT_EQ(open_one(pair.a, forged, moved).item.drop, DropReason::esp_bad_icv);
  EXPECT_TRUE(notices_of<PeerMoved>(pair.a).empty());

  (void)open_one(pair.a, esp(), moved);
  (void)open_one(pair.a, esp(), moved);
  const auto notices = notices_of<PeerMoved>(pair.a);
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].id.value, 1u);
  EXPECT_EQ(notices[0].path, moved);

  pair.a.move({{1}, moved, true, true});
  (void)open_one(pair.a, esp(), moved);
  EXPECT_TRUE(notices_of<PeerMoved>(pair.a).empty());
  (void)open_one(pair.a, esp(), usual);
  EXPECT_EQ(notices_of<PeerMoved>(pair.a).size(), 1u);
}

//= rfc9329#6.1-18 type=test
TEST(Inbound, a_peer_is_followed_onto_a_stream_and_off_it_without_any_nat) {
  Pair pair;
  base::Path stream{{ip("192.0.2.1"), 4500}, {ip("198.51.100.1"), 50000}};
  stream.transport = base::Transport::tcp;
  const auto esp = [&] { return protect_one(pair.b, udp_packet("10.2.0.9", "10.1.0.5", 1)).esp; };
  (void)open_one(pair.a, esp(), stream);
  (void)open_one(pair.a, esp(), stream);
  const auto notices = notices_of<PeerMoved>(pair.a);
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].path, stream);
  pair.a.move({{1}, stream, true});
  base::Path native = stream;
  native.transport = base::Transport::udp;
  native.local.port = native.remote.port = 0;
  (void)open_one(pair.a, esp(), native);
  EXPECT_TRUE(notices_of<PeerMoved>(pair.a).empty()) << "there is no port to answer to";
  base::Path udp = native;
  udp.local.port = udp.remote.port = 4500;
  (void)open_one(pair.a, esp(), udp);
  EXPECT_EQ(notices_of<PeerMoved>(pair.a).size(), 1u);
}

TEST(Inbound, a_peer_without_nat_is_not_followed) {
  Pair pair;
  const base::Path elsewhere{{ip("192.0.2.1"), 4500}, {ip("203.0.113.7"), 1}};
  const ByteVec esp = protect_one(pair.b, udp_packet("10.2.0.9", "10.1.0.5", 1)).esp;
  EXPECT_EQ(open_one(pair.a, esp, elsewhere).item.verdict, Verdict::forward);
  EXPECT_TRUE(notices_of<PeerMoved>(pair.a).empty());
}

}  // namespace
}  // namespace caponier::ipsec::test

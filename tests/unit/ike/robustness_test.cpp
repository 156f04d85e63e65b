// Systematic damage: every message of a handshake lost, repeated, cut, flipped and robbed of
// payloads. Nothing may crash, leak or come up half.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

constexpr std::size_t handshake_messages = 4;

/// A handshake whose n-th message is put aside instead of being delivered.
Datagram stop_at(Pair& pair, std::size_t n) {
  Datagram stopped;
  std::size_t index = 0;
  pair.filter = [&](Datagram& datagram) {
    if (index++ != n) return true;
    stopped = datagram;
    return false;
  };
  pair.initiate_a();
  pair.run();
  pair.filter = nullptr;
  return stopped;
}

//= rfc7296#2.1-3 rfc7296#2.3-7 type=test
TEST(IkeRobustness, any_lost_message_is_repeated_and_the_tunnel_comes_up) {
  for (std::size_t lost = 0; lost < handshake_messages; ++lost) {
    Pair pair;
    stop_at(pair, lost);
    EXPECT_FALSE(pair.is_up());
    pair.advance(1500ms);
    EXPECT_TRUE(pair.is_up()) << "lost message " << lost;
  }
}

TEST(IkeRobustness, every_message_twice_changes_nothing) {
  Pair pair;
  pair.filter = [&](Datagram& datagram) {
    pair.wire.push_back(datagram);
    return true;
  };
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.a.record.installs.size(), 1u);
  EXPECT_EQ(pair.b.record.installs.size(), 1u);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
}

//= rfc7296#2.1-2 rfc7296#2.1-5 rfc7296#2.3-8 type=test
TEST(IkeRobustness, repeated_requests_get_the_same_answer_in_every_state) {
  EndpointConfig config = test_config();
  config.limits.peer_window_size = 1;
  Pair pair{config};
  pair.initiate_a();
  pair.run();
  pair.command_a(CheckLiveness{"to-b.example"});
  pair.run();
  ASSERT_EQ(pair.sent.size(), 6u);
  const auto before = pair.b.record.transmits.size();
  pair.inject(true, pair.sent.at(4).message);
  ASSERT_EQ(pair.b.record.transmits.size(), before + 1);
  EXPECT_EQ(pair.b.record.transmits.back().datagram, pair.sent.at(5).message);
  pair.inject(true, pair.sent.at(2).message);  // older than the window
  pair.inject(true, pair.sent.at(0).message);
  EXPECT_EQ(pair.b.record.transmits.size(), before + 1);
  EXPECT_TRUE(pair.is_up());
}

//= rfc7296#1.2-2 type=test
TEST(IkeRobustness, a_damaged_copy_of_any_message_does_no_harm) {
  for (std::size_t n = 0; n < handshake_messages; ++n) {
    Pair measure;
    const std::size_t size = stop_at(measure, n).message.size();
    for (std::size_t at = 0; at < size; ++at) {
      Pair pair;
      const Datagram genuine = stop_at(pair, n);
      for (const unsigned bit : {0x01U, 0x80U}) {
        Datagram flipped = genuine;
        flipped.message[at] ^= static_cast<std::byte>(bit);
        pair.inject(flipped.to_b, flipped.message);
        // What a flipped unprotected message sets off may reach the other side.
        if (n < 2) pair.wire.clear();
      }
      ASSERT_TRUE(pair.a.live().empty() || pair.b.live().size() == 1) << n << " " << at;
      pair.wire.push_back(genuine);
      pair.advance(200s);
      // A flipped IKE_SA_INIT may spoil this attempt; it must not hang or bring up a wrong pair.
      if (pair.a.live().empty()) {
        EXPECT_LT(n, 2u) << "protected message " << n << " byte " << at;
        EXPECT_FALSE(pair.a.record.ike_downs.empty()) << n << " " << at;
      } else {
        EXPECT_TRUE(pair.is_up()) << "message " << n << " byte " << at;
      }
    }
  }
}

TEST(IkeRobustness, a_truncated_copy_of_any_message_does_no_harm) {
  for (std::size_t n = 0; n < handshake_messages; ++n) {
    Pair pair;
    const Datagram genuine = stop_at(pair, n);
    for (std::size_t size = 0; size < genuine.message.size(); ++size) {
      pair.inject(genuine.to_b, Bytes{genuine.message}.first(size));
    }
    EXPECT_TRUE(pair.wire.empty()) << "garbage is not answered";
    pair.wire.push_back(genuine);
    pair.run();
    EXPECT_TRUE(pair.is_up()) << "message " << n;
  }
}

TEST(IkeRobustness, messages_of_the_handshake_in_foreign_states_do_no_harm) {
  Pair donor{test_config(), 50};
  donor.initiate_a();
  donor.run();
  for (std::size_t stop = 0; stop <= handshake_messages; ++stop) {
    Pair pair;
    const Datagram held = stop_at(pair, stop);
    for (const Datagram& message : donor.sent) {
      if (stop < handshake_messages && message.message == held.message) continue;
      pair.inject(true, message.message);
      pair.inject(false, message.message);
    }
    if (stop < handshake_messages) pair.wire.push_back(held);
    pair.advance(20s);
    EXPECT_TRUE(pair.is_up()) << stop;
  }
}

/// Rewrites the payloads inside the n-th protected message of the handshake.
template <class Edit>
void with_edited(Pair& pair, bool to_b, Edit edit) {
  bool is_done = false;
  pair.filter = [&pair, to_b, edit, is_done](Datagram& datagram) mutable {
    if (is_done || datagram.to_b != to_b || datagram.header().exchange != ExchangeType::ike_auth) {
      return true;
    }
    is_done = true;
    Forger forger{pair.a.record.keys.at(0)};
    auto payloads = forger.open(datagram.message);
    edit(payloads);
    datagram.message = forger.seal(datagram.header(), payloads);
    return true;
  };
  pair.initiate_a();
  pair.advance(60s);
}

TEST(IkeRobustness, a_missing_payload_in_ike_auth_is_never_fatal_to_us) {
  for (const bool to_b : {true, false}) {
    Pair measure;
    std::size_t count = 0;
    with_edited(measure, to_b, [&](auto& payloads) { count = payloads.size(); });
    ASSERT_TRUE(measure.is_up());
    for (std::size_t missing = 0; missing < count; ++missing) {
      Pair pair;
      wire::PayloadType type{};
      with_edited(pair, to_b, [&](auto& payloads) {
        type = wire::type_of(payloads.at(missing));
        payloads.erase(payloads.begin() + static_cast<std::ptrdiff_t>(missing));
      });
      if (type == wire::PayloadType::notify || (to_b && type == wire::PayloadType::id_r)) {
        EXPECT_TRUE(pair.is_up());
        continue;
      }
      EXPECT_TRUE(pair.a.live().empty()) << wire::name_of(type);
      EXPECT_TRUE(pair.b.live().empty()) << wire::name_of(type);
      EXPECT_TRUE(pair.a.endpoint.snapshot().empty()) << wire::name_of(type);
      EXPECT_TRUE(pair.b.endpoint.snapshot().empty()) << wire::name_of(type);
      EXPECT_EQ(pair.a.record.ike_downs.size(), 1u) << wire::name_of(type);
    }
  }
}

TEST(IkeRobustness, doubled_payloads_in_ike_auth_are_refused) {
  for (const bool to_b : {true, false}) {
    for (std::size_t doubled = 0; doubled < 6; ++doubled) {
      Pair pair;
      bool is_notify = false;
      with_edited(pair, to_b, [&](auto& payloads) {
        const wire::Payload copy = payloads.at(doubled % payloads.size());
        is_notify = wire::type_of(copy) == wire::PayloadType::notify;
        payloads.push_back(copy);
      });
      EXPECT_EQ(pair.is_up(), is_notify);
    }
  }
}

TEST(IkeRobustness, too_many_payloads_end_the_sa_cleanly) {
  for (const bool to_b : {true, false}) {
    Pair pair;
    bool is_done = false;
    pair.filter = [&](Datagram& datagram) {
      const bool is_target =
          datagram.to_b == to_b && datagram.header().exchange == ExchangeType::ike_auth;
      if (!is_target || std::exchange(is_done, true)) return true;
      ByteVec chain;
      for (std::size_t i = 0; i <= wire::payload_count_max; ++i) {
        const bool is_last = i == wire::payload_count_max;
        base::append(chain,
                     raw_payload(is_last ? wire::PayloadType::none : wire::PayloadType::vendor_id,
                                 ByteVec(4)));
      }
      Forger forger{pair.a.record.keys.at(0)};
      datagram.message = forger.seal_raw(datagram.header(), wire::PayloadType::vendor_id, chain);
      return true;
    };
    pair.initiate_a();
    pair.advance(60s);
    EXPECT_TRUE(is_done);
    EXPECT_TRUE(pair.a.live().empty());
    EXPECT_TRUE(pair.b.live().empty());
    EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
    EXPECT_EQ(pair.a.record.ike_downs.size(), 1u);
  }
}

//= rfc7296#2.21.2-3 type=test
TEST(IkeRobustness, an_unknown_critical_payload_in_ike_auth_ends_it_with_the_right_notify) {
  Pair pair;
  with_edited(pair, true, [&](auto& payloads) {
    payloads.emplace_back(wire::UnknownPayload{wire::PayloadType{200}, true, {}});
  });
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
  EXPECT_NE(pair.a.record.text(EventKind::ike_failed).find("UNSUPPORTED_CRITICAL_PAYLOAD"),
            std::string::npos);
}

//= rfc7296#2.5-7 rfc7296#2.5-9 rfc7296#3.10.1-2..3 rfc7296#4-1 type=test
TEST(IkeRobustness, unknown_payloads_and_notifies_in_ike_auth_are_ignored) {
  Pair pair;
  with_edited(pair, true, [&](auto& payloads) {
    payloads.emplace_back(wire::UnknownPayload{wire::PayloadType{200}, false, ByteVec(8)});
    wire::NotifyPayload notify;
    notify.type = NotifyType::mobike_supported;
    payloads.emplace_back(notify);
    notify.type = NotifyType::esp_tfc_padding_not_supported;
    payloads.emplace_back(notify);
    notify.type = NotifyType{50000};
    payloads.emplace_back(notify);
    payloads.emplace_back(wire::CertReqPayload{4, ByteVec(20)});
    payloads.emplace_back(wire::ConfigPayload{});
  });
  EXPECT_TRUE(pair.is_up());
}

/// Requests nobody should send, on an SA that is up: each is answered or ends the SA.
//= rfc7296#2.21.3-1 type=test
TEST(IkeRobustness, odd_requests_on_an_established_sa_are_answered) {
  wire::DeletePayload odd_deletion;
  odd_deletion.protocol = wire::ProtocolId{9};
  wire::NotifyPayload syntax;
  syntax.type = NotifyType::invalid_syntax;
  wire::NotifyPayload rekey;
  rekey.type = NotifyType::rekey_sa;
  const wire::SaPayload sa = policy::to_wire({esp_offer("aes256gcm16")}, ByteVec(4), false);
  const wire::SaPayload ike_sa =
      policy::to_wire({ike_offer("aes256gcm16-prfsha384-x25519")}, {}, true);
  const wire::NoncePayload nonce{ByteVec(32)};
  const auto ts_i = policy::to_wire(net(end_a.network), true);
  const auto ts_r = policy::to_wire(net(end_b.network), false);
  const wire::UnknownPayload critical{wire::PayloadType{200}, true, {}};
  const std::vector<std::pair<ExchangeType, std::vector<wire::Payload>>> requests = {
      {ExchangeType::informational, {odd_deletion}},
      {ExchangeType::informational, {syntax}},
      {ExchangeType::informational, {sa}},
      {ExchangeType::informational, {critical}},
      {ExchangeType::create_child_sa, {}},
      {ExchangeType::create_child_sa, {sa}},
      {ExchangeType::create_child_sa, {sa, nonce, ts_i, ts_r}},
      {ExchangeType::create_child_sa, {rekey, sa, nonce, ts_i, ts_r}},
      {ExchangeType::create_child_sa, {ike_sa, nonce}},
      {ExchangeType::create_child_sa, {ike_sa, nonce, wire::KePayload{31, ByteVec(32)}}},
      {ExchangeType::create_child_sa, {ike_sa, nonce, wire::KePayload{19, ByteVec(3)}}},
      {ExchangeType::create_child_sa, {wire::SaPayload{}, nonce, ts_i, ts_r}},
      {ExchangeType::create_child_sa,
       {sa, nonce, wire::TsPayload{true, {}}, wire::TsPayload{false, {}}}},
      {ExchangeType::ike_auth, {}},
  };
  for (const auto& [exchange, payloads] : requests) {
    Pair pair;
    pair.initiate_a();
    pair.run();
    ASSERT_TRUE(pair.is_up());
    Forger forger{pair.a.record.keys.at(0)};
    const std::size_t before = pair.b.record.transmits.size();
    pair.inject(true, forger.request(exchange, 2, payloads));
    EXPECT_EQ(pair.b.record.transmits.size(), before + 1);
    EXPECT_EQ(pair.b.live().size(), pair.b.ike_count(IkeState::established));
  }
}

TEST(IkeRobustness, random_payloads_inside_sk_never_break_an_endpoint) {
  base::SeededRng rng{2024};
  for (int round = 0; round < 300; ++round) {
    Pair pair;
    pair.initiate_a();
    pair.run();
    Forger forger{pair.a.record.keys.at(0)};
    for (std::uint32_t id = 2; id < 6; ++id) {
      ByteVec body(rng.public_below(40));
      rng.fill_public(body);
      ByteVec chain =
          raw_payload(static_cast<wire::PayloadType>(rng.public_below(3) == 0 ? 41 : 0), body);
      base::append(chain, raw_payload(wire::PayloadType::none, body));
      const auto first = static_cast<wire::PayloadType>(33 + rng.public_below(22));
      const auto exchange = static_cast<ExchangeType>(35 + rng.public_below(4));
      pair.inject(true, forger.raw_request(exchange, id, first, chain));
    }
    pair.advance(200s);
    EXPECT_LE(pair.b.endpoint.snapshot().size(), 1u);
  }
}

}  // namespace
}  // namespace caponier::ike::test

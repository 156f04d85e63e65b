// IKE_INTERMEDIATE (RFC 9242): rounds before IKE_AUTH, and what they add to AUTH.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

wire::Payload blob(std::size_t size) {
  return make_notify(static_cast<NotifyType>(40000), ByteVec(size, std::byte{7}));
}

void plan(Pair& pair, std::vector<std::vector<wire::Payload>> rounds) {
  ConnectionConfig a = make_connection(end_a, end_b);
  a.intermediate = std::move(rounds);
  pair.a.set(std::move(a));
}

std::size_t rounds_sent(const Pair& pair, bool to_b) {
  return static_cast<std::size_t>(std::ranges::count_if(pair.sent, [&](const Datagram& d) {
    return d.to_b == to_b && d.header().exchange == ExchangeType::ike_intermediate;
  }));
}

TEST(IkeIntermediate, without_anything_to_carry_it_is_not_offered_and_none_is_sent) {
  for (const bool has_some : {true, false}) {
    Pair pair;
    if (has_some) plan(pair, {{blob(10)}});
    pair.initiate_a();
    pair.run();
    ASSERT_TRUE(pair.is_up());
    for (const std::size_t i : {0u, 1u}) {
      const auto message = wire::IkeMessage::decode(pair.sent.at(i).message).value();
      const auto* const notify =
          wire::find_notify(message.payloads, NotifyType::intermediate_exchange_supported);
      EXPECT_EQ(notify != nullptr, has_some);
    }
    EXPECT_EQ(rounds_sent(pair, true), has_some ? 1u : 0u);
  }
}

TEST(IkeIntermediate, any_number_of_rounds_comes_before_ike_auth_in_message_id_order) {
  for (const std::size_t count : {1u, 2u, 8u}) {
    Pair pair;
    plan(pair, std::vector<std::vector<wire::Payload>>(count, {blob(100)}));
    pair.initiate_a();
    pair.run();
    ASSERT_TRUE(pair.is_up()) << count;
    EXPECT_EQ(rounds_sent(pair, true), count);
    EXPECT_EQ(rounds_sent(pair, false), count);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(pair.sent.at(2 + 2 * i).header().message_id.value, i + 1);
    }
    EXPECT_EQ(pair.sent.at(2 + 2 * count).header().exchange, ExchangeType::ike_auth);
    EXPECT_EQ(pair.sent.at(2 + 2 * count).header().message_id.value, count + 1);
  }
}

TEST(IkeIntermediate, an_empty_round_and_a_fragmented_one_are_proved_alike) {
  Pair pair;
  plan(pair, {{}, {blob(5000)}, {blob(10), blob(2000)}});
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_GT(rounds_sent(pair, true), 6u);
}

TEST(IkeIntermediate, lost_rounds_are_repeated) {
  for (std::size_t lost = 2; lost < 6; ++lost) {
    Pair pair;
    plan(pair, {{blob(100)}, {blob(100)}});
    std::size_t index = 0;
    pair.filter = [&](Datagram&) { return index++ != lost; };
    pair.initiate_a();
    pair.run();
    pair.advance(1500ms);
    EXPECT_TRUE(pair.is_up()) << lost;
  }
}

TEST(IkeIntermediate, a_round_whose_large_pieces_never_arrive_goes_smaller_and_is_proved_the_same) {
  Pair pair;
  plan(pair, {{blob(3000)}});
  pair.filter = [](Datagram& d) { return d.message.size() <= 600; };
  pair.initiate_a();
  pair.advance(10s);
  EXPECT_TRUE(pair.is_up());
}

TEST(IkeIntermediate, more_rounds_than_the_limit_are_refused) {
  Pair pair;
  plan(pair, {{}});
  pair.filter = [](Datagram& d) { return d.header().exchange == ExchangeType::ike_sa_init; };
  pair.initiate_a();
  pair.run();
  Forger forger{pair.a.record.keys.at(0)};
  for (std::uint32_t id = 1; id <= 8; ++id) {
    pair.inject(true, forger.request(ExchangeType::ike_intermediate, id, {}));
    EXPECT_TRUE(pair.sent.back().header().is_response());
    EXPECT_TRUE(forger.open(pair.sent.back().message).empty());
  }
  pair.inject(true, forger.request(ExchangeType::ike_intermediate, 9, {}));
  const auto answer = forger.open(pair.sent.back().message);
  EXPECT_NE(wire::find_notify(answer, NotifyType::invalid_syntax), nullptr);
  EXPECT_EQ(pair.b.ike_count(IkeState::init_answered), 0u);
}

TEST(IkeIntermediate, once_authenticated_it_is_out_of_place) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  Forger forger{pair.a.record.keys.at(0)};
  pair.sent.clear();
  pair.inject(true, forger.request(ExchangeType::ike_intermediate, 2, {}));
  EXPECT_TRUE(pair.sent.empty());
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_unexpected], 1u);
  EXPECT_TRUE(pair.is_up());
}

TEST(IkeIntermediate, a_refusal_in_a_round_ends_the_negotiation) {
  Pair pair;
  plan(pair, {{blob(10)}});
  pair.filter = [](Datagram& d) { return d.header().exchange != ExchangeType::ike_intermediate; };
  pair.initiate_a();
  pair.run();
  Forger forger{pair.a.record.keys.at(0)};
  wire::IkeHeader header = forger.header(ExchangeType::ike_intermediate, 1);
  header.flags = wire::IkeHeader::flag_response;
  pair.inject(false, forger.seal(header, {make_notify(NotifyType::invalid_syntax)}));
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::peer_refused);
}

// A message as RFC 9242 figure 1 draws it, put together by hand.
TEST(IkeIntermediate, the_octets_are_those_of_figure_1_whatever_the_message_looked_like) {
  wire::IkeHeader header;
  header.spi_i.value = 0x0102030405060708;
  header.spi_r.value = 0x1112131415161718;
  header.exchange = ExchangeType::ike_intermediate;
  header.flags = wire::IkeHeader::flag_initiator;
  header.message_id.value = 3;
  header.length = 999;  // on the wire: with IV, padding and ICV
  header.next_payload = PayloadType::skf;
  Unsealed message;
  message.outer_first = PayloadType::sk;
  message.flags = std::byte{0x05};
  message.first = PayloadType::notify;
  message.chain = *base::from_hex("0000000800009c40");
  EXPECT_EQ(base::to_hex(intermediate_octets(header, message)),
            "01020304050607081112131415161718"
            "2e202b08"
            "00000003"
            "00000028"
            "2905000c"
            "0000000800009c40");
}

/// The chain of RFC 9242 s3.3.2 for messages with one SK payload and nothing before it, from the
/// plain text a Forger sees; independent of the code under test.
class IntAuth {
 public:
  IntAuth(const crypto::Prf& prf, Bytes key) : prf_(prf), key_(base::to_vec(key)) {}
  void add(const Datagram& datagram, const std::vector<wire::Payload>& payloads) {
    base::Writer chain;
    wire::encode_payloads(payloads, chain);
    ByteVec octets{datagram.message.begin(), datagram.message.begin() + 32};
    octets[28] = static_cast<std::byte>(payloads.empty() ? PayloadType::none
                                                         : wire::type_of(payloads.front()));
    base::store_be(octets.data() + 24, static_cast<std::uint32_t>(32 + chain.size()));
    base::store_be(octets.data() + 30, static_cast<std::uint16_t>(4 + chain.size()));
    base::append(octets, chain.view());
    const std::array<Bytes, 2> parts{Bytes{value_}, Bytes{octets}};
    value_ = base::to_vec(prf_.compute(key_, parts).reveal());
  }
  [[nodiscard]] const ByteVec& value() const { return value_; }

 private:
  const crypto::Prf& prf_;
  ByteVec key_;
  ByteVec value_;
};

/// Gives out the bytes it was made of.
class Known final : public base::Rng {
 public:
  explicit Known(Bytes bytes) : bytes_(base::to_vec(bytes)) {}
  void fill_public(base::MutBytes out) override { base::copy_into(out, bytes_); }
  void fill_secret(base::MutBytes out) override { base::copy_into(out, bytes_); }

 private:
  ByteVec bytes_;
};

/// The null provider's key pair is its public value, so the wire tells all.
IkeKeys keys_of(const Pair& pair, const crypto::Prf& prf) {
  const KeysExported& exported = pair.a.record.keys.at(0);
  const auto request = wire::IkeMessage::decode(pair.sent.at(0).message).value();
  const auto response = wire::IkeMessage::decode(pair.sent.at(1).message).value();
  Known known{wire::find<wire::KePayload>(request.payloads)->data};
  const auto ke = pair.a.crypto.make_key_exchange(exported.suite.ke, known).value();
  const auto secret = ke->derive(wire::find<wire::KePayload>(response.payloads)->data).value();
  return derive_ike_keys(prf, exported.suite, secret.reveal(),
                         wire::find<wire::NoncePayload>(request.payloads)->data,
                         wire::find<wire::NoncePayload>(response.payloads)->data, exported.spi_i,
                         exported.spi_r)
      .value();
}

TEST(IkeIntermediate, the_signed_octets_end_with_both_chains_and_the_message_id_of_ike_auth) {
  Pair pair;
  plan(pair, {{blob(64)}, {}});
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  std::vector<AuthRequest> requests = pair.a.record.auth_requests;
  requests.insert(requests.end(), pair.b.record.auth_requests.begin(),
                  pair.b.record.auth_requests.end());
  ASSERT_EQ(requests.size(), 4u);
  Forger forger{pair.a.record.keys.at(0)};
  const auto prf = pair.a.crypto.make_prf(requests.at(0).prf).value();
  const IkeKeys keys = keys_of(pair, *prf);
  IntAuth of_i{*prf, keys.sk_pi.reveal()};
  IntAuth of_r{*prf, keys.sk_pr.reveal()};
  for (const Datagram& datagram : pair.sent) {
    if (datagram.header().exchange != ExchangeType::ike_intermediate) continue;
    (datagram.to_b ? of_i : of_r).add(datagram, forger.open(datagram.message));
  }
  ByteVec tail = of_i.value();
  base::append(tail, of_r.value());
  base::append(tail, ByteVec{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{3}});
  for (const AuthRequest& request : requests) {
    ASSERT_GT(request.signed_octets.size(), tail.size());
    const Bytes end = Bytes{request.signed_octets}.last(tail.size());
    EXPECT_EQ(base::to_hex(end), base::to_hex(tail));
  }
}

}  // namespace
}  // namespace caponier::ike::test

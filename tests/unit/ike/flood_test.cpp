// Under attack: what strangers may cost us, in memory, computation, bytes and answers.

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "ike/half_open.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

/// Counts the expensive operations of one side.
class CountingProvider final : public crypto::CryptoProvider {
 public:
  explicit CountingProvider(const crypto::CryptoProvider& inner) : inner_(inner) {}
  [[nodiscard]] std::string_view name() const override { return inner_.name(); }
  [[nodiscard]] bool supports(const crypto::CipherSuite& suite) const override {
    return inner_.supports(suite);
  }
  [[nodiscard]] bool supports(crypto::PrfId prf) const override { return inner_.supports(prf); }
  [[nodiscard]] bool supports(crypto::KeGroup group) const override {
    return inner_.supports(group);
  }
  [[nodiscard]] std::expected<std::unique_ptr<crypto::PacketCipher>, crypto::CryptoError>
  make_cipher(const crypto::CipherSuite& suite, Bytes encr_key, Bytes integ_key,
              base::Rng& rng) const override {
    return inner_.make_cipher(suite, encr_key, integ_key, rng);
  }
  [[nodiscard]] std::expected<std::unique_ptr<crypto::Prf>, crypto::CryptoError> make_prf(
      crypto::PrfId prf) const override {
    return inner_.make_prf(prf);
  }
  [[nodiscard]] std::expected<std::unique_ptr<crypto::KeyExchange>, crypto::CryptoError>
  make_key_exchange(crypto::KeGroup group, base::Rng& rng) const override {
    ++key_pairs;
    auto ke = inner_.make_key_exchange(group, rng);
    if (!ke) return ke;
    return std::make_unique<CountingExchange>(std::move(*ke), derivations);
  }
  [[nodiscard]] ByteVec nat_hash(std::span<const Bytes> parts) const override {
    return inner_.nat_hash(parts);
  }

  mutable std::size_t key_pairs = 0;
  mutable std::size_t derivations = 0;

 private:
  class CountingExchange final : public crypto::KeyExchange {
   public:
    CountingExchange(std::unique_ptr<crypto::KeyExchange> inner, std::size_t& derivations)
        : inner_(std::move(inner)), derivations_(derivations) {}
    [[nodiscard]] crypto::KeGroup group() const override { return inner_->group(); }
    [[nodiscard]] Bytes public_value() const override { return inner_->public_value(); }
    [[nodiscard]] std::expected<base::SecretBytes, crypto::CryptoError> derive(
        Bytes peer) override {
      ++derivations_;
      return inner_->derive(peer);
    }

   private:
    std::unique_ptr<crypto::KeyExchange> inner_;
    std::size_t& derivations_;
  };

  const crypto::CryptoProvider& inner_;
};

/// A responder alone, anybody's, and an initiator's genuine request to vary.
struct Target {
  explicit Target(const EndpointConfig& config) : endpoint(config, rng, counting, now) {
    Pair pair;
    pair.initiate_a();
    genuine = wire::IkeMessage::decode(pair.sent.at(0).message).value();
    ConnectionConfig connection = make_connection(end_b, end_a);
    connection.remote_addresses.clear();
    endpoint.set_connections({std::make_shared<const ConnectionConfig>(std::move(connection))});
  }

  [[nodiscard]] ByteVec request(std::uint64_t spi) const {
    wire::IkeMessage message = genuine;
    message.header.spi_i.value = spi;
    return *message.encode();
  }
  static base::Path from(base::IpAddress address) {
    return {{ip(end_b.address), 500}, {address, 500}};
  }
  /// What comes back.
  std::vector<ByteVec> send(const base::Path& path, Bytes message) {
    endpoint.handle_datagram(path, message, now);
    std::vector<ByteVec> answers;
    while (auto action = endpoint.poll_action()) {
      if (auto* const transmit = std::get_if<Transmit>(&*action)) {
        answers.push_back(std::move(transmit->datagram));
      } else if (auto* const event = std::get_if<base::Event>(&*action)) {
        events.push_back(std::move(*event));
      }
    }
    return answers;
  }
  [[nodiscard]] static bool is_cookie(const ByteVec& answer) {
    const auto message = wire::IkeMessage::decode(answer);
    return message && wire::find_notify(message->payloads, NotifyType::cookie) != nullptr;
  }
  [[nodiscard]] std::uint64_t drops(DropReason reason) const { return endpoint.drops()[reason]; }

  base::Instant now{1h};
  base::SeededRng rng{7};
  crypto::NullProvider crypto{nullptr};
  CountingProvider counting{crypto};
  IkeEndpoint endpoint;
  wire::IkeMessage genuine;
  std::vector<base::Event> events;
};

base::IpAddress stranger(std::uint32_t i) { return base::IpAddress::v4(0x0a000000U + i); }

EndpointConfig generous() {
  EndpointConfig config = test_config();
  config.limits.half_open_max = 100000;
  config.limits.ike_sas_max = 200000;
  config.limits.cookie_threshold = 100000;
  config.limits.cookie_threshold_per_net = 100000;
  config.limits.half_open_per_address_max = 100000;
  config.limits.puzzle_threshold = 100000;
  return config;
}

TEST(IkeFlood, forged_requests_cost_no_key_exchange_each) {
  EndpointConfig config = generous();
  config.limits.ke_reuse_threshold = 8;
  Target target{config};
  for (std::uint32_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(target.send(Target::from(stranger(i)), target.request(i + 1)).size(), 1u);
  }
  EXPECT_EQ(target.endpoint.half_open_count(), 1000u);
  EXPECT_LE(target.counting.key_pairs, 9u);
  EXPECT_EQ(target.counting.derivations, 0u);
}

TEST(IkeFlood, a_repeated_key_pair_serves_for_a_short_time_only) {
  EndpointConfig config = generous();
  config.limits.ke_reuse_threshold = 0;
  Target target{config};
  (void)target.send(Target::from(stranger(1)), target.request(1));
  (void)target.send(Target::from(stranger(2)), target.request(2));
  EXPECT_EQ(target.counting.key_pairs, 1u);
  target.now = target.now + config.limits.ke_reuse_time;
  (void)target.send(Target::from(stranger(3)), target.request(3));
  EXPECT_EQ(target.counting.key_pairs, 2u);
}

TEST(IkeFlood, sixty_thousand_half_open_sas_are_kept_when_configured) {
  Target target{generous()};
  for (std::uint32_t i = 0; i < 60000; ++i) {
    ASSERT_EQ(target.send(Target::from(stranger(i)), target.request(i + 1)).size(), 1u) << i;
  }
  EXPECT_EQ(target.endpoint.half_open_count(), 60000u);
  target.now = target.endpoint.poll_deadline()->at;
  target.endpoint.handle_deadline(target.now);
  EXPECT_EQ(target.endpoint.half_open_count(), 0u);
  EXPECT_FALSE(target.endpoint.poll_deadline());
}

TEST(IkeFlood, the_bytes_of_all_half_open_sas_have_a_limit) {
  EndpointConfig config = generous();
  config.limits.half_open_bytes_max = 100000;
  Target target{config};
  for (std::uint32_t i = 0; i < 1000; ++i) {
    (void)target.send(Target::from(stranger(i)), target.request(i + 1));
  }
  EXPECT_GT(target.endpoint.half_open_count(), 50u);
  EXPECT_LT(target.endpoint.half_open_count(), 200u);
  EXPECT_GT(target.drops(DropReason::ike_half_open_limit), 800u);
}

TEST(IkeFlood, one_net_is_asked_for_cookies_while_others_are_not) {
  EndpointConfig config = test_config();
  config.limits.cookie_threshold_per_net = 3;
  Target target{config};
  const auto ask = [&](std::string_view address, std::uint64_t spi) {
    const auto answers = target.send(Target::from(ip(address)), target.request(spi));
    return answers.size() == 1 && Target::is_cookie(answers.front());
  };
  EXPECT_FALSE(ask("198.51.100.1", 1));
  EXPECT_FALSE(ask("198.51.100.2", 2));
  EXPECT_FALSE(ask("198.51.100.3", 3));
  EXPECT_TRUE(ask("198.51.100.200", 4)) << "the same /24";
  EXPECT_FALSE(ask("198.51.101.1", 5)) << "another /24";
  EXPECT_EQ(target.endpoint.half_open_count(), 4u);
}

TEST(IkeFlood, the_net_of_an_ipv6_address_is_its_64) {
  HalfOpenCounts counts;
  std::vector<HalfOpenCounts::Slot> slots;
  slots.emplace_back(counts, ip("2001:db8:1:2::1"), false);
  slots.emplace_back(counts, ip("2001:db8:1:2:ffff::1"), true);
  slots.emplace_back(counts, ip("2001:db8:1:3::1"), false);
  EXPECT_EQ(counts.in_net_of(ip("2001:db8:1:2:3:4:5:6")), 2u);
  EXPECT_EQ(counts.in_net_of(ip("2001:db8:1:3::9")), 1u);
  EXPECT_EQ(counts.in_net_of(ip("192.0.2.1")), 0u);
  EXPECT_EQ(counts.proven(ip("2001:db8:1:2:ffff::1")), 1u);
  slots.clear();
  EXPECT_EQ(counts.total(), 0u);
  EXPECT_EQ(counts.in_net_of(ip("2001:db8:1:2::1")), 0u);
}

TEST(IkeFlood, an_answer_to_a_stranger_is_one_datagram_and_never_longer_than_its_request) {
  for (const bool with_cookie : {false, true}) {
    EndpointConfig config = generous();
    if (with_cookie) config.limits.cookie_threshold = 0;
    Target target{config};
    for (std::uint32_t i = 0; i < 50; ++i) {
      const ByteVec request = target.request(i + 1);
      const auto answers = target.send(Target::from(stranger(i)), request);
      ASSERT_EQ(answers.size(), 1u);
      EXPECT_LE(answers.front().size(), request.size());
      EXPECT_EQ(Target::is_cookie(answers.front()), with_cookie);
    }
  }
}

/// An IKE_AUTH request that nobody's keys have made.
ByteVec junk_auth(const Datagram& genuine) {
  ByteVec junk = genuine.message;
  junk.back() ^= std::byte{1};
  return junk;
}

/// A handshake held before its IKE_AUTH request arrives.
Datagram hold_auth(Pair& pair) {
  Datagram held;
  pair.filter = [&held](Datagram& datagram) {
    if (!datagram.to_b || datagram.header().exchange != ExchangeType::ike_auth) return true;
    held = datagram;
    return false;
  };
  pair.initiate_a();
  pair.run();
  pair.filter = nullptr;
  return held;
}

//= rfc8019#7.2.4-5 type=test
TEST(IkeFlood, junk_for_ike_auth_makes_the_keys_once_and_changes_nothing) {
  Pair pair;
  const Datagram genuine = hold_auth(pair);
  const ByteVec junk = junk_auth(genuine);
  EXPECT_TRUE(pair.b.record.keys.empty()) << "no key before the first IKE_AUTH request";
  const std::size_t before = pair.b.record.transmits.size();
  for (int i = 0; i < 100; ++i) pair.inject(true, junk);
  EXPECT_EQ(pair.b.record.keys.size(), 1u) << "derived once, kept";
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_bad_icv], 100u);
  EXPECT_EQ(pair.b.record.transmits.size(), before) << "junk is not answered";
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 1u);
  pair.inject(true, genuine.message);
  pair.run();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.b.record.keys.size(), 1u);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
}

TEST(IkeFlood, junk_for_a_half_open_sa_that_cannot_be_its_first_request_costs_no_key_exchange) {
  Pair pair;
  const Datagram genuine = hold_auth(pair);
  const auto inject = [&](auto edit) {
    auto message = wire::IkeMessage::decode(genuine.message).value();
    edit(message);
    pair.inject(true, *message.encode());
  };
  inject([](wire::IkeMessage& m) { m.header.message_id.value = 2; });
  inject([](wire::IkeMessage& m) { m.header.exchange = ExchangeType::informational; });
  inject([](wire::IkeMessage& m) { m.header.exchange = ExchangeType::create_child_sa; });
  inject([](wire::IkeMessage& m) { m.header.spi_i.value ^= 1; });
  inject([](wire::IkeMessage& m) { m.header.flags |= wire::IkeHeader::flag_response; });
  inject([](wire::IkeMessage& m) { m.payloads.clear(); });
  EXPECT_TRUE(pair.b.record.keys.empty());
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 1u);
  pair.inject(true, genuine.message);
  pair.run();
  EXPECT_TRUE(pair.is_up());
}

TEST(IkeFlood, a_half_open_sa_expires_whatever_junk_comes) {
  Pair pair;
  const ByteVec junk = junk_auth(hold_auth(pair));
  pair.inject(true, junk);
  pair.filter = [](Datagram&) { return false; };
  pair.advance(31s);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
  pair.inject(true, junk);
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_unknown_spi], 1u);
}

TEST(IkeFlood, a_repeated_request_of_a_half_open_sa_gets_the_same_answer) {
  Pair pair;
  hold_auth(pair);
  const std::size_t before = pair.b.record.transmits.size();
  pair.inject(true, pair.sent.at(0).message);
  ASSERT_EQ(pair.b.record.transmits.size(), before + 1);
  EXPECT_EQ(pair.b.record.transmits.back().datagram, pair.b.record.transmits.front().datagram);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 1u);
}

TEST(IkeFlood, a_connection_removed_in_between_is_not_authenticated) {
  Pair pair;
  const Datagram genuine = hold_auth(pair);
  pair.b.set(std::vector<ConnectionConfig>{});
  pair.inject(true, genuine.message);
  pair.run();
  EXPECT_TRUE(pair.b.record.ike_ups.empty());
  EXPECT_EQ(pair.a.record.ike_downs.size(), 1u);
}

TEST(IkeFlood, unprotected_errors_are_hints_in_every_state) {
  for (const NotifyType type :
       {NotifyType::invalid_ike_spi, NotifyType::authentication_failed, NotifyType::invalid_syntax,
        NotifyType::no_proposal_chosen, NotifyType::invalid_major_version}) {
    Pair pair;
    const Datagram genuine = hold_auth(pair);
    wire::IkeMessage forged;
    forged.header = genuine.header();
    forged.header.flags = wire::IkeHeader::flag_response;
    forged.payloads.emplace_back(wire::NotifyPayload{{}, {}, type, {}});
    pair.inject(false, *forged.encode());
    EXPECT_EQ(pair.a.state(), IkeState::auth_sent) << wire::name_of(type);
    EXPECT_EQ(pair.a.record.count(EventKind::ike_notify_hint), 1u);
    pair.wire.push_back(genuine);
    pair.run();
    EXPECT_TRUE(pair.is_up()) << wire::name_of(type);
    forged.header.message_id.value = 2;
    pair.inject(false, *forged.encode());
    pair.run();
    EXPECT_TRUE(pair.is_up()) << wire::name_of(type);
  }
}

}  // namespace
}  // namespace caponier::ike::test

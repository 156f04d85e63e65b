// What we do not know or do not use, in every exchange and both directions: accepted and ignored.

#include <gtest/gtest.h>

#include <utility>

#include "ike/messages.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using wire::ExchangeType;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

/// Everything a stranger to our taste may add.
Payloads extras() {
  wire::ConfigPayload config;
  config.cfg_type = 1;
  config.attributes = {{1, {}}, {3, ByteVec(4)}, {0x7001, ByteVec(2)}};
  return {make_notify(NotifyType::eap_only_authentication),
          make_notify(NotifyType::mobike_supported),
          make_notify(NotifyType::multiple_auth_supported),
          make_notify(NotifyType::esp_tfc_padding_not_supported),
          make_notify(NotifyType::non_first_fragments_also),
          make_notify(NotifyType::additional_ts_possible),
          make_notify(static_cast<NotifyType>(16500), ByteVec(9)),
          make_notify(static_cast<NotifyType>(40961), ByteVec(3)),
          wire::VendorIdPayload{ByteVec(16)},
          wire::VendorIdPayload{ByteVec(1)},
          wire::CertReqPayload{4, ByteVec(40)},
          std::move(config),
          wire::UnknownPayload{static_cast<wire::PayloadType>(200), false, ByteVec(7)}};
}

void append_extras(Payloads& payloads) {
  for (wire::Payload& extra : extras()) payloads.push_back(std::move(extra));
}

TEST(IkeTolerance, additions_to_ike_auth_are_ignored_in_both_directions) {
  for (const bool in_request : {true, false}) {
    Pair pair;
    pair.filter = [&](Datagram& d) {
      return d.to_b != in_request || d.header().exchange != ExchangeType::ike_auth;
    };
    pair.initiate_a();
    pair.run();
    const Datagram held = pair.sent.back();
    ASSERT_EQ(held.to_b, in_request);
    pair.filter = nullptr;
    Forger forger{pair.a.record.keys.at(0)};
    Payloads payloads = forger.open(held.message);
    append_extras(payloads);
    wire::IkeHeader header = held.header();
    pair.inject(in_request, forger.seal(header, payloads));
    pair.run();
    EXPECT_TRUE(pair.is_up()) << in_request;
  }
}

TEST(IkeTolerance, additions_to_ike_sa_init_are_ignored) {
  Pair pair;
  pair.filter = [](Datagram& d) { return !d.to_b; };
  pair.initiate_a();
  auto message = wire::IkeMessage::decode(pair.sent.at(0).message).value();
  append_extras(message.payloads);
  pair.sent.clear();
  pair.inject(true, message.encode().value());
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 1u);
  const auto answer = wire::IkeMessage::decode(pair.sent.at(0).message).value();
  EXPECT_NE(wire::find<wire::KePayload>(answer.payloads), nullptr);
}

TEST(IkeTolerance, additions_to_later_exchanges_are_ignored) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  Forger forger{pair.a.record.keys.at(0)};
  const Payloads auth = forger.open(pair.sent.at(2).message);
  Payloads child{*wire::find<wire::SaPayload>(auth), wire::NoncePayload{ByteVec(32)},
                 *wire::find_ts(auth, true), *wire::find_ts(auth, false)};
  const auto set_spi = [&](std::string_view spi) {
    auto& sa = std::get<wire::SaPayload>(child.front());
    for (auto& proposal : sa.proposals) proposal.spi = *base::from_hex(spi);
  };
  set_spi("12345678");
  append_extras(child);
  pair.inject(true, forger.request(ExchangeType::create_child_sa, 2, child));
  EXPECT_EQ(pair.b.live().size(), 2u);
  // KE NONE asks for no key exchange, as no KE payload does.
  set_spi("12345679");
  child.emplace_back(wire::KePayload{0, {}});
  pair.inject(true, forger.request(ExchangeType::create_child_sa, 3, child));
  EXPECT_EQ(pair.b.live().size(), 3u);
  Payloads informational;
  append_extras(informational);
  pair.sent.clear();
  pair.inject(true, forger.request(ExchangeType::informational, 4, informational));
  ASSERT_EQ(pair.sent.size(), 1u);
  EXPECT_EQ(wire::find<wire::NotifyPayload>(forger.open(pair.sent.at(0).message)), nullptr);
  EXPECT_EQ(pair.b.state(), IkeState::established);
}

}  // namespace
}  // namespace caponier::ike::test

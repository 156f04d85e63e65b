// Classes of bugs that have felled other IKE daemons before authentication, each kept out of this
// one by name; docs/conformance.md lists them.

#include <array>

#include "conformance/conversation.h"
#include "crypto/openssl/provider.h"
#include "policy/proposal.h"

namespace caponier::ike::test {
namespace {

/// The first request of a fresh pair, taken off the wire.
wire::IkeMessage first_request(Pair& pair) {
  pair.initiate_a();
  wire::IkeMessage message = decoded(pair.wire.front().message);
  pair.wire.clear();
  return message;
}

TEST(BugClass, no_group_number_from_the_wire_reaches_what_is_only_internal) {
  const policy::Offers ours = policy::default_ike_offers();
  wire::SaPayload theirs = policy::to_wire({ike_offer("aes256gcm16-prfsha256-x25519")}, {}, true);
  std::size_t accepted = 0;
  for (unsigned group = 0; group <= 0xffff; ++group) {
    for (wire::Transform& transform : theirs.proposals.at(0).transforms) {
      if (transform.type == wire::TransformType::ke) {
        transform.id = static_cast<std::uint16_t>(group);
      }
    }
    const auto choice = policy::choose_ike(theirs, ours, static_cast<crypto::KeGroup>(group));
    if (!choice) continue;
    ++accepted;
    EXPECT_NE(crypto::find(choice->suite.ke), nullptr) << group;
  }
  EXPECT_EQ(accepted, ours.at(0).ke.size());
}

TEST(BugClass, a_ke_payload_of_any_group_number_and_size_is_survived) {
  Pair pair;
  const wire::IkeMessage genuine = first_request(pair);
  for (unsigned group = 0; group < 1100; ++group) {
    wire::IkeMessage message = genuine;
    message.header.spi_i.value += group + 1;
    for (wire::Payload& payload : message.payloads) {
      auto* const ke = std::get_if<wire::KePayload>(&payload);
      if (ke == nullptr) continue;
      ke->group = static_cast<std::uint16_t>(group);
      ke->data.resize(group % 70);
    }
    pair.inject(true, *message.encode());
    pair.wire.clear();
  }
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u) << "none has the right size and group";
}

TEST(BugClass, payload_types_of_ike_version_1_are_foreign_wherever_they_come) {
  Pair pair;
  wire::IkeMessage message = first_request(pair);
  for (std::uint8_t type = 1; type <= 32; ++type) {
    message.payloads.emplace_back(
        wire::UnknownPayload{PayloadType{type}, false, ByteVec(type % 9, std::byte{0xff})});
  }
  EXPECT_EQ(sent_by_b(pair, *message.encode()).size(), 1u);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 1u);

  Pair established;
  bring_up(established);
  Forger forger = forger_of(established.a);
  Payloads inside = child_request("aes256gcm16");
  for (std::uint8_t type = 1; type <= 32; ++type) {
    inside.emplace_back(wire::UnknownPayload{PayloadType{type}, false, ByteVec(7)});
  }
  const Payloads answer =
      answer_of_b(established, forger, forger.request(ExchangeType::create_child_sa, 2, inside));
  EXPECT_NE(wire::find<wire::SaPayload>(answer), nullptr);
}

/// Hands every variation of a request with one payload missing, doubled or called something else.
template <class Try>
void for_each_spoiled(const Payloads& genuine, Try attempt) {
  for (std::size_t i = 0; i < genuine.size(); ++i) {
    Payloads missing = genuine;
    missing.erase(missing.begin() + static_cast<std::ptrdiff_t>(i));
    attempt(missing);
    Payloads doubled = genuine;
    doubled.push_back(genuine[i]);
    attempt(doubled);
    Payloads renamed = genuine;
    renamed[i] = wire::UnknownPayload{PayloadType{99}, false, ByteVec(20)};
    attempt(renamed);
  }
}

TEST(BugClass, an_ike_sa_init_with_a_payload_missing_doubled_or_renamed_makes_no_half_sa) {
  Pair pair;
  const wire::IkeMessage genuine = first_request(pair);
  for_each_spoiled(genuine.payloads, [&](const Payloads& payloads) {
    Pair fresh;
    wire::IkeMessage message = genuine;
    message.payloads = payloads;
    EXPECT_LE(sent_by_b(fresh, *message.encode()).size(), 1u);
    const auto present = [&](auto* found) { return found != nullptr ? 1u : 0u; };
    const std::size_t parts = present(wire::find<wire::SaPayload>(payloads)) +
                              present(wire::find<wire::KePayload>(payloads)) +
                              present(wire::find<wire::NoncePayload>(payloads));
    if (parts < 3) {
      EXPECT_EQ(fresh.b.endpoint.half_open_count(), 0u);
    }
    fresh.wire.clear();
    fresh.advance(60s);
    EXPECT_TRUE(fresh.b.endpoint.snapshot().empty());
  });
}

TEST(BugClass, a_child_request_with_a_payload_missing_doubled_or_renamed_is_answered) {
  for_each_spoiled(child_request("aes256gcm16"), [](const Payloads& payloads) {
    Pair pair;
    bring_up(pair);
    Forger forger = forger_of(pair.a);
    const Payloads answer =
        answer_of_b(pair, forger, forger.request(ExchangeType::create_child_sa, 2, payloads));
    EXPECT_FALSE(answer.empty());
    EXPECT_EQ(wire::find<wire::SaPayload>(answer), nullptr);
    EXPECT_LE(pair.b.live().size(), 1u);
  });
}

TEST(BugClass, an_ike_rekey_with_a_payload_missing_doubled_or_renamed_is_answered) {
  for_each_spoiled(ike_rekey_request(), [](const Payloads& payloads) {
    Pair pair;
    bring_up(pair);
    Forger forger = forger_of(pair.a);
    const Payloads answer =
        answer_of_b(pair, forger, forger.request(ExchangeType::create_child_sa, 2, payloads));
    EXPECT_FALSE(answer.empty());
    EXPECT_EQ(wire::find<wire::SaPayload>(answer), nullptr);
    EXPECT_LE(pair.b.endpoint.snapshot().size(), 1u);
  });
}

TEST(BugClass, a_packet_shorter_than_the_header_is_counted_and_not_answered) {
  Pair pair;
  const ByteVec genuine = *first_request(pair).encode();
  for (std::size_t size = 0; size < wire::IkeHeader::size; ++size) {
    EXPECT_TRUE(sent_by_b(pair, base::Bytes{genuine}.first(size)).empty()) << size;
  }
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_malformed], wire::IkeHeader::size);
}

TEST(BugClass, unassigned_numbers_of_every_kind_can_be_told_in_events) {
  EndpointConfig config = test_config();
  config.limits.stranger_events_burst_max = 100000;
  Pair pair{config};
  const wire::IkeMessage genuine = first_request(pair);
  for (unsigned number = 0; number < 256; ++number) {
    wire::IkeMessage message = genuine;
    message.header.exchange = static_cast<ExchangeType>(number);
    message.header.flags = static_cast<std::uint8_t>(number);
    pair.inject(true, *message.encode());
    message = genuine;
    auto& sa = std::get<wire::SaPayload>(message.payloads.front());
    for (wire::Proposal& proposal : sa.proposals) {
      proposal.protocol = static_cast<ProtocolId>(number % 5);
      for (wire::Transform& transform : proposal.transforms) {
        transform.type = static_cast<wire::TransformType>(number);
        transform.id = static_cast<std::uint16_t>(number * 257);
      }
    }
    pair.inject(true, *message.encode());
    message = genuine;
    message.payloads.emplace_back(
        wire::UnknownPayload{static_cast<PayloadType>(128 + number / 2), true, {}});
    message.payloads.emplace_back(notify_of(static_cast<NotifyType>(number * 64)));
    pair.inject(true, *message.encode());
    pair.wire.clear();
  }
  EXPECT_GT(pair.b.record.events.size(), 200u);
  for (const base::Event& event : pair.b.record.events) EXPECT_LT(event.text.size(), 8192u);
}

TEST(BugClass, a_rejected_ike_sa_init_leaves_nothing_that_a_second_packet_revives) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.offers = {ike_offer("aes128-sha256-modp2048")};
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
  wire::IkeMessage second;
  second.header = said(pair, true, ExchangeType::ike_sa_init).at(0).header();
  second.header.exchange = ExchangeType::ike_auth;
  second.header.message_id.value = 1;
  second.payloads = {wire::SkPayload{PayloadType::id_i, ByteVec(80)}};
  for (const std::uint64_t spi : {0ULL, 1ULL, ~0ULL}) {
    second.header.spi_r.value = spi;
    EXPECT_TRUE(sent_by_b(pair, *second.encode()).empty());
  }
  EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
}

TEST(BugClass, a_rejected_ike_auth_leaves_nothing_that_a_second_packet_revives) {
  Pair pair;
  pair.b.secrets["to-a.example"] = "another secret";
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.b.endpoint.snapshot().empty());
  Forger forger = forger_of(pair.b);
  for (const auto exchange :
       {ExchangeType::ike_auth, ExchangeType::create_child_sa, ExchangeType::informational}) {
    EXPECT_TRUE(sent_by_b(pair, forger.request(exchange, 2, child_request("aes256gcm16"))).empty());
  }
  EXPECT_TRUE(pair.b.record.installs.empty());
  EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
}

TEST(BugClass, a_rekey_notify_of_any_protocol_and_spi_size_is_answered) {
  std::uint32_t id = 2;
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  for (const std::uint8_t protocol : std::array<std::uint8_t, 6>{0, 1, 2, 3, 4, 255}) {
    for (const std::size_t size : std::array<std::size_t, 6>{0, 1, 3, 4, 8, 255}) {
      wire::NotifyPayload rekey = notify_of(NotifyType::rekey_sa);
      rekey.protocol = static_cast<ProtocolId>(protocol);
      rekey.spi = ByteVec(size, std::byte{0xaa});
      const Payloads answer = answer_of_b(pair, forger,
                                          forger.request(ExchangeType::create_child_sa, id++,
                                                         child_request("aes256gcm16", {rekey})));
      EXPECT_EQ(wire::find<wire::SaPayload>(answer), nullptr) << int{protocol} << " " << size;
    }
  }
  EXPECT_TRUE(pair.is_up());
}

TEST(BugClass, malformed_traffic_selectors_inside_sk_are_refused_and_make_nothing) {
  constexpr std::string_view bodies[] = {
      "",                                                              // no count
      "01000000",                                                      // one promised, none there
      "ff000000070000100000ffff0a0100000a01ffff",                      // 255 promised
      "01000000070000080000ffff",                                      // no addresses
      "01000000070000ff0000ffff0a0100000a01ffff",                      // longer than the payload
      "01000000070000000000ffff0a0100000a01ffff",                      // of length zero
      "01000000080000100000ffff0a0100000a01ffff",                      // IPv6 by name, IPv4 by size
      "02000000070000100000ffff0a0100000a01ffff070000100000ffff0a01",  // cut in the second
  };
  for (const std::string_view body : bodies) {
    Pair pair;
    bring_up(pair);
    Forger forger = forger_of(pair.a);
    const Payloads genuine = child_request("aes256gcm16");
    base::Writer chain;
    wire::encode_payloads({genuine.begin(), genuine.end() - 2}, chain);
    ByteVec octets = base::to_vec(chain.view());
    // The nonce is the last whole payload; its header names what comes next.
    octets[octets.size() - 36] = static_cast<std::byte>(PayloadType::ts_i);
    base::append(octets, raw_payload(PayloadType::ts_r, *base::from_hex(body)));
    base::append(octets, raw_payload(PayloadType::none, *base::from_hex(body)));
    const Payloads answer =
        answer_of_b(pair, forger,
                    forger.raw_request(ExchangeType::create_child_sa, 2, PayloadType::sa, octets));
    EXPECT_NE(wire::find_notify(answer, NotifyType::invalid_syntax), nullptr) << body;
    EXPECT_EQ(pair.b.record.installs.size(), 1u) << body;
  }
}

TEST(BugClass, deleting_the_same_thing_several_times_in_one_message_is_harmless) {
  for (const bool ike_first : {false, true}) {
    Pair pair;
    bring_up(pair);
    Forger forger = forger_of(pair.a);
    const auto child = delete_child(pair.a.live().at(0)->spi_in);
    Payloads request{child, child, delete_ike(), delete_ike(), child};
    if (ike_first) std::ranges::reverse(request);
    EXPECT_EQ(sent_by_b(pair, forger.request(ExchangeType::informational, 2, request)).size(), 1u);
    EXPECT_TRUE(pair.b.live().empty());
    EXPECT_EQ(pair.b.record.removals.size(), 1u);
    EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
    EXPECT_TRUE(sent_by_b(pair, forger.request(ExchangeType::informational, 3, {child})).empty());
  }
}

TEST(BugClass, two_rekeys_of_one_child_and_then_its_delete_leave_no_dangling_child) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const base::Spi old = pair.a.live().at(0)->spi_in;
  for (const std::uint32_t id : {2U, 3U}) {
    pair.inject(true, forger.request(ExchangeType::create_child_sa, id,
                                     child_request("aes256gcm16", {rekey_of(old)})));
  }
  pair.inject(true, forger.request(ExchangeType::informational, 4, {delete_child(old)}));
  pair.inject(true, forger.request(ExchangeType::create_child_sa, 5,
                                   child_request("aes256gcm16", {rekey_of(old)})));
  pair.inject(true, forger.request(ExchangeType::informational, 6, {delete_child(old)}));
  pair.inject(true, forger.request(ExchangeType::informational, 7, {delete_ike()}));
  EXPECT_EQ(std::ranges::count(pair.b.record.removals, pair.b.record.installs.at(0).id), 1);
  EXPECT_TRUE(pair.b.live().empty());
}

//= rfc7296#2.25-1 type=test
TEST(BugClass, two_rekeys_of_the_ike_sa_and_then_its_delete_leave_the_child_with_one_heir) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  pair.inject(true,
              forger.request(ExchangeType::create_child_sa, 2, ike_rekey_request(std::byte{0x71})));
  const Payloads second = answer_of_b(
      pair, forger,
      forger.request(ExchangeType::create_child_sa, 3, ike_rekey_request(std::byte{0x72})));
  EXPECT_NE(wire::find_notify(second, NotifyType::temporary_failure), nullptr);
  pair.inject(true, forger.request(ExchangeType::informational, 4, {delete_ike()}));
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.live().size(), 1u);
}

TEST(BugClass, a_liveness_check_out_of_nowhere_finds_no_state_and_no_answer) {
  Pair pair;
  wire::IkeMessage message;
  message.header.exchange = ExchangeType::informational;
  for (const std::uint8_t flags : std::array<std::uint8_t, 4>{0, 0x08, 0x20, 0x28}) {
    for (const std::uint64_t spi : {0ULL, 77ULL}) {
      message.header.flags = flags;
      message.header.spi_i.value = spi;
      message.header.spi_r.value = spi;
      message.payloads = {wire::SkPayload{PayloadType::none, ByteVec(32)}};
      EXPECT_TRUE(sent_by_b(pair, *message.encode()).empty());
      message.payloads.clear();
      EXPECT_TRUE(sent_by_b(pair, *message.encode()).empty());
    }
  }
}

//= rfc8019#4.6-1 type=test
TEST(BugClass, junk_ike_auth_costs_a_mac_and_does_not_end_the_half_open_sa) {
  Pair pair;
  std::optional<Datagram> genuine;
  pair.filter = [&](Datagram& datagram) {
    if (datagram.header().exchange != ExchangeType::ike_auth) return true;
    genuine = datagram;
    return false;
  };
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(genuine.has_value());
  const std::size_t keys = pair.b.record.keys.size();
  for (unsigned i = 0; i < 1000; ++i) {
    ByteVec junk = genuine->message;
    junk[junk.size() - 1 - i % 16] ^= static_cast<std::byte>(1 + i % 255);
    EXPECT_TRUE(sent_by_b(pair, junk).empty());
  }
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_bad_icv], 1000u);
  EXPECT_LE(pair.b.record.keys.size(), keys + 1) << "the keys were derived once";
  pair.filter = nullptr;
  pair.wire.push_back(*genuine);
  pair.run();
  EXPECT_TRUE(pair.is_up());
}

TEST(BugClass, every_algorithm_we_propose_by_default_works_here) {
  const crypto::OpensslProvider provider;
  for (const policy::Offers& offers :
       {policy::default_ike_offers(), policy::default_esp_offers()}) {
    for (const policy::Offer& offer : offers) {
      for (const policy::Encryption& encryption : offer.encryption) {
        std::vector<crypto::IntegId> macs = offer.integrity;
        if (macs.empty()) macs = {crypto::IntegId::none};
        for (const crypto::IntegId mac : macs) {
          EXPECT_TRUE(
              provider.supports(crypto::CipherSuite{encryption.id, encryption.key_bits, mac}));
        }
      }
      for (const crypto::PrfId prf : offer.prf) EXPECT_TRUE(provider.supports(prf));
      for (const crypto::KeGroup group : offer.ke) {
        EXPECT_TRUE(group == crypto::KeGroup::none || provider.supports(group));
      }
    }
  }
}

}  // namespace
}  // namespace caponier::ike::test

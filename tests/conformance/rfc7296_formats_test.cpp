// RFC 7296 section 3: what the fields of every payload may hold, sent and received.

#include "conformance/conversation.h"
#include "policy/identity.h"
#include "policy/proposal.h"

namespace caponier::ike::test {
namespace {

ByteVec hex(std::string_view text) { return base::from_hex(text).value_or(ByteVec{}); }

/// Decodes a payload of this body behind a generic header with these flags.
Payloads read(PayloadType type, std::string_view body_hex, std::uint8_t flags = 0) {
  const ByteVec body = hex(body_hex);
  base::Writer out;
  out.u8(0);
  out.u8(flags);
  out.u16(static_cast<std::uint16_t>(body.size() + 4));
  out.bytes(body);
  base::Reader in{out.view()};
  return wire::decode_payloads(type, in).value_or(Payloads{});
}

std::string written(const Payloads& payloads) {
  base::Writer out;
  wire::encode_payloads(payloads, out);
  return base::to_hex(out.view());
}

//= rfc7296#2.5-6 rfc7296#3.5-1 rfc7296#3.8-2 rfc7296#3.13-1 rfc7296#3.15-1 type=test
TEST(ReservedFields, of_every_payload_are_ignored_and_sent_as_zero) {
  struct Case {
    PayloadType type;
    std::string_view dirty, clean;
  };
  const Case cases[] = {
      {PayloadType::ke, "001fffff0102", "001f00000102"},
      {PayloadType::id_i, "02ffffff6161", "020000006161"},
      {PayloadType::id_r, "02aaaaaa6161", "020000006161"},
      {PayloadType::auth, "02ffffff0102", "020000000102"},
      {PayloadType::ts_i, "01ffffff070000100000ffff0a0100000a01ffff",
       "01000000070000100000ffff0a0100000a01ffff"},
      {PayloadType::cp, "01ffffff80010000", "0100000000010000"},
  };
  for (const Case& row : cases) {
    const Payloads payloads = read(row.type, row.dirty);
    ASSERT_EQ(payloads.size(), 1u) << wire::name_of(row.type);
    EXPECT_EQ(written(payloads).substr(8), row.clean) << wire::name_of(row.type);
  }
}

//= rfc7296#2.5-6 rfc7296#3.2-6 type=test
TEST(ReservedFields, of_the_generic_header_are_ignored_and_sent_as_zero) {
  const Payloads payloads = read(PayloadType::vendor_id, "4142", 0x7f);
  ASSERT_EQ(payloads.size(), 1u);
  EXPECT_EQ(written(payloads), "000000064142");
}

//= rfc7296#3.2-1..2 type=test
TEST(CriticalBit, of_an_unknown_payload_is_kept_as_it_is_meant) {
  for (const bool critical : {false, true}) {
    const Payloads payloads = read(PayloadType{200}, "aa", critical ? 0x80 : 0);
    ASSERT_EQ(payloads.size(), 1u);
    EXPECT_EQ(std::get<wire::UnknownPayload>(payloads.front()).critical, critical);
    EXPECT_EQ(written(payloads), critical ? "00800005aa" : "00000005aa");
  }
}

//= rfc7296#3.2-3 rfc7296#3.2-5 type=test
TEST(CriticalBit, on_payloads_of_the_rfc_does_not_make_them_foreign) {
  for (std::uint8_t type = 33; type <= 48; ++type) {
    if (type == static_cast<std::uint8_t>(PayloadType::sk)) continue;
    const std::string_view body = type == 33   ? std::string_view{}
                                  : type == 42 ? "01000000"
                                  : type == 40 ? "00000000000000000000000000000000"
                                  : type == 44 || type == 45
                                      ? "01000000070000100000ffff0a0100000a01ffff"
                                      : "0000000000000000";
    const Payloads payloads = read(PayloadType{type}, body, 0x80);
    ASSERT_EQ(payloads.size(), 1u) << int{type};
    EXPECT_FALSE(std::holds_alternative<wire::UnknownPayload>(payloads.front())) << int{type};
  }
}

//= rfc7296#3.3-9..10 type=test
TEST(Proposals, offer_each_key_length_as_a_transform_of_its_own) {
  const auto sa =
      policy::to_wire({ike_offer("aes128gcm16-aes256gcm16-prfsha256-x25519")}, {}, true);
  std::vector<std::uint16_t> lengths;
  for (const wire::Transform& transform : sa.proposals.at(0).transforms) {
    EXPECT_LE(transform.attributes.size(), 1u);
    if (transform.type == wire::TransformType::encr) lengths.push_back(*transform.key_length());
  }
  EXPECT_EQ(lengths, (std::vector<std::uint16_t>{128, 256}));
}

//= rfc7296#3.3.1-4 type=test
TEST(Proposals, of_a_first_ike_sa_have_no_spi_on_either_side) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  for (const bool to_b : {true, false}) {
    const auto message = decoded(said(pair, to_b, ExchangeType::ike_sa_init).at(0).message);
    for (const auto& proposal : wire::find<wire::SaPayload>(message.payloads)->proposals) {
      EXPECT_TRUE(proposal.spi.empty());
    }
  }
}

//= rfc7296#3.3.3-1 rfc7296#3.3.6-6 type=test
TEST(Proposals, with_the_optional_types_of_their_protocol_are_understood_beside_foreign_ones) {
  const policy::Offers ours{esp_offer("aes256gcm16-noesn")};
  wire::SaPayload theirs = policy::to_wire(ours, ByteVec(4, std::byte{9}), false);
  wire::Proposal& good = theirs.proposals.at(0);
  good.transforms.push_back(wire::make_transform(wire::TransformType::integ, 0));
  good.transforms.push_back(wire::make_transform(wire::TransformType::ke, 0));
  good.number = 3;
  wire::Proposal foreign = good;
  foreign.number = 1;
  foreign.transforms.push_back(wire::make_transform(wire::TransformType{200}, 1));
  wire::Proposal lacking = good;
  lacking.number = 2;
  std::erase_if(lacking.transforms,
                [](const auto& t) { return t.type == wire::TransformType::encr; });
  theirs.proposals.insert(theirs.proposals.begin(), {foreign, lacking});
  const auto choice = policy::choose_child(theirs, ours, crypto::KeGroup::none, false);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->answer.number, 3);
}

//= rfc7296#3.3.5-1..3 type=test
TEST(KeyLength, is_a_two_octet_value_in_network_order_behind_the_format_bit) {
  const Payloads payloads{
      wire::SaPayload{{{1, ProtocolId::ike, {}, {wire::make_transform({}, 12, 256)}}}}};
  EXPECT_EQ(written(payloads).substr(8), "00000014010100010000000c0000000c800e0100");
}

//= rfc7296#3.3.5-1..2 type=test
TEST(KeyLength, in_the_variable_form_is_not_taken_for_a_key_length) {
  const policy::Offers ours{ike_offer("aes256gcm16-prfsha256-x25519")};
  wire::SaPayload theirs = policy::to_wire(ours, {}, true);
  theirs.proposals.at(0).transforms.at(0).attributes.at(0).is_tv = false;
  EXPECT_FALSE(policy::choose_ike(theirs, ours, crypto::KeGroup::curve25519));
}

//= rfc7296#3.3.5-4 type=test
TEST(KeyLength, is_sent_for_no_cipher_of_fixed_length) {
  const auto sa =
      policy::to_wire({ike_offer("chacha20poly1305-prfsha256-x25519")}, {}, true).proposals.at(0);
  for (const wire::Transform& transform : sa.transforms) {
    EXPECT_TRUE(transform.attributes.empty());
  }
  const policy::Offers ours{ike_offer("chacha20poly1305-prfsha256-x25519")};
  wire::SaPayload theirs{{sa}};
  theirs.proposals[0].transforms[0] = wire::make_transform(wire::TransformType::encr, 28, 256);
  EXPECT_FALSE(policy::choose_ike(theirs, ours, crypto::KeGroup::curve25519));
}

//= rfc7296#3.3.6-4 type=test
TEST(ChosenTransforms, keep_their_attributes_octet_by_octet) {
  const policy::Offers ours{ike_offer("aes256-sha256-x25519")};
  const wire::SaPayload theirs =
      policy::to_wire({ike_offer("aes128-aes256-sha384-sha256-ecp256-x25519")}, {}, true);
  const auto choice = policy::choose_ike(theirs, ours, crypto::KeGroup::curve25519);
  ASSERT_TRUE(choice);
  for (const wire::Transform& transform : choice->answer.transforms) {
    EXPECT_NE(std::ranges::find(theirs.proposals.at(0).transforms, transform),
              theirs.proposals.at(0).transforms.end());
  }
}

//= rfc7296#3.3.6-11 type=test
TEST(ChosenTransforms, without_key_exchange_ignore_the_ke_payload_and_answer_none) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.children.front().offers = {esp_offer("aes256gcm16-modpnone")};
  pair.b.set(at_b);
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  Payloads request =
      child_request("aes256gcm16-x25519-modpnone", {}, {wire::KePayload{31, ByteVec(7)}});
  const Payloads answer =
      answer_of_b(pair, forger, forger.request(ExchangeType::create_child_sa, 2, request));
  EXPECT_NE(wire::find<wire::SaPayload>(answer), nullptr);
  EXPECT_EQ(wire::find<wire::KePayload>(answer), nullptr);
  EXPECT_EQ(pair.b.live().size(), 2u);
}

//= rfc7296#3.5-2..3 type=test
TEST(Identities, of_names_are_sent_without_terminator) {
  for (const std::string_view text : {"gw.example", "joe@example.org"}) {
    const wire::IdPayload payload = policy::Identity::parse(text).to_wire(true);
    EXPECT_EQ(base::as_text(payload.data), text);
  }
}

//= rfc7296#3.10-2 type=test
TEST(Notifies, with_a_protocol_but_no_spi_mean_the_same) {
  Pair pair;
  configure_transport_mode(pair);
  edit_first(pair, true, ExchangeType::ike_auth, [](Payloads& payloads) {
    for (wire::Payload& payload : payloads) {
      if (auto* const notify = std::get_if<wire::NotifyPayload>(&payload)) {
        notify->protocol = ProtocolId::esp;
      }
    }
  });
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  EXPECT_EQ(pair.b.live().at(0)->mode, policy::SaMode::transport);
}

//= rfc7296#3.10-1..3 type=test
TEST(Notifies, we_send_carry_a_protocol_exactly_with_the_spi_of_a_child) {
  Pair pair{[] {
    EndpointConfig config = test_config();
    config.limits.cookie_threshold = 0;
    return config;
  }()};
  configure_transport_mode(pair);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  Forger forger = forger_of(pair.a);
  // Refusals of many kinds.
  pair.inject(true, forger.request(ExchangeType::create_child_sa, 2,
                                   child_request("aes256gcm16", {rekey_of(base::Spi{0x999})})));
  pair.inject(true,
              forger.request(ExchangeType::create_child_sa, 3, child_request("chacha20poly1305")));
  pair.inject(
      true, forger.request(
                ExchangeType::create_child_sa, 4,
                child_request("aes256gcm16", {wire::UnknownPayload{PayloadType{200}, true, {}}})));
  std::size_t notifies = 0;
  std::size_t about_children = 0;
  for (const Datagram& datagram : pair.sent) {
    const bool is_init = datagram.header().exchange == ExchangeType::ike_sa_init;
    const Payloads payloads =
        is_init ? decoded(datagram.message).payloads : forger.open(datagram.message);
    for (const wire::Payload& payload : payloads) {
      const auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
      if (notify == nullptr) continue;
      ++notifies;
      const bool has_spi = !notify->spi.empty();
      // RFC 6023 s3 wants 1 there.
      const bool is_childless = notify->type == NotifyType::childless_ikev2_supported;
      const ProtocolId plain = is_childless ? ProtocolId::ike : ProtocolId::none;
      EXPECT_EQ(notify->protocol, has_spi ? ProtocolId::esp : plain) << wire::name_of(notify->type);
      if (has_spi) {
        ++about_children;
        EXPECT_EQ(notify->spi.size(), 4u);
      }
    }
  }
  EXPECT_GE(notifies, 10u);
  EXPECT_EQ(about_children, 1u) << "CHILD_SA_NOT_FOUND names the child";
}

//= rfc7296#3.11-1..3 type=test
TEST(DeletePayloads, we_send_have_the_spi_size_of_their_protocol) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  pair.command_a(DeleteChild{child_of(pair.a)});
  pair.run();
  pair.command_a(DeleteIke{"to-b.example"});
  pair.run();
  std::size_t children = 0;
  std::size_t ikes = 0;
  for (const Datagram& datagram : pair.sent) {
    for (const wire::Payload& payload : forger.open(datagram.message)) {
      const auto& deletion = std::get<wire::DeletePayload>(payload);
      const bool is_ike = deletion.protocol == ProtocolId::ike;
      EXPECT_EQ(deletion.spi_size, is_ike ? 0 : 4);
      EXPECT_EQ(deletion.spis.size(), is_ike ? 0u : 1u);
      ++(is_ike ? ikes : children);
    }
  }
  EXPECT_EQ(children, 2u) << "the request's and the response's";
  EXPECT_EQ(ikes, 1u);
}

//= rfc7296#3.12-2 rfc7296#3.12-4 type=test
TEST(VendorIds, unknown_ones_are_ignored_and_ours_are_not_critical) {
  Pair pair;
  pair.initiate_a();
  wire::IkeMessage message = decoded(pair.wire.front().message);
  pair.wire.clear();
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{16}}) {
    message.payloads.insert(message.payloads.begin(),
                            wire::VendorIdPayload{ByteVec(size, std::byte{0xee})});
  }
  const auto answers = sent_by_b(pair, *message.encode());
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_NE(wire::find<wire::SaPayload>(decoded(answers[0]).payloads), nullptr);
  EXPECT_EQ(written({wire::VendorIdPayload{hex("41")}}), "0000000541");
}

//= rfc7296#3.13.1-1..3 type=test
TEST(SelectorPorts, of_any_port_or_a_protocol_without_ports_are_0_to_65535) {
  const auto any = policy::to_wire({policy::TrafficSelector::any(base::Family::v4)}, true);
  EXPECT_EQ(any.selectors.at(0).first_port, 0);
  EXPECT_EQ(any.selectors.at(0).last_port, 65535);
  constexpr std::uint8_t esp = 50;
  const auto portless = policy::to_wire(
      {policy::TrafficSelector::from_prefix(*base::Prefix::parse("10.0.0.0/8"), esp)}, true);
  EXPECT_EQ(portless.selectors.at(0).first_port, 0);
  EXPECT_EQ(portless.selectors.at(0).last_port, 65535);
}

//= rfc7296#3.13.1-4 type=test
TEST(SelectorPorts, of_opaque_are_65535_to_0_in_both_directions) {
  constexpr std::uint8_t tcp = 6;
  const policy::TrafficSelectors opaque{
      policy::TrafficSelector::from_prefix(*base::Prefix::parse("10.0.0.0/8"), tcp, 65535, 0)};
  const auto payload = policy::to_wire(opaque, true);
  EXPECT_EQ(payload.selectors.at(0).first_port, 65535);
  EXPECT_EQ(payload.selectors.at(0).last_port, 0);
  EXPECT_EQ(policy::from_wire(payload), opaque);
}

//= rfc7296#1.7-4 rfc7296#3.15.1-21 type=test
TEST(ConfigPayloads, with_obsolete_or_unknown_attributes_are_ignored) {
  Pair pair;
  edit_first(pair, true, ExchangeType::ike_auth, [](Payloads& payloads) {
    wire::ConfigPayload config;
    config.cfg_type = 1;
    config.attributes = {{5, ByteVec(4)}, {0x7000, ByteVec(9)}, {1, {}}};
    payloads.insert(payloads.begin() + 1, config);
  });
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
}

}  // namespace
}  // namespace caponier::ike::test

#include <gtest/gtest.h>

#include "unit/wire/samples.h"
#include "wire/ike.h"

namespace caponier::wire {
namespace {

using base::IpAddress;
using base::WireFault;

ByteVec hex(std::string_view text) { return samples::bytes(text); }

/// A chain of one payload of that type with that body.
Wire<std::vector<Payload>> decode_one(PayloadType type, Bytes body) {
  Writer out;
  out.u8(0);
  out.u8(0);
  out.u16(static_cast<std::uint16_t>(body.size() + 4));
  out.bytes(body);
  Reader in{out.view()};
  return decode_payloads(type, in);
}

template <class T>
T decoded(PayloadType type, std::string_view body) {
  const auto payloads = decode_one(type, hex(body));
  EXPECT_TRUE(payloads.has_value()) << (payloads ? "" : payloads.error().field);
  if (!payloads) return {};
  Writer out;
  encode_payloads(*payloads, out);
  EXPECT_EQ(base::to_hex(out.view().subspan(4)), body) << "re-encodes byte-identically";
  return std::get<T>(payloads->front());
}

void expect_fault(PayloadType type, std::string_view body, WireFault fault,
                  std::string_view field) {
  const auto payloads = decode_one(type, hex(body));
  ASSERT_FALSE(payloads.has_value()) << field;
  EXPECT_EQ(payloads.error().fault, fault) << payloads.error().field;
  EXPECT_EQ(payloads.error().field, field);
}

bool encodes(const Payload& payload) {
  Writer out;
  encode_payloads({payload}, out);
  return out.finish().has_value();
}

TEST(Sa, proposals_transforms_and_key_lengths_are_read) {
  const auto sa = decoded<SaPayload>(PayloadType::sa, samples::body_sa);
  ASSERT_EQ(sa.proposals.size(), 2U);
  const Proposal& gcm = sa.proposals[0];
  EXPECT_EQ(gcm.number, 1U);
  EXPECT_EQ(gcm.protocol, ProtocolId::ike);
  EXPECT_TRUE(gcm.spi.empty());
  ASSERT_EQ(gcm.transforms.size(), 5U);
  EXPECT_EQ(gcm.transforms[0], make_transform(TransformType::encr, 20, 256));
  EXPECT_EQ(gcm.transforms[1].key_length(), 128);
  EXPECT_EQ(gcm.transforms[4], make_transform(TransformType::ke, 19));
  EXPECT_FALSE(gcm.transforms[4].key_length().has_value());
  EXPECT_EQ(sa.proposals[1].number, 2U);
}

TEST(Sa, spis_of_child_proposals_are_kept) {
  const auto sa = decoded<SaPayload>(PayloadType::sa, samples::body_sa_esp);
  EXPECT_EQ(sa.proposals[0].spi, hex("c0ffee01"));
  EXPECT_EQ(sa.proposals[0].protocol, ProtocolId::esp);
}

TEST(Sa, unknown_transform_types_and_long_attributes_survive) {
  const auto sa = decoded<SaPayload>(PayloadType::sa, "00000015010300010000000df000ffff00090001aa");
  const Transform& transform = sa.proposals.at(0).transforms.at(0);
  EXPECT_EQ(static_cast<int>(transform.type), 0xf0);
  EXPECT_EQ(transform.attributes.at(0), (TransformAttribute{9, false, hex("aa")}));
}

//= rfc7296#3.3.1-1 rfc7296#3.3.2-1 type=test
TEST(Sa, reserved_octets_are_ignored_and_sent_as_zero) {
  const auto payloads = decode_one(PayloadType::sa, hex("00ff00100103000100ff000801ff0014"));
  ASSERT_TRUE(payloads.has_value());
  Writer out;
  encode_payloads(*payloads, out);
  EXPECT_EQ(base::to_hex(out.view().subspan(4)), "00000010010300010000000801000014");
}

//= rfc7296#3.3-4 type=test
TEST(Sa, the_last_substructure_octet_must_agree_with_the_position) {
  const auto bad = [](std::string_view body) {
    expect_fault(PayloadType::sa, body, WireFault::out_of_range, "sa.last_substruc");
  };
  bad("02000010010300010000000801000014");  // more promised, none follows
  bad("00000010010300010300000801000014");  // the same for a transform
  bad("0000000801030000"
      "0000000802030000");                  // none promised, one follows
  bad("01000008010300000000000802030000");  // neither 0 nor 2
}

//= rfc7296#3.3-4 type=test
TEST(Sa, lengths_and_counts_that_contradict_each_other_are_refused) {
  expect_fault(PayloadType::sa, "0000000701030000", WireFault::bad_length,
               "sa.substructure_length");
  expect_fault(PayloadType::sa, "0000000901030000", WireFault::truncated, "sa.substructure");
  expect_fault(PayloadType::sa, "00000010010300020000000801000014", WireFault::truncated,
               "sa.last_substruc");
  expect_fault(PayloadType::sa, "00000010010300000000000801000014", WireFault::trailing_bytes,
               "sa.proposal");
  expect_fault(PayloadType::sa, "0000000801030400", WireFault::truncated, "sa.proposal.spi");
  expect_fault(PayloadType::sa, "000000120103000100000009010000140000", WireFault::out_of_range,
               "sa.last_substruc");
  expect_fault(PayloadType::sa, "00000011010300010000000901000014ff", WireFault::truncated,
               "sa.attribute.type");
  expect_fault(PayloadType::sa,
               "0000001301030001"
               "0000000b01000014"
               "800e01",
               WireFault::truncated, "sa.attribute.value");
}

TEST(Sa, more_proposals_or_attributes_than_the_limits_are_refused) {
  std::string many;
  for (std::size_t i = 0; i <= proposal_count_max; ++i) {
    many += i == proposal_count_max ? "0000000801030000" : "0200000801030000";
  }
  expect_fault(PayloadType::sa, many, WireFault::out_of_range, "sa.proposal_count");
  std::string attributes;
  for (std::size_t i = 0; i <= transform_attribute_count_max; ++i) attributes += "800e0100";
  expect_fault(PayloadType::sa, "00000094010300010000008c01000014" + attributes,
               WireFault::out_of_range, "sa.attribute_count");
}

TEST(Sa, what_does_not_fit_is_not_encoded) {
  Proposal proposal;
  EXPECT_TRUE(encodes(SaPayload{{proposal}}));
  proposal.spi.resize(256);
  EXPECT_FALSE(encodes(SaPayload{{proposal}}));
  proposal.spi.clear();
  proposal.transforms.assign(256, make_transform(TransformType::encr, 20));
  EXPECT_FALSE(encodes(SaPayload{{proposal}}));
  proposal.transforms.assign(1, make_transform(TransformType::encr, 20, 256));
  proposal.transforms[0].attributes[0].value.resize(3);
  EXPECT_FALSE(encodes(SaPayload{{proposal}}));
  proposal.transforms[0].attributes[0] = {0x8000, true, ByteVec(2)};
  EXPECT_FALSE(encodes(SaPayload{{proposal}}));
  EXPECT_FALSE(encodes(SaPayload{std::vector<Proposal>(256)}));
}

TEST(SimplePayloads, are_read_as_the_figures_say) {
  const auto ke = decoded<KePayload>(PayloadType::ke, samples::body_ke);
  EXPECT_EQ(ke.group, 31U);
  EXPECT_EQ(ke.data.size(), 32U);
  const auto id = decoded<IdPayload>(PayloadType::id_i, samples::body_id_i);
  EXPECT_TRUE(id.initiator);
  EXPECT_EQ(id.type, IdType::fqdn);
  EXPECT_EQ(base::as_text(id.data), "gw.example");
  EXPECT_FALSE(decoded<IdPayload>(PayloadType::id_r, samples::body_id_r).initiator);
  EXPECT_EQ(decoded<CertPayload>(PayloadType::cert, samples::body_cert).encoding, 4U);
  EXPECT_EQ(
      decoded<CertReqPayload>(PayloadType::cert_req, samples::body_cert_req).authorities.size(),
      40U);
  const auto auth = decoded<AuthPayload>(PayloadType::auth, samples::body_auth);
  EXPECT_EQ(auth.method, AuthMethod::shared_key_mic);
  EXPECT_EQ(auth.data.size(), 32U);
  EXPECT_EQ(decoded<NoncePayload>(PayloadType::nonce, samples::body_nonce).data.size(), 32U);
  EXPECT_EQ(
      base::as_text(decoded<VendorIdPayload>(PayloadType::vendor_id, samples::body_vendor_id).data),
      "Caponier");
  EXPECT_EQ(decoded<EapPayload>(PayloadType::eap, samples::body_eap).data.size(), 9U);
}

TEST(SimplePayloads, shorter_than_their_fixed_part_are_truncated) {
  expect_fault(PayloadType::ke, "001f00", WireFault::truncated, "ke.reserved");
  expect_fault(PayloadType::ke, "00", WireFault::truncated, "ke.group");
  expect_fault(PayloadType::id_i, "0200", WireFault::truncated, "id.reserved");
  expect_fault(PayloadType::id_r, "", WireFault::truncated, "id.type");
  expect_fault(PayloadType::cert, "", WireFault::truncated, "cert.encoding");
  expect_fault(PayloadType::cert_req, "", WireFault::truncated, "certreq.encoding");
  expect_fault(PayloadType::auth, "020000", WireFault::truncated, "auth.reserved");
  expect_fault(PayloadType::auth, "", WireFault::truncated, "auth.method");
}

//= rfc7296#3.9-1 type=test
TEST(Nonce, has_16_to_256_octets) {
  expect_fault(PayloadType::nonce, std::string(30, '0'), WireFault::out_of_range, "nonce.data");
  expect_fault(PayloadType::nonce, std::string(514, '0'), WireFault::out_of_range, "nonce.data");
  EXPECT_TRUE(decode_one(PayloadType::nonce, ByteVec(16)).has_value());
  EXPECT_TRUE(decode_one(PayloadType::nonce, ByteVec(256)).has_value());
  EXPECT_FALSE(encodes(NoncePayload{ByteVec(15)}));
  EXPECT_FALSE(encodes(NoncePayload{ByteVec(257)}));
}

TEST(Notify, carries_protocol_spi_type_and_data) {
  const auto notify = decoded<NotifyPayload>(PayloadType::notify, samples::body_notify);
  EXPECT_EQ(notify.protocol, ProtocolId::esp);
  EXPECT_EQ(notify.spi, hex("c0ffee01"));
  EXPECT_EQ(notify.type, NotifyType::rekey_sa);
  EXPECT_TRUE(notify.data.empty());
  EXPECT_EQ(decoded<NotifyPayload>(PayloadType::notify, "0000a00001").data, hex("01"));
}

TEST(Notify, shorter_than_its_spi_is_truncated) {
  expect_fault(PayloadType::notify, "000000", WireFault::truncated, "notify.type");
  expect_fault(PayloadType::notify, "03044009c0ffee", WireFault::truncated, "notify.spi");
  EXPECT_FALSE(encodes(NotifyPayload{ProtocolId::esp, ByteVec(256), NotifyType::rekey_sa, {}}));
}

TEST(Delete, lists_spis_of_one_size) {
  const auto deletion = decoded<DeletePayload>(PayloadType::delete_, samples::body_delete);
  EXPECT_EQ(deletion.protocol, ProtocolId::esp);
  EXPECT_EQ(deletion.spis, (std::vector{hex("c0ffee01"), hex("c0ffee02")}));
  EXPECT_TRUE(decoded<DeletePayload>(PayloadType::delete_, "01000000").spis.empty());
}

//= rfc7296#3.11-1..2 type=test
TEST(Delete, counts_that_contradict_the_length_are_refused) {
  const auto bad = [](std::string_view body, WireFault fault, std::string_view field) {
    expect_fault(PayloadType::delete_, body, fault, field);
  };
  bad("03040002c0ffee01", WireFault::bad_length, "delete.spis");
  bad("03040000c0ffee01", WireFault::bad_length, "delete.spis");
  bad("0100ffff", WireFault::out_of_range, "delete.spi_count");
  bad("01000001", WireFault::bad_length, "delete.spis");
  bad("010000", WireFault::truncated, "delete.spi_count");
  EXPECT_FALSE(encodes(DeletePayload{ProtocolId::esp, 4, {ByteVec(8)}}));
  EXPECT_FALSE(encodes(DeletePayload{ProtocolId::ike, 0, {ByteVec{}}}));
}

TEST(Ts, ranges_of_both_families_are_read) {
  const auto ts = decoded<TsPayload>(PayloadType::ts_i, samples::body_ts_i);
  EXPECT_TRUE(ts.initiator);
  ASSERT_EQ(ts.selectors.size(), 3U);
  EXPECT_EQ(ts.selectors[0].first, IpAddress::v4(0x0a010000));
  EXPECT_EQ(ts.selectors[0].last, IpAddress::v4(0x0a01ffff));
  EXPECT_EQ(ts.selectors[0].last_port, 0xffffU);
  EXPECT_EQ(ts.selectors[1].protocol, 6U);
  EXPECT_EQ(ts.selectors[1].first_port, 443U);
  EXPECT_EQ(ts.selectors[2].type, TsType::ipv6_addr_range);
  EXPECT_EQ(ts.selectors[2].first, *IpAddress::parse("2001:db8:1::"));
  EXPECT_EQ(ts.selectors[2].first_port, 0x8000U);
}

TEST(Ts, selectors_of_unknown_type_keep_their_body) {
  const auto ts = decoded<TsPayload>(PayloadType::ts_r, samples::body_ts_r);
  EXPECT_FALSE(ts.initiator);
  EXPECT_EQ(ts.selectors.at(0).body, hex("6c6162656c00"));
  EXPECT_EQ(ts.selectors.at(1).type, TsType::ipv4_addr_range);
}

TEST(Ts, counts_and_lengths_must_hold) {
  const auto bad = [](std::string_view body, WireFault fault, std::string_view field) {
    expect_fault(PayloadType::ts_r, body, fault, field);
  };
  bad("0100", WireFault::truncated, "ts.reserved");
  bad("01000000", WireFault::truncated, "ts.type");
  bad("0000000007", WireFault::trailing_bytes, "ts");
  bad("010000000a000003", WireFault::bad_length, "ts.selector_length");
  bad("010000000a000005", WireFault::truncated, "ts.selector");
  bad("01000000070000100000ffff0a010000", WireFault::truncated, "ts.selector");
  bad("010000000700000c0000ffff0a010000", WireFault::truncated, "ts.end_address");
  bad("01000000070000110000ffff0a0100000a01ffff00", WireFault::trailing_bytes, "ts.selector");
}

TEST(Ts, what_contradicts_the_type_is_not_encoded) {
  TrafficSelector selector{.type = TsType::ipv4_addr_range};
  EXPECT_TRUE(encodes(TsPayload{true, {selector}}));
  selector.last = IpAddress::highest(base::Family::v6);
  EXPECT_FALSE(encodes(TsPayload{true, {selector}}));
  selector.last = IpAddress::highest(base::Family::v4);
  selector.body = hex("00");
  EXPECT_FALSE(encodes(TsPayload{true, {selector}}));
  EXPECT_FALSE(encodes(
      TsPayload{true, std::vector<TrafficSelector>(256, {.type = TsType::ipv4_addr_range})}));
}

//= rfc7296#3.15.1-1 type=test
TEST(Config, attributes_are_read_and_the_reserved_bit_dropped) {
  const auto config = decoded<ConfigPayload>(PayloadType::cp, samples::body_cp);
  EXPECT_EQ(config.cfg_type, 1U);
  ASSERT_EQ(config.attributes.size(), 3U);
  EXPECT_EQ(config.attributes[0], (ConfigAttribute{1, {}}));
  EXPECT_EQ(config.attributes[1], (ConfigAttribute{3, hex("c0000235")}));
  const auto reserved = decode_one(PayloadType::cp, hex("0100000080010000"));
  ASSERT_TRUE(reserved.has_value());
  EXPECT_EQ(std::get<ConfigPayload>(reserved->front()).attributes.at(0).type, 1U);
}

TEST(Config, truncated_or_too_many_attributes_are_refused) {
  expect_fault(PayloadType::cp, "010000", WireFault::truncated, "cp.reserved");
  expect_fault(PayloadType::cp, "0100000000", WireFault::truncated, "cp.attribute.type");
  expect_fault(PayloadType::cp, "010000000001000200", WireFault::truncated, "cp.attribute.value");
  std::string many = "01000000";
  for (std::size_t i = 0; i <= config_attribute_count_max; ++i) many += "00010000";
  expect_fault(PayloadType::cp, many, WireFault::out_of_range, "cp.attribute_count");
  EXPECT_FALSE(encodes(ConfigPayload{1, {{0x8000, {}}}}));
}

TEST(Skf, fragment_numbers_lie_between_one_and_the_total) {
  const auto skf = decoded<SkfPayload>(PayloadType::skf, "00010003aabb");
  EXPECT_EQ(skf.fragment_number, 1U);
  EXPECT_EQ(skf.total_fragments, 3U);
  EXPECT_EQ(skf.body, hex("aabb"));
  expect_fault(PayloadType::skf, "00000003aa", WireFault::out_of_range, "skf.fragment_number");
  expect_fault(PayloadType::skf, "00040003aa", WireFault::out_of_range, "skf.fragment_number");
  expect_fault(PayloadType::skf, "000100", WireFault::truncated, "skf.total_fragments");
  EXPECT_FALSE(encodes(SkfPayload{PayloadType::none, 2, 1, {}}));
}

TEST(Unknown, a_type_with_a_codec_is_not_encoded_as_unknown) {
  EXPECT_TRUE(encodes(UnknownPayload{PayloadType::puzzle_solution, true, {}}));
  EXPECT_FALSE(encodes(UnknownPayload{PayloadType::sa, true, {}}));
  EXPECT_FALSE(encodes(UnknownPayload{PayloadType::none, true, {}}));
}

}  // namespace
}  // namespace caponier::wire

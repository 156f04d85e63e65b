#include <gtest/gtest.h>

#include "unit/wire/samples.h"
#include "wire/ike.h"

namespace caponier::wire {
namespace {

using base::WireFault;

const std::vector<std::string_view> all_messages = {
    samples::ike_sa_init_request, samples::cookie_response,   samples::no_proposal_response,
    samples::ike_auth_request,    samples::ike_auth_fragment, samples::header_only,
};

Wire<std::vector<Payload>> decode_inner(Bytes bytes) {
  Reader in{bytes};
  return decode_payloads(PayloadType::id_i, in);
}

/// Decodes, and when that works demands a stable round trip; the crash is what is looked for.
void exercise_message(Bytes bytes) {
  const auto message = IkeMessage::decode(bytes);
  if (!message) return;
  const auto encoded = message->encode();
  ASSERT_TRUE(encoded.has_value());
  const auto again = IkeMessage::decode(*encoded);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, *message);
}

TEST(IkeHeader, is_read_as_figure_4_says) {
  const ByteVec bytes = samples::bytes(samples::ike_auth_request);
  Reader in{bytes};
  const auto header = IkeHeader::decode(in);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->spi_i.value, 0x1122334455667788U);
  EXPECT_EQ(header->spi_r.value, 0x99aabbccddeeff00U);
  EXPECT_EQ(header->next_payload, PayloadType::sk);
  EXPECT_EQ(header->major_version, 2U);
  EXPECT_EQ(header->minor_version, 0U);
  EXPECT_EQ(header->exchange, ExchangeType::ike_auth);
  EXPECT_TRUE(header->from_initiator());
  EXPECT_FALSE(header->is_response());
  EXPECT_EQ(header->message_id.value, 1U);
  EXPECT_EQ(header->length, bytes.size());
  EXPECT_EQ(in.offset(), IkeHeader::size);
}

TEST(IkeHeader, a_version_wider_than_its_nibble_is_not_encoded) {
  IkeHeader header;
  header.major_version = 16;
  Writer out;
  header.encode(out);
  EXPECT_FALSE(out.finish().has_value());
}

TEST(IkeMessage, an_ike_sa_init_request_is_read_whole) {
  const auto message = IkeMessage::decode(samples::bytes(samples::ike_sa_init_request));
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->payloads.size(), 8U);
  ASSERT_NE(find<KePayload>(message->payloads), nullptr);
  EXPECT_EQ(find<KePayload>(message->payloads)->group, 31U);
  EXPECT_NE(find_notify(message->payloads, NotifyType::nat_detection_source_ip), nullptr);
  EXPECT_EQ(find_notify(message->payloads, NotifyType::cookie), nullptr);
  EXPECT_EQ(find_id(message->payloads, true), nullptr);
}

TEST(IkeMessage, samples_reencode_byte_identically) {
  for (const std::string_view sample : all_messages) {
    const auto message = IkeMessage::decode(samples::bytes(sample));
    ASSERT_TRUE(message.has_value()) << sample;
    const auto encoded = message->encode();
    ASSERT_TRUE(encoded.has_value());
    EXPECT_EQ(base::to_hex(*encoded), sample);
  }
}

TEST(IkeMessage, an_sk_payload_names_the_first_inner_payload) {
  const auto message = IkeMessage::decode(samples::bytes(samples::ike_auth_request));
  ASSERT_TRUE(message.has_value());
  const auto* sk = find<SkPayload>(message->payloads);
  ASSERT_NE(sk, nullptr);
  EXPECT_EQ(sk->first_inner, PayloadType::id_i);
  EXPECT_EQ(sk->body.size(), 144U);
}

//= rfc7296#3.1-1 rfc7296#3.14-1 type=test
TEST(IkeMessage, nothing_may_follow_an_sk_payload) {
  ByteVec bytes = samples::bytes(samples::ike_auth_request);
  base::append(bytes, samples::bytes("00000004"));
  base::store_be(&bytes[24], static_cast<std::uint32_t>(bytes.size()));
  const auto message = IkeMessage::decode(bytes);
  ASSERT_FALSE(message.has_value());
  EXPECT_EQ(message.error().fault, WireFault::trailing_bytes);
  const std::vector<Payload> payloads{SkPayload{}, VendorIdPayload{}};
  EXPECT_FALSE((IkeMessage{{}, payloads}.encode().has_value()));
}

TEST(IkeMessage, a_length_that_differs_from_the_datagram_is_refused) {
  ByteVec bytes = samples::bytes(samples::header_only);
  bytes.push_back(std::byte{0});
  const auto message = IkeMessage::decode(bytes);
  ASSERT_FALSE(message.has_value());
  EXPECT_EQ(message.error().fault, WireFault::bad_length);
}

TEST(IkeMessage, encoding_refuses_more_than_64_kib) {
  const VendorIdPayload large{ByteVec(40000)};
  EXPECT_TRUE((IkeMessage{{}, {large}}.encode().has_value()));
  EXPECT_FALSE((IkeMessage{{}, {large, large}}.encode().has_value()));
  EXPECT_FALSE((IkeMessage{{}, {VendorIdPayload{ByteVec(65532)}}}.encode().has_value()));
  const auto too_long = IkeMessage::decode(ByteVec(ike_message_size_max + 1));
  ASSERT_FALSE(too_long.has_value());
  EXPECT_EQ(too_long.error().fault, WireFault::out_of_range);
}

TEST(PayloadChain, the_inner_chain_of_ike_auth_is_read_and_reencoded) {
  const auto payloads = decode_inner(samples::bytes(samples::ike_auth_inner));
  ASSERT_TRUE(payloads.has_value()) << payloads.error().field;
  ASSERT_EQ(payloads->size(), 15U);
  EXPECT_EQ(find_id(*payloads, false)->type, IdType::ipv4_addr);
  EXPECT_EQ(find_ts(*payloads, true)->selectors.size(), 3U);
  EXPECT_EQ(find_ts(*payloads, false)->selectors.size(), 2U);
  const auto* puzzle = find<UnknownPayload>(*payloads);
  ASSERT_NE(puzzle, nullptr);
  EXPECT_TRUE(puzzle->critical);
  Writer out;
  encode_payloads(*payloads, out);
  EXPECT_EQ(base::to_hex(out.view()), samples::ike_auth_inner);
}

//= rfc7296#3.2-3..5 rfc7296#2.5-10 type=test
TEST(PayloadChain, the_critical_bit_of_known_payloads_is_ignored_and_never_sent) {
  const ByteVec bytes = samples::bytes("008000054142");
  Reader in{Bytes{bytes}.first(5)};
  const auto payloads = decode_payloads(PayloadType::vendor_id, in);
  ASSERT_TRUE(payloads.has_value());
  Writer out;
  encode_payloads(*payloads, out);
  EXPECT_EQ(base::to_hex(out.view()), "0000000541");
}

TEST(PayloadChain, broken_generic_headers_are_refused) {
  const auto fault_of = [](std::string_view hex) {
    const ByteVec bytes = samples::bytes(hex);
    Reader in{bytes};
    const auto payloads = decode_payloads(PayloadType::vendor_id, in);
    EXPECT_FALSE(payloads.has_value()) << hex;
    return payloads ? WireFault{} : payloads.error().fault;
  };
  EXPECT_EQ(fault_of("00000003"), WireFault::bad_length);
  EXPECT_EQ(fault_of("00000005"), WireFault::truncated);
  EXPECT_EQ(fault_of("0000"), WireFault::truncated);
  EXPECT_EQ(fault_of("2b000004"), WireFault::truncated);
  EXPECT_EQ(fault_of("0000000400"), WireFault::trailing_bytes);
  Reader rest{samples::bytes("")};
  EXPECT_TRUE(decode_payloads(PayloadType::none, rest).has_value());
}

TEST(PayloadChain, holds_as_many_payloads_as_the_limit_and_no_more) {
  const auto chain_of = [](std::size_t count) {
    Writer out;
    for (std::size_t i = 1; i <= count; ++i) {
      out.u8(i == count ? 0 : 43);
      out.u8(0);
      out.u16(4);
    }
    return out.finish().value_or(ByteVec{});
  };
  const ByteVec fits = chain_of(payload_count_max);
  Reader in{fits};
  EXPECT_TRUE(decode_payloads(PayloadType::vendor_id, in).has_value());
  const ByteVec exceeds = chain_of(payload_count_max + 1);
  Reader over{exceeds};
  const auto refused = decode_payloads(PayloadType::vendor_id, over);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().fault, WireFault::out_of_range);
  Writer out;
  encode_payloads(std::vector<Payload>(payload_count_max + 1, VendorIdPayload{}), out);
  EXPECT_TRUE(out.failed());
}

TEST(HostileBytes, no_truncation_of_a_message_decodes) {
  for (const std::string_view sample : all_messages) {
    const ByteVec bytes = samples::bytes(sample);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ByteVec cut = base::to_vec(Bytes{bytes}.first(size));
      EXPECT_FALSE(IkeMessage::decode(cut).has_value()) << size;
      if (size < IkeHeader::size) continue;
      // Even with a length field that admits the cut.
      base::store_be(&cut[24], static_cast<std::uint32_t>(size));
      EXPECT_FALSE(IkeMessage::decode(cut).has_value()) << size;
    }
  }
}

TEST(HostileBytes, no_truncation_of_the_inner_chain_decodes) {
  const ByteVec bytes = samples::bytes(samples::ike_auth_inner);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_inner(Bytes{bytes}.first(size)).has_value()) << size;
  }
}

TEST(HostileBytes, every_single_bit_flip_decodes_stably_or_not_at_all) {
  for (const std::string_view sample : all_messages) {
    ByteVec bytes = samples::bytes(sample);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      const std::byte mask{static_cast<std::uint8_t>(1U << bit % 8)};
      bytes[bit / 8] ^= mask;
      exercise_message(bytes);
      bytes[bit / 8] ^= mask;
    }
  }
}

TEST(HostileBytes, every_single_bit_flip_of_the_inner_chain_decodes_stably_or_not_at_all) {
  ByteVec bytes = samples::bytes(samples::ike_auth_inner);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const std::byte mask{static_cast<std::uint8_t>(1U << bit % 8)};
    bytes[bit / 8] ^= mask;
    if (const auto payloads = decode_inner(bytes)) {
      Writer out;
      encode_payloads(*payloads, out);
      const auto encoded = out.finish();
      ASSERT_TRUE(encoded.has_value());
      const auto again = decode_inner(*encoded);
      ASSERT_TRUE(again.has_value());
      EXPECT_EQ(*again, *payloads);
    }
    bytes[bit / 8] ^= mask;
  }
}

TEST(Names, are_the_registrys_or_the_bare_number) {
  EXPECT_EQ(name_of(NotifyType::no_proposal_chosen), "NO_PROPOSAL_CHOSEN");
  EXPECT_EQ(name_of(NotifyType::sa_resource_info), "SA_RESOURCE_INFO");
  EXPECT_EQ(name_of(NotifyType::ts_max_queue), "TS_MAX_QUEUE");
  EXPECT_EQ(name_of(NotifyType{40000}), "40000");
  EXPECT_EQ(name_of(ExchangeType::ike_auth), "IKE_AUTH");
  EXPECT_EQ(name_of(ExchangeType{200}), "200");
  EXPECT_EQ(name_of(PayloadType::id_i), "IDi");
  EXPECT_EQ(name_of(PayloadType::skf), "SKF");
  EXPECT_EQ(name_of(PayloadType{99}), "99");
  EXPECT_TRUE(is_error(NotifyType::child_sa_not_found));
  EXPECT_FALSE(is_error(NotifyType::initial_contact));
}

}  // namespace
}  // namespace caponier::wire

#include "unit/wire/generators.h"

namespace caponier::wire {
namespace {

/// Encodes `chain`, decodes it, and demands the same values.
void expect_round_trip(const std::vector<Payload>& chain) {
  Writer out;
  encode_payloads(chain, out);
  const auto encoded = out.finish();
  RC_ASSERT(encoded.has_value());
  Reader in{*encoded};
  const auto first = chain.empty() ? PayloadType::none : type_of(chain.front());
  const auto decoded = decode_payloads(first, in);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == chain);
}

RC_GTEST_PROP(RoundTrip, a_header_survives, ()) {
  const IkeHeader header = gens::header();
  Writer out;
  header.encode(out);
  const auto encoded = out.finish();
  RC_ASSERT(encoded && encoded->size() == IkeHeader::size);
  Reader in{*encoded};
  const auto decoded = IkeHeader::decode(in);
  RC_ASSERT(decoded && *decoded == header);
}

RC_GTEST_PROP(RoundTrip, security_associations_survive, ()) { expect_round_trip({gens::sa()}); }

RC_GTEST_PROP(RoundTrip, traffic_selectors_survive, ()) { expect_round_trip({gens::ts()}); }

RC_GTEST_PROP(RoundTrip, deletes_survive, ()) { expect_round_trip({gens::deletion()}); }

RC_GTEST_PROP(RoundTrip, configuration_survives, ()) { expect_round_trip({gens::config()}); }

RC_GTEST_PROP(RoundTrip, unknown_payloads_survive_with_their_critical_bit, ()) {
  expect_round_trip({gens::unknown()});
}

RC_GTEST_PROP(RoundTrip, protected_payloads_survive, ()) {
  expect_round_trip({gens::closing_payload()});
}

RC_GTEST_PROP(RoundTrip, every_payload_survives_in_a_chain, ()) {
  expect_round_trip(gens::chain());
}

RC_GTEST_PROP(RoundTrip, whole_messages_survive, ()) {
  const IkeMessage message{gens::header(), gens::chain()};
  const auto encoded = message.encode();
  RC_ASSERT(encoded.has_value());
  const auto decoded = IkeMessage::decode(*encoded);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->payloads == message.payloads);
  RC_ASSERT(decoded->header.length == encoded->size());
  RC_ASSERT((decoded->encode() == encoded));
}

RC_GTEST_PROP(RoundTrip, no_prefix_of_a_message_decodes, ()) {
  const IkeMessage message{gens::header(), gens::chain()};
  const auto encoded = message.encode();
  RC_ASSERT(encoded.has_value());
  const auto cut = gens::within<std::size_t>(0, encoded->size() - 1);
  RC_ASSERT(!IkeMessage::decode(Bytes{*encoded}.first(cut)).has_value());
}

RC_GTEST_PROP(AnyBytes, decode_to_something_that_reencodes_or_to_an_error_inside, ()) {
  const ByteVec body = gens::any_bytes();
  Writer chain;
  chain.u8(0);
  chain.u8(0);
  chain.u16(static_cast<std::uint16_t>(body.size() + 4));
  chain.bytes(body);
  const auto first = gens::any_enum<PayloadType>();
  Reader in{chain.view()};
  const auto decoded = decode_payloads(first, in);
  if (!decoded) {
    RC_ASSERT(decoded.error().offset <= chain.size());
    return;
  }
  expect_round_trip(*decoded);
}

}  // namespace
}  // namespace caponier::wire

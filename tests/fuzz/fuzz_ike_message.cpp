// A whole IKE message; when it does not decode, the same bytes as a chain of inner payloads whose
// first type is the first octet.

#include "fuzz/fuzz.h"
#include "wire/ike.h"

namespace {

using namespace caponier;
using fuzz::require;

bool check_message(base::Bytes input) {
  const auto message = wire::IkeMessage::decode(input);
  if (!message) {
    require(message.error().offset <= input.size(), "errors point into the input");
    return false;
  }
  const auto encoded = message->encode();
  require(encoded.has_value(), "what decodes can be encoded");
  require(encoded->size() == input.size(), "only reserved bits may differ");
  const auto again = wire::IkeMessage::decode(*encoded);
  require(again.has_value() && *again == *message, "decode(encode(x)) == x");
  require(again->encode() == encoded, "encoding is canonical");
  for (const wire::Payload& payload : message->payloads) {
    require(!wire::name_of(wire::type_of(payload)).empty(), "every type has a name");
  }
  return true;
}

void check_chain(base::Bytes input) {
  const auto first = static_cast<wire::PayloadType>(input[0]);
  base::Reader in{input.subspan(1)};
  const auto payloads = wire::decode_payloads(first, in);
  if (!payloads) return;
  base::Writer out;
  wire::encode_payloads(*payloads, out);
  const auto encoded = out.finish();
  require(encoded.has_value() && encoded->size() + 1 == input.size(), "chains re-encode");
  base::Reader encoded_in{*encoded};
  const auto again = wire::decode_payloads(first, encoded_in);
  require(again.has_value() && *again == *payloads, "decode(encode(x)) == x");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::Bytes input = fuzz::bytes_of(data, size);
  if (!check_message(input) && !input.empty()) check_chain(input);
  return 0;
}

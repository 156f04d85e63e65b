// One payload codec, named by the compile definition CAPONIER_FUZZ_PAYLOAD. The input is the
// payload's body; for SK and SKF the first octet is what the generic header names.

#include "fuzz/fuzz.h"
#include "wire/ike.h"

namespace {

using namespace caponier;
using fuzz::require;

constexpr auto type = static_cast<wire::PayloadType>(CAPONIER_FUZZ_PAYLOAD);
constexpr bool names_inner = type == wire::PayloadType::sk || type == wire::PayloadType::skf;

base::ByteVec chain_of(base::Bytes input) {
  std::uint8_t next = 0;
  if (names_inner && !input.empty()) {
    next = std::to_integer<std::uint8_t>(input[0]);
    input = input.subspan(1);
  }
  base::Writer out;
  out.u8(next);
  out.u8(0);
  out.u16(0);
  out.bytes(input);
  out.patch_u16(2, out.size());
  return out.finish().value_or(base::ByteVec{});
}

base::Wire<std::vector<wire::Payload>> decode(base::Bytes chain) {
  base::Reader in{chain};
  return wire::decode_payloads(type, in);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteVec chain = chain_of(fuzz::bytes_of(data, size));
  const auto payloads = decode(chain);
  if (!payloads) {
    require(payloads.error().offset <= chain.size(), "errors point into the input");
    return 0;
  }
  require(payloads->size() == 1, "one payload in, one out");
  require(wire::type_of(payloads->front()) == type, "the type is the one asked for");
  base::Writer out;
  wire::encode_payloads(*payloads, out);
  const auto encoded = out.finish();
  require(encoded.has_value(), "what decodes can be encoded");
  require(encoded->size() == chain.size(), "only reserved bits may differ");
  const auto again = decode(*encoded);
  require(again.has_value() && *again == *payloads, "decode(encode(x)) == x");
  return 0;
}

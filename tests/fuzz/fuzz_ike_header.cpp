// The IKE header alone.

#include "fuzz/fuzz.h"
#include "wire/ike.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace caponier;
  const base::Bytes input = fuzz::bytes_of(data, size);
  base::Reader in{input};
  const auto header = wire::IkeHeader::decode(in);
  fuzz::require(header.has_value() == (size >= wire::IkeHeader::size), "28 octets are a header");
  if (!header) return 0;
  base::Writer out;
  header->encode(out);
  const auto encoded = out.finish();
  fuzz::require(encoded && base::equal(*encoded, input.first(wire::IkeHeader::size)),
                "a header re-encodes to its bytes");
  return 0;
}

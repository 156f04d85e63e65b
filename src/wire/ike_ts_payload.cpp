// RFC 7296 s3.13: traffic selectors.

#include "wire/ike.h"
#include "wire/ike_codec.h"

namespace caponier::wire {

using base::Family;
using base::IpAddress;
using base::WireFault;

namespace {

constexpr std::size_t selector_header_size = 4;

/// 0 for types whose body is not looked into.
std::size_t address_size(TsType type) {
  switch (type) {
    case TsType::ipv4_addr_range: return 4;
    case TsType::ipv6_addr_range: return 16;
  }
  return 0;
}

Wire<TrafficSelector> decode_selector(Reader& parent) {
  TrafficSelector selector;
  selector.type = static_cast<TsType>(TRY(parent.u8("ts.type")));
  selector.protocol = TRY(parent.u8("ts.protocol"));
  const std::size_t size = TRY(parent.u16("ts.selector_length"));
  if (size < selector_header_size) {
    return wire_failure(parent, WireFault::bad_length, "ts.selector_length");
  }
  Reader in = TRY(parent.sub(size - selector_header_size, "ts.selector"));
  const std::size_t each = address_size(selector.type);
  if (each == 0) {
    selector.body = take_rest_owned(in);
    return selector;
  }
  selector.first_port = TRY(in.u16("ts.start_port"));
  selector.last_port = TRY(in.u16("ts.end_port"));
  selector.first = IpAddress::from_bytes(TRY(in.take(each, "ts.start_address")));
  selector.last = IpAddress::from_bytes(TRY(in.take(each, "ts.end_address")));
  TRY_VOID(in.finish("ts.selector"));
  return selector;
}

void encode_selector(const TrafficSelector& selector, Writer& out) {
  const std::size_t start = out.size();
  out.u8(static_cast<std::uint8_t>(selector.type));
  out.u8(selector.protocol);
  out.u16(0);
  const std::size_t each = address_size(selector.type);
  if (each == 0) {
    out.bytes(selector.body);
  } else {
    fail_unless(out, selector.body.empty() && selector.first.bytes().size() == each &&
                         selector.last.bytes().size() == each);
    out.u16(selector.first_port);
    out.u16(selector.last_port);
    out.bytes(selector.first.bytes());
    out.bytes(selector.last.bytes());
  }
  out.patch_u16(start + 2, out.size() - start);
}

}  // namespace

Wire<TsPayload> TsPayload::decode(Reader& in, bool initiator) {
  TsPayload ts;
  ts.initiator = initiator;
  const std::size_t count = TRY(in.u8("ts.count"));
  //= rfc7296#3.13-1
  TRY_VOID(in.skip(3, "ts.reserved"));
  for (std::size_t i = 0; i < count; ++i) ts.selectors.push_back(TRY(decode_selector(in)));
  TRY_VOID(in.finish("ts"));
  return ts;
}

void TsPayload::encode(Writer& out) const {
  static_assert(traffic_selector_count_max == 255, "the count is one octet");
  write_u8_size(out, selectors.size());
  out.zeros(3);
  for (const TrafficSelector& selector : selectors) encode_selector(selector, out);
}

}  // namespace caponier::wire

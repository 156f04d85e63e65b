// RFC 7296 s3.1, s3.2, s3.14 and RFC 7383 s2.5: the header, the generic payload header, the chain.

#include <type_traits>

#include "wire/ike.h"
#include "wire/ike_codec.h"

namespace caponier::wire {

using base::WireFault;

Wire<IkeHeader> IkeHeader::decode(Reader& in) {
  IkeHeader header;
  header.spi_i.value = TRY(in.u64("ike.spi_i"));
  header.spi_r.value = TRY(in.u64("ike.spi_r"));
  header.next_payload = static_cast<PayloadType>(TRY(in.u8("ike.next_payload")));
  const std::uint8_t version = TRY(in.u8("ike.version"));
  header.major_version = static_cast<std::uint8_t>(version >> 4);
  //= rfc7296#2.5-1 rfc7296#3.1-8
  header.minor_version = version & 0x0f;
  header.exchange = static_cast<ExchangeType>(TRY(in.u8("ike.exchange")));
  header.flags = TRY(in.u8("ike.flags"));
  header.message_id.value = TRY(in.u32("ike.message_id"));
  header.length = TRY(in.u32("ike.length"));
  return header;
}

void IkeHeader::encode(Writer& out) const {
  fail_unless(out, major_version <= 0x0f && minor_version <= 0x0f);
  out.u64(spi_i.value);
  out.u64(spi_r.value);
  out.u8(static_cast<std::uint8_t>(next_payload));
  //= rfc7296#2.5-4 rfc7296#3.1-4 rfc7296#3.1-7
  out.u8(static_cast<std::uint8_t>(major_version << 4 | (minor_version & 0x0f)));
  out.u8(static_cast<std::uint8_t>(exchange));
  out.u8(flags);
  out.u32(message_id.value);
  out.u32(length);
}

namespace {

constexpr std::size_t generic_header_size = 4;
constexpr std::uint8_t critical_bit = 0x80;

struct TypeOf {
  PayloadType operator()(const SaPayload&) const { return PayloadType::sa; }
  PayloadType operator()(const KePayload&) const { return PayloadType::ke; }
  PayloadType operator()(const IdPayload& id) const {
    return id.initiator ? PayloadType::id_i : PayloadType::id_r;
  }
  PayloadType operator()(const CertPayload&) const { return PayloadType::cert; }
  PayloadType operator()(const CertReqPayload&) const { return PayloadType::cert_req; }
  PayloadType operator()(const AuthPayload&) const { return PayloadType::auth; }
  PayloadType operator()(const NoncePayload&) const { return PayloadType::nonce; }
  PayloadType operator()(const NotifyPayload&) const { return PayloadType::notify; }
  PayloadType operator()(const DeletePayload&) const { return PayloadType::delete_; }
  PayloadType operator()(const VendorIdPayload&) const { return PayloadType::vendor_id; }
  PayloadType operator()(const TsPayload& ts) const {
    return ts.initiator ? PayloadType::ts_i : PayloadType::ts_r;
  }
  PayloadType operator()(const SkPayload&) const { return PayloadType::sk; }
  PayloadType operator()(const SkfPayload&) const { return PayloadType::skf; }
  PayloadType operator()(const ConfigPayload&) const { return PayloadType::cp; }
  PayloadType operator()(const EapPayload&) const { return PayloadType::eap; }
  PayloadType operator()(const UnknownPayload& unknown) const { return unknown.type; }
};

//= rfc7296#3.2-5 rfc7296#4-1
/// False also for `none`, which no payload may have.
bool may_be_unknown(PayloadType type) {
  switch (type) {
    case PayloadType::none:
    case PayloadType::sa:
    case PayloadType::ke:
    case PayloadType::id_i:
    case PayloadType::id_r:
    case PayloadType::cert:
    case PayloadType::cert_req:
    case PayloadType::auth:
    case PayloadType::nonce:
    case PayloadType::notify:
    case PayloadType::delete_:
    case PayloadType::vendor_id:
    case PayloadType::ts_i:
    case PayloadType::ts_r:
    case PayloadType::sk:
    case PayloadType::cp:
    case PayloadType::eap:
    case PayloadType::skf: return false;
    case PayloadType::gspm:
    case PayloadType::puzzle_solution: return true;
  }
  return true;
}

struct GenericHeader {
  PayloadType type{};  ///< of this payload, from the header before
  PayloadType next{};
  bool critical = false;
};

Wire<SkfPayload> decode_skf(Reader& in, PayloadType first_inner) {
  SkfPayload skf;
  skf.first_inner = first_inner;
  skf.fragment_number = TRY(in.u16("skf.fragment_number"));
  skf.total_fragments = TRY(in.u16("skf.total_fragments"));
  //= rfc7383#2.5-4..6
  if (skf.fragment_number == 0 || skf.fragment_number > skf.total_fragments) {
    return wire_failure(in, WireFault::out_of_range, "skf.fragment_number");
  }
  skf.body = take_rest_owned(in);
  return skf;
}

/// `in` spans exactly the payload's body.
Wire<Payload> decode_body(const GenericHeader& header, Reader& in) {
  switch (header.type) {
    case PayloadType::sa: return TRY(SaPayload::decode(in));
    case PayloadType::ke: return TRY(KePayload::decode(in));
    case PayloadType::id_i: return TRY(IdPayload::decode(in, true));
    case PayloadType::id_r: return TRY(IdPayload::decode(in, false));
    case PayloadType::cert: return TRY(CertPayload::decode(in));
    case PayloadType::cert_req: return TRY(CertReqPayload::decode(in));
    case PayloadType::auth: return TRY(AuthPayload::decode(in));
    case PayloadType::nonce: return TRY(NoncePayload::decode(in));
    case PayloadType::notify: return TRY(NotifyPayload::decode(in));
    case PayloadType::delete_: return TRY(DeletePayload::decode(in));
    case PayloadType::vendor_id: return TRY(VendorIdPayload::decode(in));
    case PayloadType::ts_i: return TRY(TsPayload::decode(in, true));
    case PayloadType::ts_r: return TRY(TsPayload::decode(in, false));
    case PayloadType::sk: return SkPayload{header.next, take_rest_owned(in)};
    case PayloadType::skf: return TRY(decode_skf(in, header.next));
    case PayloadType::cp: return TRY(ConfigPayload::decode(in));
    case PayloadType::eap: return TRY(EapPayload::decode(in));
    case PayloadType::none:
    case PayloadType::gspm:
    case PayloadType::puzzle_solution: break;
  }
  return UnknownPayload{header.type, header.critical, take_rest_owned(in)};
}

bool closes_chain(PayloadType type) { return type == PayloadType::sk || type == PayloadType::skf; }

void encode_body(const Payload& payload, Writer& out) {
  std::visit(
      [&out](const auto& body) {
        using T = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<T, SkPayload>) {
          out.bytes(body.body);
        } else if constexpr (std::is_same_v<T, SkfPayload>) {
          fail_unless(out,
                      body.fragment_number != 0 && body.fragment_number <= body.total_fragments);
          out.u16(body.fragment_number);
          out.u16(body.total_fragments);
          out.bytes(body.body);
        } else if constexpr (std::is_same_v<T, UnknownPayload>) {
          fail_unless(out, may_be_unknown(body.type));
          out.bytes(body.data);
        } else {
          body.encode(out);
        }
      },
      payload);
}

/// What the generic header of `payload` names: its successor, or the first one inside it.
PayloadType next_of(const Payload& payload, const Payload* successor) {
  if (const auto* sk = std::get_if<SkPayload>(&payload)) return sk->first_inner;
  if (const auto* skf = std::get_if<SkfPayload>(&payload)) return skf->first_inner;
  return successor != nullptr ? type_of(*successor) : PayloadType::none;
}

}  // namespace

PayloadType type_of(const Payload& payload) { return std::visit(TypeOf{}, payload); }

Wire<std::vector<Payload>> decode_payloads(PayloadType first, Reader& in) {
  constexpr std::size_t payload_count_usual = 12;
  std::vector<Payload> payloads;
  payloads.reserve(payload_count_usual);
  PayloadType type = first;
  while (type != PayloadType::none) {
    if (payloads.size() == payload_count_max) {
      return wire_failure(in, WireFault::out_of_range, "payload.count");
    }
    GenericHeader header{.type = type};
    header.next = static_cast<PayloadType>(TRY(in.u8("payload.next")));
    //= rfc7296#2.5-6 rfc7296#3.2-6
    header.critical = (TRY(in.u8("payload.flags")) & critical_bit) != 0;
    const std::size_t size = TRY(in.u16("payload.length"));
    if (size < generic_header_size) {
      return wire_failure(in, WireFault::bad_length, "payload.length");
    }
    Reader body = TRY(in.sub(size - generic_header_size, "payload.body"));
    payloads.push_back(TRY(decode_body(header, body)));
    TRY_VOID(body.finish("payload.body"));
    //= rfc7296#3.14-1
    if (closes_chain(type)) break;
    type = header.next;
  }
  TRY_VOID(in.finish("payload.chain"));
  return payloads;
}

void encode_payloads(const std::vector<Payload>& payloads, Writer& out) {
  fail_unless(out, payloads.size() <= payload_count_max);
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    const Payload* successor = i + 1 < payloads.size() ? &payloads[i + 1] : nullptr;
    fail_unless(out, successor == nullptr || !closes_chain(type_of(payloads[i])));
    const auto* unknown = std::get_if<UnknownPayload>(&payloads[i]);
    const std::size_t start = out.size();
    out.u8(static_cast<std::uint8_t>(next_of(payloads[i], successor)));
    //= rfc7296#2.5-10 rfc7296#3.2-1..2 rfc7296#3.2-4 rfc7296#3.12-2
    out.u8(unknown != nullptr && unknown->critical ? critical_bit : std::uint8_t{0});
    out.u16(0);
    encode_body(payloads[i], out);
    out.patch_u16(start + 2, out.size() - start);
  }
}

Wire<IkeMessage> IkeMessage::decode(Bytes datagram) {
  Reader in{datagram};
  IkeMessage message;
  message.header = TRY(IkeHeader::decode(in));
  if (datagram.size() > ike_message_size_max) {
    return wire_failure(in, WireFault::out_of_range, "ike.length");
  }
  if (message.header.length != datagram.size()) {
    return wire_failure(in, WireFault::bad_length, "ike.length");
  }
  message.payloads = TRY(decode_payloads(message.header.next_payload, in));
  return message;
}

std::optional<ByteVec> IkeMessage::encode() const {
  constexpr std::size_t length_at = IkeHeader::size - 4;
  IkeHeader first = header;
  first.next_payload = payloads.empty() ? PayloadType::none : type_of(payloads.front());
  Writer out;
  first.encode(out);
  encode_payloads(payloads, out);
  fail_unless(out, out.size() <= ike_message_size_max);
  out.patch_u32(length_at, out.size());
  return out.finish();
}

const NotifyPayload* find_notify(const std::vector<Payload>& payloads, NotifyType type) {
  for (const Payload& payload : payloads) {
    const auto* notify = std::get_if<NotifyPayload>(&payload);
    if (notify != nullptr && notify->type == type) return notify;
  }
  return nullptr;
}

const IdPayload* find_id(const std::vector<Payload>& payloads, bool initiator) {
  for (const Payload& payload : payloads) {
    const auto* id = std::get_if<IdPayload>(&payload);
    if (id != nullptr && id->initiator == initiator) return id;
  }
  return nullptr;
}

const TsPayload* find_ts(const std::vector<Payload>& payloads, bool initiator) {
  for (const Payload& payload : payloads) {
    const auto* ts = std::get_if<TsPayload>(&payload);
    if (ts != nullptr && ts->initiator == initiator) return ts;
  }
  return nullptr;
}

}  // namespace caponier::wire

// RFC 7296 s3.4-s3.12, s3.15, s3.16: the payloads of few fields.

#include "wire/ike.h"
#include "wire/ike_codec.h"

namespace caponier::wire {

using base::WireFault;

Wire<KePayload> KePayload::decode(Reader& in) {
  KePayload ke;
  ke.group = TRY(in.u16("ke.group"));
  //= rfc7296#2.5-6
  TRY_VOID(in.skip(2, "ke.reserved"));
  ke.data = take_rest_owned(in);
  return ke;
}

void KePayload::encode(Writer& out) const {
  out.u16(group);
  out.u16(0);
  out.bytes(data);
}

Wire<IdPayload> IdPayload::decode(Reader& in, bool initiator) {
  IdPayload id;
  id.initiator = initiator;
  id.type = static_cast<IdType>(TRY(in.u8("id.type")));
  //= rfc7296#3.5-1
  TRY_VOID(in.skip(3, "id.reserved"));
  id.data = take_rest_owned(in);
  return id;
}

void IdPayload::encode(Writer& out) const {
  out.u8(static_cast<std::uint8_t>(type));
  out.zeros(3);
  out.bytes(data);
}

Wire<CertPayload> CertPayload::decode(Reader& in) {
  CertPayload cert;
  cert.encoding = TRY(in.u8("cert.encoding"));
  cert.data = take_rest_owned(in);
  return cert;
}

void CertPayload::encode(Writer& out) const {
  out.u8(encoding);
  out.bytes(data);
}

Wire<CertReqPayload> CertReqPayload::decode(Reader& in) {
  CertReqPayload request;
  request.encoding = TRY(in.u8("certreq.encoding"));
  request.authorities = take_rest_owned(in);
  return request;
}

void CertReqPayload::encode(Writer& out) const {
  out.u8(encoding);
  out.bytes(authorities);
}

Wire<AuthPayload> AuthPayload::decode(Reader& in) {
  AuthPayload auth;
  auth.method = static_cast<AuthMethod>(TRY(in.u8("auth.method")));
  //= rfc7296#3.8-2
  TRY_VOID(in.skip(3, "auth.reserved"));
  auth.data = take_rest_owned(in);
  return auth;
}

void AuthPayload::encode(Writer& out) const {
  out.u8(static_cast<std::uint8_t>(method));
  out.zeros(3);
  out.bytes(data);
}

Wire<NoncePayload> NoncePayload::decode(Reader& in) {
  const std::size_t size = in.remaining();
  //= rfc7296#3.9-1
  if (size < size_min || size > size_max) {
    return wire_failure(in, WireFault::out_of_range, "nonce.data");
  }
  return NoncePayload{take_rest_owned(in)};
}

void NoncePayload::encode(Writer& out) const {
  //= rfc7296#3.9-1
  fail_unless(out, data.size() >= size_min && data.size() <= size_max);
  out.bytes(data);
}

Wire<NotifyPayload> NotifyPayload::decode(Reader& in) {
  NotifyPayload notify;
  notify.protocol = static_cast<ProtocolId>(TRY(in.u8("notify.protocol")));
  const std::size_t spi_size = TRY(in.u8("notify.spi_size"));
  notify.type = static_cast<NotifyType>(TRY(in.u16("notify.type")));
  notify.spi = base::to_vec(TRY(in.take(spi_size, "notify.spi")));
  notify.data = take_rest_owned(in);
  return notify;
}

void NotifyPayload::encode(Writer& out) const {
  out.u8(static_cast<std::uint8_t>(protocol));
  write_u8_size(out, spi.size());
  out.u16(static_cast<std::uint16_t>(type));
  out.bytes(spi);
  out.bytes(data);
}

Wire<DeletePayload> DeletePayload::decode(Reader& in) {
  DeletePayload deletion;
  deletion.protocol = static_cast<ProtocolId>(TRY(in.u8("delete.protocol")));
  deletion.spi_size = TRY(in.u8("delete.spi_size"));
  const std::size_t count = TRY(in.u16("delete.spi_count"));
  if (count > delete_spi_count_max) {
    return wire_failure(in, WireFault::out_of_range, "delete.spi_count");
  }
  //= rfc7296#3.11-1..2
  if (count * deletion.spi_size != in.remaining() || (deletion.spi_size == 0 && count != 0)) {
    return wire_failure(in, WireFault::bad_length, "delete.spis");
  }
  deletion.spis.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    deletion.spis.push_back(base::to_vec(TRY(in.take(deletion.spi_size, "delete.spi"))));
  }
  return deletion;
}

void DeletePayload::encode(Writer& out) const {
  fail_unless(out, spis.size() <= delete_spi_count_max && (spi_size != 0 || spis.empty()));
  out.u8(static_cast<std::uint8_t>(protocol));
  out.u8(spi_size);
  write_u16_size(out, spis.size());
  for (const ByteVec& spi : spis) {
    fail_unless(out, spi.size() == spi_size);
    out.bytes(spi);
  }
}

Wire<VendorIdPayload> VendorIdPayload::decode(Reader& in) {
  return VendorIdPayload{take_rest_owned(in)};
}

void VendorIdPayload::encode(Writer& out) const { out.bytes(data); }

namespace {
constexpr std::uint16_t config_attribute_type_mask = 0x7fff;  // the top bit is reserved
}

Wire<ConfigPayload> ConfigPayload::decode(Reader& in) {
  ConfigPayload config;
  config.cfg_type = TRY(in.u8("cp.type"));
  //= rfc7296#3.15-1
  TRY_VOID(in.skip(3, "cp.reserved"));
  while (in.remaining() != 0) {
    if (config.attributes.size() == config_attribute_count_max) {
      return wire_failure(in, WireFault::out_of_range, "cp.attribute_count");
    }
    ConfigAttribute attribute;
    //= rfc7296#3.15.1-1
    attribute.type = TRY(in.u16("cp.attribute.type")) & config_attribute_type_mask;
    const std::size_t size = TRY(in.u16("cp.attribute.length"));
    attribute.value = base::to_vec(TRY(in.take(size, "cp.attribute.value")));
    config.attributes.push_back(std::move(attribute));
  }
  return config;
}

void ConfigPayload::encode(Writer& out) const {
  fail_unless(out, attributes.size() <= config_attribute_count_max);
  out.u8(cfg_type);
  out.zeros(3);
  for (const ConfigAttribute& attribute : attributes) {
    fail_unless(out, attribute.type <= config_attribute_type_mask);
    out.u16(attribute.type);
    write_u16_size(out, attribute.value.size());
    out.bytes(attribute.value);
  }
}

Wire<EapPayload> EapPayload::decode(Reader& in) { return EapPayload{take_rest_owned(in)}; }

void EapPayload::encode(Writer& out) const { out.bytes(data); }

}  // namespace caponier::wire

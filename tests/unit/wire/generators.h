#pragma once
// rapidcheck generators of IKE payloads that can be encoded.

#include <cstdlib>
#include <limits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "wire/ike.h"

namespace caponier::wire::gens {

/// The same cases in every run, unless RC_PARAMS says otherwise.
inline const bool seed_is_fixed = setenv("RC_PARAMS", "seed=7296 max_success=200", 0) == 0;

inline ByteVec bytes_of(const std::vector<std::uint8_t>& octets) {
  ByteVec bytes;
  for (const std::uint8_t octet : octets) bytes.push_back(std::byte{octet});
  return bytes;
}

inline ByteVec any_bytes() { return bytes_of(*rc::gen::arbitrary<std::vector<std::uint8_t>>()); }
inline ByteVec bytes_sized(std::size_t size) {
  return bytes_of(
      *rc::gen::container<std::vector<std::uint8_t>>(size, rc::gen::arbitrary<std::uint8_t>()));
}
template <class T>
T any() {
  return *rc::gen::arbitrary<T>();
}
/// Both ends included.
template <class T>
T within(T low, T high) {
  return static_cast<T>(
      *rc::gen::inRange<long>(static_cast<long>(low), static_cast<long>(high) + 1));
}
template <class E>
E any_enum() {
  return static_cast<E>(any<std::underlying_type_t<E>>());
}

inline TransformAttribute attribute() {
  TransformAttribute made;
  made.type = within<std::uint16_t>(0, 0x7fff);
  made.is_tv = any<bool>();
  made.value = made.is_tv ? bytes_sized(2) : any_bytes();
  return made;
}

inline Transform transform() {
  Transform made{any_enum<TransformType>(), any<std::uint16_t>(), {}};
  for (int i = within(0, 3); i > 0; --i) made.attributes.push_back(attribute());
  return made;
}

inline Proposal proposal() {
  Proposal made{
      any<std::uint8_t>(), any_enum<ProtocolId>(), bytes_sized(within<std::size_t>(0, 9)), {}};
  for (int i = within(0, 5); i > 0; --i) made.transforms.push_back(transform());
  return made;
}

inline SaPayload sa() {
  SaPayload made;
  for (int i = within(0, 4); i > 0; --i) made.proposals.push_back(proposal());
  return made;
}

inline TrafficSelector selector() {
  TrafficSelector made;
  made.protocol = any<std::uint8_t>();
  const int kind = within(0, 2);
  if (kind == 2) {
    made.type = TsType{within<std::uint8_t>(9, 255)};
    made.body = any_bytes();
    return made;
  }
  const std::size_t size = kind == 0 ? 4 : 16;
  made.type = kind == 0 ? TsType::ipv4_addr_range : TsType::ipv6_addr_range;
  made.first_port = any<std::uint16_t>();
  made.last_port = any<std::uint16_t>();
  made.first = base::IpAddress::from_bytes(bytes_sized(size));
  made.last = base::IpAddress::from_bytes(bytes_sized(size));
  return made;
}

inline TsPayload ts() {
  TsPayload made{any<bool>(), {}};
  for (int i = within(0, 5); i > 0; --i) made.selectors.push_back(selector());
  return made;
}

inline DeletePayload deletion() {
  DeletePayload made{any_enum<ProtocolId>(), within<std::uint8_t>(0, 8), {}};
  if (made.spi_size == 0) return made;
  for (int i = within(0, 5); i > 0; --i) made.spis.push_back(bytes_sized(made.spi_size));
  return made;
}

inline ConfigPayload config() {
  ConfigPayload made{any<std::uint8_t>(), {}};
  for (int i = within(0, 5); i > 0; --i) {
    made.attributes.push_back({within<std::uint16_t>(0, 0x7fff), any_bytes()});
  }
  return made;
}

inline UnknownPayload unknown() {
  const auto type = static_cast<PayloadType>(*rc::gen::oneOf(
      rc::gen::inRange(1, 33), rc::gen::element(49, 50, 51, 52), rc::gen::inRange(54, 256)));
  return {type, any<bool>(), any_bytes()};
}

/// Any payload that may stand anywhere in a chain.
inline Payload inner_payload() {
  switch (within(0, 13)) {
    case 0: return sa();
    case 1: return KePayload{any<std::uint16_t>(), any_bytes()};
    case 2: return IdPayload{any<bool>(), any_enum<IdType>(), any_bytes()};
    case 3: return CertPayload{any<std::uint8_t>(), any_bytes()};
    case 4: return CertReqPayload{any<std::uint8_t>(), any_bytes()};
    case 5: return AuthPayload{any_enum<AuthMethod>(), any_bytes()};
    case 6: return NoncePayload{bytes_sized(within<std::size_t>(16, 256))};
    case 7:
      return NotifyPayload{any_enum<ProtocolId>(), bytes_sized(within<std::size_t>(0, 255)),
                           any_enum<NotifyType>(), any_bytes()};
    case 8: return deletion();
    case 9: return VendorIdPayload{any_bytes()};
    case 10: return ts();
    case 11: return config();
    case 12: return EapPayload{any_bytes()};
  }
  return unknown();
}

inline Payload closing_payload() {
  if (any<bool>()) return SkPayload{any_enum<PayloadType>(), any_bytes()};
  const auto total = within<std::uint16_t>(1, 0xffff);
  return SkfPayload{any_enum<PayloadType>(), within<std::uint16_t>(1, total), total, any_bytes()};
}

inline std::vector<Payload> chain() {
  std::vector<Payload> made;
  for (int i = within(0, 8); i > 0; --i) made.push_back(inner_payload());
  if (any<bool>()) made.push_back(closing_payload());
  return made;
}

inline IkeHeader header() {
  IkeHeader made;
  made.spi_i.value = any<std::uint64_t>();
  made.spi_r.value = any<std::uint64_t>();
  made.next_payload = any_enum<PayloadType>();
  made.major_version = within<std::uint8_t>(0, 15);
  made.minor_version = within<std::uint8_t>(0, 15);
  made.exchange = any_enum<ExchangeType>();
  made.flags = any<std::uint8_t>();
  made.message_id.value = any<std::uint32_t>();
  made.length = any<std::uint32_t>();
  return made;
}

}  // namespace caponier::wire::gens

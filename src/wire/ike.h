#pragma once
// IKEv2 messages as bytes: the header, every payload of RFC 7296 s3 and RFC 7383, and what holds
// them together. Decoding keeps unknown values; refusing them is policy, above.

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/strong.h"
#include "wire/ike_numbers.h"

namespace caponier::wire {

using base::Bytes;
using base::ByteVec;
using base::Reader;
using base::Wire;
using base::Writer;

/// What fits a UDP datagram or the length field of TCP encapsulation (RFC 9329 s3).
inline constexpr std::size_t ike_message_size_max = 65535;
/// More of one kind in one message are refused, on decoding and on encoding.
inline constexpr std::size_t proposal_count_max = 255;
inline constexpr std::size_t transform_count_max = 255;
inline constexpr std::size_t transform_attribute_count_max = 32;
inline constexpr std::size_t traffic_selector_count_max = 255;
inline constexpr std::size_t delete_spi_count_max = 16384;
inline constexpr std::size_t config_attribute_count_max = 1024;

/// RFC 7296 s3.1. `length` is what the sender claims; decode checks only that 28 bytes are there.
struct IkeHeader {
  static constexpr std::size_t size = 28;
  static constexpr std::uint8_t flag_initiator = 0x08;
  static constexpr std::uint8_t flag_version = 0x10;
  static constexpr std::uint8_t flag_response = 0x20;

  base::IkeSpi spi_i{};
  base::IkeSpi spi_r{};
  PayloadType next_payload = PayloadType::none;
  std::uint8_t major_version = 2;
  std::uint8_t minor_version = 0;
  ExchangeType exchange{};
  std::uint8_t flags = 0;
  base::MessageId message_id{};
  std::uint32_t length = 0;

  [[nodiscard]] bool is_response() const { return (flags & flag_response) != 0; }
  [[nodiscard]] bool from_initiator() const { return (flags & flag_initiator) != 0; }

  static Wire<IkeHeader> decode(Reader& in);
  void encode(Writer& out) const;
  friend bool operator==(const IkeHeader&, const IkeHeader&) = default;
};

/// RFC 7296 s3.3.5. A TV attribute (AF bit set) has exactly two value bytes.
struct TransformAttribute {
  std::uint16_t type = 0;  ///< without the AF bit
  bool is_tv = true;
  ByteVec value{};
  friend bool operator==(const TransformAttribute&, const TransformAttribute&) = default;
};

/// RFC 7296 s3.3.2.
struct Transform {
  TransformType type{};
  std::uint16_t id = 0;
  std::vector<TransformAttribute> attributes{};

  /// The Key Length attribute in bits, when present and well-formed.
  [[nodiscard]] std::optional<std::uint16_t> key_length() const;
  friend bool operator==(const Transform&, const Transform&) = default;
};

/// Builds a transform, with a Key Length attribute when `key_bits` is not 0.
[[nodiscard]] Transform make_transform(TransformType type, std::uint16_t id,
                                       std::uint16_t key_bits = 0);

/// RFC 7296 s3.3.1. `spi` has 0, 4 or 8 bytes in valid messages; any size survives decoding.
struct Proposal {
  std::uint8_t number = 1;
  ProtocolId protocol{};
  ByteVec spi{};
  std::vector<Transform> transforms{};
  friend bool operator==(const Proposal&, const Proposal&) = default;
};

struct SaPayload {  // s3.3
  std::vector<Proposal> proposals{};
  static Wire<SaPayload> decode(Reader& in);
  void encode(Writer& out) const;
  friend bool operator==(const SaPayload&, const SaPayload&) = default;
};

struct KePayload {  // s3.4
  std::uint16_t group = 0;
  ByteVec data{};
  static Wire<KePayload> decode(Reader& in);
  void encode(Writer& out) const;
  friend bool operator==(const KePayload&, const KePayload&) = default;
};

struct IdPayload {  // s3.5; `initiator` tells IDi from IDr
  bool initiator = true;
  IdType type{};
  ByteVec data{};
  static Wire<IdPayload> decode(Reader& in, bool initiator);
  void encode(Writer& out) const;
  friend bool operator==(const IdPayload&, const IdPayload&) = default;
};

struct CertPayload {  // s3.6
  std::uint8_t encoding = 0;
  ByteVec data{};
  static Wire<CertPayload> decode(Reader& in);
  void encode(Writer& out) const;
  friend bool operator==(const CertPayload&, const CertPayload&) = default;
};

struct CertReqPayload {  // s3.7
  std::uint8_t encoding = 0;
  ByteVec authorities{};  ///< concatenated 20-byte SHA-1 hashes for X.509
  static Wire<CertReqPayload> decode(Reader& in);
  void encode(Writer& out) const;
  friend bool operator==(const CertReqPayload&, const CertReqPayload&) = default;
};

struct AuthPayload {  // s3.8
  AuthMethod method{};
  ByteVec data{};
  static Wire<AuthPayload> decode(Reader& in);
  void encode(Writer& out) const;
  friend bool operator==(const AuthPayload&, const AuthPayload&) = default;
};

struct NoncePayload {  // s3.9
  static constexpr std::size_t size_min = 16;
  static constexpr std::size_t size_max = 256;
  ByteVec data{};
  static Wire<NoncePayload> decode(Reader& in);
  void encode(Writer& out) const;
  friend bool operator==(const NoncePayload&, const NoncePayload&) = default;
};

struct NotifyPayload {  // s3.10
  ProtocolId protocol = ProtocolId::none;
  ByteVec spi{};
  NotifyType type{};
  ByteVec data{};
  static Wire<NotifyPayload> decode(Reader& in);
  void encode(Writer& out) const;
  friend bool operator==(const NotifyPayload&, const NotifyPayload&) = default;
};

struct DeletePayload {  // s3.11; all SPIs have `spi_size` bytes, none for IKE
  ProtocolId protocol{};
  std::uint8_t spi_size = 0;
  std::vector<ByteVec> spis{};
  static Wire<DeletePayload> decode(Reader& in);
  void encode(Writer& out) const;
  friend bool operator==(const DeletePayload&, const DeletePayload&) = default;
};

struct VendorIdPayload {  // s3.12
  ByteVec data{};
  static Wire<VendorIdPayload> decode(Reader& in);
  void encode(Writer& out) const;
  friend bool operator==(const VendorIdPayload&, const VendorIdPayload&) = default;
};

/// RFC 7296 s3.13.1. `body` is kept for unknown types only (all after the selector length); for the
/// two IP types the ports and addresses are.
struct TrafficSelector {
  TsType type{};
  std::uint8_t protocol = 0;  ///< IP protocol; 0 = any
  std::uint16_t first_port = 0;
  std::uint16_t last_port = 0xffff;
  base::IpAddress first{};
  base::IpAddress last{};
  ByteVec body{};
  friend bool operator==(const TrafficSelector&, const TrafficSelector&) = default;
};

struct TsPayload {  // s3.13; `initiator` tells TSi from TSr
  bool initiator = true;
  std::vector<TrafficSelector> selectors{};
  static Wire<TsPayload> decode(Reader& in, bool initiator);
  void encode(Writer& out) const;
  friend bool operator==(const TsPayload&, const TsPayload&) = default;
};

/// s3.14. `body` = IV, ciphertext (with padding and pad length) and ICV, still protected.
struct SkPayload {
  PayloadType first_inner = PayloadType::none;
  ByteVec body{};
  friend bool operator==(const SkPayload&, const SkPayload&) = default;
};

/// RFC 7383 s2.5. `first_inner` is set only in fragment 1.
struct SkfPayload {
  PayloadType first_inner = PayloadType::none;
  std::uint16_t fragment_number = 0;
  std::uint16_t total_fragments = 0;
  ByteVec body{};
  friend bool operator==(const SkfPayload&, const SkfPayload&) = default;
};

struct ConfigAttribute {  // s3.15.1
  std::uint16_t type = 0;
  ByteVec value{};
  friend bool operator==(const ConfigAttribute&, const ConfigAttribute&) = default;
};

struct ConfigPayload {  // s3.15
  std::uint8_t cfg_type = 0;
  std::vector<ConfigAttribute> attributes{};
  static Wire<ConfigPayload> decode(Reader& in);
  void encode(Writer& out) const;
  friend bool operator==(const ConfigPayload&, const ConfigPayload&) = default;
};

struct EapPayload {  // s3.16; the EAP packet whole, not looked into
  ByteVec data{};
  static Wire<EapPayload> decode(Reader& in);
  void encode(Writer& out) const;
  friend bool operator==(const EapPayload&, const EapPayload&) = default;
};

/// A payload without a codec here. Encoding one whose type has a codec fails.
struct UnknownPayload {
  PayloadType type{};
  bool critical = false;
  ByteVec data{};
  friend bool operator==(const UnknownPayload&, const UnknownPayload&) = default;
};

using Payload =
    std::variant<SaPayload, KePayload, IdPayload, CertPayload, CertReqPayload, AuthPayload,
                 NoncePayload, NotifyPayload, DeletePayload, VendorIdPayload, TsPayload, SkPayload,
                 SkfPayload, ConfigPayload, EapPayload, UnknownPayload>;

[[nodiscard]] PayloadType type_of(const Payload& payload);

/// More payloads than this in one chain are refused (CVE-2026-12413's class of bug).
inline constexpr std::size_t payload_count_max = 64;

/// Decodes a chain whose first payload has type `first`, to the end of `in`. An SK or SKF payload
/// must be the last of its chain (s3.14) and takes all that is left.
Wire<std::vector<Payload>> decode_payloads(PayloadType first, Reader& in);

/// Encodes a chain with its generic headers. The type of the first payload is what the surrounding
/// header must name (type_of(payloads.front()), or none).
void encode_payloads(const std::vector<Payload>& payloads, Writer& out);

/// A whole message, its SK payload still closed.
struct IkeMessage {
  IkeHeader header;
  std::vector<Payload> payloads{};

  /// Fails when header.length differs from the bytes given.
  static Wire<IkeMessage> decode(Bytes datagram);
  /// Sets next_payload and length; empty when a length does not fit its field.
  [[nodiscard]] std::optional<ByteVec> encode() const;
  friend bool operator==(const IkeMessage&, const IkeMessage&) = default;
};

/// The first payload of type T, or null.
template <class T>
[[nodiscard]] const T* find(const std::vector<Payload>& payloads) {
  for (const Payload& payload : payloads) {
    if (const T* found = std::get_if<T>(&payload)) return found;
  }
  return nullptr;
}
/// The first notify of that type, or null.
[[nodiscard]] const NotifyPayload* find_notify(const std::vector<Payload>& payloads,
                                               NotifyType type);
[[nodiscard]] const IdPayload* find_id(const std::vector<Payload>& payloads, bool initiator);
[[nodiscard]] const TsPayload* find_ts(const std::vector<Payload>& payloads, bool initiator);

}  // namespace caponier::wire

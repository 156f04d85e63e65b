#include "radius/packet.h"

#include <algorithm>

#include "base/error.h"

namespace caponier::radius {
namespace {

using crypto::LegacyCrypto;

constexpr std::size_t authenticator_at = 4;
constexpr std::size_t attribute_header = 2;
constexpr std::size_t message_authenticator_size = 16;
constexpr std::size_t vendor_header = 4;

bool is_code(std::uint8_t code) { return name_of(static_cast<Code>(code)) != "unknown"; }

base::WireError bad_length(const base::Reader& in, std::string_view field) {
  return in.error(base::WireFault::bad_length, field);
}

base::Wire<std::vector<Attribute>> decode_attributes(base::Reader& in) {
  std::vector<Attribute> attributes;
  while (in.remaining() > 0) {
    if (attributes.size() == attributes_max) {
      return std::unexpected{in.error(base::WireFault::out_of_range, "radius.attributes")};
    }
    Attribute attribute;
    attribute.type = static_cast<AttributeType>(TRY(in.u8("radius.attribute.type")));
    const std::size_t length = TRY(in.u8("radius.attribute.length"));
    if (length < attribute_header) {
      return std::unexpected{bad_length(in, "radius.attribute.length")};
    }
    attribute.value = TRY(in.take(length - attribute_header, "radius.attribute.value"));
    attributes.push_back(attribute);
  }
  return attributes;
}

/// `packet` with another authenticator and, where it has one, its Message-Authenticator zeroed.
/// Empty when there are several.
std::optional<ByteVec> with_zeroed_mac(const PacketView& packet, const Authenticator& authenticator,
                                       std::optional<std::size_t>& mac_at) {
  ByteVec copy = base::to_vec(packet.whole);
  base::copy_into(base::MutBytes{copy}.subspan(authenticator_at), authenticator);
  for (const Attribute& attribute : packet.attributes) {
    if (attribute.type != AttributeType::message_authenticator) continue;
    if (mac_at || attribute.value.size() != message_authenticator_size) return std::nullopt;
    mac_at = static_cast<std::size_t>(attribute.value.data() - packet.whole.data());
    std::ranges::fill(base::MutBytes{copy}.subspan(*mac_at, message_authenticator_size),
                      std::byte{0});
  }
  return copy;
}

/// The MAC of `packet` as it was made while its authenticator was `authenticator` (RFC 3579 s3.2).
Authenticity check_mac(const LegacyCrypto& crypto, Bytes secret, const PacketView& packet,
                       const Authenticator& authenticator, bool is_required) {
  std::optional<std::size_t> at;
  const auto zeroed = with_zeroed_mac(packet, authenticator, at);
  if (!zeroed) return Authenticity::wrong_message_authenticator;
  if (!at) {
    return is_required ? Authenticity::no_message_authenticator : Authenticity::authentic;
  }
  const Bytes whole = *zeroed;
  const auto mac = crypto::hmac_md5(crypto, secret, {&whole, 1});
  return base::equal_constant_time(mac, packet.whole.subspan(*at, mac.size()))
             ? Authenticity::authentic
             : Authenticity::wrong_message_authenticator;
}

/// MD5(Code | Identifier | Length | authenticator | attributes | secret): RFC 2865 s3, RFC 2866 s3.
LegacyCrypto::Md5 hash_of(const LegacyCrypto& crypto, Bytes secret, Bytes whole,
                          const Authenticator& authenticator) {
  const std::array<Bytes, 4> parts = {whole.first(authenticator_at), authenticator,
                                      whole.subspan(header_size), secret};
  return crypto.md5(parts);
}

bool hash_fits(const LegacyCrypto& crypto, Bytes secret, const PacketView& packet,
               const Authenticator& authenticator) {
  return base::equal_constant_time(hash_of(crypto, secret, packet.whole, authenticator),
                                   packet.authenticator);
}

}  // namespace

std::string_view name_of(Code code) {
  switch (code) {
    case Code::access_request: return "Access-Request";
    case Code::access_accept: return "Access-Accept";
    case Code::access_reject: return "Access-Reject";
    case Code::accounting_request: return "Accounting-Request";
    case Code::accounting_response: return "Accounting-Response";
    case Code::access_challenge: return "Access-Challenge";
    case Code::status_server: return "Status-Server";
    case Code::disconnect_request: return "Disconnect-Request";
    case Code::disconnect_ack: return "Disconnect-ACK";
    case Code::disconnect_nak: return "Disconnect-NAK";
    case Code::coa_request: return "CoA-Request";
    case Code::coa_ack: return "CoA-ACK";
    case Code::coa_nak: return "CoA-NAK";
  }
  return "unknown";
}

base::Wire<PacketView> PacketView::decode(Bytes datagram) {
  base::Reader in{datagram};
  PacketView packet;
  const std::uint8_t code = TRY(in.u8("radius.code"));
  if (!is_code(code)) {
    return std::unexpected{in.error(base::WireFault::out_of_range, "radius.code")};
  }
  packet.code = static_cast<Code>(code);
  packet.identifier = TRY(in.u8("radius.identifier"));
  const std::size_t length = TRY(in.u16("radius.length"));
  if (length < header_size || length > packet_size_max || length > datagram.size()) {
    return std::unexpected{bad_length(in, "radius.length")};
  }
  packet.whole = datagram.first(length);
  base::copy_into(packet.authenticator,
                  TRY(in.take(packet.authenticator.size(), "radius.authenticator")));
  base::Reader attributes = TRY(in.sub(length - header_size, "radius.attributes"));
  packet.attributes = TRY(decode_attributes(attributes));
  return packet;
}

std::optional<Bytes> PacketView::find(AttributeType type) const {
  const auto at = std::ranges::find(attributes, type, &Attribute::type);
  if (at == attributes.end()) return std::nullopt;
  return at->value;
}

std::optional<std::uint32_t> PacketView::find_u32(AttributeType type) const {
  const auto value = find(type);
  if (!value || value->size() != sizeof(std::uint32_t)) return std::nullopt;
  return base::load_be<std::uint32_t>(value->data());
}

std::vector<VendorAttribute> PacketView::vendor_attributes() const {
  std::vector<VendorAttribute> found;
  for (const Attribute& attribute : attributes) {
    if (attribute.type != AttributeType::vendor_specific) continue;
    if (attribute.value.size() < vendor_header) continue;
    const auto vendor = base::load_be<std::uint32_t>(attribute.value.data());
    base::Reader in{attribute.value.subspan(vendor_header)};
    const auto inner = decode_attributes(in);
    if (!inner) continue;
    for (const Attribute& each : *inner) {
      found.push_back({vendor, static_cast<std::uint8_t>(each.type), each.value});
    }
  }
  return found;
}

ByteVec PacketView::eap_message() const {
  ByteVec joined;
  for (const Attribute& attribute : attributes) {
    if (attribute.type == AttributeType::eap_message) base::append(joined, attribute.value);
  }
  return joined;
}

PacketBuilder::PacketBuilder(Code code, std::uint8_t identifier) {
  out_.u8(static_cast<std::uint8_t>(code));
  out_.u8(identifier);
  out_.zeros(header_size - out_.size());
  // First, so that nothing an attacker chooses comes before it (CVE-2024-3596).
  out_.u8(static_cast<std::uint8_t>(AttributeType::message_authenticator));
  out_.u8(attribute_header + message_authenticator_size);
  out_.zeros(message_authenticator_size);
}

void PacketBuilder::add(AttributeType type, Bytes value) {
  if (value.size() > attribute_value_max) return out_.fail();
  out_.u8(static_cast<std::uint8_t>(type));
  out_.u8(static_cast<std::uint8_t>(attribute_header + value.size()));
  out_.bytes(value);
}

void PacketBuilder::add_text(AttributeType type, std::string_view text) {
  add(type, base::as_bytes(text));
}

void PacketBuilder::add_u32(AttributeType type, std::uint32_t value) {
  std::array<std::byte, sizeof value> octets;
  base::store_be(octets.data(), value);
  add(type, octets);
}

void PacketBuilder::add_eap_message(Bytes packet) {
  while (!packet.empty()) {
    const Bytes piece = packet.first(std::min(packet.size(), attribute_value_max));
    add(AttributeType::eap_message, piece);
    packet = packet.subspan(piece.size());
  }
}

std::optional<ByteVec> PacketBuilder::seal(const LegacyCrypto& crypto, Bytes secret,
                                           const Authenticator& authenticator, bool is_hashed) {
  constexpr std::size_t mac_at = header_size + attribute_header;
  if (out_.size() > packet_size_max) return std::nullopt;
  out_.patch_u16(2, out_.size());
  auto finished = out_.finish();
  if (!finished) return std::nullopt;
  const base::MutBytes whole = *finished;
  base::copy_into(whole.subspan(authenticator_at), authenticator);
  const Bytes view = whole;
  base::copy_into(whole.subspan(mac_at), crypto::hmac_md5(crypto, secret, {&view, 1}));
  if (is_hashed) {
    base::copy_into(whole.subspan(authenticator_at), hash_of(crypto, secret, whole, authenticator));
  }
  return finished;
}

std::optional<ByteVec> PacketBuilder::seal_access_request(const LegacyCrypto& crypto, Bytes secret,
                                                          const Authenticator& authenticator) {
  return seal(crypto, secret, authenticator, false);
}

std::optional<ByteVec> PacketBuilder::seal_hashed_request(const LegacyCrypto& crypto,
                                                          Bytes secret) {
  return seal(crypto, secret, Authenticator{}, true);
}

std::optional<ByteVec> PacketBuilder::seal_answer(const LegacyCrypto& crypto, Bytes secret,
                                                  const Authenticator& of_request) {
  return seal(crypto, secret, of_request, true);
}

Authenticity check_answer(const LegacyCrypto& crypto, Bytes secret, const PacketView& answer,
                          const Authenticator& of_request) {
  if (!hash_fits(crypto, secret, answer, of_request)) return Authenticity::wrong_authenticator;
  const bool is_required = answer.code != Code::accounting_response;
  return check_mac(crypto, secret, answer, of_request, is_required);
}

Authenticity check_hashed_request(const LegacyCrypto& crypto, Bytes secret,
                                  const PacketView& request) {
  if (!hash_fits(crypto, secret, request, Authenticator{})) {
    return Authenticity::wrong_authenticator;
  }
  return check_mac(crypto, secret, request, Authenticator{}, false);
}

Authenticity check_access_request(const LegacyCrypto& crypto, Bytes secret,
                                  const PacketView& request) {
  return check_mac(crypto, secret, request, request.authenticator, true);
}

}  // namespace caponier::radius

#include "eap/packet.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace caponier::eap {
namespace {

struct Row {
  Type type;
  std::string_view name;
  Properties properties;
};

//                 mutual, key, resists guessing, only in a tunnel
constexpr std::array rows = {
    Row{Type::identity, "identity", {}},
    Row{Type::notification, "notification", {}},
    Row{Type::nak, "nak", {}},
    Row{Type::md5_challenge, "md5", {false, false, false, false}},
    Row{Type::gtc, "gtc", {false, false, false, true}},
    Row{Type::tls, "tls", {true, true, true, false}},
    Row{Type::ttls, "ttls", {true, true, true, false}},
    Row{Type::peap, "peap", {true, true, true, false}},
    Row{Type::mschapv2, "mschapv2", {true, true, false, false}},
    Row{Type::tlv, "tlv", {}},
    Row{Type::expanded, "expanded", {}},
};

const Row* find(Type type) {
  const auto at = std::ranges::find(rows, type, &Row::type);
  return at == rows.end() ? nullptr : &*at;
}

bool has_type(Code code) { return code == Code::request || code == Code::response; }

}  // namespace

std::string_view name_of(Type type) {
  const Row* row = find(type);
  return row == nullptr ? "unknown" : row->name;
}

Properties properties_of(Type type) {
  const Row* row = find(type);
  return row == nullptr ? Properties{} : row->properties;
}

bool is_safe_for_eap_only(Type type) {
  const Properties properties = properties_of(type);
  return properties.is_mutual && properties.makes_key && properties.resists_guessing;
}

base::Wire<Packet> Packet::decode(Bytes bytes) {
  base::Reader header{bytes};
  const std::uint8_t code = TRY(header.u8("eap.code"));
  Packet packet;
  packet.identifier = TRY(header.u8("eap.identifier"));
  const std::uint16_t length = TRY(header.u16("eap.length"));
  if (code < 1 || code > 4) {
    return std::unexpected{base::WireError{base::WireFault::out_of_range, 0, "eap.code"}};
  }
  packet.code = static_cast<Code>(code);
  const std::size_t size_min = has_type(packet.code) ? header_size + 1 : header_size;
  const bool is_exact = !has_type(packet.code);
  if (length < size_min || (is_exact && length != header_size)) {
    return std::unexpected{base::WireError{base::WireFault::bad_length, 2, "eap.length"}};
  }
  base::Reader body = TRY(header.sub(length - header_size, "eap.data"));
  if (!has_type(packet.code)) return packet;
  packet.type = static_cast<Type>(TRY(body.u8("eap.type")));
  packet.data = body.take_rest();
  return packet;
}

std::optional<ByteVec> encode(const Packet& packet) {
  base::Writer out;
  out.u8(static_cast<std::uint8_t>(packet.code));
  out.u8(packet.identifier);
  out.u16(0);
  if (has_type(packet.code)) {
    out.u8(static_cast<std::uint8_t>(packet.type));
    out.bytes(packet.data);
  }
  out.patch_u16(2, out.size());
  return out.finish();
}

std::vector<Type> wanted_in_nak(Bytes data) {
  std::vector<Type> wanted;
  for (const std::byte octet : data) {
    const auto type = static_cast<Type>(octet);
    if (type == Type::none || std::ranges::find(wanted, type) != wanted.end()) continue;
    wanted.push_back(type);
  }
  return wanted;
}

}  // namespace caponier::eap

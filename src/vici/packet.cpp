#include "vici/packet.h"

#include "base/bytes.h"

namespace caponier::vici {

bool is_named(PacketType type) {
  switch (type) {
    case PacketType::cmd_request:
    case PacketType::event_register:
    case PacketType::event_unregister:
    case PacketType::event: return true;
    case PacketType::cmd_response:
    case PacketType::cmd_unknown:
    case PacketType::event_confirm:
    case PacketType::event_unknown: return false;
  }
  return false;
}

std::string_view name_of(PacketFault fault) {
  switch (fault) {
    case PacketFault::too_long: return "longer than 512 KiB";
    case PacketFault::empty: return "empty";
    case PacketFault::unknown_type: return "of an unknown type";
    case PacketFault::truncated: return "shorter than its name";
  }
  return "unknown";
}

std::expected<Packet, PacketFault> Packet::decode(std::string_view segment) {
  if (segment.empty()) return std::unexpected{PacketFault::empty};
  const auto type = static_cast<std::uint8_t>(segment.front());
  if (type > static_cast<std::uint8_t>(PacketType::event)) {
    return std::unexpected{PacketFault::unknown_type};
  }
  Packet packet{static_cast<PacketType>(type), {}, segment.substr(1)};
  if (!is_named(packet.type)) return packet;
  if (packet.message.empty()) return std::unexpected{PacketFault::truncated};
  const auto size = static_cast<std::uint8_t>(packet.message.front());
  packet.message.remove_prefix(1);
  if (packet.message.size() < size) return std::unexpected{PacketFault::truncated};
  packet.name = packet.message.substr(0, size);
  packet.message.remove_prefix(size);
  return packet;
}

std::expected<std::optional<std::string_view>, PacketFault> first_segment(
    std::string_view arrived) {
  if (arrived.size() < length_size) return std::nullopt;
  const auto size = base::load_be<std::uint32_t>(base::as_bytes(arrived).data());
  if (size > segment_size_max) return std::unexpected{PacketFault::too_long};
  if (arrived.size() - length_size < size) return std::nullopt;
  return arrived.substr(length_size, size);
}

std::string make_packet(PacketType type, std::string_view name, std::string_view message) {
  name = name.substr(0, name_size_max);
  const std::size_t size = 1 + (is_named(type) ? 1 + name.size() : 0) + message.size();
  std::string out;
  out.reserve(length_size + size);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    out.push_back(static_cast<char>((size >> shift) & 0xffU));
  }
  out.push_back(static_cast<char>(type));
  if (is_named(type)) {
    out.push_back(static_cast<char>(name.size()));
    out += name;
  }
  out += message;
  return out;
}

}  // namespace caponier::vici

#pragma once
// Segments and packets of the Versatile IKE Control Interface: a length in four octets, then an
// octet that says what the packet is, for some a name with its length in one octet, and a message.

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "vici/message.h"

namespace caponier::vici {

enum class PacketType : std::uint8_t {
  cmd_request = 0,
  cmd_response = 1,
  cmd_unknown = 2,
  event_register = 3,
  event_unregister = 4,
  event_confirm = 5,
  event_unknown = 6,
  event = 7,
};
/// Whether packets of this type begin with a name.
[[nodiscard]] bool is_named(PacketType type);

enum class PacketFault : std::uint8_t { too_long, empty, unknown_type, truncated };
[[nodiscard]] std::string_view name_of(PacketFault fault);

/// Borrows from what it was read of.
struct Packet {
  PacketType type{};
  std::string_view name;
  std::string_view message;  ///< not yet looked into

  [[nodiscard]] static std::expected<Packet, PacketFault> decode(std::string_view segment);
};

inline constexpr std::size_t length_size = 4;

/// The first whole segment in what has arrived; nothing while it is not whole. A length that no
/// segment may have ends the stream.
[[nodiscard]] std::expected<std::optional<std::string_view>, PacketFault> first_segment(
    std::string_view arrived);

/// With the length before it. `name` counts for named types alone.
[[nodiscard]] std::string make_packet(PacketType type, std::string_view name = {},
                                      std::string_view message = {});

}  // namespace caponier::vici

#include "wire/pcapng.h"

#include <algorithm>

namespace caponier::wire {

using base::Bytes;
using base::ByteVec;
using base::Writer;

namespace {

constexpr std::uint32_t block_section_header = 0x0a0d0d0a;
constexpr std::uint32_t block_interface = 1;
constexpr std::uint32_t block_enhanced_packet = 6;
constexpr std::uint32_t byte_order_magic = 0x1a2b3c4d;
constexpr std::uint16_t link_type_raw_ip = 101;

constexpr std::uint16_t option_comment = 1;
constexpr std::uint16_t option_application = 4;
constexpr std::uint16_t option_interface_name = 2;
constexpr std::uint16_t option_time_resolution = 9;
constexpr std::uint16_t option_packet_flags = 2;

void put_padded(Writer& out, Bytes data) {
  out.bytes(data);
  out.zeros((4 - data.size() % 4) % 4);
}

void put_option(Writer& out, std::uint16_t code, Bytes value) {
  out.u16(code);
  out.u16(static_cast<std::uint16_t>(value.size()));
  put_padded(out, value);
}

void put_text(Writer& out, std::uint16_t code, std::string_view text) {
  if (text.empty()) return;
  std::size_t size = std::min(text.size(), pcapng_text_size_max);
  const auto continues = [&](std::size_t at) { return (text[at] & 0xc0) == 0x80; };
  while (size > 0 && size < text.size() && continues(size)) --size;
  put_option(out, code, base::as_bytes(text.substr(0, size)));
}

/// Ends the options and adds what surrounds every block: type and both lengths.
ByteVec close_block(std::uint32_t type, Writer& body) {
  put_option(body, 0, {});
  const auto length = static_cast<std::uint32_t>(body.size() + 12);
  Writer out;
  out.u32(type);
  out.u32(length);
  out.bytes(body.view());
  out.u32(length);
  return out.finish().value_or(ByteVec{});
}

}  // namespace

ByteVec pcapng_section_header(std::string_view application) {
  constexpr std::uint64_t section_length_unknown = ~std::uint64_t{0};
  Writer body;
  body.u32(byte_order_magic);
  body.u16(1);  // version 1.0
  body.u16(0);
  body.u64(section_length_unknown);
  put_text(body, option_application, application);
  return close_block(block_section_header, body);
}

ByteVec pcapng_interface(std::string_view name) {
  constexpr std::byte nanoseconds[] = {std::byte{9}};
  Writer body;
  body.u16(link_type_raw_ip);
  body.u16(0);
  body.u32(static_cast<std::uint32_t>(pcapng_packet_size_max));
  put_text(body, option_interface_name, name);
  put_option(body, option_time_resolution, nanoseconds);
  return close_block(block_interface, body);
}

ByteVec pcapng_packet(const PcapngPacket& packet) {
  const Bytes kept = packet.packet.first(std::min(packet.packet.size(), pcapng_packet_size_max));
  Writer body;
  body.u32(packet.interface_id);
  body.u64(packet.unix_nanoseconds);
  body.u32(static_cast<std::uint32_t>(kept.size()));
  body.u32(static_cast<std::uint32_t>(packet.packet.size()));
  put_padded(body, kept);
  ByteVec flags(4);
  base::store_be(flags.data(), static_cast<std::uint32_t>(packet.direction));
  put_option(body, option_packet_flags, flags);
  put_text(body, option_comment, packet.comment);
  return close_block(block_enhanced_packet, body);
}

}  // namespace caponier::wire

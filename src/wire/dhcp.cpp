#include "wire/dhcp.h"

#include <algorithm>

#include "base/error.h"

namespace caponier::wire {
namespace {

using base::Bytes;
using base::ByteVec;
using base::IpAddress;
using base::Reader;
using base::Wire;
using base::WireFault;
using base::Writer;

constexpr std::uint32_t magic_cookie = 0x63825363;
constexpr std::size_t server_name_size = 64;
constexpr std::size_t file_size = 128;
constexpr std::size_t bootp_size = 300;
constexpr std::size_t part_size_max = 255;

/// RFC 2132 s9.3: which fields hold options besides.
enum Overload : std::uint8_t { in_file = 1, in_server_name = 2 };

Wire<IpAddress> read_address(Reader& in, std::string_view field) {
  return IpAddress::from_bytes(TRY(in.take(4, field)));
}

constexpr auto code_of(DhcpCode code) { return static_cast<std::uint8_t>(code); }

/// RFC 3396 s7: what has the same code is one option.
Wire<void> append_part(std::vector<DhcpOption>& options, std::uint8_t code, Bytes value,
                       const Reader& at) {
  const auto found = std::ranges::find(options, code, &DhcpOption::code);
  if (found != options.end()) {
    base::append(found->value, value);
    return {};
  }
  if (options.size() == DhcpMessage::options_max) {
    return std::unexpected{at.error(WireFault::out_of_range, "dhcp.options")};
  }
  options.push_back({code, base::to_vec(value)});
  return {};
}

/// One field full of options, which must say where it ends. Only pads may follow, and in practice
/// anything does.
Wire<void> read_options(Reader in, std::vector<DhcpOption>& to) {
  for (;;) {
    const auto code = TRY(in.u8("dhcp.option.code"));
    if (code == code_of(DhcpCode::pad)) continue;
    if (code == code_of(DhcpCode::end)) return {};
    const auto size = TRY(in.u8("dhcp.option.length"));
    const Bytes value = TRY(in.take(size, "dhcp.option.value"));
    TRY_VOID(append_part(to, code, value, in));
  }
}

Wire<std::uint8_t> overload_of(const std::vector<DhcpOption>& options, const Reader& at) {
  const auto found = std::ranges::find(options, code_of(DhcpCode::overload), &DhcpOption::code);
  if (found == options.end()) return std::uint8_t{0};
  const bool is_sound = found->value.size() == 1 && found->value[0] >= std::byte{1} &&
                        found->value[0] <= std::byte{3};
  if (!is_sound) return std::unexpected{at.error(WireFault::out_of_range, "dhcp.overload")};
  return std::to_integer<std::uint8_t>(found->value[0]);
}

void write_option(Writer& out, const DhcpOption& option) {
  Bytes rest = option.value;
  do {
    const Bytes part = rest.first(std::min(rest.size(), part_size_max));
    out.u8(option.code);
    out.u8(static_cast<std::uint8_t>(part.size()));
    out.bytes(part);
    rest = rest.subspan(part.size());
  } while (!rest.empty());
}

}  // namespace

Wire<DhcpMessage> DhcpMessage::decode(Bytes datagram) {
  Reader in{datagram};
  if (datagram.size() > size_max) {
    return std::unexpected{in.error(WireFault::out_of_range, "dhcp.size")};
  }
  DhcpMessage out;
  const auto op = TRY(in.u8("dhcp.op"));
  if (op != 1 && op != 2) return std::unexpected{in.error(WireFault::out_of_range, "dhcp.op")};
  out.op = static_cast<DhcpOp>(op);
  out.hardware_type = TRY(in.u8("dhcp.htype"));
  out.hardware_size = TRY(in.u8("dhcp.hlen"));
  if (out.hardware_size > hardware_size_max) {
    return std::unexpected{in.error(WireFault::out_of_range, "dhcp.hlen")};
  }
  out.hops = TRY(in.u8("dhcp.hops"));
  out.xid = TRY(in.u32("dhcp.xid"));
  out.seconds = TRY(in.u16("dhcp.secs"));
  out.flags = TRY(in.u16("dhcp.flags"));
  out.client = TRY(read_address(in, "dhcp.ciaddr"));
  out.yours = TRY(read_address(in, "dhcp.yiaddr"));
  out.server = TRY(read_address(in, "dhcp.siaddr"));
  out.gateway = TRY(read_address(in, "dhcp.giaddr"));
  base::copy_into(out.hardware, TRY(in.take(hardware_size_max, "dhcp.chaddr")));
  const Reader server_name = TRY(in.sub(server_name_size, "dhcp.sname"));
  const Reader file = TRY(in.sub(file_size, "dhcp.file"));
  const auto cookie = TRY(in.u32("dhcp.cookie"));
  if (cookie != magic_cookie) {
    return std::unexpected{in.error(WireFault::out_of_range, "dhcp.cookie")};
  }
  TRY_VOID(read_options(in, out.options));
  const auto overload = TRY(overload_of(out.options, in));
  // RFC 3396 s5: in this order.
  if ((overload & in_file) != 0) TRY_VOID(read_options(file, out.options));
  if ((overload & in_server_name) != 0) TRY_VOID(read_options(server_name, out.options));
  std::erase_if(out.options, [](const DhcpOption& option) {
    return option.code == code_of(DhcpCode::overload);
  });
  return out;
}

ByteVec DhcpMessage::encode() const {
  Writer out;
  out.u8(static_cast<std::uint8_t>(op));
  out.u8(hardware_type);
  out.u8(hardware_size);
  out.u8(hops);
  out.u32(xid);
  out.u16(seconds);
  out.u16(flags);
  for (const IpAddress* address : {&client, &yours, &server, &gateway}) {
    out.bytes(address->bytes());
  }
  out.bytes(hardware);
  out.zeros(server_name_size + file_size);
  out.u32(magic_cookie);
  for (const DhcpOption& option : options) write_option(out, option);
  out.u8(code_of(DhcpCode::end));
  if (out.size() < bootp_size) out.zeros(bootp_size - out.size());
  return base::to_vec(out.view());
}

const DhcpOption* DhcpMessage::find(DhcpCode code) const {
  const auto found = std::ranges::find(options, code_of(code), &DhcpOption::code);
  return found == options.end() ? nullptr : &*found;
}

void DhcpMessage::add(DhcpCode code, Bytes value) {
  options.push_back({code_of(code), base::to_vec(value)});
}

std::optional<std::uint8_t> DhcpMessage::type() const {
  const DhcpOption* const option = find(DhcpCode::message_type);
  if (option == nullptr || option->value.size() != 1) return std::nullopt;
  return std::to_integer<std::uint8_t>(option->value[0]);
}

ByteVec encode_dhcp_routes(std::span<const base::Prefix> networks, const IpAddress& router) {
  ByteVec routes;
  for (const base::Prefix& network : networks) {
    routes.push_back(static_cast<std::byte>(network.length));
    // Of the destination only as many octets as its mask reaches into.
    base::append(routes, network.address.bytes().first((network.length + 7) / 8));
    base::append(routes, router.bytes());
  }
  return routes;
}

}  // namespace caponier::wire

#include "ipsec/beet.h"

#include <algorithm>
#include <array>

#include "ipsec/ip_headers.h"
#include "wire/ip.h"

namespace caponier::ipsec {

namespace {

//   Next Header | Header Len | Pad Len | Reserved | padding, IPv4 options
//
// in units of 8 octets, of which the first is not counted.
constexpr std::size_t pseudo_header_fixed = 4;
constexpr std::size_t options_max = 40;
constexpr std::byte no_operation{1};

std::size_t pseudo_padding(std::size_t options) { return options % 8 == 0 ? 4 : 0; }

std::size_t pseudo_header_size(std::size_t options) {
  return pseudo_header_fixed + pseudo_padding(options) + options;
}

bool is_host(const policy::TrafficSelectors& selectors) {
  return !selectors.empty() && std::ranges::all_of(selectors, [&](const auto& selector) {
    return selector.first == selectors.front().first && selector.last == selector.first;
  });
}

}  // namespace

bool is_beet_possible(const policy::InstallSa& params) {
  return is_host(params.local) && is_host(params.remote) &&
         params.local.front().first.family() == params.remote.front().first.family();
}

TransportAddresses beet_addresses(const policy::InstallSa& params) {
  return {params.remote.front().first, params.local.front().first};
}

std::expected<BeetPayload, base::DropReason> beet_payload(base::Bytes ip_packet) {
  const auto v4 = wire::Ipv4View::checked(ip_packet);
  if (!v4.has_value()) {
    const auto v6 = wire::Ipv6View::checked(ip_packet);
    if (!v6.has_value()) return std::unexpected{base::DropReason::clear_malformed};
    if (v6->next_header() == wire::ip_protocol::fragment) {
      return std::unexpected{base::DropReason::clear_fragment};
    }
    return BeetPayload{v6->next_header(), wire::ipv6_header_size, 0};
  }
  if (v4->is_fragment()) return std::unexpected{base::DropReason::clear_fragment};
  const std::size_t options = v4->options().size();
  if (options == 0) return BeetPayload{v4->protocol(), v4->header_length(), 0};
  return BeetPayload{beet_pseudo_header, v4->header_length() - pseudo_header_size(options),
                     options};
}

void write_pseudo_header(base::MutBytes ip_packet, const BeetPayload& payload) {
  if (payload.options == 0) return;
  constexpr std::size_t ipv4_protocol_at = 9;
  const std::byte protocol = ip_packet[ipv4_protocol_at];
  const std::size_t padding = pseudo_padding(payload.options);
  const base::MutBytes header = ip_packet.subspan(payload.stripped);
  header[0] = protocol;
  header[1] = static_cast<std::byte>(payload.options / 8);
  header[2] = static_cast<std::byte>(padding);
  header[3] = std::byte{0};
  std::ranges::fill(header.subspan(pseudo_header_fixed, padding), no_operation);
}

bool unwrap_beet(PacketBuffer& packet, const policy::InstallSa& params, std::uint8_t next_header,
                 std::uint8_t tos) {
  const TransportAddresses addresses = beet_addresses(params);
  if (next_header != beet_pseudo_header || !addresses.local.is_v4()) {
    return rebuild_ip_header(packet, addresses, next_header, tos);
  }
  const base::MutBytes header = packet.bytes();
  if (header.size() < 8) return false;
  const std::size_t size = (std::to_integer<std::size_t>(header[1]) + 1) * 8;
  const std::size_t fixed = pseudo_header_fixed + std::to_integer<std::size_t>(header[2]);
  if (size > header.size() || fixed > size) return false;
  std::array<std::byte, options_max> options;
  const std::size_t count = size - fixed;
  if (count > options.size() || count % 4 != 0) return false;
  base::copy_into(options, header.subspan(fixed, count));
  const auto protocol = std::to_integer<std::uint8_t>(header[0]);
  packet.shrink_front(size - count);
  if (!rebuild_ip_header(packet, addresses, protocol, tos)) return false;
  const base::MutBytes ip_packet = packet.bytes();
  ip_packet[0] = static_cast<std::byte>(0x45 + count / 4);
  base::copy_into(ip_packet.subspan(wire::ipv4_header_size_min), base::Bytes{options}.first(count));
  adjust_headers(ip_packet, {wire::ipv4_header_size_min + count, 9, protocol}, protocol);
  return true;
}

}  // namespace caponier::ipsec

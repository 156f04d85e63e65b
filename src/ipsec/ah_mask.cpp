#include "ipsec/ah_mask.h"

#include <algorithm>

#include "wire/ip.h"

namespace caponier::ipsec {

namespace {

using base::MutBytes;
namespace protocols = wire::ip_protocol;

constexpr std::size_t ipv4_destination_at = 16;
constexpr std::size_t ipv4_address_size = 4;
constexpr std::size_t ipv6_destination_at = 24;
constexpr std::size_t ipv6_address_size = 16;

void zero(MutBytes bytes) { std::ranges::fill(bytes, std::byte{0}); }

unsigned octet(base::Bytes bytes, std::size_t at) { return std::to_integer<unsigned>(bytes[at]); }

namespace ipv4_option {
constexpr unsigned end = 0;
constexpr unsigned no_operation = 1;
constexpr unsigned security = 130;
constexpr unsigned loose_route = 131;
constexpr unsigned extended_security = 133;
constexpr unsigned commercial_security = 134;
constexpr unsigned strict_route = 137;
constexpr unsigned router_alert = 148;
constexpr unsigned directed_delivery = 149;
}  // namespace ipv4_option

/// RFC 4302 appendix A1. What is not known is zeroed too (s3.3.3.1).
bool is_immutable(unsigned type) {
  using namespace ipv4_option;
  return type == security || type == extended_security || type == commercial_security ||
         type == router_alert || type == directed_delivery;
}

/// The destination that a source-routed packet arrives with.
bool foresee_route(MutBytes header, base::Bytes option, AhEnd end) {
  constexpr std::size_t fixed = 3;  // type, length, pointer
  if (option.size() < fixed || (option.size() - fixed) % ipv4_address_size != 0) return false;
  const bool has_arrived = octet(option, 2) > option.size();
  if (has_arrived) return true;
  if (end == AhEnd::receiver || option.size() == fixed) return false;
  base::copy_into(header.subspan(ipv4_destination_at), option.last(ipv4_address_size));
  return true;
}

bool mask_v4(MutBytes header, AhEnd end) {
  zero(header.subspan(1, 1));   // DSCP, ECN
  zero(header.subspan(6, 3));   // flags, fragment offset, TTL
  zero(header.subspan(10, 2));  // checksum
  for (std::size_t at = wire::ipv4_header_size_min; at < header.size();) {
    const unsigned type = octet(header, at);
    if (type == ipv4_option::end) break;
    if (type == ipv4_option::no_operation) {
      ++at;
      continue;
    }
    const std::size_t room = header.size() - at;
    const std::size_t size = room < 2 ? 0 : octet(header, at + 1);
    if (size < 2 || size > room) return false;
    const MutBytes option = header.subspan(at, size);
    const bool is_route = type == ipv4_option::loose_route || type == ipv4_option::strict_route;
    if (is_route && !foresee_route(header, option, end)) return false;
    if (!is_immutable(type)) zero(option);
    at += size;
  }
  return true;
}

/// The data of options that say they may change (RFC 8200 s4.2).
bool mask_options(MutBytes header) {
  constexpr unsigned pad1 = 0;
  constexpr unsigned may_change = 0x20;
  for (std::size_t at = 2; at < header.size();) {
    const unsigned type = octet(header, at);
    if (type == pad1) {
      ++at;
      continue;
    }
    const std::size_t room = header.size() - at;
    if (room < 2) return false;
    const std::size_t size = octet(header, at + 1);
    if (size > room - 2) return false;
    if ((type & may_change) != 0) zero(header.subspan(at + 2, size));
    at += 2 + size;
  }
  return true;
}

/// Each destination on the way swaps its address with one of the header (RFC 2460 s4.4, and with
/// just one address RFC 6275 s6.4), so the sender can tell what arrives.
bool foresee_routing(MutBytes ipv6_header, MutBytes routing, AhEnd end) {
  constexpr unsigned type_source_route = 0;
  constexpr unsigned type_home_address = 2;
  constexpr std::size_t addresses_at = 8;
  const std::size_t left = octet(routing, 3);
  if (left == 0) return true;  // of any type: nobody changes it any more
  const unsigned type = octet(routing, 2);
  if (end == AhEnd::receiver || (type != type_source_route && type != type_home_address)) {
    return false;
  }
  const MutBytes addresses = routing.subspan(addresses_at);
  if (addresses.size() % ipv6_address_size != 0 || left > addresses.size() / ipv6_address_size) {
    return false;
  }
  routing[3] = std::byte{0};
  const MutBytes destination = ipv6_header.subspan(ipv6_destination_at, ipv6_address_size);
  for (std::size_t at = addresses.size() - left * ipv6_address_size; at < addresses.size();
       at += ipv6_address_size) {
    std::ranges::swap_ranges(destination, addresses.subspan(at, ipv6_address_size));
  }
  return true;
}

bool mask_v6(MutBytes headers, AhEnd end) {
  const MutBytes ipv6_header = headers.first(wire::ipv6_header_size);
  base::store_be<std::uint32_t>(ipv6_header.data(), 0x60000000);  // class, flow label
  zero(ipv6_header.subspan(7, 1));                                // hop limit
  unsigned protocol = octet(ipv6_header, 6);
  for (std::size_t at = wire::ipv6_header_size; at < headers.size();) {
    const std::size_t size = (std::size_t{octet(headers, at + 1)} + 1) * 8;
    const MutBytes header = headers.subspan(at, size);
    const bool is_sane = protocol == protocols::routing ? foresee_routing(ipv6_header, header, end)
                                                        : mask_options(header);
    if (!is_sane) return false;
    protocol = octet(header, 0);
    at += size;
  }
  return true;
}

}  // namespace

bool mask_mutable_fields(MutBytes headers, AhEnd end) {
  return wire::ip_version(headers) == 4 ? mask_v4(headers, end) : mask_v6(headers, end);
}

}  // namespace caponier::ipsec

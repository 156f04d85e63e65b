// What an Access-Accept allows, as eap::Authorization has it.

#include "radius/relay.h"

namespace caponier::radius {
namespace {

using eap::Authorization;

std::optional<base::IpAddress> address_of(Bytes value, std::size_t size) {
  if (value.size() != size) return std::nullopt;
  return base::IpAddress::from_bytes(value);
}

/// Framed-IPv6-Prefix and its kin: Reserved, Prefix-Length, and as much of the prefix as is needed
/// (RFC 3162 s2.3).
std::optional<base::Prefix> prefix_of(Bytes value) {
  constexpr std::size_t header = 2;
  constexpr std::size_t size_max = 16;
  if (value.size() < header || value.size() > header + size_max) return std::nullopt;
  const auto length = std::to_integer<unsigned>(value[1]);
  const Bytes octets = value.subspan(header);
  if (length > 8 * size_max || octets.size() * 8 < length) return std::nullopt;
  std::array<std::byte, size_max> whole{};
  base::copy_into(whole, octets);
  const auto address = base::IpAddress::from_bytes(whole).with_low_bits(length, false);
  return base::Prefix{address, length};
}

/// 255.255.255.254 and ...255 stand for a choice of the NAS or the user (RFC 2865 s5.8).
std::optional<base::IpAddress> framed_ipv4_of(Bytes value) {
  const auto address = address_of(value, 4);
  constexpr std::uint32_t nas_selects = 0xfffffffeU;
  if (!address || address->v4_value() >= nas_selects) return std::nullopt;
  return address;
}

template <class T>
void push(std::vector<T>& to, const std::optional<T>& value) {
  if (value) to.push_back(*value);
}

std::string text_of(Bytes value) { return std::string{base::as_text(value)}; }

void read(const Attribute& attribute, Authorization& out) {
  const Bytes value = attribute.value;
  if (attribute.type == AttributeType::filter_id) out.filter_ids.push_back(text_of(value));
  if (attribute.type == AttributeType::class_) out.classes.push_back(base::to_vec(value));
  if (attribute.type == AttributeType::framed_ip_address) out.framed_ipv4 = framed_ipv4_of(value);
  if (attribute.type == AttributeType::framed_ip_netmask) {
    out.framed_ipv4_netmask = address_of(value, 4);
  }
  if (attribute.type == AttributeType::framed_ipv6_address) out.framed_ipv6 = address_of(value, 16);
  if (attribute.type == AttributeType::framed_ipv6_prefix) {
    push(out.framed_ipv6_prefixes, prefix_of(value));
  }
  if (attribute.type == AttributeType::delegated_ipv6_prefix) {
    push(out.delegated_ipv6_prefixes, prefix_of(value));
  }
  if (attribute.type == AttributeType::framed_route ||
      attribute.type == AttributeType::framed_ipv6_route) {
    out.framed_routes.push_back(text_of(value));
  }
  if (attribute.type == AttributeType::dns_server_ipv6_address) {
    push(out.dns, address_of(value, 16));
  }
  if (attribute.type == AttributeType::reply_message) out.reply_message += text_of(value);
}

}  // namespace

Authorization authorization_of(const PacketView& accept) {
  Authorization out;
  for (const Attribute& attribute : accept.attributes) read(attribute, out);
  for (const VendorAttribute& attribute : accept.vendor_attributes()) {
    const auto type = static_cast<MicrosoftType>(attribute.type);
    if (attribute.vendor == vendor_microsoft && (type == MicrosoftType::primary_dns_server ||
                                                 type == MicrosoftType::secondary_dns_server)) {
      push(out.dns, address_of(attribute.value, 4));
    }
  }
  out.session_timeout_seconds = accept.find_u32(AttributeType::session_timeout);
  out.idle_timeout_seconds = accept.find_u32(AttributeType::idle_timeout);
  out.interim_interval_seconds = accept.find_u32(AttributeType::acct_interim_interval);
  return out;
}

}  // namespace caponier::radius

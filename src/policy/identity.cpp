#include "policy/identity.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/event.h"

namespace caponier::policy {

namespace {

constexpr std::string_view key_id_prefix = "keyid:";
constexpr std::string_view name_prefix = "dn:";
constexpr std::byte der_sequence{0x30};
constexpr std::size_t printed_octets_max = 64;

std::string hex_text(base::Bytes data) {
  if (data.size() <= printed_octets_max) return base::to_hex(data);
  return base::to_hex(data.first(printed_octets_max)) + "...";
}

/// The address, when `data` has the size its type demands.
std::optional<base::IpAddress> address_of(const Identity& id) {
  const std::size_t size = id.type == wire::IdType::ipv4_addr ? 4 : 16;
  if (id.data.size() != size) return std::nullopt;
  return base::IpAddress::from_bytes(id.data);
}

std::string address_text(const Identity& id, std::string_view kind) {
  const auto address = address_of(id);
  return address ? address->to_string() : fmt::format("{}:{}", kind, hex_text(id.data));
}

/// With a leading "@" where the bare name would be read as something else.
std::string fqdn_text(const Identity& id) {
  const std::string_view name = base::as_text(id.data);
  const bool is_plain = Identity::parse(name) == id;
  return (is_plain ? "" : "@") + base::printable(name);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_same_text(base::Bytes a, base::Bytes b) {
  return std::ranges::equal(base::as_text(a), base::as_text(b), {}, lower, lower);
}

}  // namespace

Identity Identity::parse(std::string_view text) {
  if (const auto address = base::IpAddress::parse(text)) return from_address(*address);
  if (text.starts_with(key_id_prefix)) {
    const std::string_view value = text.substr(key_id_prefix.size());
    auto octets = base::from_hex(value);
    return {wire::IdType::key_id,
            octets ? std::move(*octets) : base::to_vec(base::as_bytes(value))};
  }
  if (text.starts_with(name_prefix)) {
    auto octets = base::from_hex(text.substr(name_prefix.size()));
    if (octets && !octets->empty() && octets->front() == der_sequence) {
      return {wire::IdType::der_asn1_dn, std::move(*octets)};
    }
  }
  if (text.starts_with('@')) {
    return {wire::IdType::fqdn, base::to_vec(base::as_bytes(text.substr(1)))};
  }
  const bool has_at = text.find('@') != std::string_view::npos;
  //= rfc7296#3.5-4..6
  return {has_at ? wire::IdType::rfc822_addr : wire::IdType::fqdn,
          base::to_vec(base::as_bytes(text))};
}

Identity Identity::from_address(const base::IpAddress& address) {
  return {address.is_v4() ? wire::IdType::ipv4_addr : wire::IdType::ipv6_addr,
          base::to_vec(address.bytes())};
}

Identity Identity::from_wire(const wire::IdPayload& payload) {
  return {payload.type, payload.data};
}

//= rfc7296#3.5-2..3
wire::IdPayload Identity::to_wire(bool initiator) const { return {initiator, type, data}; }

std::string Identity::to_string() const {
  using enum wire::IdType;
  switch (type) {
    case ipv4_addr: return address_text(*this, "ipv4");
    case ipv6_addr: return address_text(*this, "ipv6");
    case fqdn: return fqdn_text(*this);
    case rfc822_addr: return base::printable(base::as_text(data));
    case key_id: return std::string{key_id_prefix} + hex_text(data);
    case der_asn1_dn: return "dn:" + hex_text(data);
    case der_asn1_gn: return "gn:" + hex_text(data);
    case null: return "null";
  }
  return fmt::format("id{}:{}", static_cast<unsigned>(type), hex_text(data));
}

bool is_same(const Identity& a, const Identity& b) {
  if (a.type != b.type) return false;
  const bool is_text = a.type == wire::IdType::fqdn || a.type == wire::IdType::rfc822_addr;
  return is_text ? is_same_text(a.data, b.data) : base::equal(a.data, b.data);
}

}  // namespace caponier::policy

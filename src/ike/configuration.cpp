#include "ike/configuration.h"

#include <algorithm>
#include <array>

namespace caponier::ike {
namespace {

using Type = wire::ConfigAttributeType;

/// s3.15.1: what a CFG_REQUEST of IKE_AUTH may ask us for.
constexpr std::array supported{Type::internal_ip4_address,
                               Type::internal_ip4_dns,
                               Type::internal_ip4_subnet,
                               Type::internal_ip6_address,
                               Type::internal_ip6_dns,
                               Type::internal_ip6_subnet,
                               Type::internal_dns_domain,
                               Type::supported_attributes,
                               Type::encdns_ip4,
                               Type::encdns_ip6,
                               Type::internal_ip4_nbns,
                               Type::ms_internal_ip4_server,
                               Type::ms_internal_ip6_server};

wire::ConfigAttribute supported_attributes() {
  wire::ConfigAttribute attribute{static_cast<std::uint16_t>(Type::supported_attributes), {}};
  for (const Type type : supported) {
    std::array<std::byte, 2> number{};
    base::store_be(number.data(), static_cast<std::uint16_t>(type));
    base::append(attribute.value, number);
  }
  return attribute;
}

void append_addresses(bool is_v4, std::span<const base::IpAddress> inner,
                      std::vector<wire::ConfigAttribute>& to) {
  constexpr auto whole = std::byte{128};
  const Type type = is_v4 ? Type::internal_ip4_address : Type::internal_ip6_address;
  for (const base::IpAddress& address : inner) {
    if (address.is_v4() != is_v4) continue;
    auto& given = to.emplace_back(static_cast<std::uint16_t>(type), base::to_vec(address.bytes()));
    if (!is_v4) given.value.push_back(whole);
  }
}

wire::ConfigPayload answer_to(const wire::ConfigPayload& request,
                              std::span<const base::IpAddress> inner) {
  const auto asks = [&](Type type) {
    return std::ranges::any_of(request.attributes, [&](const wire::ConfigAttribute& one) {
      return one.type == static_cast<std::uint16_t>(type);
    });
  };
  wire::ConfigPayload reply;
  reply.cfg_type = static_cast<std::uint8_t>(wire::ConfigType::reply);
  if (asks(Type::internal_ip4_address)) append_addresses(true, inner, reply.attributes);
  if (asks(Type::internal_ip6_address)) append_addresses(false, inner, reply.attributes);
  if (asks(Type::supported_attributes)) reply.attributes.push_back(supported_attributes());
  return reply;
}

}  // namespace

void append_configuration_answer(const std::vector<wire::Payload>& request,
                                 std::span<const base::IpAddress> inner,
                                 std::vector<wire::Payload>& answer) {
  const auto* const asked = wire::find<wire::ConfigPayload>(request);
  if (asked == nullptr) return;
  switch (static_cast<wire::ConfigType>(asked->cfg_type)) {
    case wire::ConfigType::request: answer.emplace_back(answer_to(*asked, inner)); return;
    case wire::ConfigType::set: {
      wire::ConfigPayload ack;
      ack.cfg_type = static_cast<std::uint8_t>(wire::ConfigType::ack);
      answer.emplace_back(std::move(ack));
      return;
    }
    case wire::ConfigType::reply:
    case wire::ConfigType::ack: return;
  }
}

}  // namespace caponier::ike

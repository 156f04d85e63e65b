#include "ike/messages.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/event.h"
#include "policy/identity.h"

namespace caponier::ike {

using base::ByteVec;
using wire::NotifyPayload;
using wire::NotifyType;

NotifyPayload make_notify(NotifyType type, ByteVec data) {
  NotifyPayload notify;
  notify.type = type;
  notify.data = std::move(data);
  return notify;
}

wire::ProtocolId protocol_id(policy::SaProtocol protocol) {
  return protocol == policy::SaProtocol::ah ? wire::ProtocolId::ah : wire::ProtocolId::esp;
}

policy::SaProtocol sa_protocol(wire::ProtocolId protocol) {
  return protocol == wire::ProtocolId::ah ? policy::SaProtocol::ah : policy::SaProtocol::esp;
}

policy::SaProtocol chosen_protocol(const std::vector<wire::Payload>& answer) {
  const auto* const sa = wire::find<wire::SaPayload>(answer);
  if (sa == nullptr || sa->proposals.empty()) return policy::SaProtocol::esp;
  return sa_protocol(sa->proposals.front().protocol);
}

//= rfc7296#3.10-1..3
NotifyPayload make_child_notify(NotifyType type, policy::SaProtocol protocol, base::Spi spi) {
  NotifyPayload notify = make_notify(type);
  notify.protocol = protocol_id(protocol);
  notify.spi = to_bytes(spi);
  return notify;
}

NotifyPayload make_invalid_ke(crypto::KeGroup wanted) {
  ByteVec data(2);
  base::store_be(data.data(), static_cast<std::uint16_t>(wanted));
  return make_notify(NotifyType::invalid_ke_payload, std::move(data));
}

std::optional<crypto::KeGroup> wanted_group(const NotifyPayload& notify) {
  if (notify.data.size() != 2) return std::nullopt;
  return crypto::KeGroup{base::load_be<std::uint16_t>(notify.data.data())};
}

std::optional<base::Spi> child_spi(base::Bytes spi) {
  if (spi.size() != 4) return std::nullopt;
  const base::Spi value{base::load_be<std::uint32_t>(spi.data())};
  if (value.value < 256) return std::nullopt;
  return value;
}

ByteVec to_bytes(base::Spi spi) {
  ByteVec bytes(4);
  base::store_be(bytes.data(), spi.value);
  return bytes;
}

ByteVec to_bytes(base::IkeSpi spi) {
  ByteVec bytes(8);
  base::store_be(bytes.data(), spi.value);
  return bytes;
}

namespace {

/// The first payload body for which `is_wanted` holds.
template <class Predicate>
std::optional<base::Bytes> find_body(base::Bytes message, Predicate is_wanted) {
  base::Reader in{message};
  const auto header = wire::IkeHeader::decode(in);
  if (!header) return std::nullopt;
  constexpr std::size_t generic_header_size = 4;
  wire::PayloadType type = header->next_payload;
  while (type != wire::PayloadType::none) {
    const auto next = in.u8("payload.next");
    const auto flags = in.u8("payload.flags");
    const auto size = in.u16("payload.length");
    if (!next || !flags || !size || *size < generic_header_size) return std::nullopt;
    const auto body = in.take(*size - generic_header_size, "payload.body");
    if (!body) return std::nullopt;
    if (is_wanted(type, *body)) return *body;
    type = static_cast<wire::PayloadType>(*next);
  }
  return std::nullopt;
}

}  // namespace

std::optional<base::Bytes> peek(base::Bytes message, wire::PayloadType type) {
  return find_body(message, [type](wire::PayloadType found, base::Bytes) { return found == type; });
}

bool has_notify(base::Bytes message, wire::NotifyType type) {
  constexpr std::size_t type_at = 2;
  return find_body(message,
                   [type](wire::PayloadType found, base::Bytes body) {
                     return found == wire::PayloadType::notify && body.size() >= type_at + 2 &&
                            base::load_be<std::uint16_t>(body.data() + type_at) ==
                                static_cast<std::uint16_t>(type);
                   })
      .has_value();
}

bool has_vendor_id(base::Bytes message, base::Bytes id) {
  return find_body(message,
                   [id](wire::PayloadType found, base::Bytes body) {
                     return found == wire::PayloadType::vendor_id && std::ranges::equal(body, id);
                   })
      .has_value();
}

ByteVec unprotected_answer(const wire::IkeHeader& request, const NotifyPayload& notify) {
  return unprotected_answer(request, std::vector{notify});
}

ByteVec unprotected_answer(const wire::IkeHeader& request,
                           const std::vector<NotifyPayload>& notifies) {
  wire::IkeMessage message;
  message.header.spi_i = request.spi_i;
  message.header.spi_r = request.spi_r;
  message.header.exchange = request.exchange;
  message.header.message_id = request.message_id;
  message.header.flags = wire::IkeHeader::flag_response;
  if (!request.from_initiator()) message.header.flags |= wire::IkeHeader::flag_initiator;
  message.payloads.assign(notifies.begin(), notifies.end());
  return message.encode().value_or(ByteVec{});
}

std::string describe(const NotifyPayload& notify) {
  std::string text = wire::name_of(notify.type);
  if (notify.type == NotifyType::invalid_ke_payload) {
    if (const auto group = wanted_group(notify))
      text += fmt::format(" (wants {})", name_of(*group));
  }
  if (notify.type == NotifyType::unsupported_critical_payload && notify.data.size() == 1) {
    text += fmt::format(" (payload type {})", std::to_integer<unsigned>(notify.data.front()));
  }
  return text;
}

namespace {
std::string_view what(wire::TransformType type) {
  switch (type) {
    case wire::TransformType::encr: return "encryption algorithm";
    case wire::TransformType::prf: return "pseudo-random function";
    case wire::TransformType::integ: return "integrity algorithm";
    case wire::TransformType::ke: return "key-exchange group";
    case wire::TransformType::esn: return "sequence number size (ESN)";
  }
  return "proposal";
}
}  // namespace

std::string describe(const policy::NoChoice& no_choice) {
  return fmt::format("no common {}: we have {}; the peer has {}", what(no_choice.missing),
                     no_choice.ours, base::printable(no_choice.theirs, 1024));
}

std::string_view name_of(crypto::KeGroup group) {
  const crypto::KeInfo* const info = crypto::find(group);
  return info == nullptr ? "an unknown group" : info->name;
}

std::string describe(const wire::IdPayload& id) {
  return policy::Identity::from_wire(id).to_string();
}

bool is_offered(const policy::IkeSuite& suite, const policy::Offers& offers) {
  const auto has = [](const auto& list, const auto& value) {
    return std::ranges::find(list, value) != list.end();
  };
  return std::ranges::any_of(offers, [&](const policy::Offer& offer) {
    const bool integrity = suite.cipher.integ == crypto::IntegId::none
                               ? offer.integrity.empty()
                               : has(offer.integrity, suite.cipher.integ);
    const auto encryption = std::ranges::find_if(offer.encryption, [&](const auto& e) {
      return e.id == suite.cipher.encr && e.key_bits == suite.cipher.key_bits;
    });
    return integrity && encryption != offer.encryption.end() && has(offer.prf, suite.prf) &&
           has(offer.ke, suite.ke);
  });
}

std::vector<crypto::KeGroup> groups_of(const policy::Offers& offers) {
  std::vector<crypto::KeGroup> groups;
  for (const policy::Offer& offer : offers) {
    for (const crypto::KeGroup group : offer.ke) {
      if (group == crypto::KeGroup::none) continue;
      if (std::ranges::find(groups, group) == groups.end()) groups.push_back(group);
    }
  }
  return groups;
}

}  // namespace caponier::ike

#include "ike/redirect.h"

#include <algorithm>
#include <utility>

#include "base/event.h"
#include "ike/messages.h"

namespace caponier::ike {

namespace {

// RFC 5685 s12.
constexpr std::uint8_t type_v4 = 1;
constexpr std::uint8_t type_v6 = 2;
constexpr std::uint8_t type_fqdn = 3;

void put_address(base::Writer& out, const base::IpAddress& address) {
  out.u8(address.is_v4() ? type_v4 : type_v6);
  out.u8(static_cast<std::uint8_t>(address.bytes().size()));
  out.bytes(address.bytes());
}

bool is_host_name(base::Bytes name) {
  return !name.empty() && name.size() <= gateway_name_size_max &&
         std::ranges::all_of(name, [](std::byte octet) {
           const char c = static_cast<char>(octet);
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.' || c == '_';
         });
}

std::optional<GatewayName> read_name(std::uint8_t type, base::Bytes name) {
  const bool is_address =
      (type == type_v4 && name.size() == 4) || (type == type_v6 && name.size() == 16);
  if (is_address) {
    const auto address = base::IpAddress::from_bytes(name);
    if (address.is_unspecified()) return std::nullopt;
    return GatewayName{address, {}};
  }
  if (type != type_fqdn || !is_host_name(name)) return std::nullopt;
  return GatewayName{std::nullopt, std::string{base::as_text(name)}};
}

}  // namespace

bool RedirectLimit::admit(const std::string& connection, base::Instant now) {
  if (count_max_ == 0) return false;
  std::erase_if(followed_, [&](const auto& entry) { return now - entry.second.back() >= period_; });
  auto& times = followed_[connection];
  while (!times.empty() && now - times.front() >= period_) times.pop_front();
  if (times.size() >= count_max_) return false;
  times.push_back(now);
  return true;
}

std::string GatewayName::to_string() const { return address ? address->to_string() : name; }

wire::NotifyPayload make_redirect(const Redirect& redirect) {
  base::Writer out;
  if (redirect.to.address) {
    put_address(out, *redirect.to.address);
  } else {
    out.u8(type_fqdn);
    out.u8(static_cast<std::uint8_t>(redirect.to.name.size()));
    out.bytes(base::as_bytes(redirect.to.name));
  }
  out.bytes(redirect.nonce);
  return make_notify(wire::NotifyType::redirect, out.finish().value_or(base::ByteVec{}));
}

std::optional<Redirect> read_redirect(const wire::NotifyPayload& notify) {
  base::Reader in{notify.data};
  const auto type = in.u8("redirect.type");
  const auto size = in.u8("redirect.length");
  if (!type || !size) return std::nullopt;
  const auto name = in.take(*size, "redirect.identity");
  if (!name) return std::nullopt;
  auto to = read_name(*type, *name);
  if (!to) return std::nullopt;
  return Redirect{std::move(*to), base::to_vec(in.take_rest())};
}

wire::NotifyPayload make_redirected_from(const base::IpAddress& gateway) {
  base::Writer out;
  put_address(out, gateway);
  return make_notify(wire::NotifyType::redirected_from, out.finish().value_or(base::ByteVec{}));
}

}  // namespace caponier::ike

#pragma once
// What netlink messages are put together from and taken apart into; for this room.

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"

namespace caponier::io {

/// Every message we build fits easily: a header and a handful of attributes.
inline constexpr std::size_t message_size_max = 512;

class Builder {
 public:
  template <class Body>
  Builder(int type, int flags, const Body& body) {
    header_ = mnl_nlmsg_put_header(buffer_.data());
    header_->nlmsg_type = static_cast<std::uint16_t>(type);
    header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    std::memcpy(mnl_nlmsg_put_extra_header(header_, sizeof body), &body, sizeof body);
  }
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  Builder& u32(int type, std::uint32_t value) {
    mnl_attr_put_u32(header_, static_cast<std::uint16_t>(type), value);
    return *this;
  }
  Builder& u8(int type, std::uint8_t value) {
    mnl_attr_put_u8(header_, static_cast<std::uint16_t>(type), value);
    return *this;
  }
  Builder& address(int type, const base::IpAddress& value) {
    const base::Bytes raw = value.bytes();
    mnl_attr_put(header_, static_cast<std::uint16_t>(type), raw.size(), raw.data());
    return *this;
  }
  [[nodiscard]] nlmsghdr* header() { return header_; }
  [[nodiscard]] base::ByteVec take() const {
    const auto all = std::as_bytes(std::span{buffer_});
    return base::to_vec(all.first(header_->nlmsg_len));
  }

 private:
  alignas(nlmsghdr) std::array<char, message_size_max> buffer_{};
  nlmsghdr* header_ = nullptr;
};

inline std::uint8_t family_number(base::Family family) {
  return family == base::Family::v4 ? AF_INET : AF_INET6;
}

/// The message's fixed part, if the message is of this type and long enough.
template <class Body>
const Body* body_of(base::Bytes message, int type) {
  if (message.size() < sizeof(nlmsghdr) + sizeof(Body)) return nullptr;
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  if (header->nlmsg_type != type || header->nlmsg_len > message.size()) return nullptr;
  return static_cast<const Body*>(mnl_nlmsg_get_payload(header));
}

inline const nlattr* find_attribute(const void* begin, const void* end, int type) {
  const auto* at = static_cast<const nlattr*>(begin);
  const auto left = [&] {
    return static_cast<const char*>(end) - reinterpret_cast<const char*>(at);
  };
  while (mnl_attr_ok(at, static_cast<int>(left()))) {
    if (mnl_attr_get_type(at) == type) return at;
    at = mnl_attr_next(at);
  }
  return nullptr;
}

template <class Body>
const nlattr* find_attribute(base::Bytes message, int type) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  return find_attribute(mnl_nlmsg_get_payload_offset(header, sizeof(Body)),
                        mnl_nlmsg_get_payload_tail(header), type);
}

/// Within another attribute.
inline const nlattr* find_nested(const nlattr* outer, int type) {
  const auto* begin = static_cast<const char*>(mnl_attr_get_payload(outer));
  return find_attribute(begin, begin + mnl_attr_get_payload_len(outer), type);
}

template <class Body>
std::optional<std::uint32_t> find_u32(base::Bytes message, int type) {
  const nlattr* found = find_attribute<Body>(message, type);
  if (found == nullptr || mnl_attr_get_payload_len(found) != 4) return std::nullopt;
  return mnl_attr_get_u32(found);
}

template <class Body>
std::optional<base::IpAddress> find_address(base::Bytes message, int type) {
  const nlattr* found = find_attribute<Body>(message, type);
  if (found == nullptr) return std::nullopt;
  const std::size_t size = mnl_attr_get_payload_len(found);
  if (size != 4 && size != 16) return std::nullopt;
  return base::IpAddress::from_bytes(
      {static_cast<const std::byte*>(mnl_attr_get_payload(found)), size});
}

}  // namespace caponier::io

#pragma once
// The only URLs that are ever asked: http://HOST[:PORT][/PATH] (RFC 9110 s4.2.1).

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"

namespace caponier::io {

inline constexpr std::size_t http_url_size_max = 2048;

struct HttpUrl {
  std::string host;                        ///< a name, or an address without brackets
  std::optional<base::IpAddress> address;  ///< of the host, when it is one
  std::uint16_t port = 80;
  std::string target;  ///< path and query; "/" at least

  /// Host and port as the Host field wants them.
  [[nodiscard]] std::string authority() const;
};

/// A sentence when it is not that: another scheme, a user name, octets that are not printable.
[[nodiscard]] std::expected<HttpUrl, std::string> parse_http_url(std::string_view text);

/// Where `location` leads from `base`: a whole URL, or an absolute path of the same host.
[[nodiscard]] std::expected<HttpUrl, std::string> redirected(const HttpUrl& base,
                                                             std::string_view location);

}  // namespace caponier::io

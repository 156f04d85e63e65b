#include "io/http/http_url.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace caponier::io {
namespace {

constexpr std::string_view scheme = "http://";
constexpr std::uint16_t default_port = 80;

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

bool is_host_name(std::string_view text) {
  constexpr std::size_t name_max = 253;  // RFC 1035 s2.3.4
  return !text.empty() && text.size() <= name_max && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

bool is_same_scheme(std::string_view text) {
  return text.size() > scheme.size() &&
         std::ranges::equal(text.substr(0, scheme.size()), scheme, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b;
         });
}

/// "host", "host:80", "[2001:db8::1]:80".
bool take_authority(std::string_view text, HttpUrl& url) {
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return false;
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return false;
    url.address = base::IpAddress::parse(host);
    if (!url.address || url.address->is_v4()) return false;
  } else {
    const auto colon = text.find(':');
    host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon);
    if (!is_host_name(host)) return false;
    url.address = base::IpAddress::parse(host);
  }
  url.host = host;
  if (port.size() <= 1) return true;  // "host:" is allowed
  const auto number = parse_port(port.substr(1));
  if (number) url.port = *number;
  return number.has_value();
}

}  // namespace

std::string HttpUrl::authority() const {
  const std::string name = address && !address->is_v4() ? fmt::format("[{}]", host) : host;
  return port == default_port ? name : fmt::format("{}:{}", name, port);
}

std::expected<HttpUrl, std::string> parse_http_url(std::string_view text) {
  if (text.size() > http_url_size_max || !is_printable(text)) {
    return std::unexpected{"its address is too long, or not printable"};
  }
  if (!is_same_scheme(text)) return std::unexpected{"its address does not begin with http://"};
  text.remove_prefix(scheme.size());
  text = text.substr(0, text.find('#'));
  const auto end = text.find_first_of("/?");
  HttpUrl url;
  if (!take_authority(text.substr(0, end), url)) {
    return std::unexpected{"its address names no host"};
  }
  if (end != std::string_view::npos) url.target = text.substr(end);
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  return url;
}

std::expected<HttpUrl, std::string> redirected(const HttpUrl& base, std::string_view location) {
  if (!location.starts_with('/') || location.starts_with("//")) return parse_http_url(location);
  return parse_http_url(fmt::format("{}{}{}", scheme, base.authority(), location));
}

}  // namespace caponier::io

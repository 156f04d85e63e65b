#include "swan/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "config/values.h"
#include "swan/section.h"

namespace caponier::swan {

namespace {

using config::quoted;

std::unexpected<Fault> fault(std::string message, std::string fix) {
  return std::unexpected{Fault{std::move(message), std::move(fix)}};
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::uint64_t> number_of(std::string_view text) {
  const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
  if (is_hex) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, is_hex ? 16 : 10);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return value;
}

/// The number and the unit behind it.
struct Counted {
  std::optional<std::uint64_t> number;
  std::string_view unit;
};
Counted split_unit(std::string_view text) {
  text = trimmed(text);
  const auto* const end = std::ranges::find_if_not(text, is_digit);
  const auto digits = static_cast<std::size_t>(end - text.begin());
  return {number_of(text.substr(0, digits)), trimmed(text.substr(digits))};
}

}  // namespace

Parsed<bool> parse_boolean(std::string_view text) {
  for (const std::string_view word : {"yes", "true", "enabled", "1"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"no", "false", "disabled", "0"}) {
    if (text == word) return false;
  }
  return fault(fmt::format("{} is neither yes nor no", quoted(text)), "write yes or no");
}

Parsed<std::uint64_t> parse_number(std::string_view text, std::uint64_t max) {
  const auto number = number_of(trimmed(text));
  if (number && *number <= max) return *number;
  return fault(fmt::format("{} is not a number from 0 to {}", quoted(text), max),
               "write a number without a unit");
}

Parsed<base::Duration> parse_time(std::string_view text) {
  const auto [number, unit] = split_unit(text);
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 5> units{
      {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}}};
  const auto* const row = std::ranges::find(units, unit, [](const auto& one) { return one.first; });
  constexpr std::uint64_t seconds_max = 10ULL * 366 * 86400;
  if (!number || row == units.end()) {
    return fault(fmt::format("{} is not a time", quoted(text)),
                 "write a number of seconds, or one with s, m, h or d behind it");
  }
  if (*number > seconds_max / row->second) {
    return fault(fmt::format("{} is longer than ten years", quoted(text)), "write a shorter time");
  }
  return std::chrono::seconds{static_cast<std::int64_t>(*number * row->second)};
}

Parsed<std::uint64_t> parse_bytes(std::string_view text) {
  const auto [number, unit] = split_unit(text);
  constexpr std::array<std::pair<std::string_view, unsigned>, 7> units{
      {{"", 0}, {"k", 10}, {"K", 10}, {"m", 20}, {"M", 20}, {"g", 30}, {"G", 30}}};
  const auto* const row = std::ranges::find(units, unit, [](const auto& one) { return one.first; });
  if (!number || row == units.end() || *number > (~std::uint64_t{0} >> row->second)) {
    return fault(fmt::format("{} is not a number of octets", quoted(text)),
                 "write a number, or one with k, m or g behind it");
  }
  return *number << row->second;
}

Parsed<std::uint8_t> parse_dscp(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 2);
  if (error == std::errc{} && end == text.data() + text.size() && text.size() == 6) {
    return static_cast<std::uint8_t>(value);
  }
  return fault(fmt::format("{} is not a code point", quoted(text)),
               "write six binary digits, such as 101110");
}

Parsed<Host> parse_host(std::string_view text) {
  text = trimmed(text);
  Host host;
  host.text = text;
  if (text == "%any" || text == "%any4" || text == "%any6" || text == "0.0.0.0" || text == "::" ||
      text == "0.0.0.0/0" || text == "::/0") {
    return host;
  }
  const std::size_t end = text.find_first_of("-/");
  const auto address = base::IpAddress::parse(text.substr(0, end));
  if (address && end == std::string_view::npos) {
    host.kind = Host::Kind::address;
    host.first = host.last = *address;
    return host;
  }
  if (address) {
    const Selector range = TRY(parse_selector(text));
    host.kind = Host::Kind::range;
    host.first = range.ts.first;
    host.last = range.ts.last;
    return host;
  }
  const auto remote = config::parse_remote(text);
  if (!remote || remote->any) {
    return fault(fmt::format("{} is no address, network, range or DNS name", quoted(text)),
                 "write an address, 192.0.2.0/24, 192.0.2.1-192.0.2.9, a name, or %any");
  }
  host.kind = Host::Kind::name;
  return host;
}

Parsed<Mark> parse_mark(std::string_view text) {
  text = trimmed(text);
  const std::size_t slash = text.find('/');
  const std::string_view value = text.substr(0, slash);
  Mark mark;
  if (value == "%unique") {
    mark.kind = Mark::Kind::unique;
  } else if (value == "%unique-dir") {
    mark.kind = Mark::Kind::unique_dir;
  } else if (value == "%same") {
    mark.kind = Mark::Kind::same;
  } else if (const auto number = number_of(value); number && *number <= 0xffffffff) {
    mark.value = static_cast<std::uint32_t>(*number);
    mark.kind = mark.value == 0 ? Mark::Kind::none : Mark::Kind::fixed;
  } else {
    return fault(fmt::format("{} is not a mark", quoted(text)),
                 "write a number, number/mask, %unique or %unique-dir");
  }
  if (slash == std::string_view::npos) return mark;
  const auto mask = number_of(text.substr(slash + 1));
  if (!mask || *mask > 0xffffffff) {
    return fault(fmt::format("{} has no mask behind '/'", quoted(text)),
                 "write a number such as 0xff");
  }
  mark.mask = static_cast<std::uint32_t>(*mask);
  // A mark of 0 under a mask is one as well: it demands that the bits are not set.
  if (mark.kind == Mark::Kind::none && mark.mask != 0) mark.kind = Mark::Kind::fixed;
  return mark;
}

Parsed<base::ByteVec> parse_blob(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) {
    auto octets = base::from_hex(text.substr(2));
    if (octets) return *std::move(octets);
    return fault("what follows 0x is not hexadecimal", "write an even number of digits");
  }
  if (!text.starts_with("0s") && !text.starts_with("0S")) {
    return base::to_vec(base::as_bytes(text));
  }
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  base::ByteVec octets;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text.substr(2)) {
    if (c == '=') break;
    const std::size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) {
      return fault("what follows 0s is not Base64", "look for blanks and line ends in it");
    }
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    octets.push_back(static_cast<std::byte>(bits >> count & 0xff));
  }
  return octets;
}

Parsed<AuthMethod> parse_auth(std::string_view text) {
  AuthMethod method;
  const std::size_t end = text.find_first_of("-:");
  const std::string_view word = text.substr(0, end);
  const std::string_view rest =
      end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  if (text == "any") {
    method.kind = AuthMethod::Kind::any;
  } else if (text == "psk") {
    method.kind = AuthMethod::Kind::psk;
  } else if (text == "null") {
    method.kind = AuthMethod::Kind::null;
  } else if (word == "xauth") {
    method.kind = AuthMethod::Kind::xauth;
  } else if (word == "eap") {
    method.kind = AuthMethod::Kind::eap;
    const std::size_t colon = rest.find(':');
    method.eap = rest.substr(0, colon);
    if (colon != std::string_view::npos) method.constraints = rest.substr(colon + 1);
    if (text[std::min(end, text.size() - 1)] == ':') {
      method.eap.clear();
      method.constraints = rest;
    }
  } else {
    constexpr std::array<std::string_view, 8> schemes{"pubkey",  "rsa",   "rsa/pss", "ecdsa",
                                                      "ed25519", "ed448", "ike",     "bliss"};
    if (std::ranges::find(schemes, word) == schemes.end()) {
      constexpr std::array<std::string_view, 7> words{"pubkey",  "psk", "eap",  "eap-mschapv2",
                                                      "eap-tls", "rsa", "ecdsa"};
      return fault(fmt::format("{} is no way to authenticate", quoted(text)),
                   config::suggest(text, words, "write pubkey, psk or eap-METHOD"));
    }
    if (text != "pubkey") method.constraints = text;
  }
  return method;
}

}  // namespace caponier::swan

#include "cli/report/redaction.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/address.h"
#include "base/base64.h"

namespace caponier::cli {
namespace {

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_word(char c) { return is_hex(c) || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z'); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string out{text};
  std::ranges::transform(out, out.begin(), [](char c) { return lower(c); });
  return out;
}

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

base::Bytes without_newlines(base::Bytes value) {
  while (!value.empty() && (value.back() == std::byte{'\n'} || value.back() == std::byte{'\r'})) {
    value = value.first(value.size() - 1);
  }
  return value;
}

/// The characters of base 64 that are the value's alone when it begins `shift` octets after a
/// multiple of three.
std::string inner_base64(base::Bytes value, std::size_t shift) {
  base::ByteVec padded(shift);
  padded.insert(padded.end(), value.begin(), value.end());
  std::string text = base::to_base64(padded);
  constexpr std::array<std::size_t, 3> foreign_front{0, 2, 3};
  const std::size_t bits = padded.size() * 8;
  text.resize(bits / 6);  // what is left of the last octet stands with what follows
  return text.size() <= foreign_front.at(shift) ? std::string{}
                                                : text.substr(foreign_front.at(shift));
}

std::string url_form(std::string text) {
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

// Whole words of a key: "key_passphrase", "eap-secret", "shared_secret", "PreSharedKey".
constexpr std::array<std::string_view, 12> secret_words = {
    "psk",     "secret", "password", "passphrase", "passwd",       "pin",
    "pincode", "token",  "apikey",   "authkey",    "presharedkey", "privatekey"};

/// The last part of a key, in lower case, without what joins words.
bool names_a_secret(std::string_view key) {
  std::string joined;
  std::string part;
  const auto is_secret = [](std::string_view word) {
    return std::ranges::find(secret_words, word) != secret_words.end();
  };
  for (const char c : key) {
    if (is_word(c)) {
      part += lower(c);
      joined += lower(c);
      continue;
    }
    if (is_secret(part)) return true;
    part.clear();
  }
  return is_secret(part) || is_secret(joined);
}

bool is_key_char(char c) { return is_word(c) || c == '_' || c == '-' || c == '.'; }

bool is_reference(std::string_view value) {
  const std::size_t start = value.find_first_not_of(" \t\"'");
  if (start == std::string_view::npos) return true;
  value.remove_prefix(start);
  return value.starts_with('@') || value.starts_with("cred:") || value.starts_with('{') ||
         value.starts_with('[');
}

/// The place of the '=' or ':' behind a key that names a secret.
std::optional<std::size_t> secret_value(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '=' && line[i] != ':') continue;
    std::size_t end = i;
    while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t' || line[end - 1] == '"'))
      --end;
    std::size_t begin = end;
    while (begin > 0 && is_key_char(line[begin - 1])) --begin;
    if (begin == end || !names_a_secret(line.substr(begin, end - begin))) continue;
    if (!is_reference(line.substr(i + 1))) return i;
  }
  return std::nullopt;
}

struct Found {
  std::size_t size = 0;
  std::string_view kind;
  std::string address;
};

/// The longest address that begins here.
Found address_at(std::string_view rest) {
  std::size_t size = 0;
  while (size < rest.size() && (is_hex(rest[size]) || rest[size] == ':' || rest[size] == '.')) {
    ++size;
  }
  const std::string_view whole = rest.substr(0, size);
  constexpr std::size_t mac_size = 17;
  if (size == mac_size && std::ranges::count(whole, ':') == 5 &&
      whole.find("::") == std::string_view::npos) {
    return {size, "mac", lower(whole)};
  }
  for (; size >= 2; --size) {
    const std::string_view text = rest.substr(0, size);
    if (text.find('.') == std::string_view::npos && text.find(':') == std::string_view::npos) break;
    const auto address = base::IpAddress::parse(text);
    if (address) return {size, address->is_v4() ? "ip4" : "ip6", address->to_string()};
  }
  return {};
}

/// These say nothing of anybody.
bool is_common(const std::string& address) {
  return address.starts_with("127.") || address.starts_with("255.") || address == "0.0.0.0" ||
         address == "::" || address == "::1" || address == "00:00:00:00:00:00" ||
         address == "ff:ff:ff:ff:ff:ff";
}

}  // namespace

void Redaction::add_pattern(std::string_view pattern) {
  if (pattern.size() < secret_size_min) return;
  const auto shorter = std::ranges::find_if(
      patterns_, [&](const base::SecretBytes& one) { return one.size() < pattern.size(); });
  patterns_.insert(shorter, base::SecretBytes{base::as_bytes(pattern)});
}

void Redaction::add_secret(base::Bytes value) {
  value = without_newlines(value);
  if (value.size() < secret_size_min) return;
  add_pattern(base::as_text(value));
  std::string hex = base::to_hex(value);
  add_pattern(hex);
  add_pattern(upper(std::move(hex)));
  for (const std::size_t shift : {0U, 1U, 2U}) {
    const std::string inner = inner_base64(value, shift);
    add_pattern(inner);
    if (url_form(inner) != inner) add_pattern(url_form(inner));
  }
  if (base::as_text(value).starts_with("0x")) {
    const auto octets = base::from_hex(base::as_text(value).substr(2));
    if (octets) add_secret(*octets);
  }
}

void Redaction::add_key_file(base::Bytes content) {
  std::string_view text = base::as_text(content);
  if (text.find("-----BEGIN") == std::string_view::npos) return add_secret(content);
  std::string body;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (!line.starts_with("-----")) {
      add_pattern(line);
      body += line;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto octets = base::from_base64(body);
  if (octets) add_secret(*octets);
}

std::string Redaction::apply(std::string_view text) const {
  std::string out{text};
  for (const base::SecretBytes& pattern : patterns_) {
    const std::string_view value = base::as_text(pattern.reveal());
    for (std::size_t at = out.find(value); at != std::string::npos; at = out.find(value, at)) {
      out.replace(at, value.size(), redacted);
      at += redacted.size();
    }
  }
  return out;
}

std::string without_named_secrets(std::string_view text) {
  std::string out;
  bool in_key = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    const std::string_view line = text.substr(0, end + 1);
    text.remove_prefix(end + 1);
    const bool is_begin = line.find("-----BEGIN") != std::string_view::npos &&
                          line.find("PRIVATE KEY") != std::string_view::npos;
    if (in_key) {
      in_key = line.find("-----END") == std::string_view::npos;
      continue;
    }
    if (is_begin) {
      in_key = line.find("-----END") == std::string_view::npos;
      out += fmt::format("{} a private key\n", redacted);
      continue;
    }
    const auto value = secret_value(line);
    out += value ? fmt::format("{} {}\n", line.substr(0, *value + 1), redacted) : std::string{line};
  }
  return out;
}

const std::string& AddressHider::word_for(std::string_view kind, const std::string& address) {
  const auto known = words_.find(address);
  if (known != words_.end()) return known->second;
  unsigned& count = counts_[std::string{kind}];
  return words_.emplace(address, fmt::format("{}-{}", kind, ++count)).first->second;
}

std::string AddressHider::apply(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const bool is_inside =
        i > 0 && (is_word(text[i - 1]) || text[i - 1] == '.' || text[i - 1] == '_');
    const bool begins = !is_inside && (is_hex(text[i]) || text[i] == ':');
    const Found found = begins ? address_at(text.substr(i)) : Found{};
    const char next = i + found.size < text.size() ? text[i + found.size] : ' ';
    const bool ends = !is_word(next) && next != '_';
    if (found.size == 0 || !ends || is_common(found.address)) {
      const std::size_t size = std::max<std::size_t>(found.size, 1);
      out += text.substr(i, size);
      i += size;
      continue;
    }
    out += word_for(found.kind, found.address);
    i += found.size;
  }
  return out;
}

}  // namespace caponier::cli

// Identities by their syntax, as strongSwan guesses what a text is meant to be.

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/error.h"
#include "config/values.h"
#include "swan/section.h"
#include "swan/values.h"

namespace caponier::swan {

namespace {

using config::quoted;
using wire::IdType;

struct TypePrefix {
  std::string_view text;
  IdType type;
};
constexpr std::array type_prefixes = {
    TypePrefix{"ipv4:", IdType::ipv4_addr},
    TypePrefix{"ipv6:", IdType::ipv6_addr},
    TypePrefix{"rfc822:", IdType::rfc822_addr},
    TypePrefix{"email:", IdType::rfc822_addr},
    TypePrefix{"userfqdn:", IdType::rfc822_addr},
    TypePrefix{"fqdn:", IdType::fqdn},
    TypePrefix{"dns:", IdType::fqdn},
    TypePrefix{"asn1dn:", IdType::der_asn1_dn},
    TypePrefix{"asn1gn:", IdType::der_asn1_gn},
    TypePrefix{"keyid:", IdType::key_id},
};

Who one(std::string_view text, policy::Identity identity) {
  return {Who::Kind::one, std::string{text}, policy::IdentityPattern{std::move(identity)}};
}

Parsed<Who> with_type(std::string_view text, IdType type, std::string_view data) {
  if (!data.starts_with('#')) return one(text, {type, base::to_vec(base::as_bytes(data))});
  auto octets = base::from_hex(data.substr(1));
  if (octets) return one(text, {type, *std::move(octets)});
  return std::unexpected{Fault{fmt::format("{} holds no hexadecimal octets", quoted(text)),
                               "write an even number of digits 0-9 and a-f behind '#'"}};
}

/// "{2}:..." is a type by its number.
std::optional<IdType> number_type(std::string_view text, std::size_t& size) {
  const std::size_t close = text.find("}:");
  if (!text.starts_with('{') || close == std::string_view::npos) return std::nullopt;
  unsigned type = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + close, type);
  if (error != std::errc{} || end != text.data() + close || type > 0xff) return std::nullopt;
  size = close + 2;
  return static_cast<IdType>(type);
}

bool is_any(std::string_view text) {
  constexpr std::array<std::string_view, 9> words{"",   "%any", "%any6",     "0.0.0.0", "*",
                                                  "::", "0::0", "0.0.0.0/0", "::/0"};
  return std::ranges::find(words, text) != words.end();
}

Parsed<Who> parse_name_or_address(std::string_view text) {
  if (const auto address = base::IpAddress::parse(text)) {
    return one(text, policy::Identity::from_address(*address));
  }
  const std::size_t end = text.find_first_of("-/");
  if (end != std::string_view::npos && base::IpAddress::parse(text.substr(0, end))) {
    const Selector range = TRY(parse_selector(text));
    return Who{Who::Kind::one, std::string{text},
               policy::IdentityPattern::range(range.ts.first, range.ts.last)};
  }
  // What looks like an IPv6 address and is none is a key id for strongSwan.
  const bool is_key = text.find(':') != std::string_view::npos;
  return one(text, {is_key ? IdType::key_id : IdType::fqdn, base::to_vec(base::as_bytes(text))});
}

}  // namespace

Parsed<Who> parse_who(std::string_view text) {
  text = trimmed(text);
  if (is_any(text)) return Who{Who::Kind::any, std::string{text}, std::nullopt};
  if (text.size() > config::identity_size_max * 4) {
    return std::unexpected{Fault{"the identity is too long", "write a shorter one"}};
  }
  if (text.starts_with('^') && text.ends_with('$')) {
    return Who{Who::Kind::regex, std::string{text}, std::nullopt};
  }
  for (const TypePrefix& prefix : type_prefixes) {
    if (text.starts_with(prefix.text)) {
      return with_type(text, prefix.type, text.substr(prefix.text.size()));
    }
  }
  std::size_t size = 0;
  if (const auto type = number_type(text, size)) return with_type(text, *type, text.substr(size));
  if (text.find('=') != std::string_view::npos) {
    const bool is_pattern = text.find("=*") != std::string_view::npos;
    return Who{is_pattern ? Who::Kind::name_pattern : Who::Kind::name, std::string{text},
               std::nullopt};
  }
  if (text.starts_with("@#")) return with_type(text, IdType::key_id, text.substr(1));
  if (text.starts_with("@@")) {
    return one(text, {IdType::rfc822_addr, base::to_vec(base::as_bytes(text.substr(2)))});
  }
  const bool is_below = text.starts_with("*.") || text.starts_with("*@");
  const std::string_view rest = is_below ? text.substr(1) : text;
  if (rest.find('*') != std::string_view::npos) {
    return std::unexpected{Fault{fmt::format("{} has a '*' that is not in front", quoted(text)),
                                 "write *.example.org, *@example.org, or one whole name"}};
  }
  if (is_below) {
    const auto type = rest.front() == '@' ? IdType::rfc822_addr : IdType::fqdn;
    return Who{Who::Kind::one, std::string{text},
               policy::IdentityPattern::below({type, base::to_vec(base::as_bytes(rest))})};
  }
  if (text.starts_with('@')) {
    return one(text, {IdType::fqdn, base::to_vec(base::as_bytes(text.substr(1)))});
  }
  if (text.find('@') != std::string_view::npos) {
    return one(text, {IdType::rfc822_addr, base::to_vec(base::as_bytes(text))});
  }
  return parse_name_or_address(text);
}

}  // namespace caponier::swan

#pragma once
// The text forms of single values, as strongSwan reads them. Each parser says what is wrong and
// what would be right.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/errors.h"
#include "policy/identity_pattern.h"
#include "policy/proposal.h"
#include "policy/traffic_selector.h"

namespace caponier::swan {

using config::Fault;
using config::Parsed;

/// One of local_addrs or remote_addrs.
struct Host {
  enum class Kind : std::uint8_t { any, address, range, name };
  Kind kind = Kind::any;
  std::string text;       ///< as written
  base::IpAddress first;  ///< of a range, or the address
  base::IpAddress last;
  friend bool operator==(const Host&, const Host&) = default;
};

/// An identity as strongSwan understands texts: by their syntax.
struct Who {
  enum class Kind : std::uint8_t {
    any,
    one,           ///< or several that a pattern of ours names
    name,          ///< a distinguished name, which somebody else has to encode
    name_pattern,  ///< one with "*"
    regex,
  };
  Kind kind = Kind::any;
  std::string text;  ///< as written
  std::optional<policy::IdentityPattern> pattern;
  friend bool operator==(const Who&, const Who&) = default;
};

/// "dynamic" stands for the outer address, or the one that is given to us.
struct Selector {
  bool is_dynamic = false;
  policy::TrafficSelector ts;  ///< of a dynamic one: protocol and ports
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const Selector&, const Selector&) = default;
};

/// A netfilter mark, or the number of an XFRM interface.
struct Mark {
  enum class Kind : std::uint8_t { none, fixed, unique, unique_dir, same };
  Kind kind = Kind::none;
  std::uint32_t value = 0;
  std::uint32_t mask = 0xffffffff;
  friend bool operator==(const Mark&, const Mark&) = default;
};

[[nodiscard]] Parsed<bool> parse_boolean(std::string_view text);
[[nodiscard]] Parsed<std::uint64_t> parse_number(std::string_view text, std::uint64_t max);
/// "30", "30s", "5m", "4h", "1d"; zero is none.
[[nodiscard]] Parsed<base::Duration> parse_time(std::string_view text);
/// "500", "500k", "10m", "1g".
[[nodiscard]] Parsed<std::uint64_t> parse_bytes(std::string_view text);
[[nodiscard]] Parsed<Host> parse_host(std::string_view text);
[[nodiscard]] Parsed<Who> parse_who(std::string_view text);
[[nodiscard]] Parsed<Selector> parse_selector(std::string_view text);
[[nodiscard]] Parsed<Mark> parse_mark(std::string_view text);
/// Six binary digits.
[[nodiscard]] Parsed<std::uint8_t> parse_dscp(std::string_view text);

/// Proposals with what was left out of them, each as a sentence.
struct Proposals {
  policy::Offers offers;
  std::vector<std::string> dropped;
  /// What is weak but named: the configuration must say so.
  std::vector<std::string> weak;
  friend bool operator==(const Proposals&, const Proposals&) = default;
};
/// One of proposals, esp_proposals, ah_proposals. What strongSwan knows and we do not is left out,
/// as long as something stays; `default` is strongSwan's list.
[[nodiscard]] Parsed<Proposals> parse_proposals(const std::vector<std::string>& texts,
                                                wire::ProtocolId protocol);
/// One of our spelling, as parse_offer() reads it.
[[nodiscard]] std::string to_text(const policy::Offer& offer);

/// Text, "0x" and hexadecimal, or "0s" and Base64. Its errors never repeat the text.
[[nodiscard]] Parsed<base::ByteVec> parse_blob(std::string_view text);

/// What an `auth` says, but for the constraints on keys and hashes, which stay text.
struct AuthMethod {
  enum class Kind : std::uint8_t { any, pubkey, psk, eap, null, xauth };
  Kind kind = Kind::pubkey;
  std::string eap;          ///< "mschapv2", "tls", "radius", ...; empty: whichever
  std::string constraints;  ///< "rsa-2048-sha256", "ike:ecdsa-sha384"
  friend bool operator==(const AuthMethod&, const AuthMethod&) = default;
};
[[nodiscard]] Parsed<AuthMethod> parse_auth(std::string_view text);

}  // namespace caponier::swan

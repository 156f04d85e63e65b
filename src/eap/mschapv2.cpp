#include "eap/mschapv2.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "eap/conversation.h"

namespace caponier::eap::mschapv2 {
namespace {

using crypto::LegacyCrypto;

constexpr std::string_view server_signing = "Magic server to client signing constant";
constexpr std::string_view iterations_pad = "Pad to make it do more than one iteration";
constexpr std::string_view master_key_text = "This is the MPPE Master Key";
constexpr std::string_view to_server_text =
    "On the client side, this is the send key; on the server side, it is the receive key.";
constexpr std::string_view to_client_text =
    "On the client side, this is the receive key; on the server side, it is the send key.";

/// One character of UTF-8; the length is 0 when there is none.
struct Character {
  char32_t code = 0;
  std::size_t size = 0;
};

Character read_utf8(Bytes text) {
  const auto first = std::to_integer<std::uint32_t>(text[0]);
  if (first < 0x80) return {first, 1};
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return {};
  char32_t code = first & (0xffU >> (size + 1));
  for (const std::byte octet : text.subspan(1, size - 1)) {
    const auto bits = std::to_integer<std::uint32_t>(octet);
    if ((bits & 0xc0U) != 0x80) return {};
    code = (code << 6U) | (bits & 0x3fU);
  }
  const bool is_overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  const bool is_surrogate = code >= 0xd800 && code < 0xe000;
  if (is_overlong || is_surrogate || code > 0x10ffff) return {};
  return {code, size};
}

/// UTF-16, little-endian.
base::SecretBytes utf16_of(Bytes text) {
  base::SecretBytes out{2 * text.size()};  // no character of UTF-8 becomes longer than that
  base::MutBytes room = out.reveal_mutable();
  std::size_t used = 0;
  const auto put = [&](char32_t unit) {
    room[used++] = static_cast<std::byte>(unit & 0xffU);
    room[used++] = static_cast<std::byte>(unit >> 8U);
  };
  while (!text.empty()) {
    Character character = read_utf8(text);
    if (character.size == 0) character = {std::to_integer<char32_t>(text[0]), 1};
    text = text.subspan(character.size);
    if (character.code < 0x10000) {
      put(character.code);
    } else {
      put(0xd800U + ((character.code - 0x10000) >> 10U));
      put(0xdc00U + ((character.code - 0x10000) & 0x3ffU));
    }
  }
  return base::SecretBytes{out.reveal().first(used)};
}

Hash md4_of(const LegacyCrypto& crypto, Bytes data) {
  LegacyCrypto::Md4 digest = crypto.md4({&data, 1});
  Hash hash;
  base::copy_into(hash.reveal_mutable(), digest);
  base::wipe(digest);
  return hash;
}

LegacyCrypto::DesBlock challenge_hash(const LegacyCrypto& crypto, const Exchange& exchange) {
  const std::array<Bytes, 3> parts = {exchange.peer_challenge, exchange.authenticator_challenge,
                                      base::as_bytes(exchange.user)};
  const LegacyCrypto::Sha1 digest = crypto.sha1(parts);
  LegacyCrypto::DesBlock challenge;
  base::copy_into(challenge, Bytes{digest}.first(challenge.size()));
  return challenge;
}

base::Secret<16> session_key(const LegacyCrypto& crypto, const base::Secret<16>& master,
                             std::string_view text) {
  constexpr std::size_t pad_size = 40;
  std::array<std::byte, pad_size> zeros{};
  std::array<std::byte, pad_size> pad{};
  pad.fill(std::byte{0xf2});
  const std::array<Bytes, 4> parts = {master.reveal(), zeros, base::as_bytes(text), pad};
  LegacyCrypto::Sha1 digest = crypto.sha1(parts);
  base::Secret<16> key;
  base::copy_into(key.reveal_mutable(), Bytes{digest}.first(16));
  base::wipe(digest);
  return key;
}

}  // namespace

Hash nt_hash(const LegacyCrypto& crypto, Bytes password) {
  return md4_of(crypto, utf16_of(password).reveal());
}

Hash nt_hash(const LegacyCrypto& crypto, const Password& password) {
  if (const auto* cleartext = std::get_if<Cleartext>(&password)) {
    return nt_hash(crypto, cleartext->password.reveal());
  }
  Hash hash;
  base::copy_into(hash.reveal_mutable(), std::get<NtHash>(password).hash.reveal());
  return hash;
}

NtResponse nt_response(const LegacyCrypto& crypto, const Hash& hash, const Exchange& exchange) {
  constexpr std::size_t key_size = 7;
  const LegacyCrypto::DesBlock challenge = challenge_hash(crypto, exchange);
  base::Secret<3 * key_size> keys;
  base::copy_into(keys.reveal_mutable(), hash.reveal());
  NtResponse response;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto key = keys.reveal().subspan(i * key_size).first<key_size>();
    const auto block = crypto.des_encrypt(key, challenge);
    base::copy_into(base::MutBytes{response}.subspan(i * block.size()), block);
  }
  return response;
}

std::string authenticator_response(const LegacyCrypto& crypto, const Hash& hash,
                                   const NtResponse& response, const Exchange& exchange) {
  const Hash hash_hash = md4_of(crypto, hash.reveal());
  const std::array<Bytes, 3> inner = {hash_hash.reveal(), response, base::as_bytes(server_signing)};
  const LegacyCrypto::Sha1 digest = crypto.sha1(inner);
  const LegacyCrypto::DesBlock challenge = challenge_hash(crypto, exchange);
  const std::array<Bytes, 3> outer = {digest, challenge, base::as_bytes(iterations_pad)};
  return "S=" + upper_hex(crypto.sha1(outer));
}

std::string upper_hex(Bytes bytes) {
  std::string digits = base::to_hex(bytes);
  for (char& digit : digits) {
    if (digit >= 'a') digit = static_cast<char>(digit - 'a' + 'A');
  }
  return digits;
}

MasterKeys master_keys(const LegacyCrypto& crypto, const Hash& hash, const NtResponse& response) {
  const Hash hash_hash = md4_of(crypto, hash.reveal());
  const std::array<Bytes, 3> parts = {hash_hash.reveal(), response,
                                      base::as_bytes(master_key_text)};
  LegacyCrypto::Sha1 digest = crypto.sha1(parts);
  base::Secret<16> master;
  base::copy_into(master.reveal_mutable(), Bytes{digest}.first(16));
  base::wipe(digest);
  return {session_key(crypto, master, to_server_text), session_key(crypto, master, to_client_text)};
}

base::SecretBytes msk(const LegacyCrypto& crypto, const Hash& hash, const NtResponse& response) {
  const MasterKeys keys = master_keys(crypto, hash, response);
  base::SecretBytes out{msk_size};
  base::copy_into(out.reveal_mutable(), keys.receive.reveal());
  base::copy_into(out.reveal_mutable().subspan(16), keys.send.reveal());
  return out;
}

std::string_view without_domain(std::string_view user) {
  const std::size_t at = user.find('\\');
  return at == std::string_view::npos ? user : user.substr(at + 1);
}

std::string explain_failure(std::string_view message) {
  unsigned error = 0;
  if (message.starts_with("E=")) {
    std::from_chars(message.data() + 2, message.data() + message.size(), error);
  }
  switch (error) {
    case 646: return "the account may not log on at this hour (E=646)";
    case 647: return "the account is disabled (E=647)";
    case 648: return "the password has expired (E=648)";
    case 649: return "the account has no permission to dial in (E=649)";
    case 691: return "user name or password is wrong (E=691)";
    case 709: return "the password could not be changed (E=709)";
    default: return fmt::format("the server gave error {}", error);
  }
}

}  // namespace caponier::eap::mschapv2

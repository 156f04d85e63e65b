#include "ike/key_slips.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include "base/base64.h"
#include "ike/keys.h"

namespace caponier::ike {

using base::Bytes;
using base::SecretBytes;

namespace {

/// Makes of our key what the peer may have; empty: nothing, or the same.
using Variant = SecretBytes (*)(Bytes key);

SecretBytes joined(Bytes before, Bytes key, Bytes after) {
  SecretBytes out{before.size() + key.size() + after.size()};
  auto at = std::ranges::copy(before, out.reveal_mutable().begin()).out;
  at = std::ranges::copy(key, at).out;
  std::ranges::copy(after, at);
  return out;
}

Bytes text(std::string_view characters) { return base::as_bytes(characters); }

SecretBytes with_newline(Bytes key) { return joined({}, key, text("\n")); }
SecretBytes with_return(Bytes key) { return joined({}, key, text("\r\n")); }
SecretBytes with_space(Bytes key) { return joined({}, key, text(" ")); }
SecretBytes with_quotes(Bytes key) { return joined(text("\""), key, text("\"")); }
SecretBytes with_single_quotes(Bytes key) { return joined(text("'"), key, text("'")); }

bool is_blank(std::byte b) {
  return b == std::byte{' '} || b == std::byte{'\t'} || b == std::byte{'\r'} ||
         b == std::byte{'\n'};
}

SecretBytes trimmed(Bytes key) {
  Bytes inner = key;
  while (!inner.empty() && is_blank(inner.front())) inner = inner.subspan(1);
  while (!inner.empty() && is_blank(inner.back())) inner = inner.first(inner.size() - 1);
  return inner.size() == key.size() ? SecretBytes{} : SecretBytes{inner};
}

SecretBytes without_quotes(Bytes key) {
  if (key.size() < 3 || key.front() != key.back()) return {};
  const bool is_quoted = key.front() == std::byte{'"'} || key.front() == std::byte{'\''};
  return is_quoted ? SecretBytes{key.subspan(1, key.size() - 2)} : SecretBytes{};
}

SecretBytes changed(Bytes key, std::byte first, std::byte last, int shift) {
  SecretBytes out{key};
  bool is_other = false;
  for (std::byte& b : out.reveal_mutable()) {
    if (b < first || b > last) continue;
    b = static_cast<std::byte>(static_cast<int>(b) + shift);
    is_other = true;
  }
  return is_other ? std::move(out) : SecretBytes{};
}
constexpr int to_lower = 'a' - 'A';
SecretBytes in_lower_case(Bytes key) {
  return changed(key, std::byte{'A'}, std::byte{'Z'}, to_lower);
}
SecretBytes in_upper_case(Bytes key) {
  return changed(key, std::byte{'a'}, std::byte{'z'}, -to_lower);
}

constexpr std::string_view digits = "0123456789abcdef";

SecretBytes as_hex(Bytes key, std::string_view prefix) {
  SecretBytes out{prefix.size() + 2 * key.size()};
  auto at = std::ranges::copy(text(prefix), out.reveal_mutable().begin()).out;
  for (const std::byte b : key) {
    *at++ = static_cast<std::byte>(digits[std::to_integer<std::size_t>(b) >> 4]);
    *at++ = static_cast<std::byte>(digits[std::to_integer<std::size_t>(b) & 15]);
  }
  return out;
}
SecretBytes as_hex_text(Bytes key) { return as_hex(key, ""); }
SecretBytes as_prefixed_hex_text(Bytes key) { return as_hex(key, "0x"); }

SecretBytes from_hex_text(Bytes key) {
  std::string_view characters = base::as_text(key);
  if (characters.starts_with("0x") || characters.starts_with("0X")) characters.remove_prefix(2);
  if (characters.empty() || characters.size() % 2 != 0) return {};
  SecretBytes out{characters.size() / 2};
  const base::MutBytes bytes = out.reveal_mutable();
  for (std::size_t i = 0; i < characters.size(); ++i) {
    char c = characters[i];
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c + to_lower);
    const std::size_t value = digits.find(c);
    if (value == std::string_view::npos) return {};
    bytes[i / 2] = bytes[i / 2] << 4 | static_cast<std::byte>(value);
  }
  return out;
}

SecretBytes from_base64_text(Bytes key) {
  std::string_view characters = base::as_text(key);
  if (characters.starts_with("0s") || characters.starts_with("0S")) characters.remove_prefix(2);
  auto octets = base::from_base64(characters);
  if (!octets) return {};
  SecretBytes out{Bytes{*octets}};
  base::wipe(*octets);
  return out;
}
SecretBytes as_base64_text(Bytes key) {
  std::string written = base::to_base64(key);
  SecretBytes out{base::as_bytes(written)};
  base::wipe(std::as_writable_bytes(std::span{written}));
  return out;
}

/// As Windows keeps text.
SecretBytes as_utf16(Bytes key) {
  SecretBytes out{2 * key.size()};
  for (std::size_t i = 0; i < key.size(); ++i) out.reveal_mutable()[2 * i] = key[i];
  return out;
}

template <std::size_t N>
SecretBytes cut(Bytes key) {
  return key.size() > N ? SecretBytes{key.first(N)} : SecretBytes{};
}

struct Row {
  KeySlip slip;
  Variant make = nullptr;
};

constexpr std::array rows = {
    Row{{"psk.newline", "with a newline at its end",
         "write it there without the line end (`printf %s`, not `echo`)"},
        with_newline},
    Row{{"psk.return", "with a line end of Windows (CR LF)", "write it there without the line end"},
        with_return},
    Row{{"psk.space", "with a space at its end", "take the space away there"}, with_space},
    Row{{"psk.trimmed", "without the blanks around ours", "take the blanks away on both sides"},
        trimmed},
    Row{{"psk.quotes", "with quotes as a part of it", "take the quotes away there"}, with_quotes},
    Row{{"psk.single_quotes", "with quotes as a part of it", "take the quotes away there"},
        with_single_quotes},
    Row{{"psk.unquoted", "without the quotes that are a part of ours",
         "take the quotes away on our side"},
        without_quotes},
    Row{{"psk.lower_case", "in lower case", "write it there in the case it has here"},
        in_lower_case},
    Row{{"psk.upper_case", "in upper case", "write it there in the case it has here"},
        in_upper_case},
    Row{{"psk.hex_read", "read as hexadecimal",
         "write it there as text (strongSwan: in quotes, without 0x)"},
        from_hex_text},
    Row{{"psk.hex_text", "as hexadecimal digits taken for text",
         "write it there with 0x in front, so that it is read as hexadecimal"},
        as_hex_text},
    Row{{"psk.hex_prefixed", "as hexadecimal digits with 0x, all taken for text",
         "write it there as the octets it stands for"},
        as_prefixed_hex_text},
    Row{{"psk.base64_read", "read as Base64",
         "write it there as text (strongSwan: in quotes, without 0s)"},
        from_base64_text},
    Row{{"psk.base64_text", "as Base64 taken for text",
         "write it there with 0s in front, so that it is read as Base64"},
        as_base64_text},
    Row{{"psk.utf16", "in UTF-16", "write it there in ASCII"}, as_utf16},
    Row{{"psk.cut_128", "cut after 128 octets", "use a shorter key"}, cut<128>},
    Row{{"psk.cut_64", "cut after 64 octets", "use a key of 64 octets or less"}, cut<64>},
    Row{{"psk.cut_63", "cut after 63 octets", "use a key of 63 octets or less"}, cut<63>},
    Row{{"psk.cut_32", "cut after 32 octets", "use a key of 32 octets or less"}, cut<32>},
};

}  // namespace

const KeySlip* find_key_slip(std::string_view word) {
  const auto row =
      std::ranges::find_if(rows, [&](const Row& one) { return one.slip.word == word; });
  return row == rows.end() ? nullptr : &row->slip;
}

const KeySlip* find_key_slip(const AuthRequest& request, const crypto::CryptoProvider& crypto,
                             Bytes key) {
  const auto prf = crypto.make_prf(request.prf);
  if (!prf || !request.proof) return nullptr;
  for (const Row& row : rows) {
    const SecretBytes variant = row.make(key);
    if (variant.empty()) continue;
    const SecretBytes auth = shared_key_auth(**prf, variant.reveal(), request.signed_octets);
    if (!auth.empty() && base::equal_constant_time(auth.reveal(), request.proof->auth)) {
      return &row.slip;
    }
  }
  return nullptr;
}

}  // namespace caponier::ike

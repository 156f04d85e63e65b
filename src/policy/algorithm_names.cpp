#include "policy/algorithm_names.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include <fmt/format.h>

namespace caponier::policy {

namespace {

using enum wire::TransformType;

constexpr std::string_view weak_cipher = "is weak (64-bit blocks); use 'aes256gcm16'";
constexpr std::string_view weak_hash = "is weak (a broken hash); use 'sha256'";
constexpr std::string_view weak_prf = "is weak (a broken hash); use 'prfsha256'";
constexpr std::string_view weak_group =
    "is weak (its primes are in reach of attackers); "
    "use 'x25519', or 'modp2048' for old peers";
constexpr std::string_view odd_group = "is weak (a small subgroup); use 'x25519' or 'modp2048'";
constexpr std::string_view no_group = "is not supported; use 'x25519'";

// clang-format off
constexpr std::array table = {
  AlgorithmName{"aes128gcm16", encr, 20, 128, {}},
  AlgorithmName{"aes192gcm16", encr, 20, 192, {}},
  AlgorithmName{"aes256gcm16", encr, 20, 256, {}},
  AlgorithmName{"aes128gcm128", encr, 20, 128, {}},
  AlgorithmName{"aes192gcm128", encr, 20, 192, {}},
  AlgorithmName{"aes256gcm128", encr, 20, 256, {}},
  AlgorithmName{"chacha20poly1305", encr, 28, 0, {}},
  AlgorithmName{"aes128", encr, 12, 128, {}},
  AlgorithmName{"aes192", encr, 12, 192, {}},
  AlgorithmName{"aes256", encr, 12, 256, {}},
  AlgorithmName{"aes", encr, 12, 128, {}},
  AlgorithmName{"aes128ctr", encr, 13, 128, {}},
  AlgorithmName{"aes192ctr", encr, 13, 192, {}},
  AlgorithmName{"aes256ctr", encr, 13, 256, {}},
  AlgorithmName{"aes128gcm12", encr, 19, 128, {}},
  AlgorithmName{"aes192gcm12", encr, 19, 192, {}},
  AlgorithmName{"aes256gcm12", encr, 19, 256, {}},
  AlgorithmName{"aes128gcm96", encr, 19, 128, {}},
  AlgorithmName{"aes192gcm96", encr, 19, 192, {}},
  AlgorithmName{"aes256gcm96", encr, 19, 256, {}},
  AlgorithmName{"aes128gcm8", encr, 18, 128, {}},
  AlgorithmName{"aes192gcm8", encr, 18, 192, {}},
  AlgorithmName{"aes256gcm8", encr, 18, 256, {}},
  AlgorithmName{"aes128gcm64", encr, 18, 128, {}},
  AlgorithmName{"aes192gcm64", encr, 18, 192, {}},
  AlgorithmName{"aes256gcm64", encr, 18, 256, {}},
  AlgorithmName{"aes128ccm16", encr, 16, 128, {}},
  AlgorithmName{"aes192ccm16", encr, 16, 192, {}},
  AlgorithmName{"aes256ccm16", encr, 16, 256, {}},
  AlgorithmName{"aes128ccm128", encr, 16, 128, {}},
  AlgorithmName{"aes192ccm128", encr, 16, 192, {}},
  AlgorithmName{"aes256ccm128", encr, 16, 256, {}},
  AlgorithmName{"aes128ccm12", encr, 15, 128, {}},
  AlgorithmName{"aes192ccm12", encr, 15, 192, {}},
  AlgorithmName{"aes256ccm12", encr, 15, 256, {}},
  AlgorithmName{"aes128ccm96", encr, 15, 128, {}},
  AlgorithmName{"aes192ccm96", encr, 15, 192, {}},
  AlgorithmName{"aes256ccm96", encr, 15, 256, {}},
  AlgorithmName{"aes128ccm8", encr, 14, 128, {}},
  AlgorithmName{"aes192ccm8", encr, 14, 192, {}},
  AlgorithmName{"aes256ccm8", encr, 14, 256, {}},
  AlgorithmName{"aes128ccm64", encr, 14, 128, {}},
  AlgorithmName{"aes192ccm64", encr, 14, 192, {}},
  AlgorithmName{"aes256ccm64", encr, 14, 256, {}},
  AlgorithmName{"aes128gcm16iiv", encr, 30, 128, {}},
  AlgorithmName{"aes192gcm16iiv", encr, 30, 192, {}},
  AlgorithmName{"aes256gcm16iiv", encr, 30, 256, {}},
  AlgorithmName{"aes128ccm8iiv", encr, 29, 128, {}},
  AlgorithmName{"aes192ccm8iiv", encr, 29, 192, {}},
  AlgorithmName{"aes256ccm8iiv", encr, 29, 256, {}},
  AlgorithmName{"chacha20poly1305iiv", encr, 31, 0, {}},
  AlgorithmName{"aes128gmac", encr, 21, 128, {}},
  AlgorithmName{"aes192gmac", encr, 21, 192, {}},
  AlgorithmName{"aes256gmac", encr, 21, 256, {}},
  AlgorithmName{"null", encr, 11, 0, {}},
  AlgorithmName{"3des", encr, 3, 0, weak_cipher, true},
  AlgorithmName{"des", encr, 2, 0, weak_cipher},
  AlgorithmName{"cast128", encr, 6, 128, weak_cipher},
  AlgorithmName{"blowfish128", encr, 7, 128, weak_cipher},
  AlgorithmName{"blowfish256", encr, 7, 256, weak_cipher},
  AlgorithmName{"camellia128", encr, 23, 128, "is not supported; use 'aes128'"},
  AlgorithmName{"camellia256", encr, 23, 256, "is not supported; use 'aes256'"},

  AlgorithmName{"prfsha256", prf, 5, 0, {}},
  AlgorithmName{"prfsha384", prf, 6, 0, {}},
  AlgorithmName{"prfsha512", prf, 7, 0, {}},
  AlgorithmName{"prfaesxcbc", prf, 4, 0, {}},
  AlgorithmName{"prfaescmac", prf, 8, 0, {}},
  AlgorithmName{"prfsha1", prf, 2, 0, weak_prf, true},
  AlgorithmName{"prfmd5", prf, 1, 0, weak_prf},

  AlgorithmName{"sha256", integ, 12, 0, {}},
  AlgorithmName{"sha384", integ, 13, 0, {}},
  AlgorithmName{"sha512", integ, 14, 0, {}},
  AlgorithmName{"sha2_256", integ, 12, 0, {}},
  AlgorithmName{"sha2_384", integ, 13, 0, {}},
  AlgorithmName{"sha2_512", integ, 14, 0, {}},
  AlgorithmName{"aesxcbc", integ, 5, 0, {}},
  AlgorithmName{"aescmac", integ, 8, 0, {}},
  AlgorithmName{"sha1", integ, 2, 0, weak_hash, true},
  AlgorithmName{"sha", integ, 2, 0, weak_hash, true},
  AlgorithmName{"sha1_160", integ, 7, 0, weak_hash},
  AlgorithmName{"md5", integ, 1, 0, weak_hash},
  AlgorithmName{"md5_128", integ, 6, 0, weak_hash},

  AlgorithmName{"x25519", ke, 31, 0, {}},
  AlgorithmName{"curve25519", ke, 31, 0, {}},
  AlgorithmName{"x448", ke, 32, 0, {}},
  AlgorithmName{"curve448", ke, 32, 0, {}},
  AlgorithmName{"ecp256", ke, 19, 0, {}},
  AlgorithmName{"ecp384", ke, 20, 0, {}},
  AlgorithmName{"ecp521", ke, 21, 0, {}},
  AlgorithmName{"ecp224bp", ke, 27, 0, {}},
  AlgorithmName{"ecp256bp", ke, 28, 0, {}},
  AlgorithmName{"ecp384bp", ke, 29, 0, {}},
  AlgorithmName{"ecp512bp", ke, 30, 0, {}},
  AlgorithmName{"modp2048", ke, 14, 0, {}},
  AlgorithmName{"modp3072", ke, 15, 0, {}},
  AlgorithmName{"modp4096", ke, 16, 0, {}},
  AlgorithmName{"modp6144", ke, 17, 0, {}},
  AlgorithmName{"modp8192", ke, 18, 0, {}},
  AlgorithmName{"modpnone", ke, 0, 0, {}},
  AlgorithmName{"modp1024", ke, 2, 0, weak_group, true},
  AlgorithmName{"modp1536", ke, 5, 0, weak_group, true},
  AlgorithmName{"modp768", ke, 1, 0, weak_group},
  AlgorithmName{"modp1024s160", ke, 22, 0, odd_group},
  AlgorithmName{"modp2048s224", ke, 23, 0, odd_group},
  AlgorithmName{"modp2048s256", ke, 24, 0, odd_group},
  AlgorithmName{"ecp192", ke, 25, 0, "is weak; use 'ecp256'"},
  AlgorithmName{"ecp224", ke, 26, 0, "is weak; use 'ecp256'"},
  AlgorithmName{"mlkem512", ke, 35, 0, no_group},
  AlgorithmName{"mlkem768", ke, 36, 0, no_group},
  AlgorithmName{"mlkem1024", ke, 37, 0, no_group},

  AlgorithmName{"noesn", esn, 0, 0, {}},
  AlgorithmName{"esn", esn, 1, 0, {}},
};
// clang-format on

constexpr std::size_t word_size_max = 32;

/// Levenshtein's distance.
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

std::string_view short_kind(wire::TransformType type) {
  switch (type) {
    case encr: return "encr";
    case prf: return "prf";
    case integ: return "integ";
    case ke: return "ke";
    case esn: return "esn";
  }
  return {};
}

}  // namespace

std::span<const AlgorithmName> all_algorithm_names() { return table; }

const AlgorithmName* find_algorithm(std::string_view text) {
  const auto row = std::ranges::find(table, text, &AlgorithmName::text);
  return row == table.end() ? nullptr : &*row;
}

const AlgorithmName* find_weakness(wire::TransformType type, std::uint16_t id) {
  const auto row = std::ranges::find_if(table, [&](const AlgorithmName& name) {
    return name.compat && name.type == type && name.id == id;
  });
  return row == table.end() ? nullptr : &*row;
}

std::string_view nearest_algorithm(std::string_view text) {
  if (text.size() < 2 || text.size() > word_size_max) return {};
  const auto longer = std::ranges::find_if(table, [text](const AlgorithmName& row) {
    return row.refusal.empty() && row.text.starts_with(text);
  });
  if (longer != table.end()) return longer->text;
  std::string_view nearest;
  std::size_t edits_max = std::max<std::size_t>(1, text.size() / 3) + 1;
  for (const AlgorithmName& row : table) {
    if (!row.refusal.empty()) continue;
    const std::size_t edits = edits_between(text, row.text);
    if (edits >= edits_max) continue;
    edits_max = edits;
    nearest = row.text;
  }
  return nearest;
}

std::string algorithm_text(wire::TransformType type, std::uint16_t id, std::uint16_t key_bits) {
  if (type == integ && id == 0) return "none";
  // For AH people write these as they do for ESP, where they are ciphers.
  constexpr std::uint16_t gmac_first = 9;
  constexpr std::uint16_t gmac_last = 11;
  if (type == integ && id >= gmac_first && id <= gmac_last && key_bits == 0) {
    return fmt::format("aes{}gmac", 128 + 64 * (id - gmac_first));
  }
  const auto row = std::ranges::find_if(table, [&](const AlgorithmName& name) {
    return name.type == type && name.id == id && name.key_bits == key_bits;
  });
  if (row != table.end()) return std::string{row->text};
  const std::string_view kind = short_kind(type);
  std::string text = kind.empty() ? fmt::format("type{}#{}", static_cast<unsigned>(type), id)
                                  : fmt::format("{}#{}", kind, id);
  if (key_bits != 0) text += fmt::format("/{}", key_bits);
  return text;
}

std::string algorithm_text(const wire::Transform& transform) {
  const std::uint16_t key_bits = transform.key_length().value_or(0);
  const bool has_others =
      std::ranges::any_of(transform.attributes, [](const wire::TransformAttribute& attribute) {
        return attribute.type != wire::attribute_key_length;
      });
  return algorithm_text(transform.type, transform.id, key_bits) + (has_others ? "*" : "");
}

std::string kind_text(wire::TransformType type) {
  switch (type) {
    case encr: return "encryption";
    case prf: return "PRF";
    case integ: return "integrity";
    case ke: return "key exchange";
    case esn: return "extended sequence numbers";
  }
  return fmt::format("transform type {}", static_cast<unsigned>(type));
}

}  // namespace caponier::policy

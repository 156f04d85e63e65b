// libreswan's proposals: other words for the same algorithms.

#include <algorithm>
#include <array>

#include "swan/ipsec_conf.h"
#include "swan/section.h"

namespace caponier::swan {

namespace {

struct Alias {
  std::string_view word;
  std::string_view ours;
};
constexpr std::array aliases = {
    Alias{"aes", "aes256-aes128"},
    Alias{"aes_cbc", "aes256-aes128"},
    Alias{"aes_cbc128", "aes128"},
    Alias{"aes_cbc192", "aes192"},
    Alias{"aes_cbc256", "aes256"},
    Alias{"aes_gcm", "aes256gcm16-aes128gcm16"},
    Alias{"aes_gcm_c", "aes256gcm16-aes128gcm16"},
    Alias{"aes_gcm16", "aes256gcm16-aes128gcm16"},
    Alias{"aes_gcm128", "aes128gcm16"},
    Alias{"aes_gcm192", "aes192gcm16"},
    Alias{"aes_gcm256", "aes256gcm16"},
    Alias{"aes_gcm_c_128", "aes128gcm16"},
    Alias{"aes_gcm_c_256", "aes256gcm16"},
    Alias{"aes_gcm_16_128", "aes128gcm16"},
    Alias{"aes_gcm_16_256", "aes256gcm16"},
    Alias{"aes_ccm128", "aes128ccm16"},
    Alias{"aes_ccm256", "aes256ccm16"},
    Alias{"aes_ctr128", "aes128ctr"},
    Alias{"aes_ctr256", "aes256ctr"},
    Alias{"aes_ctr", "aes256ctr-aes128ctr"},
    Alias{"chacha20_poly1305", "chacha20poly1305"},
    Alias{"sha2", "sha256"},
    Alias{"sha", "sha1"},
    Alias{"hmac_sha1", "sha1"},
    Alias{"hmac_sha2_256", "sha256"},
    Alias{"hmac_sha2_384", "sha384"},
    Alias{"hmac_sha2_512", "sha512"},
    Alias{"sha2_256", "sha256"},
    Alias{"sha2_384", "sha384"},
    Alias{"sha2_512", "sha512"},
    Alias{"sha2_256_truncbug", "sha256_96"},
    Alias{"aes_xcbc", "aesxcbc"},
    Alias{"aes_cmac", "aescmac"},
    Alias{"dh2", "modp1024"},
    Alias{"dh5", "modp1536"},
    Alias{"dh14", "modp2048"},
    Alias{"dh15", "modp3072"},
    Alias{"dh16", "modp4096"},
    Alias{"dh17", "modp6144"},
    Alias{"dh18", "modp8192"},
    Alias{"dh19", "ecp256"},
    Alias{"dh20", "ecp384"},
    Alias{"dh21", "ecp521"},
    Alias{"dh22", "modp1024s160"},
    Alias{"dh23", "modp2048s224"},
    Alias{"dh24", "modp2048s256"},
    Alias{"dh31", "x25519"},
    Alias{"dh0", "none"},
    Alias{"secp256r1", "ecp256"},
    Alias{"secp384r1", "ecp384"},
    Alias{"secp521r1", "ecp521"},
};

/// "null" is the integrity of combined ciphers there, and says nothing here.
bool is_nothing(std::string_view word, std::size_t part) {
  return part > 0 && (word == "null" || word == "none");
}

std::string one_proposal(std::string_view text) {
  std::string ours;
  std::size_t part = 0;
  bool has_combined = false;
  std::string prf;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of("-;+");
    std::string word{trimmed(text.substr(0, end))};
    for (char& c : word) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    const auto* const alias = std::ranges::find(aliases, word, &Alias::word);
    std::string now = alias == aliases.end() ? word : std::string{alias->ours};
    has_combined =
        has_combined ||
        (part == 0 && (now.contains("gcm") || now.contains("ccm") || now.contains("poly1305")));
    // What stands beside a combined cipher there is the PRF.
    if (part > 0 && has_combined && now.starts_with("sha")) now = "prf" + now;
    if (!is_nothing(word, part)) ours += (ours.empty() ? "" : "-") + now;
    if (end == std::string_view::npos) break;
    if (text[end] != '+') ++part;
    text.remove_prefix(end + 1);
  }
  return ours;
}

}  // namespace

std::string libreswan_proposals(std::string_view text) {
  std::string all;
  for (const std::string& proposal : split_list(text)) {
    all += (all.empty() ? "" : ",") + one_proposal(proposal);
  }
  return all;
}

}  // namespace caponier::swan

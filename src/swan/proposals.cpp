// strongSwan's proposals. What it knows and we do not is left out with a word, as long as the rest
// still makes a proposal; what neither knows is a mistake.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.h"
#include "policy/algorithm_names.h"
#include "swan/section.h"
#include "swan/values.h"

namespace caponier::swan {

namespace {

using config::quoted;
using enum wire::TransformType;
using wire::ProtocolId;

std::unexpected<Fault> fault(std::string message, std::string fix) {
  return std::unexpected{Fault{std::move(message), std::move(fix)}};
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

struct Alias {
  std::string_view word;
  std::string_view ours;
};
/// Where strongSwan has several words for one algorithm, and ours is another.
constexpr std::array aliases = {
    Alias{"none", "modpnone"},
    Alias{"modpnull", "modpnone"},
    Alias{"aes128gcm", "aes128gcm16"},
    Alias{"aes192gcm", "aes192gcm16"},
    Alias{"aes256gcm", "aes256gcm16"},
    Alias{"aes128ccm", "aes128ccm16"},
    Alias{"aes192ccm", "aes192ccm16"},
    Alias{"aes256ccm", "aes256ccm16"},
    Alias{"chacha20poly1305compat", "chacha20poly1305"},
    Alias{"prfsha", "prfsha1"},
    Alias{"prfsha2_256", "prfsha256"},
    Alias{"prfsha2_384", "prfsha384"},
    Alias{"prfsha2_512", "prfsha512"},
    Alias{"ecp256r1", "ecp256"},
};

/// What strongSwan offers and nobody here computes, by how it begins.
constexpr std::array<std::string_view, 12> strangers = {
    "camellia", "cast128",     "blowfish",    "serpent", "twofish", "sha256_96",
    "sha384_",  "sha2_256_96", "prfcamellia", "gost",    "ntru",    "frodo"};

/// The additional key exchanges of RFC 9370.
bool is_additional(std::string_view word) {
  return word.size() > 4 && word.starts_with("ke") && word[2] >= '1' && word[2] <= '7' &&
         word[3] == '_';
}

/// The words of one proposal that are left, and what was dropped.
struct Words {
  std::vector<const policy::AlgorithmName*> known;
  std::vector<std::string> dropped;
  bool needs_more_exchanges = false;
};

Parsed<void> sort_word(const std::string& word, ProtocolId protocol, Words& words) {
  if (is_additional(word)) {
    const bool may_lack = word.ends_with("_none");
    words.dropped.push_back(word);
    if (!may_lack) words.needs_more_exchanges = true;
    return {};
  }
  const auto* const alias = std::ranges::find(aliases, word, &Alias::word);
  const std::string_view ours = alias == aliases.end() ? std::string_view{word} : alias->ours;
  const policy::AlgorithmName* const row = policy::find_algorithm(ours);
  const bool is_stranger = std::ranges::any_of(
      strangers, [&](std::string_view stranger) { return ours.starts_with(stranger); });
  if (row == nullptr && !is_stranger) {
    const std::string_view near = policy::nearest_algorithm(ours);
    return fault(fmt::format("{} is no algorithm", quoted(word)),
                 near.empty() ? "see proposals in swanctl.conf(5)"
                              : fmt::format("did you mean '{}'?", near));
  }
  const bool is_usable = row != nullptr && (row->refusal.empty() || row->compat);
  if (!is_usable) {
    words.dropped.push_back(word);
    return {};
  }
  if (row->type == prf && protocol != ProtocolId::ike) return {};  // charon ignores it too
  const auto is_same = [&](const policy::AlgorithmName* other) {
    return other->type == row->type && other->id == row->id && other->key_bits == row->key_bits;
  };
  if (std::ranges::none_of(words.known, is_same)) words.known.push_back(row);
  return {};
}

bool is_aead(const policy::AlgorithmName* name) {
  const crypto::EncrInfo* const info = crypto::find(static_cast<crypto::EncrId>(name->id));
  return info != nullptr && info->aead;
}

/// Combined-mode ciphers bring their integrity; strongSwan lets one stand beside them in vain.
void drop_idle_integrity(Words& words, ProtocolId protocol) {
  const auto has = [&](wire::TransformType type) {
    return std::ranges::any_of(words.known, [&](const auto* name) { return name->type == type; });
  };
  const bool all_combined =
      has(encr) && std::ranges::all_of(words.known, [](const policy::AlgorithmName* name) {
        return name->type != encr || is_aead(name);
      });
  if (!all_combined || (protocol == ProtocolId::ike && !has(prf))) return;
  std::erase_if(words.known, [](const auto* name) { return name->type == integ; });
}

/// One proposal; empty when nothing that works is left of it.
Parsed<std::optional<policy::Offer>> parse_proposal(std::string_view text, ProtocolId protocol,
                                                    std::vector<std::string>& dropped) {
  Words words;
  if (text.ends_with('!')) text.remove_suffix(1);  // strictness of ipsec.conf
  for (std::string_view rest = text;;) {
    const std::size_t dash = rest.find('-');
    const std::string word = lower(trimmed(rest.substr(0, dash)));
    if (word.empty()) {
      return fault(fmt::format("{} has an empty part", quoted(text)),
                   "write one '-' between algorithms");
    }
    TRY_VOID(sort_word(word, protocol, words));
    if (dash == std::string_view::npos) break;
    rest.remove_prefix(dash + 1);
  }
  drop_idle_integrity(words, protocol);
  std::string ours;
  bool has_esn = false;
  for (const policy::AlgorithmName* const name : words.known) {
    if (name->type == esn && protocol == ProtocolId::ike) continue;
    if (name->type == ke && name->id == 0 && protocol == ProtocolId::ike) continue;
    has_esn = has_esn || name->type == esn;
    ours += (ours.empty() ? "" : "-") + std::string{name->text};
  }
  // What strongSwan does not name it does not offer.
  if (!has_esn && protocol != ProtocolId::ike) ours += ours.empty() ? "noesn" : "-noesn";
  const auto offer = policy::parse_offer(ours, protocol, policy::Compat::legacy);
  if (offer && !words.needs_more_exchanges) {
    for (const std::string& word : words.dropped) {
      dropped.push_back(fmt::format("'{}' is not offered: there is no such algorithm here", word));
    }
    return *offer;
  }
  if (!words.dropped.empty()) {
    dropped.push_back(fmt::format("the proposal {} is not offered: it needs {}", quoted(text),
                                  words.dropped.front()));
    return std::optional<policy::Offer>{};
  }
  const std::string& sentence = offer.error();
  const std::size_t cut = sentence.find("; ");
  return fault(
      fmt::format("{}: {}", quoted(text), sentence.substr(0, cut)),
      cut == std::string::npos ? "see proposals in swanctl.conf(5)" : sentence.substr(cut + 2));
}

/// What `default` stands for: charon's own, without what is weak or missing here. Blocks first,
/// then the combined ones, as it offers them; for ESP the other way round.
constexpr std::array<std::string_view, 2> default_ike = {
    "aes128-aes192-aes256-aes128ctr-aes192ctr-aes256ctr-sha256-sha384-sha512-aescmac-aesxcbc-"
    "prfsha256-prfsha384-prfsha512-prfaesxcbc-prfaescmac-"
    "x25519-x448-ecp256-ecp384-ecp521-ecp256bp-ecp384bp-ecp512bp-"
    "modp3072-modp4096-modp6144-modp8192-modp2048",
    "aes128gcm16-aes192gcm16-aes256gcm16-aes128ccm16-aes192ccm16-aes256ccm16-chacha20poly1305-"
    "aes128gcm8-aes192gcm8-aes256gcm8-aes128gcm12-aes192gcm12-aes256gcm12-"
    "aes128ccm8-aes192ccm8-aes256ccm8-aes128ccm12-aes192ccm12-aes256ccm12-"
    "prfsha256-prfsha384-prfsha512-prfaesxcbc-prfaescmac-"
    "x25519-x448-ecp256-ecp384-ecp521-ecp256bp-ecp384bp-ecp512bp-"
    "modp3072-modp4096-modp6144-modp8192-modp2048"};
constexpr std::array<std::string_view, 2> default_esp = {
    "aes128gcm16-aes192gcm16-aes256gcm16", "aes128-aes192-aes256-sha256-sha384-sha512-aesxcbc"};
constexpr std::array<std::string_view, 1> default_ah = {"sha256-sha384-sha512-aesxcbc"};

std::span<const std::string_view> default_of(ProtocolId protocol) {
  if (protocol == ProtocolId::ike) return default_ike;
  if (protocol == ProtocolId::ah) return default_ah;
  return default_esp;
}

}  // namespace

Parsed<Proposals> parse_proposals(const std::vector<std::string>& texts, ProtocolId protocol) {
  Proposals result;
  const auto add = [&](std::string_view text) -> Parsed<void> {
    auto offer = TRY(parse_proposal(text, protocol, result.dropped));
    if (offer && std::ranges::find(result.offers, *offer) == result.offers.end()) {
      result.offers.push_back(*std::move(offer));
    }
    return {};
  };
  for (const std::string& text : texts) {
    if (text != "default") {
      TRY_VOID(add(text));
      continue;
    }
    for (const std::string_view one : default_of(protocol)) TRY_VOID(add(one));
  }
  if (result.offers.empty()) {
    return fault(result.dropped.empty() ? "there is no proposal" : result.dropped.front(),
                 protocol == ProtocolId::ike  ? "add aes256gcm16-prfsha384-x25519, here and there"
                 : protocol == ProtocolId::ah ? "add sha256, here and there"
                                              : "add aes256gcm16, here and there");
  }
  result.weak = policy::weaknesses_of(result.offers);
  return result;
}

std::string to_text(const policy::Offer& offer) {
  std::string text;
  const auto add = [&](wire::TransformType type, auto id, std::uint16_t key_bits) {
    text += (text.empty() ? "" : "-") +
            policy::algorithm_text(type, static_cast<std::uint16_t>(id), key_bits);
  };
  for (const policy::Encryption& one : offer.encryption) add(encr, one.id, one.key_bits);
  for (const crypto::IntegId id : offer.integrity) add(integ, id, 0);
  for (const crypto::PrfId id : offer.prf) add(prf, id, 0);
  for (const crypto::KeGroup id : offer.ke) add(ke, id, 0);
  for (const bool wanted : offer.esn) add(esn, wanted ? 1 : 0, 0);
  return text;
}

}  // namespace caponier::swan

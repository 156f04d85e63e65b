// Reading proposals as people write them.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/event.h"
#include "policy/algorithm_names.h"
#include "policy/proposal.h"

namespace caponier::policy {

namespace {

using enum wire::TransformType;
using wire::ProtocolId;
using Sentence = std::expected<void, std::string>;

constexpr std::size_t text_size_max = 512;

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string unknown_text(std::string_view word) {
  const std::string shown = base::printable(word, 40);
  if (word.ends_with('!')) {
    return fmt::format("'{}' ends in '!': leave it out, nothing else is ever accepted", shown);
  }
  const std::string_view nearest = nearest_algorithm(word);
  if (nearest.empty()) return fmt::format("'{}' is not a known algorithm", shown);
  return fmt::format("'{}' is not a known algorithm; did you mean '{}'?", shown, nearest);
}

bool is_supported(const AlgorithmName& name) {
  switch (name.type) {
    case encr: {
      const auto id = static_cast<crypto::EncrId>(name.id);
      const crypto::EncrInfo* info = crypto::find(id);
      if (info == nullptr) return false;
      return crypto::is_valid(
          {id, name.key_bits,
           info->aead ? crypto::IntegId::none : crypto::IntegId::hmac_sha2_256_128});
    }
    case prf: return crypto::find(static_cast<crypto::PrfId>(name.id)) != nullptr;
    case integ: return crypto::find(static_cast<crypto::IntegId>(name.id)) != nullptr;
    case ke: return name.id == 0 || crypto::find(static_cast<crypto::KeGroup>(name.id)) != nullptr;
    case esn: return true;
  }
  return false;
}

bool is_aead(const Encryption& encryption) {
  const crypto::EncrInfo* info = crypto::find(encryption.id);
  return info != nullptr && info->aead;
}

std::string text_of(const Encryption& encryption) {
  return algorithm_text(encr, static_cast<std::uint16_t>(encryption.id), encryption.key_bits);
}

template <class T>
Sentence add_once(std::vector<T>& list, T value, std::string_view word) {
  if (std::ranges::find(list, value) != list.end()) {
    return std::unexpected{fmt::format("'{}' repeats an algorithm already named", word)};
  }
  list.push_back(value);
  return {};
}

Sentence add_ke(Offer& offer, const AlgorithmName& name) {
  if (name.id == 0 && offer.protocol == ProtocolId::ike) {
    return std::unexpected{fmt::format(
        "'{}' has no place in an IKE proposal, which always needs a key exchange; use 'x25519'",
        name.text)};
  }
  return add_once(offer.ke, static_cast<crypto::KeGroup>(name.id), name.text);
}

std::string_view kind_of(ProtocolId protocol) {
  if (protocol == ProtocolId::ike) return "an IKE proposal";
  return protocol == ProtocolId::ah ? "an AH proposal" : "an ESP proposal";
}

std::unexpected<std::string> out_of_place(std::string_view word, ProtocolId protocol,
                                          std::string_view why) {
  return std::unexpected{fmt::format("'{}' has no place in {}, {}", word, kind_of(protocol), why)};
}

/// For AH people write GMAC as they do for ESP, but it is one MAC for each key length there
/// (RFC 4543 s5.3).
crypto::IntegId gmac_of(std::uint16_t key_bits) {
  if (key_bits == 128) return crypto::IntegId::aes_128_gmac;
  return key_bits == 192 ? crypto::IntegId::aes_192_gmac : crypto::IntegId::aes_256_gmac;
}

Sentence add_encryption(Offer& offer, const AlgorithmName& name) {
  const auto id = static_cast<crypto::EncrId>(name.id);
  if (offer.protocol == ProtocolId::ah) {
    if (id == crypto::EncrId::null_auth_aes_gmac) {
      return add_once(offer.integrity, gmac_of(name.key_bits), name.text);
    }
    return out_of_place(name.text, offer.protocol, "which encrypts nothing; use 'sha256'");
  }
  if (offer.protocol == ProtocolId::ike && !crypto::find(id)->in_ike) {
    return out_of_place(name.text, offer.protocol,
                        crypto::has_implicit_iv(id)
                            ? "whose messages number no packets; use 'aes256gcm16'"
                            : "which must be encrypted; use 'aes256gcm16'");
  }
  return add_once(offer.encryption, Encryption{id, name.key_bits}, name.text);
}

Sentence check_standing(const AlgorithmName& name, Compat compat) {
  if (name.refusal.empty() || (name.compat && compat == Compat::legacy)) return {};
  return std::unexpected{fmt::format("'{}' {}{}", name.text, name.refusal,
                                     name.compat ? ", or let it in with compat = \"legacy\"" : "")};
}

Sentence add_word(Offer& offer, std::string_view word, Compat compat) {
  const AlgorithmName* name = find_algorithm(word);
  if (name == nullptr) return std::unexpected{unknown_text(word)};
  TRY_VOID(check_standing(*name, compat));
  if (!is_supported(*name)) return std::unexpected{fmt::format("'{}' is not supported", word)};
  switch (name->type) {
    case encr: return add_encryption(offer, *name);
    case prf:
      if (offer.protocol != ProtocolId::ike) {
        return out_of_place(word, offer.protocol, "which takes its PRF from the IKE SA");
      }
      return add_once(offer.prf, static_cast<crypto::PrfId>(name->id), word);
    case integ: return add_once(offer.integrity, static_cast<crypto::IntegId>(name->id), word);
    case ke: return add_ke(offer, *name);
    case esn:
      if (offer.protocol == ProtocolId::ike) {
        return std::unexpected{fmt::format("'{}' belongs in an ESP proposal, not in IKE", word)};
      }
      return add_once(offer.esn, name->id == 1, word);
  }
  return std::unexpected{unknown_text(word)};
}

crypto::PrfId prf_of(crypto::IntegId id) {
  using enum crypto::IntegId;
  switch (id) {
    case hmac_sha1_96: return crypto::PrfId::hmac_sha1;
    case aes_xcbc_96: return crypto::PrfId::aes128_xcbc;
    case aes_cmac_96: return crypto::PrfId::aes128_cmac;
    case hmac_sha2_384_192: return crypto::PrfId::hmac_sha2_384;
    case hmac_sha2_512_256: return crypto::PrfId::hmac_sha2_512;
    case none:
    case aes_128_gmac:
    case aes_192_gmac:
    case aes_256_gmac:
    case hmac_sha2_256_128: break;
  }
  return crypto::PrfId::hmac_sha2_256;
}

/// Encryption and integrity must fit each other.
Sentence check_cipher(const Offer& offer) {
  if (offer.protocol == ProtocolId::ah) {
    if (!offer.integrity.empty()) return {};
    return std::unexpected{std::string{"the integrity algorithm is missing; add 'sha256'"}};
  }
  if (offer.encryption.empty()) {
    return std::unexpected{std::string{"the encryption is missing; add 'aes256gcm16'"}};
  }
  const Encryption& first = offer.encryption.front();
  const auto stranger = std::ranges::find_if(offer.encryption, [&first](const Encryption& other) {
    return is_aead(other) != is_aead(first);
  });
  if (stranger != offer.encryption.end()) {
    const bool first_brings_it = is_aead(first);
    return std::unexpected{
        fmt::format("'{}' brings its own integrity and '{}' does not: write them as two proposals",
                    text_of(first_brings_it ? first : *stranger),
                    text_of(first_brings_it ? *stranger : first))};
  }
  if (is_aead(first) && !offer.integrity.empty()) {
    return std::unexpected{
        fmt::format("'{}' brings its own integrity; leave out '{}'", text_of(first),
                    algorithm_text(integ, static_cast<std::uint16_t>(offer.integrity.front()), 0))};
  }
  if (!is_aead(first) && offer.integrity.empty()) {
    return std::unexpected{
        fmt::format("'{}' needs an integrity algorithm; add 'sha256'", text_of(first))};
  }
  return {};
}

/// As strongSwan: without a PRF the integrity algorithms name it, which an AEAD then does not use.
void derive_prf(Offer& offer) {
  if (!offer.prf.empty()) return;
  for (const crypto::IntegId id : offer.integrity) offer.prf.push_back(prf_of(id));
  if (std::ranges::all_of(offer.encryption, is_aead)) offer.integrity.clear();
}

Sentence check_ike(const Offer& offer) {
  if (offer.prf.empty()) {
    return std::unexpected{std::string{"the PRF is missing; add 'prfsha384'"}};
  }
  if (offer.ke.empty()) {
    return std::unexpected{std::string{"the key exchange is missing; add 'x25519'"}};
  }
  return {};
}

}  // namespace

std::expected<Offer, std::string> parse_offer(std::string_view text, wire::ProtocolId protocol) {
  return parse_offer(text, protocol, Compat::none);
}

std::expected<Offer, std::string> parse_offer(std::string_view text, wire::ProtocolId protocol,
                                              Compat compat) {
  if (text.empty()) {
    return std::unexpected{
        std::string{"the proposal is empty; try 'aes256gcm16-prfsha384-x25519'"}};
  }
  if (text.size() > text_size_max) {
    return std::unexpected{fmt::format("the proposal is longer than {} characters", text_size_max)};
  }
  Offer offer;
  offer.protocol = protocol;
  for (std::string_view rest = text;;) {
    const std::size_t at = rest.find('-');
    const std::string word = lower(rest.substr(0, at));
    if (word.empty()) {
      return std::unexpected{
          fmt::format("'{}' has an empty part: one '-' between algorithms", base::printable(text))};
    }
    TRY_VOID(add_word(offer, word, compat));
    if (at == std::string_view::npos) break;
    rest.remove_prefix(at + 1);
  }
  if (protocol == ProtocolId::ike) derive_prf(offer);
  TRY_VOID(check_cipher(offer));
  if (protocol == ProtocolId::ike) TRY_VOID(check_ike(offer));
  if (protocol != ProtocolId::ike && offer.esn.empty()) offer.esn = {true, false};
  return offer;
}

std::vector<std::string> weaknesses_of(const Offers& offers) {
  std::vector<std::string> found;
  const auto look_at = [&found](wire::TransformType type, auto id) {
    const AlgorithmName* const name = find_weakness(type, static_cast<std::uint16_t>(id));
    if (name == nullptr) return;
    const std::string_view why = name->refusal.substr(0, name->refusal.find(';'));
    std::string sentence = fmt::format("'{}' {}", name->text, why);
    if (std::ranges::find(found, sentence) == found.end()) found.push_back(std::move(sentence));
  };
  for (const Offer& offer : offers) {
    for (const Encryption& encryption : offer.encryption) look_at(encr, encryption.id);
    for (const crypto::PrfId id : offer.prf) look_at(prf, id);
    for (const crypto::IntegId id : offer.integrity) look_at(integ, id);
    for (const crypto::KeGroup id : offer.ke) look_at(ke, id);
  }
  return found;
}

}  // namespace caponier::policy

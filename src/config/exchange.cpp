// The keys of a peer that say how IKE itself goes about its work.

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "config/peer.h"
#include "config/words.h"

namespace caponier::config {

namespace {

constexpr std::array auth_words = {
    Word<Auth>{"psk", Auth::psk},
    Word<Auth>{"null", Auth::null},
    Word<Auth>{"pubkey", Auth::pubkey},
    Word<Auth>{"eap", Auth::eap},
};
constexpr std::array childless_words = {
    Word<Childless>{"never", Childless::never},
    Word<Childless>{"allow", Childless::allow},
    Word<Childless>{"prefer", Childless::prefer},
};
constexpr std::array unique_words = {
    Word<Unique>{"no", Unique::no},
    Word<Unique>{"replace", Unique::replace},
    Word<Unique>{"keep", Unique::keep},
    Word<Unique>{"never", Unique::never},
};

/// What an unauthenticated side says about itself means nothing, so the file must not seem to rely
/// on it.
void check_identities(const Node& table, const PeerConfig& peer, Section& section) {
  const auto refuse = [&](std::string_view key, std::string_view whose, std::string_view by) {
    if (const Entry* const entry = table.find(key)) {
      section.note(entry->value.where, key,
                   {fmt::format("{} identity proves nothing with {} = \"null\"", whose, by),
                    fmt::format("remove {}, or write {} = \"psk\"", key, by)});
    }
  };
  const std::string_view by = table.find("remote_auth") == nullptr ? "auth" : "remote_auth";
  if (peer.exchange.auth == Auth::null) refuse("local_id", "our", "auth");
  if (peer.exchange.remote_auth == Auth::null) refuse("remote_id", "the peer's", by);
}

}  // namespace

AuthPair auth_of(PeerKind kind, const Node& table) {
  const auto has = [&](std::string_view key) { return table.find(key) != nullptr; };
  const auto written = [&](std::string_view key) -> std::optional<Auth> {
    const Entry* const entry = table.find(key);
    if (entry == nullptr || entry->value.kind != NodeKind::string) return std::nullopt;
    const auto* const word =
        std::ranges::find(auth_words, std::string_view{entry->value.text}, &Word<Auth>::text);
    return word == auth_words.end() ? std::nullopt : std::optional{word->value};
  };
  if (kind == PeerKind::server) return {Auth::pubkey, Auth::pubkey};
  const auto first_own = first_auth(table, true);
  const auto first_peers = first_auth(table, false);
  const Auth own = has("cert") || has("key") ? Auth::pubkey : has("user") ? Auth::eap : Auth::psk;
  AuthPair pair;
  pair.own = first_own ? *first_own : written("auth").value_or(own);
  // One word speaks for both sides, unless other keys say how the peer proves itself.
  const bool is_pubkey = has("ca") || has("peer_key");
  pair.peers = written("remote_auth")
                   .value_or(is_pubkey                ? Auth::pubkey
                             : pair.own == Auth::null ? Auth::null
                                                      : Auth::psk);
  if (first_peers) pair.peers = *first_peers;
  return pair;
}

void read_exchange(Section& section, const Node& table, PeerConfig& peer) {
  constexpr std::int64_t fragment_size_min = 576;
  constexpr std::int64_t fragment_size_max = 9000;
  ExchangeConfig& exchange = peer.exchange;
  if (const auto fragmentation = section.boolean("fragmentation")) {
    exchange.fragmentation = fragmentation->value;
  }
  if (const auto size = section.integer("fragment_size", fragment_size_min, fragment_size_max)) {
    exchange.fragment_size = static_cast<std::uint16_t>(*size);
  }
  read_word(section, "auth", auth_words, exchange.auth);
  read_word(section, "remote_auth", auth_words, exchange.remote_auth);
  const AuthPair pair = auth_of(peer.kind, table);
  exchange.auth = pair.own;
  exchange.remote_auth = pair.peers;
  check_identities(table, peer, section);
  read_word(section, "childless", childless_words, exchange.childless);
  read_word(section, "unique", unique_words, exchange.unique);
}

}  // namespace caponier::config

// The keys of a peer that say how IKE itself goes about its work.

#include <array>

#include <fmt/format.h>

#include "config/peer.h"
#include "config/words.h"

namespace caponier::config {

namespace {

constexpr std::array auth_words = {
    Word<Auth>{"psk", Auth::psk},
    Word<Auth>{"null", Auth::null},
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

bool needs_psk(const Node& table) {
  const auto is_null = [&](std::string_view key) {
    const Entry* const entry = table.find(key);
    return entry != nullptr && entry->value.kind == NodeKind::string && entry->value.text == "null";
  };
  const bool is_peer_null =
      table.find("remote_auth") == nullptr ? is_null("auth") : is_null("remote_auth");
  return !is_null("auth") || !is_peer_null;
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
  exchange.remote_auth = exchange.auth;
  read_word(section, "remote_auth", auth_words, exchange.remote_auth);
  check_identities(table, peer, section);
  read_word(section, "childless", childless_words, exchange.childless);
  read_word(section, "unique", unique_words, exchange.unique);
}

}  // namespace caponier::config

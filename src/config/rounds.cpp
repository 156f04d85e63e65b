#include "config/rounds.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/event.h"
#include "config/peer.h"
#include "config/words.h"

namespace caponier::config {

namespace {

constexpr std::string_view local_key = "local_rounds";
constexpr std::string_view remote_key = "remote_rounds";

constexpr std::array local_keys = {
    KeySpec{"auth", true, "\"pubkey\""},       KeySpec{"id", false, "\"gw.example.org\""},
    KeySpec{"psk", false, "\"@NAME\""},        KeySpec{"cert", false, "\"certs/gw.pem\""},
    KeySpec{"key", false, "\"certs/gw.key\""}, KeySpec{"key_passphrase", false, "\"@gw.key\""},
    KeySpec{"user", false, "\"alice\""},       KeySpec{"password", false, "\"@alice\""},
};
constexpr std::array remote_keys = {
    KeySpec{"auth", true, "\"pubkey\""},       KeySpec{"id", false, "\"*.pcs.example.org\""},
    KeySpec{"psk", false, "\"@NAME\""},        KeySpec{"ca", false, "[\"ca/ca.pem\"]"},
    KeySpec{"peer_key", false, "\"cv1:...\""},
};

/// NULL authentication proves nothing, so one more round of it is none.
constexpr std::array auth_words = {
    Word<Auth>{"psk", Auth::psk},
    Word<Auth>{"pubkey", Auth::pubkey},
    Word<Auth>{"eap", Auth::eap},
};

policy::Identity name_in(const pki::Certificate& leaf) {
  return leaf.alternative_names.empty() ? policy::Identity{wire::IdType::der_asn1_dn, leaf.subject}
                                        : leaf.alternative_names.front();
}

/// The tables of `key`; what is no such list is noted.
std::vector<const Node*> tables_of(Section& section, std::string_view key, const Node& table) {
  std::vector<const Node*> tables;
  const Entry* const entry = table.find(key);
  if (entry == nullptr) return tables;
  const Node& value = entry->value;
  const bool is_list = value.kind == NodeKind::array && !value.items.empty() &&
                       std::ranges::all_of(value.items, [](const Node& item) {
                         return item.kind == NodeKind::table;
                       });
  if (!is_list) {
    section.note(value.where, key,
                 {"expected one table for each round",
                  fmt::format("write {} = [{{auth = \"pubkey\"}}, {{auth = \"eap\"}}]", key)});
    return tables;
  }
  if (value.items.size() > auth_rounds_max) {
    section.note(value.where, key,
                 {fmt::format("there are more than {} rounds", auth_rounds_max),
                  "leave out those that prove nothing more"});
    return tables;
  }
  for (const Node& item : value.items) tables.push_back(&item);
  return tables;
}

struct Reader {
  Section& outer;
  PeerConfig& peer;
  Secrets& secrets;
  PkiFiles& files;

  void read_psk(Section& section, const std::string& held, SharedSecret& psk,
                base::ByteVec& fingerprint) const;
  void miss(Section& section, std::string_view what, std::string_view fix) const {
    section.errors().add(section.where(), fmt::format("{}: {} is missing", section.title(), what),
                         std::string{fix});
  }
  [[nodiscard]] LocalRound read_local(const Node& table, std::size_t index) const;
  [[nodiscard]] RemoteRound read_remote(const Node& table, std::size_t index) const;
};

void Reader::read_psk(Section& section, const std::string& held, SharedSecret& psk,
                      base::ByteVec& fingerprint) const {
  const auto reference = section.text(
      "psk", [&](std::string_view text) { return parse_secret_reference(text, peer.name); });
  if (!reference) return;
  if (const HeldKeys* const keys = secrets.held()) {
    fingerprint = keys->find(held).psk_fingerprint;
    if (fingerprint.empty()) section.note(reference->where, "psk", changed_meanwhile());
    return;
  }
  const auto& read = secrets.get(reference->value);
  if (read) {
    psk = *read;
  } else {
    section.note(reference->where, "psk", read.error());
  }
}

LocalRound Reader::read_local(const Node& table, std::size_t index) const {
  LocalRound round;
  Section section{table, fmt::format("{} {}, round {}", outer.title(), local_key, index + 1),
                  local_keys, outer.errors()};
  read_word(section, "auth", auth_words, round.auth);
  if (auto id = section.text(
          "id", [&](std::string_view text) { return parse_own_identity(text, files); }))
    round.id = std::move(id->value);
  const std::string held = held_name(peer, true, index);
  read_psk(section, held, round.psk, round.psk_fingerprint);
  round.credential = read_own_key(section, peer.name, held, secrets, files);
  if (auto user = section.text("user", parse_user)) round.user = std::move(user->value);
  const auto password = section.text(
      "password", [&](std::string_view text) { return parse_secret_reference(text, peer.name); });
  if (password) {
    const auto found = secrets.password(password->value);
    if (found) round.password = *found;
    if (!found) section.note(password->where, "password", found.error());
  }
  const auto has = [&](std::string_view key) { return section.has(key) || outer.has(key); };
  if (round.auth == Auth::psk && !has("psk")) {
    miss(section, "the pre-shared key", "add psk = \"@NAME\" to the round");
  }
  if (round.auth == Auth::pubkey && !has("key") && peer.kind != PeerKind::server) {
    miss(section, "our key",
         "add key = \"FILE\", and cert = \"FILE\" unless it is a raw public key");
  }
  if (round.auth == Auth::eap && !(has("user") && (has("password") || section.has("key")))) {
    miss(section, "the user",
         "add user = \"NAME\", and password = \"@NAME\", or cert and key for EAP-TLS");
  }
  return round;
}

RemoteRound Reader::read_remote(const Node& table, std::size_t index) const {
  RemoteRound round;
  Section section{table, fmt::format("{} {}, round {}", outer.title(), remote_key, index + 1),
                  remote_keys, outer.errors()};
  read_word(section, "auth", auth_words, round.auth);
  if (auto id = section.text(
          "id", [&](std::string_view text) { return parse_peer_identity(text, files); }))
    round.id = std::move(id->value);
  read_psk(section, held_name(peer, false, index), round.psk, round.psk_fingerprint);
  for (auto& name : section.list("ca", parse_file_name)) {
    auto added = files.add(name.value, PkiFiles::Use::anchor);
    if (added) round.authorities.push_back(std::move(*added));
    if (!added) section.note(name.where, "ca", added.error());
  }
  if (auto key = section.text("peer_key",
                              [&](std::string_view text) { return parse_peer_key(text, files); })) {
    round.peer_key = std::move(key->value);
  }
  const auto has = [&](std::string_view key) { return section.has(key) || outer.has(key); };
  const bool is_trusting =
      has("ca") || has("peer_key") || (peer.server && peer.server->certificates);
  if (round.auth == Auth::psk && !has("psk")) {
    miss(section, "the pre-shared key", "add psk = \"@NAME\" to the round");
  }
  if (round.auth == Auth::pubkey && !is_trusting) {
    miss(section, "whom to trust",
         "add ca = [\"FILE\"] with the peer's authority, or its peer_key");
  }
  if (round.auth == Auth::eap && peer.kind != PeerKind::server) {
    section.note(section.place_of("auth"), "auth",
                 {"users that authenticate by EAP come to a [server]",
                  "describe them in [server], or write \"pubkey\" or \"psk\""});
  }
  return round;
}

void refuse_beside(Section& section, std::string_view key, std::string_view rounds) {
  if (!section.has(key) || !section.has(rounds)) return;
  section.note(section.place_of(key), key,
               {fmt::format("{} says that already", rounds),
                fmt::format("take {} away, or {}", key, rounds)});
}

}  // namespace

bool has_local_rounds(const Node& table) { return table.find(local_key) != nullptr; }
bool has_remote_rounds(const Node& table) { return table.find(remote_key) != nullptr; }

std::optional<Auth> first_auth(const Node& table, bool is_local) {
  const Entry* const entry = table.find(is_local ? local_key : remote_key);
  if (entry == nullptr || entry->value.items.empty()) return std::nullopt;
  const Entry* const auth = entry->value.items.front().find("auth");
  if (auth == nullptr || auth->value.kind != NodeKind::string) return std::nullopt;
  const auto* const word =
      std::ranges::find(auth_words, std::string_view{auth->value.text}, &Word<Auth>::text);
  return word == auth_words.end() ? std::nullopt : std::optional{word->value};
}

void read_rounds(Section& section, const Node& table, PeerConfig& peer, Secrets& secrets,
                 PkiFiles& files) {
  const Reader reader{section, peer, secrets, files};
  for (const Node* one : tables_of(section, local_key, table)) {
    peer.local_rounds.push_back(reader.read_local(*one, peer.local_rounds.size()));
  }
  for (const Node* one : tables_of(section, remote_key, table)) {
    peer.remote_rounds.push_back(reader.read_remote(*one, peer.remote_rounds.size()));
  }
  if (peer.kind == PeerKind::server) return;
  refuse_beside(section, "auth", local_key);
  refuse_beside(section, "remote_auth", remote_key);
}

std::size_t local_rounds(const PeerConfig& peer) {
  return std::max<std::size_t>(1, peer.local_rounds.size());
}

std::size_t remote_rounds(const PeerConfig& peer) {
  return std::max<std::size_t>(1, peer.remote_rounds.size());
}

std::optional<LocalRound> local_round(const PeerConfig& peer, std::size_t index) {
  if (index >= local_rounds(peer)) return std::nullopt;
  LocalRound round;
  const bool is_alone = peer.local_rounds.empty();
  if (is_alone) {
    round.auth = peer.exchange.auth;
    round.id = peer.local_id;
  } else {
    round = peer.local_rounds[index];
  }
  const bool has_own_key = round.credential != nullptr;
  if (!has_own_key) round.credential = peer.proof.credential;
  if (!round.psk && round.psk_fingerprint.empty()) {
    round.psk = peer.psk;
    round.psk_fingerprint = peer.psk_fingerprint;
  }
  if (round.user.empty()) round.user = peer.proof.user;
  if (!round.password) round.password = peer.proof.password;
  if (round.id) return round;
  const bool is_named =
      round.auth == Auth::pubkey && has_own_key && !round.credential->chain.empty();
  if (is_named) {
    round.id = name_in(round.credential->chain.front());
  } else if (round.auth == Auth::eap && !is_alone && !round.user.empty()) {
    round.id = policy::Identity::parse(round.user);
  } else {
    round.id = peer.local_id;
  }
  return round;
}

std::optional<RemoteRound> remote_round(const PeerConfig& peer, std::size_t index) {
  if (index >= remote_rounds(peer)) return std::nullopt;
  RemoteRound round;
  if (peer.remote_rounds.empty()) {
    round.auth = peer.exchange.remote_auth;
  } else {
    round = peer.remote_rounds[index];
  }
  if (!round.id && index == 0) round.id = peer.remote_id;
  if (!round.psk && round.psk_fingerprint.empty()) {
    round.psk = peer.psk;
    round.psk_fingerprint = peer.psk_fingerprint;
  }
  if (!round.peer_key && round.authorities.empty()) {
    round.peer_key = peer.proof.peer_key;
    round.authorities = peer.proof.authorities;
  }
  return round;
}

std::string held_name(const PeerConfig& peer, bool is_local, std::size_t index) {
  return fmt::format("{}\n{} {}", peer.name, is_local ? local_key : remote_key, index + 1);
}

}  // namespace caponier::config

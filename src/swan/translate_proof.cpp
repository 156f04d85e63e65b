// Who proves himself by what: pre-shared keys, certificates, raw keys, users' passwords.

#include <algorithm>

#include <fmt/format.h>

#include "config/strength.h"
#include "swan/translator.h"

namespace caponier::swan {

namespace {

using Method = AuthMethod::Kind;

/// As a file holds it: what begins with 0x there, or ends in a newline, would be read as another.
SharedSecret as_file(const base::SecretBytes& secret) {
  const std::string_view text = base::as_text(secret.reveal());
  const bool is_plain =
      !text.starts_with("0x") && !text.ends_with('\n') && text.find('\0') == std::string_view::npos;
  if (is_plain) return std::make_shared<const base::SecretBytes>(secret.duplicate());
  std::string hex = "0x" + base::to_hex(secret.reveal());
  auto file = std::make_shared<const base::SecretBytes>(base::as_bytes(hex));
  base::wipe(std::as_writable_bytes(std::span{hex}));
  return file;
}

/// "pkcs11:..." (RFC 7512) of a CKA_ID.
std::string token_uri(const Object& object, std::string_view type) {
  std::string id;
  for (std::size_t i = 0; i + 1 < object.handle.size(); i += 2) {
    id += "%" + object.handle.substr(i, 2);
  }
  std::string uri = fmt::format("pkcs11:id={};type={}", id, type);
  if (!object.slot.empty()) uri += ";slot-id=" + object.slot;
  return uri;
}

std::string_view method_word(Method kind) {
  switch (kind) {
    case Method::psk: return "psk";
    case Method::null: return "null";
    case Method::eap: return "eap";
    case Method::any:
    case Method::xauth:
    case Method::pubkey: break;
  }
  return "pubkey";
}

}  // namespace

void Translator::add_proof(Table& table, Kind kind) {
  const Round& own = table.connection.local.front();
  const Round& peers = table.connection.remote.front();
  const Method ours = own.auth.kind;
  const Method theirs = peers.auth.kind;
  const bool has_own_rounds = table.connection.local.size() > 1;
  const bool has_peer_rounds = table.connection.remote.size() > 1;
  check_constraints(table, own);
  check_constraints(table, peers);
  const bool needs_psk =
      (ours == Method::psk && !has_own_rounds) || (theirs == Method::psk && !has_peer_rounds);
  if (needs_psk) add_psk(table, own, peers);
  if (ours == Method::pubkey && !has_own_rounds) add_own_key(table, own);
  if (ours == Method::eap && !has_own_rounds) add_user(table, own);
  if (theirs == Method::pubkey && !has_peer_rounds) {
    add_trust(table, peers);
    add_revocation(table, peers);
  }
  if (has_own_rounds || has_peer_rounds) {
    if (!has_own_rounds) table.document.add_text("auth", method_word(ours), table.at);
    if (!has_peer_rounds) table.document.add_text("remote_auth", method_word(theirs), table.at);
    return;
  }
  const bool is_said = ours == theirs && (ours == Method::psk || ours == Method::pubkey);
  const bool is_client = kind == Kind::client && ours == Method::eap && theirs == Method::pubkey;
  if (is_said || (is_client && own.certs.empty())) return;
  table.document.add_text("auth", method_word(ours), table.at);
  table.document.add_text("remote_auth", method_word(theirs), table.at);
}

void Translator::check_constraints(Table& table, const Round& round) {
  const std::string& text = round.auth.constraints;
  if (text.empty()) return;
  const Origin at = origin_of(table.connection, round);
  if (round.is_local) {
    return note(at, "auth",
                "the hash of our signatures is the one that suits our key and the peer");
  }
  // Here RSA has at least 2048 bits, ECDSA 256, and SHA-1 is never taken.
  std::string_view rest = text;
  bool has_sha256 = false;
  bool has_hash = false;
  while (!rest.empty()) {
    const std::size_t dash = rest.find_first_of("-:");
    const std::string_view word = rest.substr(0, dash);
    rest = dash == std::string_view::npos ? std::string_view{} : rest.substr(dash + 1);
    has_hash = has_hash || word.starts_with("sha");
    has_sha256 = has_sha256 || word == "sha256";
    const auto bits = parse_number(word, 1U << 20);
    if (bits && *bits != 2048 && *bits != 256 && *bits > 256) {
      refuse(at, "auth",
             {fmt::format("keys of at least {} bits cannot be demanded here", *bits),
              "write rsa-2048-ecdsa-256, which is demanded always"});
    }
  }
  if (has_hash && !has_sha256) {
    refuse(at, "auth",
           {"hashes stronger than SHA-256 cannot be demanded here",
            "add sha256, or leave the hashes out"});
  }
  if (text.starts_with("rsa/pss") || text.find(":rsa/pss") != std::string::npos) {
    refuse(at, "auth", {"RSASSA-PSS cannot be demanded here", "write pubkey"});
  }
}

void Translator::add_rounds(Table& table, std::string_view section) {
  const Connection& connection = table.connection;
  for (const auto* const rounds : {&connection.local, &connection.remote}) {
    if (rounds->size() < 2) continue;
    const bool is_local = rounds->front().is_local;
    if (rounds->size() > config::auth_rounds_max) {
      refuse(origin_of(connection, rounds->back()), "round",
             {fmt::format("there are more than {} rounds", config::auth_rounds_max),
              "leave out those that prove nothing more"});
      continue;
    }
    for (const Round& round : *rounds) {
      if (!is_local && round.auth.kind == Method::pubkey) {
        add_revocation(table, round);
        break;
      }
      if (is_local && !round.aaa_id.empty()) {
        table.document.add_text("eap_server", round.aaa_id, origin_of(connection, round));
      }
    }
  }
  for (const auto* const rounds : {&connection.local, &connection.remote}) {
    if (rounds->size() < 2 || rounds->size() > config::auth_rounds_max) continue;
    const std::string title =
        fmt::format("{}.{}", section, rounds->front().is_local ? "local_rounds" : "remote_rounds");
    for (std::size_t i = 0; i < rounds->size(); ++i) add_round(table, title, (*rounds)[i], i);
  }
}

void Translator::add_round(Table& table, std::string_view title, const Round& round,
                           std::size_t index) {
  const Connection& connection = table.connection;
  const Origin at = origin_of(connection, round);
  const Method method = round.auth.kind;
  if (method != Method::psk && method != Method::pubkey && method != Method::eap) {
    return refuse(at, "auth",
                  {"one of several rounds is by pubkey, psk or EAP", "write one of these"});
  }
  if (!round.is_local && index > 0) check_constraints(table, round);
  table.is_round = true;
  table.secret = fmt::format("{}-{}{}", table.name, round.is_local ? "local" : "remote", index + 1);
  table.document.list_table(title, at);
  table.document.add_text("auth", method_word(method), at);
  const bool is_section_says = !round.is_local && index == 0;
  if (!is_section_says && round.id.kind != Who::Kind::any) {
    if (const auto id = identity_text(round.id, at, "id")) table.document.add_text("id", *id, at);
  }
  if (method == Method::psk) {
    add_psk(table, round.is_local ? round : connection.local.front(),
            round.is_local ? connection.remote.front() : round);
  } else if (method == Method::pubkey && round.is_local) {
    add_own_key(table, round);
  } else if (method == Method::pubkey) {
    add_trust(table, round);
  } else if (round.is_local) {
    add_user(table, round);
  }
  table.is_round = false;
  table.secret = table.name;
}

/// Who says nothing about identities is his address.
Who Translator::or_address(const Who& who, const std::vector<Host>& hosts) const {
  const auto address = fixed(hosts);
  if (who.kind != Who::Kind::any || !address) return who;
  return {Who::Kind::one, address->to_string(),
          policy::IdentityPattern{policy::Identity::from_address(*address)}};
}

SecretChoice Translator::psk_of(const Connection& connection, const Round& own,
                                const Round& peers) const {
  return choose_psk(credentials_.secrets(), or_address(own.id, connection.local_addrs),
                    or_address(peers.id, connection.remote_addrs));
}

std::vector<Connection> Translator::for_each_key(const Connection& connection) {
  constexpr std::size_t peers_max = 1024;
  const bool has_one_round = connection.local.size() == 1 && connection.remote.size() == 1;
  const bool is_by_key = connection.remote.front().auth.kind == Method::psk;
  // Else their networks would be one another's.
  const bool is_apart = std::ranges::all_of(connection.children, [](const Child& child) {
    return std::ranges::all_of(child.remote_ts, &Selector::is_dynamic);
  });
  if (!has_one_round || !is_by_key || !is_apart || fixed(connection.remote_addrs)) return {};
  const SecretChoice choice =
      psk_of(connection, connection.local.front(), connection.remote.front());
  if (!choice.is_ambiguous || choice.peers.empty() || choice.peers.size() > peers_max) return {};
  std::vector<Connection> all;
  for (const Who& peer : choice.peers) {
    all.push_back(connection);
    all.back().remote.front().id = peer;
  }
  note(origin_of(connection), "remote.id",
       fmt::format("becomes {} tunnels, one for each peer that has a pre-shared key", all.size()));
  return all;
}

void Translator::add_psk(Table& table, const Round& ours, const Round& peers) {
  const Connection& connection = table.connection;
  const SecretChoice choice = psk_of(connection, ours, peers);
  if (choice.secret == nullptr || (!choice.secret->value && !choice.secret->held_bits)) {
    const Who own = or_address(ours.id, connection.local_addrs);
    const Who other = or_address(peers.id, connection.remote_addrs);
    return lack(table.at, "local.auth",
                {fmt::format("there is no pre-shared key for {} and {}",
                             own.text.empty() ? "%any" : own.text,
                             other.text.empty() ? "%any" : other.text),
                 "add a section ike-NAME with id and secret to secrets"});
  }
  if (choice.is_ambiguous) {
    return refuse(origin_of(connection, peers), "id",
                  {"several pre-shared keys suit peers that may come, and one tunnel has one here",
                   "make a connection for each peer, with its id, or write remote_ts = dynamic"});
  }
  const SharedSecret& value = choice.secret->value;
  const unsigned bits =
      value ? config::estimate_entropy_bits(value->reveal()) : *choice.secret->held_bits;
  if (bits < config::psk_bits_min) {
    report_.warn(choice.secret->where, fmt::format("secrets.{}.secret", choice.secret->name),
                 fmt::format("the secret is weak: about {} bits of entropy, {} are needed", bits,
                             config::psk_bits_min),
                 "make a new one with `openssl rand -base64 32` and give the same to the peer");
  }
  if (value) table.document.secrets.emplace(table.secret, as_file(*value));
  table.document.add_text("psk", "@" + table.secret, table.at);
}

void Translator::add_key_file(Table& table, const Round& round, const std::string& certificate) {
  const Origin at = origin_of(table.connection, round);
  std::optional<Credentials::Key> key;
  if (certificate.empty() && !round.pubkeys.empty()) {
    const auto own = credentials_.raw_key(round.pubkeys.front());
    if (!own) return refuse(at, "pubkeys", own.error());
    key = credentials_.key_of_public(*own);
  } else {
    key = credentials_.key_of(certificate);
  }
  if (!key) {
    return lack(at, certificate.empty() ? "pubkeys" : "certs",
                {certificate.empty() ? std::string{"which private key is meant cannot be seen"}
                                     : fmt::format("there is no private key for {}", certificate),
                 "put the key into the folder private, readable by its owner alone"});
  }
  table.document.add_text("key", key->path, at);
  if (!key->passphrase) return;
  const std::string name = table.secret + ".key";
  table.document.secrets.emplace(name, key->passphrase);
  table.document.add_text("key_passphrase", "@" + name, at);
}

void Translator::add_own_key(Table& table, const Round& round) {
  const Origin at = origin_of(table.connection, round);
  if (!round.cert_objects.empty() && round.certs.empty()) {
    const Object& object = round.cert_objects.front();
    if (!object.file.empty()) {
      table.document.add_text("cert", object.file, at);
      return add_key_file(table, round, object.file);
    }
    table.document.add_text("cert", token_uri(object, "cert"), at);
    table.document.add_text("key", token_uri(object, "private"), at);
    const auto pin = std::ranges::find_if(credentials_.secrets(), [&](const Secret& secret) {
      return secret.kind == Secret::Kind::token && secret.object.handle == object.handle;
    });
    if (pin != credentials_.secrets().end() && pin->value) {
      table.document.secrets.emplace(table.secret + ".pin", pin->value);
      table.document.add_text("key_passphrase", "@" + table.secret + ".pin", at);
    }
    if (!object.module.empty()) {
      note(at, "cert.module", "the token is found by p11-kit, whatever its module is called");
    }
    return;
  }
  if (!round.certs.empty()) {
    const std::string path = credentials_.certificate(round.certs.front());
    if (!credentials_.has(path)) {
      return lack(
          at, "certs",
          {fmt::format("{} is not there, or cannot be read", path), "check the name of the file"});
    }
    if (round.certs.size() > 1) {
      warn(at, "certs", fmt::format("only {} is used", round.certs.front()));
    }
    table.document.add_text("cert", path, at);
    return add_key_file(table, round, path);
  }
  if (round.pubkeys.empty()) {
    warn(at, "certs", "no certificate is named; the only key there is stands for itself",
         "write certs = FILE");
  }
  add_key_file(table, round, "");
}

void Translator::add_trust(Table& table, const Round& round) {
  const Origin at = origin_of(table.connection, round);
  if (!round.pubkeys.empty()) {
    const auto key = credentials_.raw_key(round.pubkeys.front());
    if (!key) return refuse(at, "pubkeys", key.error());
    if (round.pubkeys.size() > 1) warn(at, "pubkeys", "only the first key is accepted");
    return table.document.add_text("peer_key", *key, at);
  }
  std::vector<std::string> files;
  for (const std::string& name : round.certs) files.push_back(credentials_.certificate(name));
  for (const Object& object : round.cert_objects) files.push_back(object.file);
  if (files.empty()) {
    for (const std::string& name : round.cacerts) files.push_back(credentials_.authority(name));
    for (const Object& object : round.cacert_objects) files.push_back(object.file);
  }
  if (std::ranges::find(files, std::string{}) != files.end()) {
    return refuse(at, "cacerts",
                  {"certificates of authorities are read from files here",
                   "export the certificate from the token and name the file"});
  }
  if (files.empty()) files = credentials_.authorities();
  if (files.empty()) {
    return lack(at, "cacerts",
                {"there is no authority to trust", "put its certificate into the folder x509ca"});
  }
  for (const std::string& file : files) {
    if (!credentials_.has(file)) {
      lack(at, "cacerts",
           {fmt::format("{} is not there, or cannot be read", file), "check the name of the file"});
    }
  }
  table.document.add_list("ca", files, at);
  if (round.ca_id.kind != Who::Kind::any) {
    refuse(at, "ca_id",
           {"authorities are named by their certificates here", "write cacerts = FILE"});
  }
  const bool is_anybody = std::ranges::none_of(table.connection.remote_addrs, [](const Host& host) {
    return host.kind == Host::Kind::address || host.kind == Host::Kind::name;
  });
  if (round.id.kind == Who::Kind::any && !is_anybody) {
    warn(at, "id", "the peer's certificate must name its address, as no id is written",
         "write the id that the certificate names");
  }
}

void Translator::add_revocation(Table& table, const Round& round) {
  const Origin at = origin_of(table.connection, round);
  if (!round.pubkeys.empty()) return;
  if (const auto crls = credentials_.crls(); !crls.empty()) {
    table.document.add_list("crl", crls, at);
  }
  if (round.revocation == Revocation::strict) table.document.add_text("revocation", "strict", at);
  if (round.revocation == Revocation::if_uri) {
    table.document.add_text("revocation", "if_present", at);
  }
}

void Translator::add_user(Table& table, const Round& round) {
  const Origin at = origin_of(table.connection, round);
  const std::string user = !round.eap_id.empty() ? round.eap_id : round.id.text;
  if (user.empty() || user == "%any") {
    return refuse(at, "eap_id", {"the user's name is missing", "write eap_id = NAME"});
  }
  table.document.add_text("user", user, at);
  if (!round.aaa_id.empty() && !table.is_round)
    table.document.add_text("eap_server", round.aaa_id, at);
  if (round.auth.eap == "tls" || !round.certs.empty()) return add_own_key(table, round);
  const Secret* const password = find_password(credentials_.secrets(), user);
  if (password == nullptr || !password->value) {
    return lack(at, "eap_id",
                {fmt::format("there is no password for {}", config::quoted(user)),
                 "add a section eap-NAME with id and secret to secrets"});
  }
  table.document.secrets.emplace(table.secret, password->value);
  table.document.add_text("password", "@" + table.secret, at);
}

}  // namespace caponier::swan

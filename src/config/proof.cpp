// Certificates, keys and passwords of a peer, and what a server gives to its users.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/peer.h"
#include "config/words.h"

namespace caponier::config {

namespace {

constexpr std::array revocation_words = {
    Word<pki::Revocation>{"relaxed", pki::Revocation::relaxed},
    Word<pki::Revocation>{"if_present", pki::Revocation::if_present},
    Word<pki::Revocation>{"strict", pki::Revocation::strict},
};

Fault fault_of(const FileError& error, const std::string& name) {
  return {fmt::format("{}: {}", name, error.message), error.fix};
}
Fault fault_of(const pki::LoadError& error) {
  return {fmt::format("{}: {}", error.file, error.message), error.fix};
}

constexpr std::string_view here_are_none = "this program was built without certificates";

constexpr std::string_view http = "http://";

bool is_http_url(std::string_view text) {
  return text.size() > http.size() && text.size() <= pki::url_size_max && text.starts_with(http) &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

Parsed<std::string> parse_url(std::string_view text) {
  if (is_http_url(text)) return std::string{text};
  return std::unexpected{Fault{fmt::format("{} is no http:// URL", quoted(text)),
                               "write it as \"http://certs.example.org/gw.der\""}};
}

/// A prefix without the end of its host would allow other hosts.
Parsed<std::string> parse_url_prefix(std::string_view text) {
  const bool has_host = is_http_url(text) && text.ends_with('/') && text[http.size()] != '/' &&
                        text.find('@') == std::string_view::npos;
  if (has_host) return std::string{text};
  return std::unexpected{
      Fault{fmt::format("{} is no place that certificates may be fetched from", quoted(text)),
            "write http://, the host and a path that ends in '/': \"http://certs.example.org/\""}};
}

/// The file of `key`, or `otherwise` when that is not empty.
struct Chosen {
  std::string name;
  Place where;
};
std::optional<Chosen> choose(Section& section, std::string_view key, const std::string& otherwise) {
  if (auto written = section.text(key, parse_file_name)) {
    return Chosen{std::move(written->value), written->where};
  }
  if (section.has(key) || otherwise.empty()) return std::nullopt;
  return Chosen{otherwise, section.where()};
}

/// The passphrase of a key file, or the PIN of a token; both may be left out.
struct Unlocking {
  Section& section;
  Secrets& secrets;
  PkiFiles& files;
  const std::string& peer;

  /// Empty, and noted, when there is one that cannot be read.
  [[nodiscard]] std::optional<SharedSecret> read(const Chosen& key) const;

 private:
  [[nodiscard]] Parsed<SharedSecret> read_pin(const std::string& source) const;
};

Parsed<SharedSecret> Unlocking::read_pin(const std::string& source) const {
  constexpr std::string_view file_scheme = "file:";
  const std::string_view name = source;
  if (name.starts_with('@') || name.starts_with("cred:")) return secrets.password(source);
  const auto path = name.starts_with(file_scheme) ? name.substr(file_scheme.size()) : name;
  if (!path.starts_with('/')) {
    return std::unexpected{Fault{"its pin-source is no file",
                                 "write ?pin-source=file:/PATH, or key_passphrase = \"@NAME\""}};
  }
  auto pin = files.read(std::string{path}, true);
  if (!pin) return std::unexpected{std::move(pin.error())};
  return std::make_shared<const base::SecretBytes>(without_newlines((*pin)->reveal()));
}

std::optional<SharedSecret> Unlocking::read(const Chosen& key) const {
  const auto passphrase = section.text(
      "key_passphrase", [&](std::string_view text) { return parse_secret_reference(text, peer); });
  std::string pin_source;
  if (pki::is_token_uri(key.name)) {
    auto token = files.provider()->read_token_uri(key.name);
    if (!token) {
      section.note(key.where, "key", fault_of(token.error()));
      return std::nullopt;
    }
    pin_source = std::move(token->pin_source);
  }
  if (passphrase && !pin_source.empty()) {
    section.note(passphrase->where, "key_passphrase",
                 {"the key's URI names its PIN already", "take this line or pin-source away"});
    return std::nullopt;
  }
  if (!passphrase && pin_source.empty()) return SharedSecret{};
  auto found = passphrase ? secrets.password(passphrase->value) : read_pin(pin_source);
  if (found) return *std::move(found);
  section.note(passphrase ? passphrase->where : key.where, passphrase ? "key_passphrase" : "key",
               found.error());
  return std::nullopt;
}

/// The file, or the object of a token, which nobody here can read.
Parsed<SharedSecret> read_named(PkiFiles& files, const std::string& name, bool is_private) {
  if (pki::is_token_uri(name)) return SharedSecret{};
  return files.read(name, is_private);
}

pki::NamedFile named(const std::string& name, const SharedSecret& content) {
  return {name, content ? content->reveal() : base::Bytes{}};
}

/// Read here, with all it needs.
std::shared_ptr<const pki::Credential> load_credential(Section& section, const std::string& peer,
                                                       const Chosen& key,
                                                       const std::optional<Chosen>& cert,
                                                       Secrets& secrets, PkiFiles& files) {
  const auto refuse = [&](const Chosen& what, std::string_view name, const Fault& fault) {
    section.note(what.where, name, fault);
    return nullptr;
  };
  const auto key_file = read_named(files, key.name, true);
  if (!key_file) return refuse(key, "key", key_file.error());
  pki::CredentialFiles wanted;
  wanted.key = named(key.name, *key_file);
  Parsed<SharedSecret> cert_file;
  if (cert) {
    cert_file = read_named(files, cert->name, false);
    if (!cert_file) return refuse(*cert, "cert", cert_file.error());
    wanted.certificates.push_back(named(cert->name, *cert_file));
  }
  const auto words = Unlocking{section, secrets, files, peer}.read(key);
  if (!words) return nullptr;
  if (*words) wanted.passphrase = (*words)->reveal();
  auto credential = files.provider()->load_credential(wanted);
  if (credential) return std::make_shared<const pki::Credential>(std::move(*credential));
  const bool is_cert = cert && credential.error().file == pki::token_name(cert->name);
  return is_cert ? refuse(*cert, "cert", fault_of(credential.error()))
                 : refuse(key, "key", fault_of(credential.error()));
}

void read_credential(Section& section, PeerDraft& draft, Secrets& secrets, PkiFiles& files,
                     const std::string& basename) {
  PeerConfig& peer = draft.peer;
  peer.proof.credential = read_own_key(section, peer.name, peer.name, secrets, files, basename);
  if (section.has("cert_url") && !section.has("key") && basename.empty()) {
    section.note(section.place_of("cert_url"), "cert_url",
                 {"there is no certificate of ours here", "add key and cert, or remove cert_url"});
  }
  if (!peer.proof.credential) return;
  if (!peer.local_id && !peer.proof.credential->chain.empty()) {
    const pki::Certificate& leaf = peer.proof.credential->chain.front();
    peer.local_id = leaf.alternative_names.empty()
                        ? policy::Identity{wire::IdType::der_asn1_dn, leaf.subject}
                        : leaf.alternative_names.front();
  }
  if (auto url = section.text("cert_url", parse_url)) peer.proof.cert_url = std::move(url->value);
}

/// OpenSSL, other libraries and people write the same name in different octets.
void settle_own_name(PeerConfig& peer, const pki::PkiProvider& pki) {
  if (!peer.local_id || peer.local_id->type != wire::IdType::der_asn1_dn) return;
  const pki::Credential* const own = peer.proof.credential.get();
  //= rfc4945#3.1.5-1
  if (own != nullptr && !own->chain.empty() &&
      pki.is_same_name(own->chain.front().subject, peer.local_id->data)) {
    peer.local_id->data = own->chain.front().subject;
  }
  auto names = pki.name_pattern(pki.name_text(peer.local_id->data));
  if (names) peer.local_names = *std::move(names);
}

void read_trust(Section& section, PeerDraft& draft, PkiFiles& files) {
  ProofConfig& proof = draft.peer.proof;
  for (auto& name : section.list("ca", parse_file_name)) {
    auto added = files.add(name.value, PkiFiles::Use::anchor);
    if (!added) {
      section.note(name.where, "ca", added.error());
    } else {
      proof.authorities.push_back(std::move(*added));
    }
  }
  for (const auto& name : section.list("crl", parse_file_name)) {
    const auto added = files.add(name.value, PkiFiles::Use::crl);
    if (!added) section.note(name.where, "crl", added.error());
  }
  read_word(section, "revocation", revocation_words, proof.revocation);
  for (auto& prefix : section.list("hash_and_url", parse_url_prefix)) {
    proof.hash_and_url.push_back(std::move(prefix.value));
  }
  const auto key =
      section.text("peer_key", [&](std::string_view text) { return parse_peer_key(text, files); });
  if (key) proof.peer_key = key->value;
}

/// What the chosen ways to authenticate cannot do without.
void check_proof(Section& section, const Node& table, const PeerConfig& peer) {
  const auto miss = [&](std::string_view what, std::string fix) {
    section.errors().add(table.where, fmt::format("{}: {} is missing", section.title(), what),
                         std::move(fix));
  };
  const bool is_pubkey = peer.exchange.auth == Auth::pubkey;
  const bool is_alone = !has_local_rounds(table);
  if (is_alone && is_pubkey && !section.has("key") && peer.kind != PeerKind::server) {
    miss("our key", "add key = \"FILE\", and cert = \"FILE\" unless it is a raw public key");
  }
  const bool has_trust = section.has("ca") || section.has("peer_key");
  if (!has_remote_rounds(table) && peer.exchange.remote_auth == Auth::pubkey && !has_trust &&
      peer.kind != PeerKind::server) {
    miss("whom to trust", "add ca = [\"FILE\"] with the peer's authority, or its peer_key");
  }
  const bool has_user = section.has("user") && (section.has("password") || section.has("key"));
  if (is_alone && peer.exchange.auth == Auth::eap && !has_user) {
    miss("the user", "add user = \"NAME\", and password = \"@NAME\", or cert and key for EAP-TLS");
  }
  if (!has_remote_rounds(table) && peer.exchange.remote_auth == Auth::eap) {
    section.note(section.has("remote_auth") ? section.place_of("remote_auth") : table.where,
                 "remote_auth",
                 {"users that authenticate by EAP come to a [server]",
                  "describe them in [server], or write \"pubkey\" or \"psk\""});
  }
}

}  // namespace

Parsed<std::string> parse_file_name(std::string_view text) {
  if (!text.empty() && text.size() <= 4096 && text.find('\0') == std::string_view::npos) {
    return std::string{text};
  }
  return std::unexpected{
      Fault{"no file name", "write the path of a file, from the pki folder beside this file on"}};
}

Parsed<std::string> parse_user(std::string_view text) {
  if (!text.empty() && text.size() <= identity_size_max) return std::string{text};
  return std::unexpected{Fault{"no user name", "write 1 to 255 characters"}};
}

namespace {

constexpr std::string_view name_fix =
    "write attributes as in the certificate, such as \"C=CH, O=Example, CN=gw\"; of a peer a value "
    "may "
    "be \"*\", and \", *\" at the end stands for any others";

}  // namespace

Parsed<policy::Identity> parse_own_identity(std::string_view text, const PkiFiles& files) {
  if (!is_name_text(text)) return parse_identity(text);
  if (files.provider() == nullptr) return std::unexpected{Fault{std::string{here_are_none}, ""}};
  auto name = files.provider()->parse_name(text);
  if (name && !text.contains('*')) return *std::move(name);
  const std::string why = name ? "our own identity has no pattern" : name.error();
  return std::unexpected{Fault{fmt::format("{}: {}", quoted(text), why), std::string{name_fix}}};
}

Parsed<policy::IdentityPattern> parse_peer_identity(std::string_view text, const PkiFiles& files) {
  if (!is_name_text(text)) return parse_identity_pattern(text);
  if (files.provider() == nullptr) return std::unexpected{Fault{std::string{here_are_none}, ""}};
  auto pattern = files.provider()->name_pattern(text);
  if (pattern) return *std::move(pattern);
  return std::unexpected{
      Fault{fmt::format("{}: {}", quoted(text), pattern.error()), std::string{name_fix}}};
}

Parsed<pki::PublicKey> parse_peer_key(std::string_view text, const PkiFiles& files) {
  if (files.provider() == nullptr) return std::unexpected{Fault{std::string{here_are_none}, ""}};
  auto read = files.provider()->raw_key(text);
  if (read) return std::move(*read);
  return std::unexpected{
      Fault{read.error(), "`caponier key show` on the other side prints its key"}};
}

std::shared_ptr<const pki::Credential> read_own_key(Section& section, const std::string& peer,
                                                    const std::string& held, Secrets& secrets,
                                                    PkiFiles& files, const std::string& basename) {
  const auto cert = choose(section, "cert", basename.empty() ? "" : basename + ".pem");
  const auto key = choose(section, "key", basename.empty() ? "" : basename + ".key");
  if (!key) {
    if (cert) {
      section.note(cert->where, "cert",
                   {"its private key is missing", "add key = \"FILE\" to this section"});
    }
    return nullptr;
  }
  if (files.provider() == nullptr) {
    section.note(key->where, "key", {std::string{here_are_none}, ""});
    return nullptr;
  }
  const HeldKeys* const keys = files.held();
  if (keys == nullptr) return load_credential(section, peer, *key, cert, secrets, files);
  // Somebody else reads them; whoever watches files is to know of them.
  for (const std::optional<Chosen>& file : {key, cert}) {
    if (file && !pki::is_token_uri(file->name)) (void)files.has(file->name);
  }
  auto credential = keys->find(held).credential;
  if (!credential) section.note(key->where, "key", changed_meanwhile());
  return credential;
}

Parsed<SharedSecret> PkiFiles::read(const std::string& name, bool is_private) {
  auto content = source_.read_pki(name, is_private);
  if (!content) return std::unexpected{fault_of(content.error(), name)};
  return std::make_shared<const base::SecretBytes>(std::move(*content));
}

Parsed<std::string> PkiFiles::add(const std::string& name, Use use) {
  if (provider() == nullptr) return std::unexpected{Fault{std::string{here_are_none}, ""}};
  auto& known = use == Use::anchor ? anchors_ : crls_;
  if (known.contains(name)) return name;
  auto content = read(name, false);
  if (!content) return std::unexpected{std::move(content.error())};
  known.emplace(name, std::move(*content));
  return name;
}

std::shared_ptr<pki::CertificateStore> PkiFiles::make_store(Errors& errors) const {
  if (anchors_.empty() || provider() == nullptr) return nullptr;
  pki::StoreFiles files;
  for (const auto& [name, content] : anchors_) files.anchors.push_back(named(name, content));
  for (const auto& [name, content] : crls_) files.crls.push_back(named(name, content));
  auto store = provider()->make_store(files);
  if (store) return std::move(*store);
  for (const pki::LoadError& error : store.error()) {
    errors.add({error.file, 0, 0}, error.message, error.fix);
  }
  return nullptr;
}

void read_proof(Section& section, const Node& table, PeerDraft& draft, Secrets& secrets,
                PkiFiles& files) {
  PeerConfig& peer = draft.peer;
  const bool is_server = peer.kind == PeerKind::server;
  read_credential(section, draft, secrets, files,
                  is_server && peer.local_id ? "certs/" + peer.local_id->to_string() : "");
  if (files.provider() != nullptr) settle_own_name(peer, *files.provider());
  read_trust(section, draft, files);
  // Whoever the authority certifies could pose as the gateway otherwise.
  const bool is_named = peer.proof.peer_key || peer.remote_any || peer.remote_id;
  if (peer.exchange.remote_auth == Auth::pubkey && !is_named && !peer.remote.empty()) {
    peer.remote_id = policy::Identity::parse(peer.remote);
  }
  if (auto user = section.text("user", parse_user)) {
    peer.proof.user = std::move(user->value);
    if (!peer.local_id) peer.local_id = policy::Identity::parse(peer.proof.user);
  }
  const auto password = section.text(
      "password", [&](std::string_view text) { return parse_secret_reference(text, peer.name); });
  if (password) {
    const auto found = secrets.password(password->value);
    if (found) {
      peer.proof.password = *found;
    } else {
      section.note(password->where, "password", found.error());
    }
  }
  if (peer.remote_id && peer.remote_id->only() != nullptr) {
    peer.proof.eap_server = *peer.remote_id->only();
  } else if (!peer.remote.empty()) {
    peer.proof.eap_server = policy::Identity::parse(peer.remote);
  }
  if (auto server = section.text("eap_server", parse_identity)) {
    peer.proof.eap_server = std::move(server->value);
  }
  check_proof(section, table, peer);
  read_rounds(section, table, peer, secrets, files);
}

}  // namespace caponier::config

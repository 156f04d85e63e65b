#include "swan/assembly.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "swan/given_names.h"

namespace caponier::swan {

namespace {

/// Never a folder on disk.
constexpr std::string_view own_folder = "/vici:";

std::string folder(std::string_view name) { return fmt::format("{}/{}", own_folder, name); }

bool is_blob(std::string_view text) {
  return text.starts_with("-----BEGIN") || text.starts_with('\x30');
}

/// The first error as one line.
std::unexpected<std::string> first_error(const Report& report) {
  for (const Remark& remark : report.remarks()) {
    if (remark.gravity != Gravity::error) continue;
    return std::unexpected{fmt::format("{}: {} ({})", remark.path, remark.message, remark.fix)};
  }
  return std::unexpected{std::string{"it cannot be loaded"}};
}

template <class T>
void replace(std::vector<T>& list, T value) {
  const auto known = std::ranges::find(list, value.name, &T::name);
  if (known == list.end()) {
    list.push_back(std::move(value));
  } else {
    *known = std::move(value);
  }
}

template <class T>
Assembly::Answer remove(std::vector<T>& list, std::string_view name, std::string_view noun) {
  const auto known = std::ranges::find(list, name, &T::name);
  if (known == list.end()) {
    return std::unexpected{fmt::format("there is no {} {}", noun, config::quoted(name))};
  }
  list.erase(known);
  return {};
}

constexpr std::string_view full = "there is no room for more";

std::optional<Secret::Kind> kind_of(std::string_view type) {
  std::string word;
  for (const char c : type) {
    word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (word == "ike") return Secret::Kind::ike;
  if (word == "eap") return Secret::Kind::eap;
  if (word == "xauth") return Secret::Kind::xauth;
  if (word == "ntlm") return Secret::Kind::ntlm;
  if (word == "ppk") return Secret::Kind::ppk;
  return std::nullopt;
}

}  // namespace

std::expected<std::string, config::FileError> Assembly::Blobs::read(const std::string& path) {
  const auto known = blobs_.find(path);
  if (known != blobs_.end()) return std::string{base::as_text(known->second->reveal())};
  if (path.starts_with(own_folder)) {
    return std::unexpected{config::FileError{"it was not loaded", "load it"}};
  }
  return disk_.read(path);
}

std::vector<std::string> Assembly::Blobs::glob(const std::string& pattern) {
  const std::string_view inside = std::string_view{pattern}.substr(0, pattern.find('*'));
  return paths(inside);
}

std::string Assembly::Blobs::add(const std::string& in, base::Bytes data) {
  for (const auto& [path, content] : blobs_) {
    if (path.starts_with(in) && base::equal_constant_time(content->reveal(), data)) return path;
  }
  if (octets_ + data.size() > assembly_octets_max || blobs_.size() >= assembly_entries_max) {
    return {};
  }
  octets_ += data.size();
  std::string path = fmt::format("{}/{:06}", in, ++number_);
  blobs_.emplace(path, std::make_shared<const base::SecretBytes>(data));
  return path;
}

void Assembly::Blobs::remove(std::string_view path) {
  const auto known = blobs_.find(std::string{path});
  if (known == blobs_.end()) return;
  octets_ -= known->second->size();
  blobs_.erase(known);
}

std::vector<std::string> Assembly::Blobs::paths(std::string_view in) const {
  std::vector<std::string> found;
  for (const auto& [path, content] : blobs_) {
    if (path.starts_with(in)) found.push_back(path);
  }
  return found;
}

std::string Assembly::Blobs::content(const std::string& path) {
  auto text = read(path);
  return text ? *std::move(text) : std::string{};
}

Assembly::Answer Assembly::keep_blobs(Section& section) {
  for (Value& value : section.values) {
    const bool is_key = value.key == "pubkeys";
    const bool is_authority = value.key == "cacerts" || value.key == "cacert";
    if (!is_key && !is_authority && value.key != "certs") continue;
    const std::string in = folder(is_key ? "pubkey" : is_authority ? "x509ca" : "x509");
    const auto keep = [&](std::string& text) {
      if (!is_blob(text)) return true;
      text = files_.add(in, base::as_bytes(text));
      return !text.empty();
    };
    if (!keep(value.text) || !std::ranges::all_of(value.items, keep)) {
      return std::unexpected{std::string{full}};
    }
  }
  for (Section& inner : section.sections) TRY_VOID(keep_blobs(inner));
  return {};
}

Assembly::Answer Assembly::judge(const Connection& connection) {
  Everything alone;
  alone.connections.push_back(connection);
  alone.pools = all_.pools;
  Report report;
  const Credentials credentials{files_, pki_, swanctl_folders(std::string{own_folder}),
                                all_.secrets};
  const Document document = translate(alone, credentials, {}, report);
  for (const Remark& remark : report.remarks()) {
    if (remark.gravity != Gravity::error || remark.is_lack) continue;
    return std::unexpected{fmt::format("{}: {} ({})", remark.path, remark.message, remark.fix)};
  }
  return {};
}

Assembly::Answer Assembly::load_conn(const Section& conn) {
  Section own = conn;
  TRY_VOID(keep_blobs(own));
  Report report;
  auto connection = read_connection(own, fmt::format("connections.{}", own.name), report);
  if (!connection) return first_error(report);
  TRY_VOID(judge(*connection));
  if (all_.connections.size() >= assembly_entries_max) return std::unexpected{std::string{full}};
  replace(all_.connections, *std::move(connection));
  has_changed_ = true;
  return {};
}

Assembly::Answer Assembly::unload_conn(std::string_view name) {
  has_changed_ = true;
  return remove(all_.connections, name, "connection");
}

Assembly::Answer Assembly::load_pool(const Section& pool) {
  Report report;
  auto read = read_pool(pool, fmt::format("pools.{}", pool.name), report);
  if (!read) return first_error(report);
  if (all_.pools.size() >= assembly_entries_max) return std::unexpected{std::string{full}};
  replace(all_.pools, *std::move(read));
  has_changed_ = true;
  return {};
}

/// Connections that have their addresses from it lack it from now on.
Assembly::Answer Assembly::unload_pool(std::string_view name) {
  has_changed_ = true;
  return remove(all_.pools, name, "pool");
}

Assembly::Answer Assembly::load_authority(const Section& authority) {
  Section own = authority;
  TRY_VOID(keep_blobs(own));
  Report report;
  auto read = read_authority(own, fmt::format("authorities.{}", own.name), report);
  if (!read) return first_error(report);
  if (all_.authorities.size() >= assembly_entries_max) return std::unexpected{std::string{full}};
  replace(all_.authorities, *std::move(read));
  has_changed_ = true;
  return {};
}

Assembly::Answer Assembly::unload_authority(std::string_view name) {
  has_changed_ = true;
  return remove(all_.authorities, name, "authority");
}

Assembly::Answer Assembly::load_cert(std::string_view type, std::string_view flag,
                                     base::Bytes data) {
  const std::string in = folder(type == "X509_CRL" ? "x509crl"
                                : type == "PUBKEY" ? "pubkey"
                                : flag == "CA"     ? "x509ca"
                                                   : "x509");
  if (type != "X509" && type != "X509_CRL" && type != "PUBKEY") {
    return std::unexpected{
        fmt::format("certificates of type {} are not read here; load X509, X509_CRL or PUBKEY",
                    config::quoted(type))};
  }
  if (type == "X509" && pki_ != nullptr) {
    const auto read = pki_->load_certificates({"the certificate", data});
    if (!read) return std::unexpected{read.error().message};
  }
  if (files_.add(in, data).empty()) return std::unexpected{std::string{full}};
  has_changed_ = true;
  return {};
}

Assembly::Loaded Assembly::load_key(base::Bytes data) {
  if (pki_ == nullptr) return std::unexpected{std::string{"keys cannot be read here"}};
  pki::CredentialFiles wanted;
  wanted.key = {"the key", data};
  const auto credential = pki_->load_credential(wanted);
  if (!credential) return std::unexpected{credential.error().message};
  const std::string path = files_.add(folder("private"), data);
  if (path.empty()) return std::unexpected{std::string{full}};
  // What strongSwan calls a key is the hash of its public half, which its certificate has as well.
  const base::ByteVec& spki = credential->signer->public_key().spki;
  constexpr std::size_t id_size = 20;
  std::string id = base::to_hex(base::Bytes{spki}.last(std::min(id_size, spki.size())));
  for (const std::string& cert : files_.paths(folder("x509"))) {
    const auto all = pki_->load_certificates({cert, base::as_bytes(files_.content(cert))});
    if (all && !all->empty() && all->front().key.spki == spki) {
      id = base::to_hex(all->front().key_hash);
    }
  }
  keys_[id] = {path, spki, false};
  has_changed_ = true;
  return id;
}

base::ByteVec Assembly::public_half(std::string_view id) const {
  const auto known = keys_.find(id);
  return known == keys_.end() ? base::ByteVec{} : known->second.spki;
}

Assembly::Answer Assembly::note_key(const std::string& id, base::Bytes spki) {
  const std::string path = files_.add(folder("private"), spki);
  if (path.empty()) return std::unexpected{std::string{full}};
  keys_[id] = {path, base::to_vec(spki), true};
  has_changed_ = true;
  return {};
}

Assembly::Loaded Assembly::load_token(const Section& token) {
  Section own = token;
  own.name = fmt::format("token-{}", ++token_number_);
  Report report;
  auto secret = read_secret(own, fmt::format("secrets.{}", own.name), report);
  if (!secret) return std::unexpected{first_error(report).error()};
  std::string id = secret->object.handle;
  replace(all_.secrets, *std::move(secret));
  has_changed_ = true;
  return id;
}

Assembly::Answer Assembly::unload_key(std::string_view id) {
  const auto known = keys_.find(id);
  if (known == keys_.end()) {
    return std::unexpected{fmt::format("there is no key {}", config::quoted(id))};
  }
  files_.remove(known->second.path);
  keys_.erase(known);
  has_changed_ = true;
  return {};
}

Assembly::Answer Assembly::load_shared(std::string_view id, std::string_view type, base::Bytes data,
                                       const std::vector<std::string>& owners) {
  Secret secret;
  secret.value = std::make_shared<const base::SecretBytes>(data);
  return add_shared(std::move(secret), id, type, owners);
}

Assembly::Answer Assembly::note_shared(std::string_view id, std::string_view type, unsigned bits,
                                       const std::vector<std::string>& owners) {
  Secret secret;
  secret.held_bits = bits;
  return add_shared(std::move(secret), id, type, owners);
}

bool Assembly::is_key(std::string_view type) {
  const auto kind = kind_of(type);
  return kind == Secret::Kind::ike || kind == Secret::Kind::ppk;
}

Assembly::Answer Assembly::add_shared(Secret secret, std::string_view id, std::string_view type,
                                      const std::vector<std::string>& owners) {
  const auto kind = kind_of(type);
  if (!kind) {
    return std::unexpected{
        fmt::format("{} is no kind of secret; write IKE, EAP, XAUTH, NTLM or "
                    "PPK",
                    config::quoted(type))};
  }
  secret.name = id.empty() ? fmt::format("#{}", all_.secrets.size()) : std::string{id};
  secret.kind = *kind;
  secret.type = type;
  for (const std::string& owner : owners) {
    auto who = parse_who(owner);
    if (!who) return std::unexpected{who.error().message};
    secret.owners.push_back(*std::move(who));
  }
  if (all_.secrets.size() >= assembly_entries_max) return std::unexpected{std::string{full}};
  replace(all_.secrets, std::move(secret));
  has_changed_ = true;
  return {};
}

Assembly::Answer Assembly::unload_shared(std::string_view id) {
  has_changed_ = true;
  return remove(all_.secrets, id, "secret");
}

void Assembly::forget_held() {
  std::erase_if(all_.secrets, [](const Secret& secret) {
    return secret.held_bits.has_value() || secret.kind == Secret::Kind::token;
  });
  for (const auto& [id, key] : keys_) {
    if (key.is_held) files_.remove(key.path);
  }
  std::erase_if(keys_, [](const auto& entry) { return entry.second.is_held; });
  has_changed_ = true;
}

void Assembly::clear_credentials() {
  all_.secrets.clear();
  keys_.clear();
  // What stands in connections and authorities is theirs.
  const std::set<std::string> used = used_paths();
  for (const std::string_view name : {"private", "x509", "x509ca", "x509crl", "pubkey"}) {
    for (const std::string& path : files_.paths(folder(name) + "/")) {
      if (!used.contains(path)) files_.remove(path);
    }
  }
  has_changed_ = true;
}

std::set<std::string> Assembly::used_paths() const {
  std::set<std::string> used;
  for (const Connection& connection : all_.connections) {
    for (const auto* const rounds : {&connection.local, &connection.remote}) {
      for (const Round& round : *rounds) {
        for (const auto* const paths : {&round.certs, &round.cacerts, &round.pubkeys}) {
          used.insert(paths->begin(), paths->end());
        }
      }
    }
  }
  for (const Authority& authority : all_.authorities) used.insert(authority.cacert);
  return used;
}

std::vector<std::string> Assembly::keys() const {
  std::vector<std::string> ids;
  for (const auto& [id, key] : keys_) ids.push_back(id);
  return ids;
}

std::vector<std::string> Assembly::shared() const {
  std::vector<std::string> ids;
  for (const Secret& secret : all_.secrets) {
    if (!secret.name.starts_with('#') && secret.kind != Secret::Kind::token) {
      ids.push_back(secret.name);
    }
  }
  return ids;
}

std::vector<std::string> Assembly::certificates() const {
  return files_.paths(std::string{own_folder} + "/x509");
}

Assembly::Made Assembly::make(const config::HeldKeys* held) {
  Made made;
  Everything all = all_;
  Report left_out;
  const Credentials credentials{files_, pki_, swanctl_folders(std::string{own_folder}),
                                all_.secrets};
  // Each turn leaves out what stands in the way of the rest.
  for (;;) {
    made.document = translate(all, credentials, {}, made.report);
    TranslatedSource source{made.document, files_, pki_, held, Weak::taken};
    auto config = make_config(made.document, source);
    if (config) {
      made.config = with_given_names(**config, made.document, all.connections);
      break;
    }
    const std::size_t before = all.connections.size();
    for (const config::ConfigError& error : config.error()) {
      left_out.error(error.where, "", {error.message, error.fix});
      if (const Connection* const blamed = find_in(all.connections, error.message)) {
        const std::string name = blamed->name;
        std::erase_if(all.connections,
                      [&](const Connection& connection) { return connection.name == name; });
      }
    }
    if (all.connections.size() == before) all.connections.clear();
    if (before == 0) break;
    made.report = {};
  }
  made.report.append(left_out);
  has_changed_ = false;
  return made;
}

}  // namespace caponier::swan

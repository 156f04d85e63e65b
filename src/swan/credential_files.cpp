#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "swan/credentials.h"

namespace caponier::swan {

namespace {

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool is_same_who(const Who& a, const Who& b) {
  if (a.pattern && b.pattern) return policy::is_same(*a.pattern, *b.pattern);
  return a.kind == b.kind && a.text == b.text;
}

/// How well a secret's owners suit an identity: 0 not, 1 anybody, 2 one of several, 3 this one.
unsigned suits(const std::vector<Who>& owners, const Who& who) {
  if (owners.empty()) return 1;
  unsigned best = 0;
  for (const Who& owner : owners) {
    const policy::Identity* const one = who.pattern ? who.pattern->only() : nullptr;
    if (owner.kind == Who::Kind::any) {
      best = std::max(best, 1U);
    } else if (is_same_who(owner, who)) {
      best = std::max(best, 3U);
    } else if (one != nullptr && owner.pattern && owner.pattern->matches(*one)) {
      best = std::max(best, 2U);
    }
  }
  return best;
}

/// Whether a peer that the connection lets in may be one of the owners.
bool may_be(const Who& owner, const Who& peers, const Who& own) {
  if (is_same_who(owner, own)) return false;
  const policy::Identity* const one = owner.pattern ? owner.pattern->only() : nullptr;
  return peers.kind == Who::Kind::any ||
         (one != nullptr && peers.pattern && peers.pattern->matches(*one));
}

bool may_be_for(const std::vector<Who>& owners, const Who& peers, const Who& own) {
  return std::ranges::any_of(owners, [&](const Who& owner) { return may_be(owner, peers, own); });
}

}  // namespace

Folders swanctl_folders(const std::string& folder) {
  const auto at = [&](std::string_view name) { return path_below(folder, name); };
  return {at("x509"),
          at("x509ca"),
          at("x509crl"),
          at("pubkey"),
          {{"private", at("private")},
           {"rsa", at("rsa")},
           {"ecdsa", at("ecdsa")},
           {"pkcs8", at("pkcs8")},
           {"pkcs12", at("pkcs12")}}};
}

Folders ipsec_folders(const std::string& folder) {
  const auto at = [&](std::string_view name) { return path_below(folder, name); };
  return {at("certs"), at("cacerts"), at("crls"), at("certs"), {{"private", at("private")}}};
}

std::vector<Credentials::Key> Credentials::keys() const {
  std::vector<Key> found;
  for (const Folders::Keys& keys : folders_.keys) {
    for (std::string& path : files_.glob(keys.folder + "/*")) {
      const auto secret = std::ranges::find_if(secrets_, [&](const Secret& one) {
        return one.kind == Secret::Kind::private_key && one.type == keys.type &&
               (one.file == base_name(path) || one.file == path);
      });
      found.push_back({std::move(path), secret == secrets_.end() ? nullptr : secret->value});
      if (found.size() == credential_files_max) return found;
    }
  }
  return found;
}

bool Credentials::is_public_of(base::Bytes key, base::Bytes certificate) const {
  const auto half = pki_->public_key(key);
  if (!half) return false;
  const auto certs = pki_->load_certificates({"the certificate", certificate});
  return certs && !certs->empty() && certs->front().key.spki == half->spki;
}

std::optional<Credentials::Key> Credentials::key_of(const std::string& certificate) const {
  std::vector<Key> all = keys();
  if (certificate.empty()) {
    if (all.size() == 1) return std::move(all.front());
    return std::nullopt;
  }
  const auto cert = files_.read(certificate);
  if (!cert || pki_ == nullptr) return std::nullopt;
  for (Key& key : all) {
    auto content = files_.read(key.path);
    if (!content) continue;
    if (is_public_of(base::as_bytes(*content), base::as_bytes(*cert))) return std::move(key);
    pki::CredentialFiles wanted;
    wanted.key = {key.path, base::as_bytes(*content)};
    if (key.passphrase) wanted.passphrase = key.passphrase->reveal();
    wanted.certificates.push_back({certificate, base::as_bytes(*cert)});
    const bool fits = pki_->load_credential(wanted).has_value();
    base::wipe(std::as_writable_bytes(std::span{*content}));
    if (fits) return std::move(key);
  }
  return std::nullopt;
}

std::optional<Credentials::Key> Credentials::key_of_public(const std::string& text) const {
  if (pki_ == nullptr) return std::nullopt;
  for (Key& key : keys()) {
    auto content = files_.read(key.path);
    if (!content) continue;
    const auto half = pki_->public_key(base::as_bytes(*content));
    if (half && pki::raw_key_text(*half) == text) return std::move(key);
    pki::CredentialFiles wanted;
    wanted.key = {key.path, base::as_bytes(*content)};
    if (key.passphrase) wanted.passphrase = key.passphrase->reveal();
    const auto credential = pki_->load_credential(wanted);
    const bool fits = credential && pki::raw_key_text(credential->signer->public_key()) == text;
    base::wipe(std::as_writable_bytes(std::span{*content}));
    if (fits) return std::move(key);
  }
  return std::nullopt;
}

std::optional<pki::Certificate> Credentials::read_certificate(const std::string& path) const {
  const auto content = files_.read(path);
  if (!content || pki_ == nullptr) return std::nullopt;
  auto all = pki_->load_certificates({path, base::as_bytes(*content)});
  if (!all || all->empty()) return std::nullopt;
  return std::move(all->front());
}

Parsed<std::string> Credentials::raw_key(std::string_view name) const {
  if (pki_ == nullptr) {
    return std::unexpected{Fault{"keys cannot be read here", "use a program with certificates"}};
  }
  base::ByteVec octets;
  if (name.starts_with("0x") || name.starts_with("0s")) {
    octets = TRY(parse_blob(name));
  } else {
    const std::string path = path_below(folders_.pubkeys, name);
    const auto content = files_.read(path);
    if (!content) {
      return std::unexpected{Fault{fmt::format("{}: {}", path, content.error().message),
                                   "check that the file exists and may be read"}};
    }
    octets = base::to_vec(base::as_bytes(*content));
    constexpr std::string_view begin = "-----BEGIN PUBLIC KEY-----";
    std::string_view text = *content;
    if (const std::size_t at = text.find(begin); at != std::string_view::npos) {
      std::string body = "0s";
      for (const char c : text.substr(at + begin.size())) {
        if (c == '-') break;
        if (c > ' ') body += c;
      }
      octets = TRY(parse_blob(body));
    }
  }
  const auto key = pki_->public_key(octets);
  if (key) return pki::raw_key_text(*key);
  return std::unexpected{
      Fault{fmt::format("{} is no public key: {}", config::quoted(name.substr(0, 40)), key.error()),
            "give it as a SubjectPublicKeyInfo: openssl pkey -pubout"}};
}

SecretChoice choose_psk(const std::vector<Secret>& secrets, const Who& own, const Who& peers) {
  SecretChoice choice;
  unsigned best = 0;
  unsigned candidates = 0;
  for (const Secret& secret : secrets) {
    if (secret.kind != Secret::Kind::ike) continue;
    const unsigned other = suits(secret.owners, peers);
    const unsigned mine = suits(secret.owners, own);
    const bool is_for_some = may_be_for(secret.owners, peers, own);
    if (is_for_some) ++candidates;
    if (other == 0 && mine == 0 && !is_for_some) continue;
    const unsigned rank = 1 + other * 4 + mine;
    if (rank <= best) continue;
    best = rank;
    choice.secret = &secret;
  }
  const bool one_peer = peers.pattern && peers.pattern->only() != nullptr;
  choice.is_ambiguous = !one_peer && candidates > 1;
  if (!choice.is_ambiguous) return choice;
  for (const Secret& secret : secrets) {
    if (secret.kind != Secret::Kind::ike) continue;
    for (const Who& owner : secret.owners) {
      if (owner.kind != Who::Kind::any && may_be(owner, peers, own)) choice.peers.push_back(owner);
    }
  }
  return choice;
}

const Secret* find_password(const std::vector<Secret>& secrets, std::string_view user) {
  const auto found = std::ranges::find_if(secrets, [&](const Secret& secret) {
    const bool is_password = secret.kind == Secret::Kind::eap || secret.kind == Secret::Kind::xauth;
    return is_password &&
           std::ranges::any_of(secret.owners, [&](const Who& owner) { return owner.text == user; });
  });
  return found == secrets.end() ? nullptr : &*found;
}

}  // namespace caponier::swan

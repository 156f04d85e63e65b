#pragma once
// The in-memory twin of pki/openssl, without any cryptography: a certificate is the text
// "NAME URL ... ou=UNIT policy=OID", a CRL or OCSP answer is "good" or "revoked", a signature is
// the name and a checksum of what was signed. Everything is the same in every run.

#include <algorithm>
#include <map>
#include <sstream>

#include "pki/provider.h"

namespace caponier::gateway::test {

inline std::vector<std::string> words_of(base::Bytes text) {
  std::istringstream in{std::string{base::as_text(text)}};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

inline base::ByteVec fake_signature(std::string_view name, base::Bytes octets) {
  std::uint32_t sum = 1;
  for (const std::byte one : octets) sum = sum * 31 + static_cast<std::uint32_t>(one);
  return base::to_vec(base::as_bytes(std::string{name} + "#" + std::to_string(sum)));
}

inline pki::PublicKey fake_key(std::string_view name) {
  return {base::to_vec(base::as_bytes(name)), pki::KeyKind::ed25519, 256};
}

class FakeSigner final : public pki::Signer {
 public:
  explicit FakeSigner(std::string name) : name_(std::move(name)), key_(fake_key(name_)) {}
  const pki::PublicKey& public_key() const override { return key_; }
  bool can(pki::SignatureScheme scheme) const override {
    return scheme == pki::SignatureScheme::ed25519;
  }
  std::expected<base::ByteVec, pki::SignError> sign(pki::SignatureScheme,
                                                    base::Bytes octets) override {
    return fake_signature(name_, octets);
  }

 private:
  std::string name_;
  pki::PublicKey key_;
};

inline wire::CertPayload fake_certificate(std::string_view text) {
  return {static_cast<std::uint8_t>(pki::CertEncoding::x509_signature),
          base::to_vec(base::as_bytes(text))};
}

/// Of a certificate's text: its first octets.
inline pki::KeyHash fake_hash(base::Bytes text) {
  pki::KeyHash hash{};
  base::copy_into(hash, text.first(std::min(text.size(), hash.size())));
  return hash;
}

inline pki::Credential fake_credential(const std::string& name, const std::string& urls) {
  pki::Credential credential;
  credential.name = name;
  credential.signer = std::make_shared<FakeSigner>(name);
  pki::Certificate leaf;
  leaf.der = base::to_vec(base::as_bytes(name + " " + urls));
  leaf.der_hash = fake_hash(leaf.der);
  leaf.key = fake_key(name);
  leaf.subject_text = name;
  credential.chain.push_back(std::move(leaf));
  return credential;
}

/// "refuse=weak_key": the rule that a certificate of this text breaks.
inline std::optional<pki::Refusal> refusal_in(const std::vector<std::string>& words) {
  for (std::string word : words) {
    if (!word.starts_with("refuse=")) continue;
    word.erase(0, 7);
    std::ranges::replace(word, '_', ' ');
    for (int i = 0; i <= static_cast<int>(pki::Refusal::internal); ++i) {
      if (pki::name_of(static_cast<pki::Refusal>(i)) == word) return static_cast<pki::Refusal>(i);
    }
  }
  return std::nullopt;
}

/// Whoever is called "stranger" has no path to an anchor. A URL that ends in "ocsp" is one of OCSP.
class FakeStore final : public pki::CertificateStore {
 public:
  pki::Verdict verify(const pki::VerifyRequest& request) override {
    ++verified;
    const auto leaf = std::ranges::find(request.certs, 4, &wire::CertPayload::encoding);
    if (leaf == request.certs.end()) {
      return pki::Refused{pki::Refusal::no_certificate, "no certificate"};
    }
    const auto words = words_of(leaf->data);
    if (words.empty() || words.front() == "stranger") {
      return pki::Refused{pki::Refusal::unknown_authority, "it is a stranger's"};
    }
    const auto reason = refusal_in(words);
    const bool is_of_status =
        reason == pki::Refusal::revocation_unknown || reason == pki::Refusal::revocation_outdated;
    if (reason && !(is_of_status && request.revocation == pki::Revocation::relaxed)) {
      return pki::Refused{*reason, "the certificate of " + words.front() +
                                       " breaks a rule: " + std::string{pki::name_of(*reason)}};
    }
    pki::NeedsFetch needs;
    bool is_good = std::ranges::any_of(request.certs, [](const wire::CertPayload& one) {
      return one.encoding == 14 && base::as_text(one.data).starts_with("good");
    });
    pki::Trusted trusted;
    bool has_urls = false;
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (words[i].starts_with("ou=")) trusted.leaf.units.push_back(words[i].substr(3));
      if (words[i].starts_with("policy=")) trusted.policies.push_back(words[i].substr(7));
      if (words[i].find('=') != std::string::npos) continue;
      has_urls = true;
      const auto known = known_.find(words[i]);
      if (known != known_.end() && known->second == "revoked") {
        return pki::Refused{pki::Refusal::revoked, "it has been revoked"};
      }
      is_good = is_good || (known != known_.end() && known->second.starts_with("good"));
      if (known == known_.end()) needs.fetches.push_back(fetch_of(words[i]));
    }
    if (!is_good && request.may_fetch && !needs.fetches.empty()) return needs;
    const bool must_be_known = request.revocation == pki::Revocation::strict ||
                               (request.revocation == pki::Revocation::if_present && has_urls);
    if (!is_good && must_be_known) {
      return pki::Refused{pki::Refusal::revocation_unknown,
                          "it is not known whether it is revoked"};
    }
    trusted.leaf.key = fake_key(words.front());
    return trusted;
  }
  static pki::Fetch fetch_of(const std::string& url) {
    pki::Fetch fetch;
    fetch.url = url;
    fetch.size_max = pki::crl_size_max;
    if (url.ends_with("ocsp")) {
      fetch.kind = pki::FetchKind::ocsp;
      fetch.body = base::to_vec(base::as_bytes("request"));
      fetch.size_max = pki::ocsp_answer_size_max;
    }
    return fetch;
  }
  std::expected<void, std::string> take_answer(const pki::Fetch& fetch, base::Bytes answer,
                                               pki::UnixTime) override {
    const std::string text{base::as_text(answer)};
    known_[fetch.url] = text;
    if (text.starts_with("good") || text == "revoked") return {};
    return std::unexpected{"it is not a CRL"};
  }
  void take_failure(const pki::Fetch& fetch, pki::UnixTime) override { known_[fetch.url] = ""; }
  void take_over(const CertificateStore& before) override {
    known_ = dynamic_cast<const FakeStore&>(before).known_;
  }
  bool restore_crl(const std::string& url, base::Bytes crl, pki::UnixTime) override {
    known_[url] = base::as_text(crl);
    return true;
  }
  std::optional<pki::Fetch> own_status(std::span<const pki::Certificate> chain) const override {
    const auto words = words_of(chain.front().der);
    if (words.size() < 2) return std::nullopt;
    return fetch_of(words[1]);
  }
  /// "good UNTIL".
  std::expected<pki::UnixTime, std::string> usable_until(const pki::Fetch&, base::Bytes answer,
                                                         pki::UnixTime now) const override {
    const auto words = words_of(answer);
    if (words.size() != 2 || words[0] != "good") return std::unexpected{"it is no OCSP answer"};
    const pki::UnixTime until{std::stoll(words[1])};
    if (until < now) return std::unexpected{"it is too old"};
    return until;
  }
  std::vector<pki::KeyHash> authorities(std::span<const std::string>) const override {
    return {pki::KeyHash{}};
  }
  std::vector<pki::Expiry> expiries() const override { return ends; }

  std::size_t verified = 0;
  std::vector<pki::Expiry> ends;

 private:
  std::map<std::string, std::string> known_;  ///< by URL; empty: it gave nothing
};

class FakePki : public pki::PkiProvider {
 public:
  template <class T>
  using Loaded = pki::Loaded<T>;
  Loaded<pki::TokenUri> read_token_uri(std::string_view) const override {
    return std::unexpected{pki::LoadError{}};
  }
  Loaded<pki::Credential> load_credential(const pki::CredentialFiles&) const override {
    return std::unexpected{pki::LoadError{}};
  }
  std::expected<std::unique_ptr<pki::CertificateStore>, std::vector<pki::LoadError>> make_store(
      const pki::StoreFiles&) const override {
    return std::make_unique<FakeStore>();
  }
  Loaded<std::vector<pki::Certificate>> load_certificates(
      const pki::NamedFile& file) const override {
    const auto words = words_of(file.content);
    if (words.empty()) return std::unexpected{pki::LoadError{}};
    return std::vector{
        fake_credential(words.front(), words.size() > 1 ? words[1] : "").chain.front()};
  }
  std::expected<pki::PublicKey, std::string> public_key(base::Bytes spki) const override {
    return fake_key(base::as_text(spki));
  }
  std::expected<pki::PublicKey, std::string> raw_key(std::string_view text) const override {
    return fake_key(text);
  }
  std::expected<pki::SignatureScheme, pki::SignatureError> verify(
      const pki::SignatureClaim& claim) const override {
    const base::ByteVec expected = fake_signature(base::as_text(claim.key.spki), claim.octets);
    const bool is_right = base::as_text(claim.auth.data).ends_with(base::as_text(expected));
    if (is_right) return pki::SignatureScheme::ed25519;
    return std::unexpected{
        pki::SignatureError{pki::SignatureFault::bad_signature, "the signature is wrong"}};
  }
  std::expected<policy::Identity, std::string> parse_name(std::string_view) const override {
    return std::unexpected{"it is no name"};
  }
  std::string name_text(base::Bytes) const override { return {}; }
  bool is_same_name(base::Bytes, base::Bytes) const override { return false; }
  std::expected<policy::IdentityPattern, std::string> name_pattern(
      std::string_view) const override {
    return std::unexpected{"no names here"};
  }
  bool matches_name(base::Bytes, base::Bytes) const override { return false; }
};

}  // namespace caponier::gateway::test

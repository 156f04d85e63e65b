// A key with the certificates that vouch for it, put in order.

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "pki/openssl/ossl.h"
#include "pki/openssl/provider.h"

namespace caponier::pki::ossl {

namespace {

struct Sources {
  std::vector<X509Ptr> given;    ///< may be sent
  std::vector<X509Ptr> anchors;  ///< are only looked at
};

/// The certificate of this key; of several the one that lasts longest.
X509* find_leaf(const std::vector<X509Ptr>& certificates, const PublicKey& key) {
  X509* best = nullptr;
  for (const X509Ptr& certificate : certificates) {
    EVP_PKEY* const own = X509_get0_pubkey(certificate.get());
    if (own == nullptr || !base::equal(der_of(own, i2d_PUBKEY), key.spki)) continue;
    if (best == nullptr ||
        ASN1_TIME_compare(X509_get0_notAfter(certificate.get()), X509_get0_notAfter(best)) > 0) {
      best = certificate.get();
    }
  }
  return best;
}

X509* find_issuer(const std::vector<X509Ptr>& certificates, X509* of) {
  const auto found = std::ranges::find_if(certificates, [&](const X509Ptr& candidate) {
    return candidate.get() != of && is_issued_by(of, candidate.get());
  });
  return found == certificates.end() ? nullptr : found->get();
}

bool is_self_signed(X509* certificate) { return X509_self_signed(certificate, 0) == 1; }

Loaded<Certificate> read(X509* certificate, const NamedFile& file) {
  auto one = read_certificate(certificate);
  if (one) return *std::move(one);
  return std::unexpected{
      LoadError{token_name(file.name),
                fmt::format("the certificate of '{}': {}",
                            text_of(X509_get_subject_name(certificate)), one.error().text),
                "have it issued again with a key that is fit"}};
}

/// Leaf, then who issued whom. The root is not sent, but its hash is one of the authorities.
Loaded<void> fill_chain(Credential& credential, const Sources& sources, X509* leaf,
                        const NamedFile& file) {
  credential.chain.push_back(TRY(read(leaf, file)));
  X509* last = leaf;
  while (!is_self_signed(last) && credential.chain.size() < chain_depth_max) {
    X509* const issuer = find_issuer(sources.given, last);
    if (issuer == nullptr) break;
    Certificate above = TRY(read(issuer, file));
    credential.authorities.push_back(above.key_hash);
    last = issuer;
    if (!is_self_signed(issuer)) credential.chain.push_back(std::move(above));
  }
  X509* const anchor = find_issuer(sources.anchors, last);
  if (anchor == nullptr) return {};
  credential.authorities.push_back(TRY(read(anchor, file)).key_hash);
  return {};
}

LoadError no_tokens(const std::string& name) {
  return {token_name(name), "this program was built without tokens", "name a file instead"};
}

Loaded<X509Ptr> load_from_token(const std::string& uri, const TokenProvider* tokens) {
  if (tokens == nullptr) return std::unexpected{no_tokens(uri)};
  X509Ptr certificate = parse_certificate(TRY(tokens->load_certificate(uri)));
  if (certificate != nullptr) return certificate;
  return std::unexpected{LoadError{token_name(uri), "it is no certificate that can be read",
                                   "store the certificate in the token as DER"}};
}

Loaded<Sources> gather(const CredentialFiles& files, std::vector<X509Ptr> of_key_file,
                       const TokenProvider* tokens) {
  Sources sources{std::move(of_key_file), {}};
  for (const NamedFile& file : files.certificates) {
    if (is_token_uri(file.name)) {
      sources.given.push_back(TRY(load_from_token(file.name, tokens)));
      continue;
    }
    for (X509Ptr& one : TRY(load_bundle(file))) sources.given.push_back(std::move(one));
  }
  for (const NamedFile& file : files.anchors) {
    for (X509Ptr& one : TRY(load_bundle(file))) sources.anchors.push_back(std::move(one));
  }
  return sources;
}

/// Of a token, or of a key that is in our memory, with the certificates of its file.
Loaded<std::shared_ptr<Signer>> load_signer(const CredentialFiles& files,
                                            std::vector<X509Ptr>& certificates,
                                            const TokenProvider* tokens) {
  const std::string& name = files.key.name;
  if (is_tpm_handle(name)) return load_tpm_handle(name, files.passphrase);
  if (is_tpm_file(files.key.content)) return load_tpm_file(files.key, files.passphrase);
  if (is_token_uri(name)) {
    if (tokens == nullptr) return std::unexpected{no_tokens(name)};
    return tokens->load_key(name, files.passphrase);
  }
  PrivateKey loaded = TRY(load_private_key(files.key, files.passphrase));
  auto signer = make_signer(std::move(loaded.key));
  if (!signer) {
    return std::unexpected{
        LoadError{files.key.name, signer.error().text, "make a new key, and a certificate for it"}};
  }
  certificates = std::move(loaded.certificates);
  return *std::move(signer);
}

}  // namespace

}  // namespace caponier::pki::ossl

namespace caponier::pki {

Loaded<TokenUri> OpensslPki::read_token_uri(std::string_view uri) const {
  if (ossl::is_tpm_handle(uri)) return TokenUri{};
  if (tokens_ == nullptr) return std::unexpected{ossl::no_tokens(std::string{uri})};
  return tokens_->read(uri);
}

Loaded<Credential> OpensslPki::load_credential(const CredentialFiles& files) const {
  const ossl::ErrorScope errors;
  std::vector<ossl::X509Ptr> certificates;
  auto signer = TRY(ossl::load_signer(files, certificates, tokens_));
  const auto sources = TRY(ossl::gather(files, std::move(certificates), tokens_));
  Credential credential{token_name(files.key.name), std::move(signer), {}, {}};
  if (sources.given.empty()) return credential;
  const NamedFile& named = files.certificates.empty() ? files.key : files.certificates.front();
  credential.name = token_name(named.name);
  X509* const leaf = ossl::find_leaf(sources.given, credential.signer->public_key());
  if (leaf == nullptr) {
    return std::unexpected{LoadError{
        token_name(named.name),
        fmt::format("none of its certificates is for the key in {}", token_name(files.key.name)),
        "name the key and the certificate that were made together; `openssl x509 -pubkey "
        "-noout` and `openssl pkey -pubout` print what must be equal"}};
  }
  TRY_VOID(ossl::fill_chain(credential, sources, leaf, named));
  return credential;
}

}  // namespace caponier::pki

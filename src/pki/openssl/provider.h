#pragma once
// Keys, signatures, certificates and revocation on OpenSSL 3.0, which reads all ASN.1.

#include "pki/provider.h"

namespace caponier::pki {

/// Stateless but for tokens: one object serves all threads; what it makes serves one at a time.
class OpensslPki final : public PkiProvider {
 public:
  /// `tokens` must outlive the object; null: there are none.
  explicit OpensslPki(const TokenProvider* tokens = nullptr) : tokens_(tokens) {}
  [[nodiscard]] Loaded<TokenUri> read_token_uri(std::string_view uri) const override;
  [[nodiscard]] Loaded<Credential> load_credential(const CredentialFiles& files) const override;
  [[nodiscard]] std::expected<std::unique_ptr<CertificateStore>, std::vector<LoadError>> make_store(
      const StoreFiles& files) const override;
  [[nodiscard]] Loaded<std::vector<Certificate>> load_certificates(
      const NamedFile& file) const override;
  [[nodiscard]] std::expected<PublicKey, std::string> public_key(Bytes spki) const override;
  [[nodiscard]] std::expected<PublicKey, std::string> raw_key(std::string_view text) const override;
  [[nodiscard]] std::expected<SignatureScheme, SignatureError> verify(
      const SignatureClaim& claim) const override;
  [[nodiscard]] std::expected<policy::Identity, std::string> parse_name(
      std::string_view text) const override;
  [[nodiscard]] std::expected<policy::IdentityPattern, std::string> name_pattern(
      std::string_view text) const override;
  [[nodiscard]] std::string name_text(Bytes name) const override;
  [[nodiscard]] bool is_same_name(Bytes a, Bytes b) const override;
  [[nodiscard]] bool matches_name(Bytes pattern, Bytes name) const override;

 private:
  const TokenProvider* tokens_;
};

}  // namespace caponier::pki

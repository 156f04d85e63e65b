#pragma once
// The interface of everything that reads ASN.1: keys, certificates, names. Its back end is
// pki/openssl; pure modules are given one.

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "pki/certificate.h"
#include "pki/trust.h"
#include "policy/identity_pattern.h"

namespace caponier::pki {

/// The octets of a file with its name, which errors tell.
struct NamedFile {
  std::string name;
  Bytes content{};
};

struct LoadError {
  std::string file;
  std::string message;  ///< what is wrong
  std::string fix;      ///< what to do instead
  /// "/etc/caponier/gw.pem: the key is RSA of 1024 bits\n  fix: make one of 3072 bits: ..."
  [[nodiscard]] std::string to_string() const;
};

template <class T>
using Loaded = std::expected<T, LoadError>;

inline constexpr std::size_t file_size_max = std::size_t{1024} * 1024;
inline constexpr std::size_t certificates_per_file_max = 512;

/// Whether this names an object of a token, and no file: "pkcs11:..." (RFC 7512).
[[nodiscard]] bool is_token_uri(std::string_view name);
/// For people: a URI without its query, which may hold a PIN; a file's name as it is.
[[nodiscard]] std::string token_name(std::string_view name);

struct TokenUri {
  std::string pin_source;  ///< RFC 7512 s2.4; empty: the URI has none
};

/// Tokens: what holds keys and never gives them away. One thread at a time.
class TokenProvider {
 public:
  virtual ~TokenProvider() = default;
  /// Looks at the text alone. A PIN in it is refused: it belongs into a file.
  [[nodiscard]] virtual Loaded<TokenUri> read(std::string_view uri) const = 0;
  /// Logs in where that has not been done. A PIN that a token has refused is never tried again for
  /// it while the object lives: tokens lock.
  [[nodiscard]] virtual Loaded<std::shared_ptr<Signer>> load_key(std::string_view uri,
                                                                 Bytes pin) const = 0;
  /// DER.
  [[nodiscard]] virtual Loaded<ByteVec> load_certificate(std::string_view uri) const = 0;
};

/// A key with its certificates, as configured. Instead of a file each may be an object of a token:
/// then the name is its URI, and there is no content.
struct CredentialFiles {
  /// PEM or DER: PKCS #8 (plain or encrypted), PKCS #1, SEC 1; or PKCS #12, which may hold the
  /// certificates too.
  NamedFile key;
  Bytes passphrase{};  ///< or the PIN; empty when there is none
  /// PEM bundles or DER: the leaf, which is found by its key, and intermediates in any order.
  std::vector<NamedFile> certificates{};
  /// Where the root may be found, so that a peer's CERTREQ that names it leads here.
  std::vector<NamedFile> anchors{};
};

struct StoreFiles {
  /// PEM bundles or DER of certificates that are trusted. One that is no authority is trusted for
  /// itself alone: a pinned certificate of a peer.
  std::vector<NamedFile> anchors{};
  std::vector<NamedFile> intermediates{};  ///< for peers that do not send theirs
  std::vector<NamedFile> crls{};           ///< PEM or DER
};

class PkiProvider {
 public:
  virtual ~PkiProvider() = default;

  /// With neither certificate nor PKCS #12 it is a raw public key.
  [[nodiscard]] virtual Loaded<Credential> load_credential(const CredentialFiles& files) const = 0;
  /// TokenProvider::read() of what was built in.
  [[nodiscard]] virtual Loaded<TokenUri> read_token_uri(std::string_view uri) const = 0;
  /// Every mistake, not only the first.
  [[nodiscard]] virtual std::expected<std::unique_ptr<CertificateStore>, std::vector<LoadError>>
  make_store(const StoreFiles& files) const = 0;
  /// All certificates of a PEM bundle or DER file, in their order.
  [[nodiscard]] virtual Loaded<std::vector<Certificate>> load_certificates(
      const NamedFile& file) const = 0;

  /// A SubjectPublicKeyInfo, checked as PublicKey promises; a sentence when it is not fit.
  [[nodiscard]] virtual std::expected<PublicKey, std::string> public_key(Bytes spki) const = 0;
  /// "cv1:BASE64": see raw_key_text().
  [[nodiscard]] virtual std::expected<PublicKey, std::string> raw_key(
      std::string_view text) const = 0;

  /// Whether the owner of the key signed the octets; the scheme it did it with.
  [[nodiscard]] virtual std::expected<SignatureScheme, SignatureError> verify(
      const SignatureClaim& claim) const = 0;

  /// "C=CH, O=Example, CN=gw" as an ID_DER_ASN1_DN: attributes in the certificate's order, "+"
  /// joins those of one RDN, a backslash escapes one character or two hexadecimal digits; a type is
  /// its short name or a dotted OID. A sentence when it is not that.
  [[nodiscard]] virtual std::expected<policy::Identity, std::string> parse_name(
      std::string_view text) const = 0;
  /// Which names are meant by such a text: a value "*" is any, and "*" at the end of the list
  /// stands for any attributes besides. Without that, all attributes are given, in order. Values
  /// are compared without regard to case, encoding and repeated spaces (RFC 5280 s7.1).
  [[nodiscard]] virtual std::expected<policy::IdentityPattern, std::string> name_pattern(
      std::string_view text) const = 0;
  /// The inverse; hexadecimal when it is not a Name.
  [[nodiscard]] virtual std::string name_text(Bytes name) const = 0;
  /// RFC 5280 s7.1: without regard to case, encoding and repeated spaces.
  [[nodiscard]] virtual bool is_same_name(Bytes a, Bytes b) const = 0;
  /// RFC 4945 s3.1.5: whether each attribute of `pattern` (Name, DER) is in `name` with the same
  /// value; a value "*" is any.
  [[nodiscard]] virtual bool matches_name(Bytes pattern, Bytes name) const = 0;
};

}  // namespace caponier::pki

#pragma once
// What a client needs to reach a server, as a file of its own kind. Pure: values in, text out.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/rng.h"
#include "base/secret.h"

namespace caponier::profile {

enum class Kind : std::uint8_t {
  apple,       ///< .mobileconfig: iOS, iPadOS, macOS
  windows,     ///< PowerShell
  android,     ///< .sswan of the strongSwan app
  strongswan,  ///< swanctl.conf and the files it names
  caponier,    ///< one line to paste
};

struct KindName {
  std::string_view name;
  Kind kind;
};
inline constexpr std::array<KindName, 5> kinds{{{"apple", Kind::apple},
                                                {"windows", Kind::windows},
                                                {"android", Kind::android},
                                                {"strongswan", Kind::strongswan},
                                                {"caponier", Kind::caponier}}};

/// Apple has to be told what a certificate is signed with.
enum class KeyKind : std::uint8_t { rsa, ecdsa256, ecdsa384 };

/// A certificate and its private key, in the forms that clients take.
struct CertificateLogin {
  std::string identity;  ///< the certificate's subjectAltName, as an IKE identity
  KeyKind key_kind = KeyKind::ecdsa256;
  std::string certificate_pem;
  base::SecretBytes key_pem;
  base::SecretBytes pkcs12;  ///< protected by a password that travels another way
};
/// EAP-MSCHAPv2 with the user's name.
struct PasswordLogin {
  base::SecretBytes password;
};

struct Client {
  std::string server;  ///< a name or an address; its certificate says the same
  std::string user;
  std::string authority;               ///< common name of the server's certificate authority
  base::ByteVec authority_der;         ///< its certificate
  std::string authority_pem;           ///< the same
  std::vector<base::Prefix> networks;  ///< behind the server; empty: everything goes through it
  std::variant<CertificateLogin, PasswordLogin> login;
};

struct File {
  std::string path;  ///< relative; a proposal when it is the only one
  base::SecretBytes content;
};

/// UTF-8. What the target's syntax cannot say, such as control characters in XML, becomes U+FFFD.
/// `rng` makes the UUIDs by which devices tell profiles apart.
[[nodiscard]] std::vector<File> make_profile(Kind kind, const Client& client, base::Rng& rng);

/// What the one line of Kind::caponier holds.
struct Join {
  std::string server;
  std::string user;
  std::string authority_pem;
  std::vector<base::Prefix> networks;
  std::string certificate_pem;  ///< empty: a password
  base::SecretBytes secret;     ///< the private key in PEM, or the password
};
inline constexpr std::string_view join_prefix = "cj1:";
inline constexpr std::size_t join_size_max = 65536;
/// Of the word behind "caponier join". Empty: not such a word, or damaged.
[[nodiscard]] std::optional<Join> read_join(std::string_view word);

}  // namespace caponier::profile

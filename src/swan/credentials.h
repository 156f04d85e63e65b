#pragma once
// Where strongSwan keeps certificates and keys, and which belong together.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pki/provider.h"
#include "swan/connection.h"
#include "swan/document.h"
#include "swan/settings.h"

namespace caponier::swan {

struct Folders {
  struct Keys {
    std::string type;  ///< of the passphrases: "private", "rsa", "pkcs12"
    std::string folder;
  };
  std::string certs, authorities, crls, pubkeys;
  std::vector<Keys> keys;
};
/// Below the folder of swanctl.conf, or "/etc/ipsec.d".
[[nodiscard]] Folders swanctl_folders(const std::string& folder);
[[nodiscard]] Folders ipsec_folders(const std::string& folder);

inline constexpr std::size_t credential_files_max = 4096;

class Credentials {
 public:
  /// Everything referred to must outlive the object. Without `pki` nothing is matched.
  Credentials(Files& files, const pki::PkiProvider* pki, Folders folders,
              const std::vector<Secret>& secrets)
      : files_(files), pki_(pki), folders_(std::move(folders)), secrets_(secrets) {}

  struct Key {
    std::string path;
    SharedSecret passphrase;
  };
  [[nodiscard]] const pki::PkiProvider* pki() const { return pki_; }
  [[nodiscard]] std::string certificate(std::string_view name) const {
    return path_below(folders_.certs, name);
  }
  [[nodiscard]] std::string authority(std::string_view name) const {
    return path_below(folders_.authorities, name);
  }
  [[nodiscard]] bool has(const std::string& path) const { return files_.read(path).has_value(); }
  [[nodiscard]] std::vector<std::string> authorities() const {
    return files_.glob(folders_.authorities + "/*");
  }
  [[nodiscard]] std::vector<std::string> crls() const { return files_.glob(folders_.crls + "/*"); }
  /// The key that a certificate is for. With an empty path: the only one there is.
  [[nodiscard]] std::optional<Key> key_of(const std::string& certificate) const;
  /// The one whose public half is "cv1:...".
  [[nodiscard]] std::optional<Key> key_of_public(const std::string& text) const;
  /// What the certificate says its owner is called; null when it cannot be read.
  [[nodiscard]] std::optional<pki::Certificate> read_certificate(const std::string& path) const;
  /// "cv1:..." of a file, or of "0x" and "0s" blobs.
  [[nodiscard]] Parsed<std::string> raw_key(std::string_view name) const;
  [[nodiscard]] const std::vector<Secret>& secrets() const { return secrets_; }

 private:
  [[nodiscard]] std::vector<Key> keys() const;
  /// Of a key that another process has only its public half is here.
  [[nodiscard]] bool is_public_of(base::Bytes key, base::Bytes certificate) const;

  Files& files_;
  const pki::PkiProvider* pki_;
  Folders folders_;
  const std::vector<Secret>& secrets_;
};

/// The pre-shared key for two identities, as charon chooses: the peer's counts before ours, a
/// secret without identities is for everybody. Null when there is none.
struct SecretChoice {
  const Secret* secret = nullptr;
  bool is_ambiguous = false;  ///< another one suits peers that the same connection lets in
  std::vector<Who> peers;     ///< then: those of them that have one of their own
};
[[nodiscard]] SecretChoice choose_psk(const std::vector<Secret>& secrets, const Who& own,
                                      const Who& peers);
/// The password of a user.
[[nodiscard]] const Secret* find_password(const std::vector<Secret>& secrets,
                                          std::string_view user);

}  // namespace caponier::swan

#pragma once
// Where things lie, relative to the configuration file.

#include <string>
#include <string_view>
#include <utility>

namespace caponier::cli {

class Places {
 public:
  explicit Places(std::string config) : config_(std::move(config)) {
    const std::size_t slash = config_.rfind('/');
    folder_ = slash == std::string::npos ? "." : slash == 0 ? "/" : config_.substr(0, slash);
  }

  [[nodiscard]] const std::string& config() const { return config_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string authority_certificate() const { return at("pki/ca/ca.pem"); }
  [[nodiscard]] std::string authority_key() const { return at("pki/ca/ca.key"); }
  /// Of a path as the configuration has it.
  [[nodiscard]] std::string pki(std::string_view path) const { return at("pki/", path); }
  [[nodiscard]] std::string crl() const { return at("pki/crl/ca.crl"); }
  /// Our own list of what the CRL revokes: "SERIAL SECONDS USER" a line.
  [[nodiscard]] std::string revoked() const { return at("pki/crl/revoked"); }
  [[nodiscard]] std::string certificate(std::string_view server) const {
    return at("pki/certs/", server, ".pem");
  }
  [[nodiscard]] std::string key(std::string_view server) const {
    return at("pki/certs/", server, ".key");
  }
  [[nodiscard]] std::string users() const { return at("pki/certs/users"); }
  [[nodiscard]] std::string passwords() const { return at("secrets/users"); }
  [[nodiscard]] std::string user_certificate(std::string_view user) const {
    return at("pki/certs/users/", user, ".pem");
  }
  [[nodiscard]] std::string user_key(std::string_view user) const {
    return at("pki/certs/users/", user, ".key");
  }
  [[nodiscard]] std::string user_password(std::string_view user) const {
    return at("secrets/users/", user);
  }
  /// Of a tunnel: a pre-shared key or a password, "@NAME" in the configuration.
  [[nodiscard]] std::string psk(std::string_view peer) const { return at("secrets/", peer); }

 private:
  [[nodiscard]] std::string at(std::string_view path, std::string_view name = {},
                               std::string_view ending = {}) const {
    return folder_ + "/" + std::string{path} + std::string{name} + std::string{ending};
  }
  std::string config_;
  std::string folder_;
};

}  // namespace caponier::cli

#pragma once
// A translated configuration as config::load() takes it, and its errors with the places they come
// from.

#include <expected>
#include <memory>
#include <vector>

#include "swan/document.h"
#include "swan/ipsec_conf.h"
#include "swan/settings.h"
#include "swan/translate.h"

namespace caponier::swan {

/// What becomes of pre-shared keys that are easy to guess.
enum class Weak : std::uint8_t { taken, refused };

/// Certificates and keys are read through `files`, whatever their path. Everything referred to must
/// outlive the object; `pki` and `held` may be null.
class TranslatedSource final : public config::Source {
 public:
  TranslatedSource(const Document& document, Files& files, const pki::PkiProvider* pki,
                   const config::HeldKeys* held, Weak weak)
      : document_(document), files_(files), pki_(pki), held_(held), weak_(weak) {}

  [[nodiscard]] std::expected<std::string, config::FileError> read_config(
      const std::string& path) override;
  [[nodiscard]] std::vector<std::string> list_fragments(const std::string&) override { return {}; }
  [[nodiscard]] std::expected<base::SecretBytes, config::FileError> read_secret(
      std::string_view reference) override;
  [[nodiscard]] const pki::PkiProvider* pki() const override { return pki_; }
  [[nodiscard]] std::expected<base::SecretBytes, config::FileError> read_pki(
      const std::string& name, bool is_private) override;
  [[nodiscard]] bool has_pki(const std::string& name) const override {
    return files_.read(name).has_value();
  }
  [[nodiscard]] const config::HeldKeys* held_keys() const override { return held_; }
  [[nodiscard]] bool takes_weak_secrets() const override { return weak_ == Weak::taken; }
  [[nodiscard]] std::expected<std::map<std::string, base::SecretBytes>, config::FileError>
  read_users() override;

 private:
  const Document& document_;
  Files& files_;
  const pki::PkiProvider* pki_;
  const config::HeldKeys* held_;
  Weak weak_;
};

using MadeConfig =
    std::expected<std::shared_ptr<const config::Config>, std::vector<config::ConfigError>>;
/// Of `document`, read through `source`, which knows it.
[[nodiscard]] MadeConfig make_config(const Document& document, config::Source& source);

/// Everything in a folder such as /etc/swanctl: swanctl.conf and what it includes, certificates and
/// keys, and strongswan.conf where it is given.
struct SwanctlFolder {
  std::string folder;
  std::string strongswan_conf;  ///< empty: none
  std::string file = "swanctl.conf";
  bool offers_ike2 = false;  ///< for connections of IKEv1, which are refused otherwise
};
[[nodiscard]] Document translate_folder(const SwanctlFolder& folder, Files& files,
                                        const pki::PkiProvider* pki, Report& report);

/// An ipsec.conf with the ipsec.secrets, ipsec.d and strongswan.conf beside it.
[[nodiscard]] Document translate_ipsec(const std::string& path, const IpsecOptions& options,
                                       Files& files, const pki::PkiProvider* pki, Report& report);

/// Whether a text is an ipsec.conf, and no swanctl.conf.
[[nodiscard]] bool is_ipsec_conf(std::string_view text);

}  // namespace caponier::swan

#pragma once
// Everything that was loaded over VICI, message by message, and the configuration that all of it
// makes. Certificates and keys come as octets and are kept here, as files that nobody else has.

#include <expected>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "swan/source.h"

namespace caponier::swan {

inline constexpr std::size_t assembly_entries_max = 65536;     ///< of each kind
inline constexpr std::size_t assembly_octets_max = 64U << 20;  ///< of certificates and keys

class Assembly final {
 public:
  /// An error is one sentence with its cure, for `errmsg`.
  using Answer = std::expected<void, std::string>;
  using Loaded = std::expected<std::string, std::string>;  ///< with the name of what was loaded

  /// `disk`: for certificates that are named by their file. Both must outlive the object.
  Assembly(const pki::PkiProvider* pki, Files& disk) : pki_(pki), files_(disk) {}
  Assembly(const Assembly&) = delete;
  Assembly& operator=(const Assembly&) = delete;

  /// One connection, as strongSwan's load-conn carries it: replaces that of the same name. What it
  /// lacks may be loaded later; what cannot be had is refused at once.
  [[nodiscard]] Answer load_conn(const Section& conn);
  [[nodiscard]] Answer unload_conn(std::string_view name);
  [[nodiscard]] Answer load_pool(const Section& pool);
  [[nodiscard]] Answer unload_pool(std::string_view name);
  [[nodiscard]] Answer load_authority(const Section& authority);
  [[nodiscard]] Answer unload_authority(std::string_view name);
  /// `type`: X509, X509_CRL; `flag`: NONE, CA.
  [[nodiscard]] Answer load_cert(std::string_view type, std::string_view flag, base::Bytes data);
  [[nodiscard]] Loaded load_key(base::Bytes data);
  [[nodiscard]] Loaded load_token(const Section& token);
  [[nodiscard]] Answer unload_key(std::string_view id);
  /// The public half of a key that was loaded (SubjectPublicKeyInfo); empty when there is none.
  [[nodiscard]] base::ByteVec public_half(std::string_view id) const;
  /// One that another process has and calls so.
  [[nodiscard]] Answer note_key(const std::string& id, base::Bytes spki);
  /// `type`: IKE, EAP, XAUTH, NTLM, PPK. Without an id it has none.
  [[nodiscard]] Answer load_shared(std::string_view id, std::string_view type, base::Bytes data,
                                   const std::vector<std::string>& owners);
  /// One that another process has; `bits`: how hard it is to guess.
  [[nodiscard]] Answer note_shared(std::string_view id, std::string_view type, unsigned bits,
                                   const std::vector<std::string>& owners);
  /// Whether what is loaded as `type` proves who we are, and is nothing for this process to know;
  /// passwords are.
  [[nodiscard]] static bool is_key(std::string_view type);
  [[nodiscard]] Answer unload_shared(std::string_view id);
  /// What another process has had is lost.
  void forget_held();
  void clear_credentials();

  [[nodiscard]] const std::vector<Connection>& connections() const { return all_.connections; }
  [[nodiscard]] const std::vector<Pool>& pools() const { return all_.pools; }
  [[nodiscard]] const std::vector<Authority>& authorities() const { return all_.authorities; }
  [[nodiscard]] std::vector<std::string> keys() const;
  [[nodiscard]] std::vector<std::string> shared() const;
  /// The octets of a certificate that a connection or authority names.
  [[nodiscard]] std::string content_of(const std::string& path) { return files_.content(path); }
  [[nodiscard]] std::vector<std::string> certificates() const;

  struct Made {
    std::shared_ptr<const config::Config> config;
    Document document;  ///< what was loaded, with its secrets
    Report report;      ///< of what is left out, and why
  };
  /// The configuration of everything that is complete. What is in the way of the others is left out
  /// and told. `held`: as config::Source.
  [[nodiscard]] Made make(const config::HeldKeys* held);
  /// Whether something was loaded or unloaded since make().
  [[nodiscard]] bool has_changed() const { return has_changed_; }

 private:
  /// What was loaded, before what is on disk.
  class Blobs final : public Files {
   public:
    explicit Blobs(Files& disk) : disk_(disk) {}
    std::expected<std::string, config::FileError> read(const std::string& path) override;
    std::vector<std::string> glob(const std::string& pattern) override;
    /// The path of these octets in the folder; empty when there is no room.
    [[nodiscard]] std::string add(const std::string& folder, base::Bytes data);
    void remove(std::string_view path);
    [[nodiscard]] std::vector<std::string> paths(std::string_view folder) const;
    [[nodiscard]] std::string content(const std::string& path);

   private:
    Files& disk_;
    std::map<std::string, SharedSecret> blobs_;
    std::size_t octets_ = 0;
    std::size_t number_ = 0;
  };

  /// Octets of certificates and keys become paths.
  [[nodiscard]] Answer keep_blobs(Section& section);
  [[nodiscard]] Answer judge(const Connection& connection);
  [[nodiscard]] Answer add_shared(Secret secret, std::string_view id, std::string_view type,
                                  const std::vector<std::string>& owners);
  /// Of what connections and authorities name.
  [[nodiscard]] std::set<std::string> used_paths() const;

  const pki::PkiProvider* pki_;
  Blobs files_;
  Everything all_;
  struct Key {
    std::string path;
    base::ByteVec spki;
    bool is_held = false;  ///< elsewhere; at `path` is the public half
  };
  std::map<std::string, Key, std::less<>> keys_;  ///< by id
  std::size_t token_number_ = 0;
  bool has_changed_ = true;
};

}  // namespace caponier::swan

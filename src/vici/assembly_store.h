#pragma once
// The store behind the load-* commands: strongSwan's messages become an assembly of ours.

#include <optional>
#include <string>
#include <vector>

#include "pki/provider.h"
#include "swan/assembly.h"
#include "vici/store.h"

namespace caponier::vici {

/// A message as the tree that strongSwan's settings are. Of several elements of one name the last
/// counts.
[[nodiscard]] swan::Section section_of(std::string_view name, const Message& message);

class AssemblyStore final : public Store {
 public:
  /// Both must outlive the object; `pki` may be null.
  AssemblyStore(swan::Assembly& assembly, const pki::PkiProvider* pki)
      : assembly_(assembly), pki_(pki) {}

  /// When something was loaded or unloaded first and last since forget_changes(); null: never.
  struct Changes {
    base::Instant first, last;
  };
  [[nodiscard]] std::optional<Changes> changes() const { return changes_; }
  void forget_changes() { changes_.reset(); }
  void note_change(base::Instant now) { changes_ = Changes{changes_ ? changes_->first : now, now}; }

  Answer load_conn(const Message& request, base::Instant now) override;
  Answer unload_conn(const Message& request, base::Instant now) override;
  Answer load_cert(const Message& request, base::Instant now) override;
  Answer load_key(const Message& request, base::Instant now) override;
  Answer unload_key(const Message& request, base::Instant now) override;
  Answer load_token(const Message& request, base::Instant now) override;
  Answer load_shared(const Message& request, base::Instant now) override;
  Answer unload_shared(const Message& request, base::Instant now) override;
  Answer load_authority(const Message& request, base::Instant now) override;
  Answer unload_authority(const Message& request, base::Instant now) override;
  Answer load_pool(const Message& request, base::Instant now) override;
  Answer unload_pool(const Message& request, base::Instant now) override;
  Answer flush_certs(const Message& request, base::Instant now) override;
  Answer clear_creds(base::Instant now) override;

  std::vector<std::string> conns() const override;
  std::vector<std::string> keys() const override { return assembly_.keys(); }
  std::vector<std::string> shared() const override { return assembly_.shared(); }
  std::vector<std::string> authorities() const override;
  std::vector<Message> authority_events() const override;
  std::vector<Message> cert_events() const override;
  Message conn_event(const std::string& name) const override;
  Message pools() const override;

 private:
  /// Of a certificate; empty when it cannot be read.
  [[nodiscard]] std::string subject_of(const std::string& path) const;

  swan::Assembly& assembly_;
  const pki::PkiProvider* pki_;
  std::optional<Changes> changes_;
};

}  // namespace caponier::vici

#pragma once
// What clients load over VICI, in both processes: everything goes to the one that has the keys, and
// what is secret of it stays there alone. Passwords of users are needed here as well.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "daemon/key_side.h"
#include "vici/assembly_store.h"

namespace caponier::daemon {

class HeldStore final : public vici::Store {
 public:
  /// All must outlive the object; `own` is of `assembly`.
  HeldStore(swan::Assembly& assembly, vici::AssemblyStore& own, KeySide& keys)
      : assembly_(assembly), own_(own), keys_(keys), generation_(keys.generation()) {}

  /// Whether the other process is another than the one that was told.
  [[nodiscard]] bool is_behind() const { return keys_.generation() != generation_; }
  /// Tells it everything again, but what this one does not know.
  void catch_up();

  Answer load_conn(const vici::Message& request, base::Instant now) override;
  Answer unload_conn(const vici::Message& request, base::Instant now) override;
  Answer load_cert(const vici::Message& request, base::Instant now) override;
  Answer load_key(const vici::Message& request, base::Instant now) override;
  Answer unload_key(const vici::Message& request, base::Instant now) override;
  Answer load_token(const vici::Message& request, base::Instant now) override;
  Answer load_shared(const vici::Message& request, base::Instant now) override;
  Answer unload_shared(const vici::Message& request, base::Instant now) override;
  Answer load_authority(const vici::Message& request, base::Instant now) override;
  Answer unload_authority(const vici::Message& request, base::Instant now) override;
  Answer load_pool(const vici::Message& request, base::Instant now) override;
  Answer unload_pool(const vici::Message& request, base::Instant now) override;
  Answer flush_certs(const vici::Message& request, base::Instant now) override;
  Answer clear_creds(base::Instant now) override;

  std::vector<std::string> conns() const override { return own_.conns(); }
  std::vector<std::string> keys() const override { return own_.keys(); }
  std::vector<std::string> shared() const override { return own_.shared(); }
  std::vector<std::string> authorities() const override { return own_.authorities(); }
  std::vector<vici::Message> authority_events() const override { return own_.authority_events(); }
  std::vector<vici::Message> cert_events() const override { return own_.cert_events(); }
  vici::Message conn_event(const std::string& name) const override { return own_.conn_event(name); }
  vici::Message pools() const override { return own_.pools(); }

 private:
  /// What was told there and may be told again, by command and name.
  struct Told {
    vici::Message message;
    base::SecretBytes secret;
  };
  using Key = std::pair<std::string, std::string>;
  using Change = Answer (vici::AssemblyStore::*)(const vici::Message&, base::Instant);

  [[nodiscard]] Answer tell(std::string_view command, const vici::Message& message,
                            base::Bytes secret);
  /// Sections by name, first there and then here.
  Answer load(std::string_view command, const vici::Message& request, base::Instant now,
              Change how);
  Answer unload(std::string_view command, std::string_view loaded, const vici::Message& request,
                base::Instant now, Change how);
  void forget(std::string_view command);

  swan::Assembly& assembly_;
  vici::AssemblyStore& own_;
  KeySide& keys_;
  std::uint64_t generation_;
  std::map<Key, Told> told_;
};

}  // namespace caponier::daemon

#pragma once
// A daemon without a configuration file: what clients have loaded over VICI is its configuration.

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/held_store.h"
#include "io/os/swan_files.h"
#include "swan/assembly.h"
#include "vici/assembly_store.h"

namespace caponier::daemon {

class LoadedSide {
 public:
  /// What is loaded counts when nothing more has come for so long; a client may load one thing
  /// after the other, and what is half there must not end a tunnel.
  static constexpr base::Duration patience = std::chrono::milliseconds{200};
  static constexpr base::Duration patience_max = std::chrono::seconds{2};

  /// Both must outlive the object.
  LoadedSide(const pki::PkiProvider& pki, KeySide& keys);
  LoadedSide(const LoadedSide&) = delete;
  LoadedSide& operator=(const LoadedSide&) = delete;

  [[nodiscard]] vici::Store& store() { return held_store_; }
  [[nodiscard]] bool has_changed() const {
    return store_.changes().has_value() || held_store_.is_behind();
  }
  /// When what was loaded is to be taken.
  [[nodiscard]] std::optional<base::Instant> poll_deadline() const;

  struct Taken {
    std::shared_ptr<const config::Config> config;  ///< null: nothing of it can be used
    std::vector<std::string> remarks;              ///< that have not been made before
  };
  /// Everything loaded as a configuration, whose keys count from KeySide::commit() on. A connection
  /// that has lost its keys or certificates stays as it is in `before`, so that its tunnel does,
  /// but nobody is authenticated for it.
  [[nodiscard]] Taken take(const config::Config& before);

 private:
  [[nodiscard]] std::vector<std::string> new_remarks(const swan::Report& report);

  io::SwanFiles disk_;
  swan::Assembly assembly_;
  vici::AssemblyStore store_;
  KeySide& keys_;
  HeldStore held_store_;
  std::set<std::string> told_;
};

}  // namespace caponier::daemon

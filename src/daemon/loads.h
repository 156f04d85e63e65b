#pragma once
// In the process that has the keys: what clients have loaded, where no file says what there is.

#include "gateway/key_server.h"
#include "io/os/swan_files.h"
#include "swan/assembly.h"
#include "vici/assembly_store.h"

namespace caponier::daemon {

class Loads final : public gateway::KeyFiles {
 public:
  explicit Loads(const pki::PkiProvider& pki) : assembly_(&pki, disk_), store_(assembly_, &pki) {}

  [[nodiscard]] Loaded load(bool renews) override;
  void keep() override {}
  [[nodiscard]] std::expected<base::ByteVec, std::string> take(
      const gateway::LoadOrder& order) override;

 private:
  io::SwanFiles disk_;
  swan::Assembly assembly_;
  vici::AssemblyStore store_;
};

}  // namespace caponier::daemon

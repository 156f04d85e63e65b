#pragma once
// The certificates and keys of tests/interop/swanctl/credentials, where strongSwan looks for them.

#include "unit/swan/memory_files.h"
#include "unit/swan/swanctl_folder.h"

namespace caponier::swan {

inline void add_credentials(MemoryFiles& files) {
  const auto add = [&](const std::string& path, const std::string& name) {
    files.files[path] = content_of(swanctl_folder() / "credentials" / name);
  };
  const std::string folder = "/etc/swanctl/";
  add(folder + "x509ca/ca.pem", "ca.pem");
  add("/etc/ssl/ca.pem", "ca.pem");
  add("/etc/ssl/b.pem", "b.pem");
  for (const std::string name : {"a", "b"}) {
    add(folder + "x509/" + name + ".pem", name + ".pem");
    add(folder + "private/" + name + ".key", name + ".key");
    add(folder + "pubkey/" + name + ".pub", name + ".pub");
  }
}

}  // namespace caponier::swan

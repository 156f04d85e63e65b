#pragma once
// The inner addresses of users in SQLite, so that they get the same after a restart. Written by a
// thread of its own, in batches: whoever writes never waits for the disk.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/address_pools.h"
#include "io/os/io_error.h"

namespace caponier::io {

class LeaseStore {
 public:
  struct Opened;

  /// Makes the file when there is none. One that is broken, or not ours, is set aside as
  /// `path`.broken, and a new one is begun.
  [[nodiscard]] static Io<Opened> open(const std::string& path);
  LeaseStore(const LeaseStore&) = delete;
  LeaseStore& operator=(const LeaseStore&) = delete;
  /// Writes what waits.
  ~LeaseStore();

  /// The last word on an address counts. What cannot be written is tried again.
  void write(const gateway::KeepLease& lease);
  /// Why nothing can be written, told once until it can again.
  [[nodiscard]] std::optional<std::string> poll_fault();

 private:
  class Database;
  struct Shared;
  explicit LeaseStore(std::unique_ptr<Database> database, std::uint64_t next);
  std::unique_ptr<Shared> shared_;
};

struct LeaseStore::Opened {
  std::unique_ptr<LeaseStore> store;
  std::vector<gateway::KeepLease> leases;  ///< the one used longest ago first
  std::string notice;                      ///< what was wrong with the file; empty: nothing
};

}  // namespace caponier::io

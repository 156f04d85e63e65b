#pragma once
// Mutual exclusion as a port: modules without threads say where it is needed, the daemon provides
// it, and a simulation has no use for it.

#include <mutex>

namespace caponier::base {

class Lock {
 public:
  virtual ~Lock() = default;
  virtual void lock() = 0;
  virtual void unlock() = 0;
};

/// Where there is one thread.
class NoLock final : public Lock {
 public:
  void lock() override {}
  void unlock() override {}
};

using Guard = std::lock_guard<Lock>;

}  // namespace caponier::base

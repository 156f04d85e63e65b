#pragma once
// A lock that whoever waits for it gets next, however busily its last holder takes it again: what
// the control side must have beside a worker under load.

#include <mutex>

#include "base/lock.h"

namespace caponier::io {

class FairLock final : public base::Lock {
 public:
  void lock() override {
    // Who waits for the one holds the other, so that nobody can pass.
    const std::lock_guard queue{next_};
    held_.lock();
  }
  void unlock() override { held_.unlock(); }

 private:
  std::mutex next_;
  std::mutex held_;
};

}  // namespace caponier::io

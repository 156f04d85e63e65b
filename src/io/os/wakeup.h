#pragma once
// Wakes the loop of another thread.

#include <atomic>

#include "io/os/fd.h"
#include "io/os/io_error.h"

namespace caponier::io {

class Wakeup {
 public:
  Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  /// Readable while somebody has called wake() since the last drain(). -1: the system has none
  /// left.
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// From any thread; a system call only where nobody has called before.
  void wake();
  /// To be called before looking at what one was woken for.
  void drain();

 private:
  Fd fd_;
  std::atomic<bool> is_pending_ = false;
};

}  // namespace caponier::io

#pragma once
// The event loop of one thread: readiness of file descriptors, one timer, signals.

#include <functional>
#include <memory>
#include <optional>

#include "base/time.h"

namespace caponier::io {

class Loop {
 public:
  using Callback = std::function<void()>;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Calls `callback` whenever `fd` has something to read, until forget(fd). The descriptor stays
  /// the caller's and must be forgotten before it is closed.
  void on_readable(int fd, Callback callback);
  /// Calls `callback` once, as soon as `fd` can be written; the fd must be watched for reading too.
  void on_writable_once(int fd, Callback callback);
  /// Allowed within the fd's own callback.
  void forget(int fd);

  void on_signal(int signal, Callback callback);

  /// One timer; a later call replaces it.
  void set_timer(std::optional<base::Instant> at);

  /// Runs until stop(). `settle` is called after every round of callbacks and timer expiry, and
  /// once before the first.
  void run(const Callback& settle);
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caponier::io

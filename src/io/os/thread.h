#pragma once
// Threads of the data plane.

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/time.h"

namespace caponier::io {

/// The CPUs this process may run on, in the kernel's numbering.
[[nodiscard]] std::vector<unsigned> usable_cpus();

/// Leaves signals to the other threads. The destructor waits for its end.
class Thread {
 public:
  /// `name` as ps shows it, at most 15 characters. `cpu`: where alone it may run.
  Thread(const std::string& name, std::optional<unsigned> cpu, std::function<void()> body);
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread();

  /// Taken so far.
  [[nodiscard]] base::Duration cpu_time() const;

 private:
  mutable std::thread thread_;
};

}  // namespace caponier::io

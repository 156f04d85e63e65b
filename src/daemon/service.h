#pragma once
// Being a service: the background, the service manager, no core files.

#include <string_view>

namespace caponier::daemon {

/// Keys must not end up in a core file, nor be read by a debugger of another user.
void forbid_core_files();

/// Moves the process into the background. The parent waits until the child says that it is ready,
/// or ends with the child's exit code.
class Background {
 public:
  /// Returns in the child only; when the fork fails the process stays where it is.
  static Background enter();
  Background() = default;
  /// Lets the parent go, and the terminal too.
  void announce_ready();

 private:
  int ready_fd_ = -1;
};

/// "READY=1" and the like, to the service manager that started us with Type=notify, if any.
void notify_manager(std::string_view state);
[[nodiscard]] bool has_manager();

}  // namespace caponier::daemon

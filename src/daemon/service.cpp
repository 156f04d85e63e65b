#include "daemon/service.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CAPONIER_LEAK_CHECK 1
#endif
#endif

namespace caponier::daemon {
namespace {

[[noreturn]] void wait_for_child(int ready_fd, pid_t child) {
  char byte = 0;
  ssize_t size = 0;
  do {
    size = ::read(ready_fd, &byte, 1);
  } while (size < 0 && errno == EINTR);
  if (size == 1) ::_exit(0);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

}  // namespace

void forbid_core_files() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
#ifndef CAPONIER_LEAK_CHECK  // the leak checker is a debugger
  ::prctl(PR_SET_DUMPABLE, 0);
#endif
}

Background Background::enter() {
  Background self;
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return self;
  const pid_t child = ::fork();
  if (child < 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    return self;
  }
  if (child > 0) {
    ::close(ends[1]);
    wait_for_child(ends[0], child);
  }
  ::close(ends[0]);
  ::setsid();
  self.ready_fd_ = ends[1];
  return self;
}

void Background::announce_ready() {
  if (ready_fd_ < 0) return;
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (null >= 0) static_cast<void>(::dup2(null, fd));
  }
  if (null > STDERR_FILENO) ::close(null);
  static_cast<void>(::chdir("/") == 0);
  const char byte = 1;
  static_cast<void>(::write(ready_fd_, &byte, 1) == 1);
  ::close(std::exchange(ready_fd_, -1));
}

bool has_manager() { return std::getenv("NOTIFY_SOCKET") != nullptr; }

void notify_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  const std::string name{path};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.empty() || name.size() >= sizeof address.sun_path) return;
  name.copy(address.sun_path, name.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // the abstract namespace
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const void* const to = &address;
  static_cast<void>(::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
                             static_cast<const sockaddr*>(to), size));
  ::close(fd);
}

}  // namespace caponier::daemon

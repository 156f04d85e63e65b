#include "io/os/background_program.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "io/os/io_error.h"

namespace caponier::io {
namespace {

constexpr const char* shell = "/bin/sh";
constexpr std::string_view path_variable =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a program is started with, as the C library wants it.
class SpawnRules {
 public:
  explicit SpawnRules(const Fd& output) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, output.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, output.get(), STDERR_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    ::posix_spawnattr_init(&attributes_);
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes_, &signals);
    ::sigfillset(&signals);
    ::posix_spawnattr_setsigdefault(&attributes_, &signals);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnRules(const SpawnRules&) = delete;
  SpawnRules& operator=(const SpawnRules&) = delete;
  ~SpawnRules() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

std::expected<BackgroundProgram, std::string> BackgroundProgram::start(
    const std::string& command, const Environment& environment) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::unexpected{errno_text(errno)};
  Fd ours{ends[0]};
  const Fd theirs{ends[1]};
  if (::fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return std::unexpected{errno_text(errno)};
  std::vector<std::string> lines{std::string{path_variable}};
  for (const auto& [name, value] : environment) lines.push_back(name + "=" + value);
  std::vector<char*> variables;
  for (std::string& line : lines) variables.push_back(line.data());
  variables.push_back(nullptr);
  std::array<std::string, 3> words{shell, "-c", command};
  std::array<char*, 4> arguments{words[0].data(), words[1].data(), words[2].data(), nullptr};
  const SpawnRules rules{theirs};
  pid_t process = 0;
  const int failed = ::posix_spawn(&process, shell, rules.actions(), rules.attributes(),
                                   arguments.data(), variables.data());
  if (failed != 0) return std::unexpected{errno_text(failed)};
  Fd end{static_cast<int>(::syscall(SYS_pidfd_open, process, 0))};
  if (end.is_open()) return BackgroundProgram{process, std::move(ours), std::move(end)};
  // Nobody would ever learn of its end.
  const std::string why = errno_text(errno);
  ::kill(-process, SIGKILL);
  ::waitpid(process, nullptr, 0);
  return std::unexpected{why};
}

std::optional<std::string> BackgroundProgram::read() {
  std::string text;
  std::array<char, 4096> some{};
  for (;;) {
    const ssize_t size = ::read(output_.get(), some.data(), some.size());
    if (size > 0) {
      text.append(some.data(), static_cast<std::size_t>(size));
      // The rest comes with the next call: whoever writes for ever must not keep us.
      return text;
    }
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return text;
    return std::nullopt;
  }
}

std::optional<int> BackgroundProgram::take_status() {
  if (process_ == 0) return std::nullopt;
  int status = 0;
  if (::waitpid(process_, &status, WNOHANG) != process_) return std::nullopt;
  process_ = 0;
  constexpr int signal_base = 128;
  return WIFEXITED(status) ? WEXITSTATUS(status) : signal_base + WTERMSIG(status);
}

void BackgroundProgram::kill() {
  if (process_ != 0) ::kill(-process_, SIGKILL);
}

}  // namespace caponier::io

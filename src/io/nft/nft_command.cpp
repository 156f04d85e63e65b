#include "io/nft/nft_command.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "io/os/fd.h"
#include "io/os/io_error.h"

namespace caponier::io {
namespace {

/// Not by $PATH: this runs with all our rights.
constexpr std::array places{"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"};
constexpr std::size_t message_size_max = 4096;

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  void redirect(int to, const Fd& from) {
    ::posix_spawn_file_actions_adddup2(&actions_, from.get(), to);
  }
  [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

bool write_all(const Fd& file, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t size = ::write(file.get(), text.data() + done, text.size() - done);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    done += static_cast<std::size_t>(size);
  }
  return ::lseek(file.get(), 0, SEEK_SET) == 0;
}

std::string first_line(const Fd& file) {
  std::array<char, message_size_max> text{};
  const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
  const std::string_view all{text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
  return std::string{all.substr(0, all.find('\n'))};
}

}  // namespace

std::expected<void, std::string> run_nft(const std::string& commands) {
  const Fd input{::memfd_create("nft-commands", MFD_CLOEXEC)};
  const Fd output{::memfd_create("nft-output", MFD_CLOEXEC)};
  if (!input.is_open() || !output.is_open() || !write_all(input, commands)) {
    return std::unexpected{errno_text(errno)};
  }
  const auto* place = std::find_if(places.begin(), places.end(),
                                   [](const char* path) { return ::access(path, X_OK) == 0; });
  if (place == places.end()) return std::unexpected{std::string{"the program nft is missing"}};
  FileActions actions;
  actions.redirect(STDIN_FILENO, input);
  actions.redirect(STDOUT_FILENO, output);
  actions.redirect(STDERR_FILENO, output);
  std::array<std::string, 4> words{"nft", "-f", "-", "LC_ALL=C"};
  std::array<char*, 4> arguments{words[0].data(), words[1].data(), words[2].data(), nullptr};
  std::array<char*, 2> environment{words[3].data(), nullptr};
  pid_t child = -1;
  const int failed =
      ::posix_spawn(&child, *place, actions.get(), nullptr, arguments.data(), environment.data());
  if (failed != 0) return std::unexpected{errno_text(failed)};
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return std::unexpected{errno_text(errno)};
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  const std::string said = first_line(output);
  return std::unexpected{said.empty() ? std::string{"nft ended with an error"} : said};
}

}  // namespace caponier::io

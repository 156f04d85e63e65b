#include "io/os/program.h"

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

const char* find(std::span<const char* const> places) {
  const auto found =
      std::ranges::find_if(places, [](const char* path) { return ::access(path, X_OK) == 0; });
  return found == places.end() ? nullptr : *found;
}

}  // namespace

bool has_program(std::span<const char* const> places) { return find(places) != nullptr; }

std::expected<void, std::string> run_program(std::span<const char* const> places,
                                             std::vector<std::string> words,
                                             const std::string& text) {
  const Fd input{::memfd_create("input", MFD_CLOEXEC)};
  const Fd output{::memfd_create("output", MFD_CLOEXEC)};
  if (!input.is_open() || !output.is_open() || !write_all(input, text)) {
    return std::unexpected{errno_text(errno)};
  }
  const char* const place = find(places);
  if (place == nullptr) {
    return std::unexpected{fmt::format("the program {} is missing", words.front())};
  }
  FileActions actions;
  actions.redirect(STDIN_FILENO, input);
  actions.redirect(STDOUT_FILENO, output);
  actions.redirect(STDERR_FILENO, output);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::string locale = "LC_ALL=C";
  std::array<char*, 2> environment{locale.data(), nullptr};
  pid_t child = -1;
  const int failed =
      ::posix_spawn(&child, place, actions.get(), nullptr, arguments.data(), environment.data());
  if (failed != 0) return std::unexpected{errno_text(failed)};
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return std::unexpected{errno_text(errno)};
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  const std::string said = first_line(output);
  return std::unexpected{said.empty() ? fmt::format("{} ended with an error", words.front())
                                      : said};
}

}  // namespace caponier::io

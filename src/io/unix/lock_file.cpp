#include "io/unix/lock_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

namespace caponier::io {
namespace {

std::string read_owner(int fd) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string owner{text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
  while (!owner.empty() && owner.back() == '\n') owner.pop_back();
  return owner;
}

}  // namespace

Io<LockFile> LockFile::acquire(const std::string& path) {
  Fd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644)};
  if (!fd.is_open()) {
    return std::unexpected{error_from_errno(fmt::format("cannot write {}", path), errno,
                                            "run as root, or choose another --run-dir")};
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return std::unexpected{IoError{
        IoFault::in_use,
        fmt::format("another caponierd (process {}) uses the run directory {}",
                    read_owner(fd.get()), std::filesystem::path{path}.parent_path().string()),
        "stop it first, or give this one its own --run-dir"}};
  }
  const std::string text = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), text.data(), text.size(), 0) < 0) {
    return std::unexpected{error_from_errno(fmt::format("cannot write {}", path), errno)};
  }
  return LockFile{path, std::move(fd)};
}

LockFile::~LockFile() {
  if (fd_.is_open()) ::unlink(path_.c_str());
}

Io<void> make_folder(const std::string& path, bool is_private) {
  std::error_code error;
  const std::filesystem::path folder{path};
  if (std::filesystem::is_directory(folder, error)) return {};
  if (folder.has_parent_path()) std::filesystem::create_directories(folder.parent_path(), error);
  if (::mkdir(path.c_str(), is_private ? 0700 : 0755) != 0 && errno != EEXIST) {
    return std::unexpected{error_from_errno(fmt::format("cannot create {}", path), errno,
                                            "run as root, or choose another directory")};
  }
  return {};
}

}  // namespace caponier::io

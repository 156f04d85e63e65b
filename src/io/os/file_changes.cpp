#include "io/os/file_changes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <set>

#include "base/error.h"

namespace caponier::io {
namespace {

std::unexpected<IoError> failure(std::string_view what, const std::string& path, int error) {
  return std::unexpected{error_from_errno(
      fmt::format("cannot {} {}", what, path), error,
      error == EACCES || error == EPERM ? "do it as root" : "see what is at that place")};
}

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path{path}.parent_path();
  return folder.empty() ? "." : folder.string();
}

/// Hidden, so that nobody who reads the folder takes it for one of its files.
std::string draft_of(const std::string& path) {
  return fmt::format("{}/.{}.new", folder_of(path),
                     std::filesystem::path{path}.filename().string());
}

Io<void> make_folder(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return {};
  const int error = errno;
  if (error == EEXIST) return {};
  if (error != ENOENT || folder_of(path) == path) return failure("make", path, error);
  TRY_VOID(make_folder(folder_of(path), mode));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return failure("make", path, errno);
  return {};
}

Io<void> write_synced(const std::string& path, base::Bytes content, mode_t mode) {
  static_cast<void>(::unlink(path.c_str()));  // what a crash left
  const Fd fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!fd.is_open()) return failure("create", path, errno);
  std::size_t written = 0;
  while (written < content.size()) {
    const ssize_t count = ::write(fd.get(), content.data() + written, content.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return failure("write", path, errno);
    written += static_cast<std::size_t>(count);
  }
  if (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0) return failure("write", path, errno);
  return {};
}

bool exists(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

}  // namespace

void FileChanges::write(std::string path, base::SecretBytes content, mode_t mode,
                        mode_t folder_mode) {
  const auto present = read_file(path);
  const bool is_new = present && !*present;
  if (present && *present && base::equal_constant_time((*present)->reveal(), content.reveal())) {
    return;
  }
  entries_.push_back({std::move(path), std::move(content), mode, folder_mode, false, is_new});
}

void FileChanges::remove(std::string path) {
  if (!exists(path)) return;
  entries_.push_back({std::move(path), {}, 0, 0, true, false});
}

const base::SecretBytes* FileChanges::find(std::string_view path) const {
  const auto found = std::ranges::find_if(
      entries_, [&](const Entry& entry) { return entry.path == path && !entry.is_removal; });
  return found == entries_.end() ? nullptr : &found->content;
}

std::vector<FileChange> FileChanges::list() const {
  std::vector<FileChange> out;
  for (const Entry& entry : entries_) {
    out.push_back({entry.is_removal ? "remove" : entry.is_new ? "create" : "replace", entry.path});
  }
  return out;
}

Io<void> FileChanges::apply() {
  const auto drafted = write_drafts();
  const auto moved = drafted ? move_drafts() : drafted;
  if (!moved) remove_drafts();
  return moved;
}

Io<void> FileChanges::write_drafts() const {
  for (const Entry& entry : entries_) {
    if (entry.is_removal) continue;
    TRY_VOID(make_folder(folder_of(entry.path), entry.folder_mode));
    TRY_VOID(write_synced(draft_of(entry.path), entry.content.reveal(), entry.mode));
  }
  return {};
}

Io<void> FileChanges::move_drafts() const {
  std::set<std::string> folders;
  for (const Entry& entry : entries_) {
    folders.insert(folder_of(entry.path));
    if (entry.is_removal) {
      if (::unlink(entry.path.c_str()) != 0 && errno != ENOENT) {
        return failure("remove", entry.path, errno);
      }
    } else if (std::rename(draft_of(entry.path).c_str(), entry.path.c_str()) != 0) {
      return failure("replace", entry.path, errno);
    }
  }
  for (const std::string& folder : folders) {
    const Fd fd{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!fd.is_open() || ::fsync(fd.get()) != 0) return failure("sync", folder, errno);
  }
  return {};
}

void FileChanges::remove_drafts() const {
  for (const Entry& entry : entries_) {
    if (!entry.is_removal) static_cast<void>(::unlink(draft_of(entry.path).c_str()));
  }
}

Io<std::optional<base::SecretBytes>> read_file(const std::string& path) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd.is_open() && errno == ENOENT) return std::nullopt;
  if (!fd.is_open()) return failure("read", path, errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return failure("read", path, errno);
  if (!S_ISREG(info.st_mode) || static_cast<std::size_t>(info.st_size) > managed_file_size_max) {
    return failure("read", path, S_ISREG(info.st_mode) ? EFBIG : EISDIR);
  }
  base::SecretBytes content{static_cast<std::size_t>(info.st_size)};
  const base::MutBytes all = content.reveal_mutable();
  std::size_t filled = 0;
  while (filled < all.size()) {
    const ssize_t count = ::read(fd.get(), all.data() + filled, all.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return failure("read", path, count < 0 ? errno : EIO);
    filled += static_cast<std::size_t>(count);
  }
  return content;
}

Io<Fd> lock_folder(const std::string& folder) {
  Fd fd{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd.is_open()) return failure("open", folder, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return failure("lock", folder, errno);
  return std::unexpected{IoError{IoFault::in_use,
                                 fmt::format("another program is changing {} just now", folder),
                                 "try again when it has ended"}};
}

}  // namespace caponier::io

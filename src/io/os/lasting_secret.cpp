#include "io/os/lasting_secret.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/error.h"
#include "io/os/fd.h"

namespace caponier::io {
namespace {

std::unexpected<IoError> failure(const std::string& what, const std::string& path, int error) {
  return std::unexpected{
      error_from_errno(fmt::format("cannot {} {}", what, path), error,
                       fmt::format("make the folder writable for caponierd, or remove {}", path))};
}

Io<base::SecretBytes> read_secret(const Fd& fd, const std::string& path, std::size_t size) {
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return failure("read", path, errno);
  if (!S_ISREG(info.st_mode) || (info.st_mode & 0077) != 0) {
    return std::unexpected{
        IoError{IoFault::permission,
                fmt::format("{} is not private (mode {:04o})", path, info.st_mode & 07777),
                fmt::format("remove {}; a new one is made", path)}};
  }
  base::SecretBytes secret{size};
  const base::MutBytes all = secret.reveal_mutable();
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t count = ::read(fd.get(), all.data() + filled, size - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure("read", path, errno);
    if (count == 0) {
      return std::unexpected{IoError{IoFault::other, fmt::format("{} is too short", path),
                                     fmt::format("remove {}; a new one is made", path)}};
    }
    filled += static_cast<std::size_t>(count);
  }
  return secret;
}

/// Complete or not there at all, whenever the power fails.
Io<base::SecretBytes> make_secret(const std::string& path, std::size_t size, base::Rng& rng) {
  const std::string draft = path + ".new";
  const Fd fd{::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (!fd.is_open()) return failure("create", draft, errno);
  base::SecretBytes secret{size};
  rng.fill_secret(secret.reveal_mutable());
  const base::Bytes all = secret.reveal();
  std::size_t written = 0;
  while (written < size) {
    const ssize_t count = ::write(fd.get(), all.data() + written, size - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return failure("write", draft, errno);
    written += static_cast<std::size_t>(count);
  }
  if (::fsync(fd.get()) != 0 || std::rename(draft.c_str(), path.c_str()) != 0) {
    return failure("write", path, errno);
  }
  return secret;
}

}  // namespace

Io<std::vector<base::SecretBytes>> open_lasting_secrets(const std::string& path, std::size_t size,
                                                        std::size_t count_max, base::Rng& rng) {
  std::vector<base::SecretBytes> secrets;
  secrets.push_back(TRY(open_lasting_secret(path, size, rng)));
  for (std::size_t age = 1; age < count_max; ++age) {
    const std::string older = fmt::format("{}.{}", path, age);
    const Fd fd{::open(older.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (!fd.is_open()) continue;
    if (auto secret = read_secret(fd, older, size)) secrets.push_back(std::move(*secret));
  }
  return secrets;
}

Io<base::SecretBytes> open_lasting_secret(const std::string& path, std::size_t size,
                                          base::Rng& rng) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (fd.is_open()) return read_secret(fd, path, size);
  if (errno != ENOENT) return failure("open", path, errno);
  return make_secret(path, size, rng);
}

}  // namespace caponier::io

#pragma once
// One daemon for each run directory.

#include <string>

#include "io/os/fd.h"
#include "io/os/io_error.h"

namespace caponier::io {

/// Holds the file locked and with our process id in it; removes it on destruction.
class LockFile {
 public:
  [[nodiscard]] static Io<LockFile> acquire(const std::string& path);
  LockFile(LockFile&&) noexcept = default;
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  LockFile(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  Fd fd_;
};

/// Creates `path` (mode 0755, or 0700 when `is_private`) with its parents unless it is there.
[[nodiscard]] Io<void> make_folder(const std::string& path, bool is_private);

}  // namespace caponier::io

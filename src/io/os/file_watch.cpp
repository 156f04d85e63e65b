#include "io/os/file_watch.h"

#include <sys/stat.h>

namespace caponier::io {

FileWatch::State FileWatch::state_of(const std::string& path) {
  constexpr std::int64_t nanoseconds_per_second = 1'000'000'000;
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino, info.st_size,
          info.st_mtim.tv_sec * nanoseconds_per_second + info.st_mtim.tv_nsec};
}

void FileWatch::watch(const std::vector<std::string>& paths) {
  known_.clear();
  for (const std::string& path : paths) {
    if (known_.size() < watched_files_max) known_.emplace(path, state_of(path));
  }
  last_ = known_;
}

std::vector<std::string> FileWatch::look() {
  States present;
  for (const auto& [path, state] : known_) present.emplace(path, state_of(path));
  std::vector<std::string> changed;
  if (present == last_) {
    for (const auto& [path, state] : present) {
      if (known_.at(path) != state) changed.push_back(path);
    }
    known_ = present;
  }
  last_ = std::move(present);
  return changed;
}

}  // namespace caponier::io

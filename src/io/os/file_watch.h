#pragma once
// Whether files have changed, seen by looking at them now and then: this works for links that are
// moved, folders that are mounted over and files that appear, none of which inotify tells of one
// file.

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace caponier::io {

inline constexpr std::size_t watched_files_max = 4096;

class FileWatch {
 public:
  /// As they are now; what was watched before is forgotten. A file need not exist. More than
  /// watched_files_max are not looked at.
  void watch(const std::vector<std::string>& paths);
  /// What has changed since watch(), as soon as two looks in a row have found the same: somebody
  /// may be writing. Told once, then the new state is the one that is compared with.
  [[nodiscard]] std::vector<std::string> look();

 private:
  /// Device, inode, size, and when it was changed, in nanoseconds; zero when there is none.
  using State = std::tuple<std::uint64_t, std::uint64_t, std::int64_t, std::int64_t>;
  using States = std::map<std::string, State>;
  [[nodiscard]] static State state_of(const std::string& path);

  States known_;
  States last_;  ///< of the look before
};

}  // namespace caponier::io

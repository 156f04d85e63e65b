#include "io/os/swan_files.h"

#include <glob.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/secret.h"
#include "io/os/file_changes.h"

namespace caponier::io {

std::expected<std::string, config::FileError> SwanFiles::read(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return std::unexpected{config::FileError{"is a folder", "name a file in it"}};
  }
  if (info.st_size > static_cast<off_t>(swan_file_size_max)) {
    return std::unexpected{
        config::FileError{fmt::format("is larger than {} octets", swan_file_size_max),
                          "split it into several files"}};
  }
  const auto content = read_file(path);
  if (!content) {
    return std::unexpected{config::FileError{content.error().message, content.error().fix}};
  }
  if (!*content) return std::unexpected{config::FileError{"No such file or directory", ""}};
  return std::string{base::as_text((*content)->reveal())};
}

std::vector<std::string> SwanFiles::glob(const std::string& pattern) {
  std::vector<std::string> paths;
  glob_t found{};
  if (::glob(pattern.c_str(), GLOB_ERR, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      struct stat info{};
      const std::string path = found.gl_pathv[i];
      if (::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode)) paths.push_back(path);
    }
  }
  ::globfree(&found);
  return paths;
}

}  // namespace caponier::io

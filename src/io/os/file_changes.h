#pragma once
// Files that change together. Everything new is written and synced beside its place first; only
// when all of that has worked, names are moved, one after the other in the order they were given.

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"

namespace caponier::io {

inline constexpr std::size_t managed_file_size_max = 4 << 20;

/// One change, for people and for `--json`.
struct FileChange {
  std::string action;  ///< "create", "replace", "remove"
  std::string path;
};

class FileChanges {
 public:
  /// The file with its folders, which are made with `folder_mode` when they are missing. A file
  /// that has these contents already is left alone.
  void write(std::string path, base::SecretBytes content, mode_t mode, mode_t folder_mode = 0755);
  /// Also when there is no such file.
  void remove(std::string path);

  /// What a file will hold; null when it is not written here.
  [[nodiscard]] const base::SecretBytes* find(std::string_view path) const;
  [[nodiscard]] std::vector<FileChange> list() const;
  [[nodiscard]] bool empty() const { return entries_.empty(); }

  /// On an error before the first name is moved nothing has changed but folders, which may be new.
  [[nodiscard]] Io<void> apply();

 private:
  struct Entry {
    std::string path;
    base::SecretBytes content;
    mode_t mode = 0;
    mode_t folder_mode = 0;
    bool is_removal = false;
    bool is_new = false;
  };
  [[nodiscard]] Io<void> write_drafts() const;
  [[nodiscard]] Io<void> move_drafts() const;
  void remove_drafts() const;
  std::vector<Entry> entries_;
};

/// The whole file; empty when there is none.
[[nodiscard]] Io<std::optional<base::SecretBytes>> read_file(const std::string& path);
/// So that two programs do not change the files below `folder` at once; held while the descriptor
/// lives. IoFault::in_use when another has it.
[[nodiscard]] Io<Fd> lock_folder(const std::string& folder);

}  // namespace caponier::io

#pragma once
// The language of strongswan.conf and swanctl.conf: sections in braces, `key = value`, templates
// (`name : other.section { ... }`), `include`. Every mistake is told with its place and its cure,
// all of them at once. Pure: files come through an interface.

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/errors.h"
#include "swan/section.h"

namespace caponier::swan {

/// The only door to the outside. The driver reads files; tests hold them in memory.
class Files {
 public:
  virtual ~Files() = default;
  [[nodiscard]] virtual std::expected<std::string, config::FileError> read(
      const std::string& path) = 0;
  /// Paths that fit a pattern of the shell, in lexical order; may be empty.
  [[nodiscard]] virtual std::vector<std::string> glob(const std::string& pattern) = 0;
};

inline constexpr std::size_t settings_size_max = 8U << 20;  ///< of all files together
inline constexpr std::size_t settings_files_max = 1024;
inline constexpr std::size_t settings_depth_max = 16;          ///< of sections in sections
inline constexpr std::size_t include_depth_max = 10;           ///< of files in files
inline constexpr std::size_t settings_entries_max = 1U << 18;  ///< once templates are filled in
inline constexpr std::size_t settings_name_size_max = 256;

struct Settings {
  Section root;
  /// What is no mistake, but probably not what was meant: an include without files.
  std::vector<config::ConfigError> warnings;
};

/// Reads `path` and what it includes, with all templates filled in.
[[nodiscard]] std::expected<Settings, std::vector<config::ConfigError>> load_settings(
    const std::string& path, Files& files);

/// `name : target { ... }`
struct Reference {
  std::vector<std::string> section;  ///< that refers, from the root on
  std::string target;                ///< "connections.base"
  config::Place where;
};
/// `root` with everything that its sections inherit. Their own comes first, then what they refer to
/// from left to right; what is written nearer counts.
[[nodiscard]] Section inherit(const Section& root, const std::vector<Reference>& references,
                              config::Errors& errors);

/// The folder of a path; empty for a bare name.
[[nodiscard]] std::string folder_of(std::string_view path);
/// `name` itself when it is absolute, else below `folder`.
[[nodiscard]] std::string path_below(std::string_view folder, std::string_view name);

}  // namespace caponier::swan

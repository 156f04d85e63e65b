#pragma once
// Configuration files and secrets held in memory, and the shortest way to load them.

#include <map>
#include <string>

#include "base/bytes.h"
#include "config/config.h"

namespace caponier::config {

inline constexpr std::string_view main_file = "caponier.toml";
inline constexpr std::string_view strong_secret = "Zk3vQ0mY8s1RrT6uXw9bNc2LhJ5pGdEaKiOyUfWtSx4=";

class MemorySource : public Source {
 public:
  std::map<std::string, std::string, std::less<>> files;
  std::map<std::string, std::string, std::less<>> secrets;
  std::map<std::string, FileError, std::less<>> broken;  ///< files or secrets that cannot be read
  unsigned secret_reads = 0;

  std::expected<std::string, FileError> read_config(const std::string& path) override {
    if (const auto error = broken.find(path); error != broken.end()) {
      return std::unexpected{error->second};
    }
    const auto file = files.find(path);
    if (file == files.end()) return std::unexpected{FileError{"No such file or directory", ""}};
    return file->second;
  }

  std::vector<std::string> list_fragments(const std::string& path) override {
    std::vector<std::string> fragments;
    for (const auto& [name, text] : files) {
      if (name != path) fragments.push_back(name);
    }
    return fragments;
  }

  std::expected<base::SecretBytes, FileError> read_secret(std::string_view reference) override {
    ++secret_reads;
    if (const auto error = broken.find(reference); error != broken.end()) {
      return std::unexpected{error->second};
    }
    const auto secret = secrets.find(reference);
    if (secret == secrets.end()) {
      return std::unexpected{FileError{"No such file or directory", ""}};
    }
    return base::SecretBytes{base::as_bytes(secret->second)};
  }
};

/// A source with `text` as its only file and one strong secret, "@branch".
inline MemorySource source_of(std::string_view text) {
  MemorySource source;
  source.files.emplace(main_file, text);
  source.secrets.emplace("@branch", std::string{strong_secret} + "\n");
  return source;
}

/// Everything load() says, one error after the other; "loaded" when it says nothing.
inline std::string complaints(Source& source) {
  const auto config = load(std::string{main_file}, source);
  if (config) return "loaded\n";
  std::string text;
  for (const ConfigError& error : config.error()) text += error.to_string() + "\n";
  return text;
}

inline std::string complaints(std::string_view text) {
  MemorySource source = source_of(text);
  return complaints(source);
}

/// The configuration in `text`; null when it is refused.
inline std::shared_ptr<const Config> loaded(MemorySource source) {
  const auto config = load(std::string{main_file}, source);
  return config ? *config : nullptr;
}

inline std::shared_ptr<const Config> loaded(std::string_view text) {
  return loaded(source_of(text));
}

/// A good site of five lines, to which lines can be added from line 6 on.
inline std::string site_with(std::string_view more) {
  return "[site.branch]\n"
         "remote = \"203.0.113.9\"\n"
         "psk = \"@branch\"\n"
         "local_nets = [\"10.1.0.0/16\"]\n"
         "remote_nets = [\"10.2.0.0/16\"]\n" +
         std::string{more};
}

/// A good host of three lines, to which lines can be added from line 4 on.
inline std::string host_with(std::string_view more) {
  return "[host.db1]\n"
         "remote = \"db1.example.org\"\n"
         "psk = \"@branch\"\n" +
         std::string{more};
}

}  // namespace caponier::config

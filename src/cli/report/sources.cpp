#include "cli/report/sources.h"

#include <fmt/format.h>
#include <poll.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "cli/setup/places.h"
#include "io/os/background_program.h"
#include "io/os/clock.h"
#include "io/os/file_changes.h"

namespace caponier::cli {
namespace {

constexpr base::Duration patience{std::chrono::seconds{10}};
constexpr std::size_t secret_files_max = 100'000;

/// Certificates are no secrets; whatever else lies with the keys may be one.
bool is_public(base::Bytes content) {
  const std::string_view text = base::as_text(content);
  return text.find("-----BEGIN CERTIFICATE") != std::string_view::npos &&
         text.find("PRIVATE KEY") == std::string_view::npos;
}

/// Of a PEM file with both, the keys alone.
void add_key_blocks(KnownSecrets& known, base::Bytes content) {
  const std::string_view text = base::as_text(content);
  if (text.find("-----BEGIN") == std::string_view::npos) {
    return known.redaction.add_key_file(content);
  }
  for (std::size_t at = text.find("-----BEGIN "); at != std::string_view::npos;
       at = text.find("-----BEGIN ", at + 1)) {
    const std::size_t end = std::min(text.find("-----END", at), text.size());
    const std::string_view block = text.substr(at, end - at);
    if (block.substr(0, block.find('\n')).find("PRIVATE KEY") != std::string_view::npos) {
      known.redaction.add_key_file(base::as_bytes(block));
    }
  }
}

bool has_key_ending(const std::filesystem::path& path) {
  const std::string ending = path.extension().string();
  return ending == ".key" || ending == ".pem" || ending == ".p8" || ending == ".p12" ||
         ending == ".pfx" || ending == ".der";
}

void add_folder(KnownSecrets& known, const std::string& folder, bool are_keys) {
  std::error_code error;
  std::filesystem::recursive_directory_iterator files{folder, error};
  for (const auto end = std::filesystem::recursive_directory_iterator{};
       !error && files != end && known.count < secret_files_max; files.increment(error)) {
    std::error_code ignored;
    if (!files->is_regular_file(ignored)) continue;
    if (are_keys && !has_key_ending(files->path())) continue;
    const std::string path = files->path().string();
    const auto content = io::read_file(path);
    if (!content || !*content) {
      known.unread.push_back(path);
      continue;
    }
    const base::Bytes octets = (*content)->reveal();
    if (are_keys && is_public(octets)) continue;
    ++known.count;
    are_keys ? add_key_blocks(known, octets) : known.redaction.add_secret(octets);
  }
  if (error && error != std::errc::no_such_file_or_directory) known.unread.push_back(folder);
}

}  // namespace

std::string output_of(const std::string& command) {
  auto program = io::BackgroundProgram::start(command, {{"LC_ALL", "C"}, {"PAGER", "cat"}});
  if (!program) return fmt::format("({})\n", program.error());
  std::string out;
  const base::Instant until = io::monotonic_now() + patience;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - io::monotonic_now());
    pollfd waiting{program->output(), POLLIN, 0};
    if (left.count() <= 0 || out.size() > report_part_size_max) {
      program->kill();
      out.resize(std::min(out.size(), report_part_size_max));
      return out + "\n(cut here)\n";
    }
    if (::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) continue;
    const auto some = program->read();
    if (!some) break;
    out += *some;
  }
  pollfd ending{program->end(), POLLIN, 0};
  constexpr int end_milliseconds = 1000;
  static_cast<void>(::poll(&ending, 1, end_milliseconds));
  static_cast<void>(program->take_status());
  return out;
}

KnownSecrets known_secrets(const std::string& config_path) {
  const Places places{config_path};
  KnownSecrets known;
  add_folder(known, places.folder() + "/secrets", false);
  add_folder(known, places.folder() + "/pki", true);
  const char* const credentials = std::getenv("CREDENTIALS_DIRECTORY");
  if (credentials != nullptr) add_folder(known, credentials, false);
  return known;
}

}  // namespace caponier::cli

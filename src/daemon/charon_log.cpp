#include "daemon/charon_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include "io/os/clock.h"
#include "io/os/io_error.h"

namespace caponier::daemon {
namespace {

std::string local_time(const std::string& form) {
  constexpr std::int64_t microseconds = 1'000'000;
  const auto now = static_cast<std::time_t>(io::unix_microseconds_now() / microseconds);
  std::tm local{};
  std::array<char, 128> text{};
  ::localtime_r(&now, &local);
  return {text.data(), std::strftime(text.data(), text.size(), form.c_str(), &local)};
}

}  // namespace

std::expected<void, std::string> CharonLog::open(const std::string& path, std::string time) {
  time_ = std::move(time);
  if (path.empty()) {
    file_.reset();
    return {};
  }
  constexpr mode_t mode = 0640;
  io::Fd file{::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, mode)};
  if (!file.is_open()) {
    return std::unexpected{
        fmt::format("{} cannot be written: {}; see that its folder is there, or name another "
                    "file in [daemon] filelog",
                    path, io::errno_text(errno))};
  }
  file_ = std::move(file);
  return {};
}

void CharonLog::write(const base::Event& event) {
  if (!is_open()) return;
  for (const vici::LogLine& line : vici::known_lines(event)) write(line);
  if (const auto line = vici::log_line(event)) write(*line);
}

void CharonLog::write(const gateway::SaChange& change, const pki::PkiProvider* pki) {
  if (!is_open()) return;
  for (const vici::LogLine& line : vici::log_lines(change, pki)) write(line);
}

void CharonLog::write(const vici::LogLine& line) {
  if (line.level > level_max) return;
  const std::string text = vici::file_line(local_time(time_), line);
  // One call a line; a full disk is no reason to stop.
  static_cast<void>(::write(file_.get(), text.data(), text.size()) == 0);
}

}  // namespace caponier::daemon

#pragma once
// A log file in the form of strongSwan's, for those who search it for strongSwan's words.

#include <expected>
#include <string>

#include "base/event.h"
#include "gateway/changes.h"
#include "io/os/fd.h"
#include "pki/provider.h"
#include "vici/log_line.h"

namespace caponier::daemon {

class CharonLog {
 public:
  /// What is less important is left out; strongSwan's default too.
  static constexpr int level_max = 1;

  /// Appends to the file from now on, which may be another one than before under the same name; no
  /// path: to none. `time`: for strftime(3). The error is a sentence.
  [[nodiscard]] std::expected<void, std::string> open(const std::string& path, std::string time);
  [[nodiscard]] bool is_open() const { return file_.is_open(); }

  void write(const base::Event& event);
  void write(const gateway::SaChange& change, const pki::PkiProvider* pki);

 private:
  void write(const vici::LogLine& line);

  io::Fd file_;
  std::string time_;
};

}  // namespace caponier::daemon

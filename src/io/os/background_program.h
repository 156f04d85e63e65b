#pragma once
// A program that runs beside us: nobody waits for it, its output and its end are read when they are
// there.

#include <sys/types.h>

#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/os/fd.h"

namespace caponier::io {

class BackgroundProgram {
 public:
  using Environment = std::vector<std::pair<std::string, std::string>>;

  /// The shell runs `command` with these variables and a PATH, in a process group of its own, with
  /// nothing to read. The error is a sentence.
  [[nodiscard]] static std::expected<BackgroundProgram, std::string> start(
      const std::string& command, const Environment& environment);

  /// Readable when it has written something, and at the end of that.
  [[nodiscard]] int output() const { return output_.get(); }
  /// Readable when it has ended.
  [[nodiscard]] int end() const { return end_.get(); }
  /// What it has written since, standard error included; empty: nothing just now, null: no more.
  [[nodiscard]] std::optional<std::string> read();
  /// The exit code, or 128 and the signal, as shells count; null: it runs.
  [[nodiscard]] std::optional<int> take_status();
  /// With all that it has started and that is still of its group.
  void kill();

 private:
  BackgroundProgram(pid_t process, Fd output, Fd end)
      : process_(process), output_(std::move(output)), end_(std::move(end)) {}

  pid_t process_;  ///< zero: it has ended
  Fd output_;
  Fd end_;
};

}  // namespace caponier::io

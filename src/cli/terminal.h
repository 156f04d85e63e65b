#pragma once
// A terminal taken over for a while: its second screen, no cursor, keys as they are pressed. As it
// was when the object goes.

#include <termios.h>

#include <string>

#include "cli/top_render.h"

namespace caponier::cli {

class Terminal {
 public:
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  [[nodiscard]] Window window() const;
  void write(const std::string& words);
  /// Waits for a key or a signal, so long at most.
  void wait(int milliseconds);
  /// q or Ctrl-C, or nobody is there any more.
  [[nodiscard]] bool is_left() const;
  /// The window has another size since the last call.
  [[nodiscard]] bool take_resized();

 private:
  termios before_{};
  bool has_keys_ = false;
  bool is_left_ = false;
};

}  // namespace caponier::cli

#pragma once
// Where events go besides the control socket.

#include "control/control.h"

namespace caponier::daemon {

enum class LogForm : std::uint8_t {
  lines,    ///< stderr, with the time
  journal,  ///< stderr, with the priority in the form journald reads, which adds the time itself
  json,     ///< stderr, one document a line
  syslog,   ///< no terminal
};

class LogSink {
 public:
  explicit LogSink(LogForm form);
  void write(const control::StampedEvent& event);

 private:
  LogForm form_;
};

}  // namespace caponier::daemon

#include "daemon/log_sink.h"

#include <fmt/format.h>
#include <syslog.h>
#include <unistd.h>

namespace caponier::daemon {
namespace {

int syslog_priority(base::Severity severity) {
  switch (severity) {
    case base::Severity::debug: return LOG_DEBUG;
    case base::Severity::info: return LOG_INFO;
    case base::Severity::notice: return LOG_NOTICE;
    case base::Severity::warning: return LOG_WARNING;
    case base::Severity::error: return LOG_ERR;
  }
  return LOG_ERR;
}

std::string sentence(const base::Event& event) {
  return fmt::format("{}{}{}", event.peer, event.peer.empty() ? "" : ": ", event.text);
}

void write_line(std::string line) {
  line += '\n';
  // One call, so that lines of several writers do not mix; a full disk is no reason to stop.
  static_cast<void>(::write(STDERR_FILENO, line.data(), line.size()) == 0);
}

}  // namespace

LogSink::LogSink(LogForm form) : form_(form) {
  if (form_ == LogForm::syslog) ::openlog("caponierd", LOG_PID, LOG_DAEMON);
}

void LogSink::write(const control::StampedEvent& stamped) {
  const int priority = syslog_priority(base::info_of(stamped.event.kind).severity);
  switch (form_) {
    case LogForm::lines: return write_line(control::to_line(stamped));
    case LogForm::journal:
      return write_line(fmt::format("<{}>{}", priority, sentence(stamped.event)));
    case LogForm::json: return write_line(control::to_json(stamped));
    case LogForm::syslog: return ::syslog(priority, "%s", sentence(stamped.event).c_str());
  }
}

}  // namespace caponier::daemon

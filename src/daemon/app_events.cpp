// What is told, and to whom: the log, the log in strongSwan's form, the clients of both interfaces.

#include <fmt/format.h>

#include "daemon/app.h"
#include "io/os/clock.h"

namespace caponier::daemon {

void App::emit(base::Event event) {
  const auto withheld = limiter_.admit(event, io::monotonic_now());
  if (!withheld) return;
  if (*withheld > 0) {
    event.text += fmt::format(" ({} like it were not logged)", *withheld);
  }
  control::StampedEvent stamped{io::unix_microseconds_now(), std::move(event)};
  log_.write(stamped);
  charon_log_.write(stamped.event);
  if (vici_side_) vici_side_->handle_event(stamped.event);
  server_.handle_event(std::move(stamped));
}

void App::tell_fault(std::string text) {
  emit({base::EventKind::local_fault, {}, std::move(text), {}});
}

void App::warn(std::string text) { emit({base::EventKind::host_unfit, {}, std::move(text), {}}); }

void App::open_filelog() {
  const config::DaemonConfig& daemon = config_->daemon;
  const auto opened = charon_log_.open(daemon.filelog, daemon.filelog_time);
  if (!opened) warn(opened.error());
  // Else the server of the other interface watches, and tells us.
  if (!vici_side_) gateway_.watch_changes(charon_log_.is_open());
}

void App::settle_changes(base::Instant now) {
  if (vici_side_) return vici_side_->handle_progress(now);
  while (const auto change = gateway_.poll_change()) charon_log_.write(*change, &pki_);
}

}  // namespace caponier::daemon

// Scripts that are told of tunnels, of which the last end with the daemon.

#include "daemon/app.h"

namespace caponier::daemon {

void App::perform(gateway::RunUpdown& action, base::Instant now) {
  script_side_->handle(std::move(action), now);
}

void App::settle_scripts(base::Instant now) {
  script_side_->handle_deadline(now);
  while (auto event = script_side_->poll_event()) emit(std::move(*event));
}

bool App::has_ended(base::Instant now) const {
  if (now >= *stop_at_ + script_patience) return true;
  const bool has_said_all = gateway_.is_idle() && user_side_->is_idle();
  return (has_said_all || now >= *stop_at_) && script_side_->is_idle();
}

}  // namespace caponier::daemon

#include "daemon/questions.h"

namespace caponier::daemon {

void Questions::add(const io::WayQuestion& question, base::Instant now) {
  if (now - interval_began_ >= interval) {
    interval_began_ = now;
    asked_count_ = 0;
    reset();
  }
  auto& asked = asked_[io::WayHash{}(question) % asked_.size()];
  if (asked == question || open_count_ == open_max || asked_count_ == per_interval_max) return;
  asked = question;
  ++asked_count_;
  open_[open_count_++] = question;
}

std::optional<io::WayQuestion> Questions::poll() {
  if (open_count_ == 0) return std::nullopt;
  return open_[--open_count_];
}

}  // namespace caponier::daemon

#include "daemon/script_queue.h"

#include <utility>

namespace caponier::daemon {

bool ScriptQueue::add(gateway::RunUpdown run) {
  if (waiting_count_ >= scripts_waiting_max) return false;
  const std::string name = run.queue;
  auto& queue = waiting_[name];
  if (queue.empty() && !busy_.contains(name)) ready_.push_back(name);
  queue.push_back(std::move(run));
  ++waiting_count_;
  return true;
}

std::optional<gateway::RunUpdown> ScriptQueue::next() {
  if (ready_.empty() || busy_.size() >= scripts_running_max) return std::nullopt;
  const auto found = waiting_.find(ready_.front());
  ready_.pop_front();
  std::optional<gateway::RunUpdown> run{std::move(found->second.front())};
  found->second.pop_front();
  --waiting_count_;
  busy_.insert(found->first);
  if (found->second.empty()) waiting_.erase(found);
  return run;
}

void ScriptQueue::end(const std::string& queue) {
  busy_.erase(queue);
  if (waiting_.contains(queue)) ready_.push_back(queue);
}

}  // namespace caponier::daemon

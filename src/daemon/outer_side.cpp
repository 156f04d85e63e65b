#include "daemon/outer_side.h"

#include <algorithm>
#include <utility>

namespace caponier::daemon {

base::DropCounters OuterSide::drops() const {
  base::DropCounters all = drops_;
  for (const io::XdpQueue& queue : queues_) all.add(queue.drops());
  return all;
}

const OuterSide::Course& OuterSide::find_course(const io::WayQuestion& question,
                                                base::Instant now) {
  if (last_.hop == nullptr || last_.question != question) {
    const auto found = hops_->find(question);
    last_ = {question, found == hops_->end() ? nullptr : &found->second, nullptr};
    const auto queue = std::ranges::find_if(queues_, [&](const io::XdpQueue& candidate) {
      return last_.hop != nullptr && candidate.interface() == last_.hop->interface;
    });
    if (queue != queues_.end()) last_.queue = &*queue;
  }
  if (last_.hop == nullptr || last_.hop->is_stale) questions_.add(question, now);
  return last_;
}

bool OuterSide::send(const io::Outgoing& item, base::Instant now) {
  const base::IpAddress& source = item.path.local.address;
  if (queues_.empty() || source.is_unspecified()) return false;
  const Course& course = find_course({item.path.remote.address, source}, now);
  if (course.queue == nullptr) return false;
  const std::size_t size = io::outer_packet_size(item);
  if (size > std::min(course.hop->mtu, course.queue->packet_max())) return false;
  if (!course.queue->send(*course.hop, item)) drops_.add(base::DropReason::io_queue_full);
  return true;
}

bool OuterSide::flush() {
  bool is_all = true;
  for (io::XdpQueue& queue : queues_) is_all = queue.flush() && is_all;
  return is_all;
}

void OuterSide::set_next_hops(std::shared_ptr<const io::NextHops> hops) {
  hops_ = std::move(hops);
  last_ = {};
  questions_.reset();
}

}  // namespace caponier::daemon

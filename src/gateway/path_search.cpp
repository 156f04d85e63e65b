#include "gateway/path_search.h"

#include <algorithm>
#include <utility>

namespace caponier::gateway {

namespace {

/// What nearly every path carries, and RFC 8899 s5.1.2 begins with.
constexpr std::size_t likely_size = 1280;

}  // namespace

PathSearch::PathSearch(const PathSearchLimits& limits, base::Family family, std::size_t mtu_max,
                       bool probes, base::Instant now)
    : limits_(limits),
      is_v4_(family == base::Family::v4),
      probes_(probes),
      floor_(is_v4_ ? limits.mtu_min_v4 : limits.mtu_min_v6),
      max_(std::max(mtu_max, floor_)),
      mtu_(max_),
      proven_(probes ? floor_ : max_),
      unprobed_(proven_),
      wanted_(max_),
      carried_(floor_),
      lost_(max_ + 1) {
  if (probes_ && max_ > floor_) due_ = now + limits_.first_wait;
}

std::optional<std::size_t> PathSearch::poll_probe(base::Instant now) {
  if (!due_ || *due_ > now) return std::nullopt;
  if (!probes_) {
    mtu_ = max_;  // whoever said less may say so again
    proven_ = unprobed_;
    due_.reset();
    return std::nullopt;
  }
  if (!is_out_ && wanted_ == 0) restart(now);
  is_out_ = true;
  due_ = now + limits_.answer_wait;
  return wanted_;
}

void PathSearch::restart(base::Instant now) {
  wanted_ = max_;
  carried_ = floor_;
  lost_ = max_ + 1;
  hint_ = 0;
  losses_ = 0;
  is_checking_ = proven_ < max_ && proven_ > floor_;
  due_ = now;
}

void PathSearch::try_next(std::size_t size, base::Instant now) {
  wanted_ = size;
  losses_ = 0;
  due_ = now;
}

void PathSearch::handle_probed(std::size_t size, bool carried, base::Instant now) {
  if (!std::exchange(is_out_, false)) return;
  if (carried) {
    note_carried(size, now);
  } else {
    note_lost(now);
  }
}

void PathSearch::note_carried(std::size_t size, base::Instant now) {
  // The cipher may have rounded it down, or an error have come meanwhile.
  if (size < lost_) proven_ = std::max(proven_, size);
  carried_ = std::max(carried_, std::min(wanted_, lost_ - 1));
  const bool was_check = std::exchange(is_checking_, false) && wanted_ < max_;
  if (was_check) return conclude(now);
  // Whoever gave the hint may have lied, but then the next larger size arrives as well.
  const std::size_t next = carried_ + limits_.step_min;
  if (std::exchange(is_hinted_, false) && next < lost_) return try_next(next, now);
  narrow(now);
}

void PathSearch::note_lost(base::Instant now) {
  const bool is_explained = hint_ >= carried_ && hint_ < wanted_ && hint_ != 0;
  if (++losses_ < limits_.tries && !is_explained) {
    due_ = now;
    return;
  }
  lost_ = std::min(lost_, wanted_);
  is_hinted_ = false;
  const std::size_t known = std::exchange(is_checking_, false) ? proven_ : 0;
  if (proven_ >= lost_) proven_ = carried_;
  if (known != 0 && known < lost_ && hint_ == 0) {
    is_checking_ = true;
    return try_next(known, now);
  }
  narrow(now);
}

void PathSearch::narrow(base::Instant now) {
  const std::size_t hint = std::exchange(hint_, 0);
  if (hint > carried_ && hint < lost_) {
    is_hinted_ = true;
    return try_next(hint, now);
  }
  if (lost_ - carried_ <= limits_.step_min) return conclude(now);
  if (carried_ < likely_size && likely_size < lost_) return try_next(likely_size, now);
  try_next((carried_ + lost_) / 2, now);
}

void PathSearch::conclude(base::Instant now) {
  mtu_ = proven_;
  wanted_ = 0;
  due_ = now + limits_.again_after;
}

void PathSearch::handle_unanswered(base::Instant now) {
  if (std::exchange(is_out_, false)) due_ = now + limits_.first_wait;
}

void PathSearch::handle_impossible() {
  is_out_ = false;
  probes_ = false;
  due_.reset();
  // IPv4 packets that may be fragmented on their way get through; those of IPv6 depend on ICMP, and
  // on few boxes between that stop fragments.
  if (is_v4_) return;
  proven_ = mtu_;
  unprobed_ = max_;
}

void PathSearch::handle_too_big(std::size_t mtu, base::Instant now) {
  mtu = std::max(mtu, floor_);
  if (mtu >= mtu_) return;
  mtu_ = mtu;
  proven_ = std::min(proven_, mtu);
  lost_ = std::min(lost_, mtu + 1);
  if (carried_ > mtu) carried_ = floor_;
  is_checking_ = false;
  if (!probes_) {
    due_ = now + limits_.again_after;
    return;
  }
  hint_ = mtu;
  if (!is_out_) narrow(now);
}

void PathSearch::handle_hint(std::size_t mtu) {
  if (is_out_ && mtu >= floor_ && mtu < wanted_) hint_ = mtu;
}

std::optional<base::Instant> PathSearch::poll_deadline() const { return due_; }

}  // namespace caponier::gateway

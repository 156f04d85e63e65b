#include "gateway/expiry_watch.h"

#include <algorithm>
#include <chrono>
#include <tuple>

#include <fmt/format.h>

namespace caponier::gateway {

using base::Instant;
using pki::Expiry;
using pki::UnixTime;

namespace {

constexpr std::int64_t day_seconds = 86400;

std::string date_of(UnixTime time) {
  const std::chrono::sys_seconds at{std::chrono::seconds{time.value}};
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(at)};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::string describe(const Expiry& end, UnixTime now) {
  const std::int64_t left = end.not_after.value - now.value;
  if (left < 0) return fmt::format("the {} has ended on {}", end.name, date_of(end.not_after));
  if (left < day_seconds) return fmt::format("the {} ends within a day", end.name);
  return fmt::format("the {} ends in {} day{}, on {}", end.name, left / day_seconds,
                     left / day_seconds == 1 ? "" : "s", date_of(end.not_after));
}

}  // namespace

void ExpiryWatch::apply(const config::Config& config, Instant now, UnixTime wall_clock) {
  ends_.clear();
  if (config.store) ends_ = config.store->expiries();
  for (const config::PeerConfig& peer : config.peers) {
    const auto watch = [&](const std::shared_ptr<const pki::Credential>& own) {
      if (own) std::ranges::copy(pki::expiries(*own), std::back_inserter(ends_));
    };
    watch(peer.proof.credential);
    for (const config::LocalRound& round : peer.local_rounds) watch(round.credential);
  }
  const auto key = [](const Expiry& end) { return std::tie(end.not_after, end.name); };
  std::ranges::sort(ends_, {}, key);
  const auto repeated = std::ranges::unique(ends_, {}, key);
  ends_.erase(repeated.begin(), repeated.end());
  ahead_ = config.daemon.expiry_warning;
  look(now, wall_clock);
}

void ExpiryWatch::look(Instant now, UnixTime wall_clock) {
  next_.reset();
  if (!ends_.empty()) next_ = now + interval;
  notes_.clear();
  const auto ahead = std::chrono::duration_cast<std::chrono::seconds>(ahead_).count();
  const auto first_later = std::ranges::find_if(ends_, [&](const Expiry& end) {
    return ahead == 0 || end.not_after.value > wall_clock.value + ahead;
  });
  const auto count = static_cast<std::size_t>(first_later - ends_.begin());
  for (std::size_t i = 0; i < std::min(count, expiries_told_max); ++i) {
    std::string text = describe(ends_[i], wall_clock);
    if (i + 1 == expiries_told_max && count > expiries_told_max) {
      text += fmt::format("; so do {} more", count - expiries_told_max);
    }
    notes_.push_back(text);
    events_.push_back(
        {base::EventKind::pki_expiring,
         {},
         std::move(text),
         {{"name", ends_[i].name}, {"not_after", std::to_string(ends_[i].not_after.value)}}});
  }
}

void ExpiryWatch::handle_deadline(Instant now, UnixTime wall_clock) {
  if (next_ && *next_ <= now) look(now, wall_clock);
}

std::optional<base::Event> ExpiryWatch::poll_event() {
  if (events_.empty()) return std::nullopt;
  std::optional<base::Event> first{std::move(events_.front())};
  events_.pop_front();
  return first;
}

std::optional<base::Deadline> ExpiryWatch::poll_deadline() const {
  if (!next_) return std::nullopt;
  return base::Deadline{*next_, "what expires is looked at"};
}

}  // namespace caponier::gateway

#include "gateway/failure_book.h"

#include <algorithm>
#include <array>

namespace caponier::gateway {

using base::Instant;

namespace {

base::Prefix source_of(const base::IpAddress& address) {
  constexpr unsigned v6_host = 64;
  const unsigned length = address.is_v4() ? address.bit_count() : v6_host;
  return {address.with_low_bits(length, false), length};
}

base::Duration pause_after(unsigned failures, unsigned free) {
  base::Duration pause = pause_min;
  for (unsigned i = free; i < failures && pause < pause_max; ++i) pause *= 2;
  return std::min(pause, pause_max);
}

}  // namespace

std::optional<FailureBook::Paused> FailureBook::find(const std::string& user,
                                                     const base::IpAddress& source,
                                                     Instant now) const {
  const base::Prefix from = source_of(source);
  for (const Key& key : {Key{user, from}, Key{"", from}}) {
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second.until <= now) continue;
    return Paused{key.first, key.second, found->second.until, found->second.failures};
  }
  return std::nullopt;
}

std::vector<FailureBook::Paused> FailureBook::note_failure(const std::string& user,
                                                           const base::IpAddress& source,
                                                           Instant now) {
  const base::Prefix from = source_of(source);
  std::vector<Paused> begun;
  if (!user.empty()) {
    if (auto one = add({user, from}, free_failures_of_user, now)) begun.push_back(std::move(*one));
  }
  if (auto all = add({"", from}, free_failures_of_address, now)) begun.push_back(std::move(*all));
  return begun;
}

std::optional<FailureBook::Paused> FailureBook::add(const Key& key, unsigned free, Instant now) {
  auto at = entries_.find(key);
  if (at != entries_.end() && at->second.last + failure_memory <= now) {
    forget(at);
    at = entries_.end();
  }
  if (at == entries_.end()) {
    if (entries_.size() == failure_entries_max) forget(entries_.find(by_age_.front()));
    at = entries_.emplace(key, Entry{0, now, now, by_age_.insert(by_age_.end(), key)}).first;
  }
  Entry& entry = at->second;
  by_age_.splice(by_age_.end(), by_age_, entry.age);
  entry.last = now;
  ++entry.failures;
  if (entry.failures < free) return std::nullopt;
  entry.until = now + pause_after(entry.failures, free);
  return Paused{key.first, key.second, entry.until, entry.failures};
}

void FailureBook::forget(std::map<Key, Entry>::iterator entry) {
  by_age_.erase(entry->second.age);
  entries_.erase(entry);
}

void FailureBook::note_success(const std::string& user, const base::IpAddress& source) {
  const auto found = entries_.find({user, source_of(source)});
  if (!user.empty() && found != entries_.end()) forget(found);
}

std::vector<FailureBook::Paused> FailureBook::paused(Instant now, std::size_t count) const {
  std::vector<Paused> all;
  for (auto key = by_age_.rbegin(); key != by_age_.rend() && all.size() < count; ++key) {
    const Entry& entry = entries_.at(*key);
    if (entry.until > now) all.push_back({key->first, key->second, entry.until, entry.failures});
  }
  return all;
}

}  // namespace caponier::gateway

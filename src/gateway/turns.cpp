#include "gateway/turns.h"

namespace caponier::gateway {

void Turns::ask(const std::string& connection, const base::IpAddress& remote) {
  give_back(connection);
  const std::uint64_t ticket = ++last_ticket_;
  places_.emplace(connection, Place{remote, ticket, std::nullopt});
  addresses_[remote].waiting.emplace(ticket, connection);
  ++waiting_;
  look_at(remote);
}

void Turns::give_back(const std::string& connection) {
  const auto place = places_.find(connection);
  if (place != places_.end()) release(place);
}

void Turns::release(Places::iterator place) {
  const auto& [connection, at] = *place;
  const base::IpAddress remote = at.remote;
  Address& address = addresses_.at(remote);
  if (at.until) {
    --address.taken;
    ends_.erase({*at.until, connection});
  } else {
    address.waiting.erase(at.ticket);
    --waiting_;
  }
  places_.erase(place);
  look_at(remote);
}

void Turns::look_at(const base::IpAddress& remote) {
  const auto found = addresses_.find(remote);
  const Address& address = found->second;
  if (!address.waiting.empty() && address.taken < turns_per_address_max) {
    ready_.insert(remote);
  } else {
    ready_.erase(remote);
  }
  if (address.waiting.empty() && address.taken == 0) addresses_.erase(found);
}

void Turns::expire(base::Instant now) {
  while (!ends_.empty() && ends_.begin()->first <= now) {
    release(places_.find(ends_.begin()->second));
  }
}

std::optional<std::string> Turns::poll(base::Instant now) {
  expire(now);
  if (ready_.empty()) return std::nullopt;
  const base::IpAddress remote = *ready_.begin();
  Address& address = addresses_.at(remote);
  const auto next = address.waiting.begin();
  std::string connection = std::move(next->second);
  address.waiting.erase(next);
  --waiting_;
  ++address.taken;
  const base::Instant until = now + turn_time;
  places_.at(connection).until = until;
  ends_.emplace(until, connection);
  look_at(remote);
  return connection;
}

std::optional<base::Instant> Turns::poll_deadline() const {
  if (waiting_ == 0 || ends_.empty()) return std::nullopt;
  return ends_.begin()->first;
}

}  // namespace caponier::gateway

#include "gateway/ladder.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "ike/streams.h"

namespace caponier::gateway {

Ladder::Ladder(config::Tcp tcp, const Ports& ports) : ports_(ports) {
  if (tcp != config::Tcp::always) {
    if (ports.remote != ports.natt) rungs_.push_back(Rung::udp_ike);
    rungs_.push_back(Rung::udp_natt);
  }
  if (tcp != config::Tcp::never) {
    rungs_.push_back(Rung::tcp_natt);
    rungs_.push_back(Rung::tcp_https);
  }
}

void Ladder::begin() {
  order_ = rungs_;
  const auto best = best_ ? std::ranges::find(order_, *best_) : order_.begin();
  if (best != order_.end()) std::rotate(order_.begin(), best, best + 1);
  next_ = 0;
  climb_at_.reset();
}

Rung Ladder::climb(base::Instant now) {
  CAPONIER_ASSERT(has_next());
  const Rung rung = order_[next_++];
  climb_at_.reset();
  if (has_next()) climb_at_ = now + rung_patience;
  return rung;
}

void Ladder::handle_answer(base::Instant now) {
  if (climb_at_) climb_at_ = now + answered_patience;
}

Rung Ladder::rung_of(const base::Path& path) const {
  switch (path.transport) {
    case base::Transport::udp:
      return path.local.port == ports_.natt ? Rung::udp_natt : Rung::udp_ike;
    case base::Transport::tcp:
      return path.remote.port == https_port ? Rung::tcp_https : Rung::tcp_natt;
  }
  return Rung::udp_ike;
}

base::Path Ladder::path_of(Rung rung, const base::IpAddress& local, const base::IpAddress& remote,
                           base::Rng& rng) const {
  switch (rung) {
    case Rung::udp_ike: return {{local, ports_.ike}, {remote, ports_.remote}};
    case Rung::udp_natt: return {{local, ports_.natt}, {remote, ports_.natt}};
    case Rung::tcp_natt: return ike::make_stream_path(local, {remote, ports_.natt}, rng);
    case Rung::tcp_https: return ike::make_stream_path(local, {remote, https_port}, rng);
  }
  return {};
}

std::string Ladder::describe(Rung rung) const {
  switch (rung) {
    case Rung::udp_ike: return fmt::format("UDP {}", ports_.remote);
    case Rung::udp_natt: return fmt::format("UDP {}", ports_.natt);
    case Rung::tcp_natt: return fmt::format("TCP {}", ports_.natt);
    case Rung::tcp_https: return fmt::format("TCP {}", https_port);
  }
  return {};
}

std::string Ladder::tried() const {
  std::string text;
  for (std::size_t i = 0; i < next_; ++i) {
    if (i > 0) text += i + 1 == next_ ? " and " : ", ";
    text += describe(order_[i]);
  }
  return text;
}

}  // namespace caponier::gateway

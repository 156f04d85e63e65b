#include "ike/streams.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/ike_sa.h"
#include "ike/shared.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using base::Transport;

namespace {
constexpr std::uint16_t dynamic_port_min = 49152;
constexpr std::uint64_t dynamic_port_count = 65536 - dynamic_port_min;
}  // namespace

base::Path make_stream_path(const base::IpAddress& local, const base::Endpoint& remote,
                            base::Rng& rng) {
  const auto port =
      static_cast<std::uint16_t>(dynamic_port_min + rng.public_below(dynamic_port_count));
  return {{local, port}, remote, Transport::tcp};
}

void StreamUse::take(Shared& shared, const base::Path& path) {
  if (shared_ != nullptr && path == path_) return;
  release();
  if (path.transport != Transport::tcp) return;
  shared_ = &shared;
  path_ = path;
  ++shared.stream_users[path];
}

void StreamUse::release() {
  if (shared_ == nullptr) return;
  Shared& shared = *std::exchange(shared_, nullptr);
  const auto users = shared.stream_users.find(path_);
  if (--users->second > 0) return;
  shared.stream_users.erase(users);
  //= rfc9329#6.1-4
  shared.emit(CloseStream{path_});
}

// ---- The SA on its path

void IkeSa::set_path(const base::Path& path) {
  path_ = path;
  be_found();
  if (opens_streams_ && state_ != IkeState::dead) stream_.take(shared_, path_);
}

void IkeSa::relocate(const base::Path& path) {
  set_path(path);
  for (auto& [id, child] : children_) move_child(id, child, path_);
}

bool IkeSa::may_follow(const base::Path& path) const {
  if (path_.transport == Transport::udp && path.transport == Transport::udp) {
    // A host behind a NAT would let anybody on the path move its traffic elsewhere (s2.23).
    return remote_behind_nat_ && !local_behind_nat_;
  }
  //= rfc9329#6.1-7
  //= rfc9329#6.1-18
  return !opens_streams_;
}

std::optional<base::Path> IkeSa::successor_path() const {
  if (path_.transport == Transport::udp) return path_;
  if (!opens_streams_) return std::nullopt;
  //= rfc9329#6.1-11
  return make_stream_path(path_.local.address, path_.remote, shared_.rng);
}

base::Duration IkeSa::answer_wait(base::Duration wait) const {
  //= rfc9329#6.2-1
  if (path_.transport != Transport::tcp) return wait;
  return std::max(wait, shared_.limits().stream_answer_wait);
}

void IkeSa::handle_stream_closed(const base::Path& path, Instant now) {
  if (!opens_streams_ || path != path_ || state_ == IkeState::dead) return;
  if (!established_at_) {
    report(EventKind::ike_timeout,
           fmt::format("{}: no TCP stream, or it ended before the peer had authenticated", who()));
    return die(EndReason::timeout, now, false);
  }
  report(EventKind::ike_transport,
         fmt::format("{}: the TCP stream ended; another one is opened", who()));
  relocate(make_stream_path(path_.local.address, path_.remote, shared_.rng));
  //= rfc9329#6.2-2
  for (auto& [id, request] : own_.all()) {
    request.resend_at = std::min(request.resend_at, std::max(now, last_sent_ + request.wait));
  }
  check_liveness(now);
}

std::string_view IkeSa::carriage(policy::SaProtocol protocol) const {
  if (protocol == policy::SaProtocol::ah) return "AH";
  if (path_.transport == Transport::tcp) return "ESP in TCP";
  return uses_udp_encap() ? "ESP in UDP" : "ESP";
}

}  // namespace caponier::ike

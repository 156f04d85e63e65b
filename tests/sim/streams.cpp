#include "sim/streams.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "sim/world.h"

namespace caponier::sim {
namespace {

/// Until a SYN without an answer is given up.
constexpr base::Duration connect_timeout = 5s;
constexpr base::Duration reset_delay = 20ms;

}  // namespace

std::optional<Streams::Id> Streams::find(const End& end) const {
  for (const auto& [id, stream] : streams_) {
    if (stream.opener == end || stream.acceptor == end) return id;
  }
  return std::nullopt;
}

bool Streams::can_open(const Node& node, const base::Path& path) const {
  const auto host = world_->network().host_at(path.remote.address);
  if (!host || !world_->network().link(node.id(), *host).carries_tcp()) return false;
  const Node& other = world_->node(*host);
  return other.is_awake() &&
         std::ranges::find(other.tcp_ports, path.remote.port) != other.tcp_ports.end();
}

bool Streams::carries(const Stream& stream) const {
  if (!stream.acceptor) return true;
  const HostId opener = stream.opener.process.host;
  const HostId acceptor = stream.acceptor->process.host;
  return world_->network().link(opener, acceptor).carries_tcp();
}

void Streams::send(Node& node, const base::Path& path, base::ByteVec message, bool may_open) {
  const End end{node.process(), path};
  auto id = find(end);
  if (!id) {
    const bool is_ours_to_open =
        std::ranges::find(node.tcp_ports, path.local.port) == node.tcp_ports.end();
    if (!may_open) return;
    if (!is_ours_to_open) return tell_closed(end, 0ns);
    if (!can_open(node, path)) return tell_closed(end, connect_timeout);
    id = ++last_id_;
    streams_.emplace(*id, Stream{end, std::nullopt});
  }
  if (!carries(streams_.at(*id))) return cut(*id);
  const std::uint64_t lost = world_->network().lost();
  world_->transmit(node, {Carrier::tcp, path.local, path.remote, std::move(message), *id});
  if (world_->network().lost() != lost) cut(*id);
}

void Streams::close(const Node& node, const base::Path& path) {
  const auto id = find({node.process(), path});
  if (!id) return;
  const Stream stream = streams_.at(*id);
  streams_.erase(*id);
  const bool is_opener = stream.opener == End{node.process(), path};
  if (is_opener && stream.acceptor && carries(stream)) tell_closed(*stream.acceptor, reset_delay);
  if (!is_opener && carries(stream)) tell_closed(stream.opener, reset_delay);
}

bool Streams::takes(const Node& node, const Datagram& datagram) {
  const auto found = streams_.find(datagram.stream);
  if (found == streams_.end()) return false;
  Stream& stream = found->second;
  const End end{node.process(), {datagram.destination, datagram.source, base::Transport::tcp}};
  if (end.process.host == stream.opener.process.host) return stream.opener == end;
  if (!stream.acceptor) stream.acceptor = end;
  if (stream.acceptor == end) return true;
  // Another process, or another mapping of a NAT on the way.
  cut(datagram.stream);
  return false;
}

void Streams::close_all(const Node& node) {
  std::vector<End> ends;
  for (const auto& [id, stream] : streams_) {
    if (stream.opener.process == node.process()) ends.push_back(stream.opener);
    if (stream.acceptor && stream.acceptor->process == node.process()) {
      ends.push_back(*stream.acceptor);
    }
  }
  for (const End& end : ends) close(node, end.path);
}

void Streams::cut(Id id) {
  const Stream stream = streams_.at(id);
  streams_.erase(id);
  tell_closed(stream.opener, reset_delay);
  if (stream.acceptor) tell_closed(*stream.acceptor, reset_delay);
}

void Streams::tell_closed(const End& end, base::Duration delay) {
  world_->after(delay, [world = world_, end] {
    Node& node = world->node(end.process.host);
    if (node.is_running() && node.process() == end.process) node.hear_closed(end.path);
  });
}

}  // namespace caponier::sim

#include "io/tcp/tcp_streams.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "io/os/clock.h"

namespace caponier::io {

using base::DropReason;
using base::Instant;
using wire::TcpRole;

namespace {

constexpr std::size_t read_size = 1 << 16;
/// A busy stream lets the others run after so many reads.
constexpr int reads_per_round_max = 4;
constexpr int accepted_per_round_max = 64;
constexpr base::Duration check_interval = std::chrono::seconds{1};

Fd open_reserve() { return Fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}; }

}  // namespace

struct TcpStreams::Stream {
  Stream(Fd socket, const base::Path& its_path, TcpRole its_role, const TcpLimits& limits,
         Instant now)
      : fd(std::move(socket)),
        path(its_path),
        role(its_role),
        reader(its_role, limits.message_max),
        writer(its_role),
        since(now),
        heard_at(now) {}

  Fd fd;
  base::Path path;
  TcpRole role;
  wire::TcpStreamReader reader;
  wire::TcpStreamWriter writer;
  Instant since;
  Instant heard_at;
  std::optional<Instant> close_by;  ///< nobody needs it any more
  bool is_connecting = false;
  bool is_proven = false;
  bool awaits_writable = false;
  bool is_unflushed = false;
};

TcpStreams::TcpStreams(const TcpOptions& options, const TcpLimits& limits, Loop& loop,
                       Handler handler, std::vector<std::string>& notices)
    : limits_(limits),
      mark_(options.mark),
      loop_(loop),
      handler_(std::move(handler)),
      our_ports_(options.ports),
      area_(read_size),
      reserve_(open_reserve()) {
  listen(options, notices);
}

TcpStreams::~TcpStreams() {
  for (const Fd& listener : listeners_) loop_.forget(listener.get());
  for (const auto& [path, stream] : streams_) loop_.forget(stream->fd.get());
}

void TcpStreams::listen(const TcpOptions& options, std::vector<std::string>& notices) {
  std::vector<TcpListenOptions> wanted;
  for (const std::uint16_t port : options.ports) {
    for (const base::IpAddress& address : options.listen) {
      wanted.push_back({address.family(), address, port, options.mark});
    }
    if (!options.listen.empty()) continue;
    wanted.push_back({base::Family::v4, std::nullopt, port, options.mark});
    wanted.push_back({base::Family::v6, std::nullopt, port, options.mark});
  }
  for (const TcpListenOptions& one : wanted) {
    auto listener = listen_tcp(one);
    if (!listener) {
      // A host without IPv6 has been told so by the UDP sockets.
      const bool is_missing_v6 = !one.address && one.family == base::Family::v6 &&
                                 listener.error().fault == IoFault::network;
      if (!is_missing_v6) {
        notices.push_back(fmt::format("no TCP encapsulation there: {}; {}",
                                      listener.error().message, listener.error().fix));
      }
      continue;
    }
    const int fd = listener->get();
    if (one.port == 0) our_ports_.push_back(local_port(fd));
    listeners_.push_back(std::move(*listener));
    loop_.on_readable(fd, [this, fd] { accept_all(fd); });
  }
}

std::vector<std::uint16_t> TcpStreams::ports() const {
  std::vector<std::uint16_t> ports;
  for (const Fd& listener : listeners_) ports.push_back(local_port(listener.get()));
  return ports;
}

// ---- Streams that come and go

void TcpStreams::accept_all(int listener) {
  for (int i = 0; i < accepted_per_round_max; ++i) {
    bool out_of_descriptors = false;
    auto accepted = accept_tcp(listener, mark_, out_of_descriptors);
    if (out_of_descriptors) {
      // A connection that cannot be taken would wake us for ever: it is taken and closed.
      reserve_.reset();
      accepted = accept_tcp(listener, mark_, out_of_descriptors);
      accepted.reset();
      reserve_ = open_reserve();
      drops_.add(DropReason::tcp_limit);
      return;
    }
    if (!accepted) return;
    accept_one(std::move(*accepted));
  }
}

void TcpStreams::accept_one(AcceptedTcp accepted) {
  const base::IpAddress& address = accepted.path.remote.address;
  const auto known = accepted_from_.find(address);
  const bool is_address_full =
      known != accepted_from_.end() && known->second >= limits_.accepted_per_address_max;
  if (is_address_full || accepted_ >= limits_.accepted_max) {
    drops_.add(DropReason::tcp_limit);
    if (!evict(is_address_full ? &address : nullptr)) return;
  }
  add(std::move(accepted.fd), accepted.path, TcpRole::responder);
}

bool TcpStreams::evict(const base::IpAddress* address) {
  const Stream* oldest = nullptr;
  for (const auto& [path, stream] : streams_) {
    if (stream->role != TcpRole::responder || stream->is_proven) continue;
    if (address != nullptr && path.remote.address != *address) continue;
    if (oldest == nullptr || stream->since < oldest->since) oldest = stream.get();
  }
  if (oldest == nullptr) return false;
  end(base::Path{oldest->path});
  return true;
}

TcpStreams::Stream* TcpStreams::open(const base::Path& path) {
  const bool is_ours = std::ranges::find(our_ports_, path.local.port) == our_ports_.end();
  if (!is_ours) {
    // s6.1: only the originator can bring the stream back.
    drops_.add(DropReason::io_send_failed);
    return nullptr;
  }
  if (streams_.size() - accepted_ >= limits_.opened_max) {
    drops_.add(DropReason::tcp_limit);
    handler_.closed(path);
    return nullptr;
  }
  Fd fd = connect_tcp(path, mark_);
  if (!fd.is_open()) {
    drops_.add(DropReason::io_send_failed);
    handler_.closed(path);
    return nullptr;
  }
  Stream* const stream = add(std::move(fd), path, TcpRole::originator);
  stream->is_connecting = true;
  stream->awaits_writable = true;
  loop_.on_writable_once(stream->fd.get(), [this, path] { handle_writable(path); });
  return stream;
}

TcpStreams::Stream* TcpStreams::add(Fd fd, const base::Path& path, TcpRole role) {
  const int raw = fd.get();
  const Instant now = monotonic_now();
  forget(path);  // a path whose end we have not noticed yet
  Stream* const stream =
      (streams_[path] = std::make_unique<Stream>(std::move(fd), path, role, limits_, now)).get();
  if (role == TcpRole::responder) {
    ++accepted_;
    ++accepted_from_[path.remote.address];
  }
  loop_.on_readable(raw, [this, path] { handle_readable(path); });
  if (!next_check_) next_check_ = now + check_interval;
  return stream;
}

TcpStreams::Stream* TcpStreams::find(const base::Path& path) {
  const auto found = streams_.find(path);
  return found == streams_.end() ? nullptr : found->second.get();
}

void TcpStreams::forget(const base::Path& path) {
  const auto found = streams_.find(path);
  if (found == streams_.end()) return;
  if (found->second->role == TcpRole::responder) {
    --accepted_;
    const auto from = accepted_from_.find(path.remote.address);
    if (--from->second == 0) accepted_from_.erase(from);
  }
  loop_.forget(found->second->fd.get());
  streams_.erase(found);
}

void TcpStreams::end(const base::Path& path) {
  const Stream* const stream = find(path);
  if (stream == nullptr) return;
  const bool is_missed = !stream->close_by;
  forget(path);
  if (is_missed) handler_.closed(path);
}

void TcpStreams::close(const base::Path& path, Instant now) {
  Stream* const stream = find(path);
  if (stream == nullptr) return;
  stream->close_by = now + limits_.closing_timeout;
  if (stream->is_connecting || stream->writer.is_empty()) forget(path);
}

void TcpStreams::prove(const base::Path& path) {
  if (Stream* const stream = find(path)) stream->is_proven = true;
}

void TcpStreams::distrust(const base::Path& path) {
  if (find(path) == nullptr) return;
  drops_.add(DropReason::tcp_bad_framing);
  end(path);
}

void TcpStreams::handle_deadline(Instant now) {
  if (!next_check_ || *next_check_ > now) return;
  std::vector<base::Path> ended;
  for (const auto& [path, stream] : streams_) {
    const bool is_stranger = stream->role == TcpRole::responder && !stream->is_proven;
    if (is_stranger && now - stream->since >= limits_.proof_timeout) {
      drops_.add(DropReason::tcp_limit);
      ended.push_back(path);
    } else if ((stream->is_connecting && now - stream->since >= limits_.connect_timeout) ||
               now - stream->heard_at >= limits_.idle_timeout ||
               (stream->close_by && now >= *stream->close_by)) {
      ended.push_back(path);
    }
  }
  for (const base::Path& path : ended) end(path);
  next_check_.reset();
  if (!streams_.empty()) next_check_ = now + check_interval;
}

// ---- Bytes

void TcpStreams::send(const base::Path& path, base::Bytes message, Content content) {
  Stream* stream = find(path);
  if (stream == nullptr && content == Content::ike)
    stream = open(path);
  else if (stream == nullptr)
    drops_.add(DropReason::io_send_failed);
  if (stream == nullptr) return;
  const bool is_ike = content == Content::ike;
  if (!stream->writer.push(message, is_ike ? limits_.unsent_ike_max : limits_.unsent_max)) {
    return drops_.add(DropReason::tcp_limit);
  }
  if (std::exchange(stream->is_unflushed, true)) return;
  unflushed_.push_back(path);
}

void TcpStreams::flush() {
  for (const base::Path& path : std::exchange(unflushed_, {})) {
    Stream* const stream = find(path);
    if (stream == nullptr) continue;
    stream->is_unflushed = false;
    if (!stream->awaits_writable) write_some(*stream);
  }
}

void TcpStreams::write_some(Stream& stream) {
  const base::Path path = stream.path;
  while (!stream.writer.is_empty()) {
    std::size_t count = 0;
    switch (write_tcp(stream.fd.get(), stream.writer.unsent(), count)) {
      case TcpResult::ended: return end(path);
      case TcpResult::blocked:
        stream.awaits_writable = true;
        return loop_.on_writable_once(stream.fd.get(), [this, path] { handle_writable(path); });
      case TcpResult::some: stream.writer.consume(count); break;
    }
  }
  if (stream.close_by) forget(path);
}

void TcpStreams::handle_writable(const base::Path& path) {
  Stream* const stream = find(path);
  if (stream == nullptr) return;
  stream->awaits_writable = false;
  if (std::exchange(stream->is_connecting, false)) {
    if (pending_error(stream->fd.get()) != 0) return end(path);
    stream->heard_at = monotonic_now();
  }
  write_some(*stream);
}

void TcpStreams::handle_readable(const base::Path& path) {
  for (int i = 0; i < reads_per_round_max; ++i) {
    Stream* const stream = find(path);
    if (stream == nullptr) return;
    std::size_t count = 0;
    switch (read_tcp(stream->fd.get(), area_, count)) {
      case TcpResult::blocked: return;
      case TcpResult::ended: return end(path);
      case TcpResult::some: break;
    }
    stream->heard_at = monotonic_now();
    const bool is_sound = take(*stream, base::Bytes{area_}.first(count));
    handler_.settled();
    if (!is_sound) return distrust(path);
    if (count < area_.size()) return;
  }
}

bool TcpStreams::take(Stream& stream, base::Bytes bytes) {
  for (;;) {
    const auto message = stream.reader.next(bytes);
    if (!message) return false;
    if (!*message) return true;
    handler_.received(stream.path, **message);
  }
}

}  // namespace caponier::io

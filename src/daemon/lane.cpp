#include "daemon/lane.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "io/os/clock.h"
#include "wire/natt.h"

namespace caponier::daemon {
namespace {

void set_open_item(ipsec::OpenItem& to, const io::Received& from) {
  to = {};
  to.packet = from.packet;
  to.path = from.path;
  to.outer_tos = from.tos;
  to.is_whole = from.is_whole;
}

io::Outgoing outgoing_of(const ipsec::ProtectItem& item) {
  return {item.packet->bytes(), item.path, item.tos, item.ttl, item.flow_label, item.dont_fragment};
}

/// Native ESP has no ports.
io::Outgoing portless_outgoing_of(const ipsec::ProtectItem& item) {
  io::Outgoing outgoing = outgoing_of(item);
  if (!item.udp_encap) outgoing.path.local.port = outgoing.path.remote.port = 0;
  return outgoing;
}

}  // namespace

Lane::Lane(gateway::Worker& worker, ClearSide clear, LanePorts ports, io::Wakeup& news)
    : worker_(worker),
      clear_(std::move(clear)),
      udp_(std::move(ports.udp)),
      raw_(std::move(ports.raw)),
      outer_(std::move(ports.outer)),
      natt_port_(ports.natt_port),
      news_(news),
      received_(wire_packet_max),
      coalescer_(io::ReceiveBatch::packets_max, clear_.tun().takes_udp()
                                                    ? offload::UdpCoalescing::on
                                                    : offload::UdpCoalescing::off),
      open_items_(io::ReceiveBatch::packets_max) {
  for (std::size_t i = 0; i < clear_batch_max; ++i) clear_buffers_.emplace_back(clear_packet_max);
  for (std::size_t i = 0; i < clear_batch_max; ++i) clear_batch_[i] = &clear_buffers_[i];
}

Lane::~Lane() {
  stop_.wake();
  thread_.reset();
}

void Lane::start(unsigned number, std::optional<unsigned> cpu) {
  thread_ =
      std::make_unique<io::Thread>(fmt::format("caponier-w{}", number), cpu, [this] { run(); });
}

void Lane::run() {
  io::Loop loop;
  loop.on_readable(stop_.fd(), [&] { loop.stop(); });
  loop.on_readable(clear_.tun().fd(), [this] { pump_clear(clear_.tun()); });
  for (io::PacketQueue& queue : clear_.packet_queues()) {
    loop.on_readable(queue.fd(), [this, &queue] { pump_clear(queue); });
  }
  for (io::IpSocket& socket : udp_.all()) {
    loop.on_readable(socket.fd(), [this, &socket] { pump_udp(socket); });
  }
  for (io::IpSocket& socket : raw_.all()) {
    loop.on_readable(socket.fd(), [this, &socket] { pump_raw(socket); });
  }
  for (io::XdpQueue& queue : outer_.queues()) {
    loop.on_readable(queue.fd(), [this, &queue] { pump_xdp(queue); });
  }
  loop.on_readable(retry_.fd(), [this] { retry_.drain(); });
  loop.run([&] { flush_outer_again(loop); });
}

base::Duration Lane::cpu_time() const {
  return thread_ == nullptr ? base::Duration{} : thread_->cpu_time();
}

base::DropCounters Lane::drops() const {
  base::DropCounters all = drops_;
  all.add(clear_.drops());
  all.add(outer_.drops());
  return all;
}

std::optional<LaneMessage> Lane::take_message() {
  const base::Guard guard{worker_.lock()};
  auto message = outbox_.pop();
  has_messages_.store(!outbox_.empty(), std::memory_order_release);
  return message;
}

void Lane::tell(LaneMessage message) {
  if (!outbox_.push(std::move(message))) drops_.add(base::DropReason::io_queue_full);
  has_messages_.store(true, std::memory_order_release);
}

void Lane::announce() {
  if (has_messages() || worker_.has_news()) news_.wake();
}

template <class Queue>
void Lane::pump_clear(Queue& queue) {
  for (int round = 0; round < batches_per_round_max; ++round) {
    const base::Guard guard{worker_.lock()};
    const std::size_t count = queue.read(clear_batch_);
    if (count == 0) return;
    protect(count);
    // Fragments that have become a packet.
    if (worker_.has_released()) release();
    announce();
    if (count < clear_batch_max) return;
  }
}

void Lane::release_waiting() {
  if (!worker_.has_released()) return;
  const base::Guard guard{worker_.lock()};
  release();
  announce();
}

/// The buffers of the clear side are free here.
void Lane::release() {
  while (const std::size_t count = worker_.take_waiting(clear_batch_)) protect(count);
  const auto room = std::span{open_items_}.first(std::min(open_items_.size(), clear_batch_max));
  for (std::size_t i = 0; i < room.size(); ++i) room[i].packet = clear_batch_[i];
  while (const std::size_t count = worker_.take_early(room)) open_batch(room.first(count));
}

/// The first `count` packets of clear_batch_.
void Lane::protect(std::size_t count) {
  const auto items = std::span{protect_items_}.first(count);
  for (std::size_t i = 0; i < count; ++i) {
    items[i] = {};
    items[i].packet = clear_batch_[i];
  }
  worker_.protect(items, io::monotonic_now());
  send(items);
  send(worker_.made());
}

void Lane::handle_deadline(base::Instant now) {
  const auto due = worker_.next_deadline();
  if (!due || *due > now) return;
  const base::Guard guard{worker_.lock()};
  worker_.handle_deadline(now);
  send(worker_.made());
  announce();
}

io::IpSocket* Lane::socket_for(const ipsec::ProtectItem& item) {
  return item.udp_encap ? udp_.find(item.path.local) : raw_.find(item.path.local.address);
}

void Lane::send(std::span<const ipsec::ProtectItem> items) {
  if (items.empty()) return;
  const bool has_xdp = !outer_.queues().empty();
  const base::Instant now = has_xdp ? io::monotonic_now() : base::Instant{};
  io::IpSocket* socket = nullptr;
  std::size_t waiting = 0;
  for (const ipsec::ProtectItem& item : items) {
    if (item.verdict == ipsec::Verdict::drop || item.verdict == ipsec::Verdict::held) continue;
    if (item.verdict == ipsec::Verdict::bypass) {
      const base::MutBytes packet = item.packet->bytes();
      const bool is_sent =
          item.packet->is_reassembled() ? raw_.send_clear_split(packet) : raw_.send_clear(packet);
      if (!is_sent) drops_.add(base::DropReason::io_send_failed);
      continue;
    }
    if (item.path.transport == base::Transport::tcp) {
      tell(StreamEsp{item.path, base::to_vec(std::as_const(*item.packet).bytes())});
      continue;
    }
    if (item.is_whole) {
      if (!raw_.send_whole(item.packet->bytes(), item.fragment_to)) {
        drops_.add(base::DropReason::io_send_failed);
      }
      continue;
    }
    if (item.fragment_to != 0 && !item.path.local.address.is_unspecified()) {
      send_split(item);
      continue;
    }
    if (has_xdp && outer_.send(portless_outgoing_of(item), now)) continue;
    io::IpSocket* wanted = socket_for(item);
    if (wanted == nullptr) {
      drops_.add(base::DropReason::io_send_failed);
      continue;
    }
    if (wanted != socket) {
      flush(socket, waiting);
      socket = wanted;
      waiting = 0;
    }
    if (waiting == outgoing_.size()) flush(socket, std::exchange(waiting, 0));
    outgoing_[waiting++] = outgoing_of(item);
  }
  flush(socket, waiting);
  if (has_xdp) flush_outer();
}

void Lane::flush_outer() {
  if (!outer_.flush()) {
    outer_waits_.store(true, std::memory_order_release);
    retry_.wake();
  }
  while (const auto way = outer_.poll_question()) tell(OuterHopWanted{*way});
}

void Lane::flush_outer_again(io::Loop& loop) {
  if (!outer_waits_.load(std::memory_order_acquire)) return loop.set_timer(std::nullopt);
  const base::Guard guard{worker_.lock()};
  const bool waits = !outer_.flush();
  outer_waits_.store(waits, std::memory_order_release);
  loop.set_timer(waits ? std::optional{io::monotonic_now() + outer_retry_interval} : std::nullopt);
}

void Lane::send_split(const ipsec::ProtectItem& item) {
  if (!raw_.send_split(portless_outgoing_of(item), item.fragment_to)) {
    drops_.add(base::DropReason::io_send_failed);
  }
}

void Lane::flush(io::IpSocket* socket, std::size_t count) {
  if (socket == nullptr || count == 0) return;
  const io::SendResult result = socket->send(std::span{outgoing_}.first(count));
  drops_.add(base::DropReason::io_send_failed, result.refused);
  drops_.add(base::DropReason::io_queue_full, result.queue_full);
}

void Lane::heed_size_errors(io::IpSocket& socket) {
  // Anybody may send such errors: a flood of them must not keep us here.
  for (std::size_t i = 0; i < size_errors_per_round_max; ++i) {
    const auto error = socket.poll_size_error();
    if (!error) return;
    // Every raw socket hears what a router says; one of them has to pass it on.
    const bool is_everybodys = !error->is_own_host &&
                               socket.options().kind != io::IpSocketKind::udp &&
                               socket.options().share.index != 0;
    if (is_everybodys) continue;
    tell(TooBigHeard{{error->remote, error->mtu, error->is_own_host, {}},
                     base::to_vec(error->quoted)});
  }
}

void Lane::pump_udp(io::IpSocket& socket) {
  const bool is_natt = socket.options().port == natt_port_;
  for (int round = 0; round < batches_per_round_max; ++round) {
    const base::Guard guard{worker_.lock()};
    if (round == 0) heed_size_errors(socket);
    const bool is_more = socket.receive(received_);
    std::size_t esp = 0;
    for (const io::Received& item : received_.packets()) {
      const base::Bytes bytes = item.packet->bytes();
      const wire::NattDatagram datagram =
          is_natt ? wire::classify_natt(bytes) : wire::classify_ike_port(bytes);
      switch (datagram.kind) {
        case wire::NattKind::keepalive: break;
        case wire::NattKind::ike: tell(StrayIke{item.path, base::to_vec(datagram.body)}); break;
        case wire::NattKind::esp: set_open_item(open_items_[esp++], item); break;
        case wire::NattKind::too_short: drops_.add(base::DropReason::esp_malformed); break;
      }
    }
    open_batch(std::span{open_items_}.first(esp));
    announce();
    if (!is_more) return;
  }
}

void Lane::pump_raw(io::IpSocket& socket) {
  const bool is_ah = socket.options().kind == io::IpSocketKind::ah;
  for (int round = 0; round < batches_per_round_max; ++round) {
    const base::Guard guard{worker_.lock()};
    if (round == 0) heed_size_errors(socket);
    const bool is_more = socket.receive(received_);
    std::size_t count = 0;
    for (const io::Received& item : received_.packets()) {
      set_open_item(open_items_[count], item);
      if (is_ah) open_items_[count].protocol = policy::SaProtocol::ah;
      ++count;
    }
    open_batch(std::span{open_items_}.first(count));
    announce();
    if (!is_more) return;
  }
}

void Lane::pump_xdp(io::XdpQueue& queue) {
  for (int round = 0; round < batches_per_round_max; ++round) {
    const base::Guard guard{worker_.lock()};
    bool is_more = false;
    const std::span<io::Received> packets = queue.receive(is_more);
    for (std::size_t i = 0; i < packets.size(); ++i) set_open_item(open_items_[i], packets[i]);
    open_batch(std::span{open_items_}.first(packets.size()));
    queue.release();
    announce();
    if (!is_more) return;
  }
}

void Lane::open(std::span<ipsec::OpenItem> items) {
  const base::Guard guard{worker_.lock()};
  open_batch(items);
  announce();
}

void Lane::open_batch(std::span<ipsec::OpenItem> items) {
  if (items.empty()) return;
  worker_.open(items, io::monotonic_now());
  write_clear(items);
}

void Lane::write_clear(std::span<const ipsec::OpenItem> items) {
  const base::Instant now = io::monotonic_now();
  coalescer_.clear();
  for (const ipsec::OpenItem& item : items) {
    if (item.verdict != ipsec::Verdict::forward) continue;
    const base::Bytes packet = std::as_const(*item.packet).bytes();
    if (clear_.tun().takes_tcp() && coalescer_.add(item.packet->bytes())) continue;
    if (!clear_.write(packet, now)) drops_.add(base::DropReason::io_send_failed);
  }
  for (const offload::Coalescer::Group& group : coalescer_.groups()) {
    if (!clear_.write(group, now)) {
      drops_.add(base::DropReason::io_send_failed, group.pieces.size());
    }
  }
  while (const auto way = clear_.poll_question()) tell(NextHopWanted{*way});
}

void Lane::deliver_clear(base::Bytes packet) {
  const base::Guard guard{worker_.lock()};
  if (!clear_.tun().write(packet)) drops_.add(base::DropReason::io_send_failed);
}

void Lane::set_next_hops(std::shared_ptr<const io::NextHops> hops) {
  const base::Guard guard{worker_.lock()};
  clear_.set_next_hops(std::move(hops));
}

void Lane::set_outer_hops(std::shared_ptr<const io::NextHops> hops) {
  const base::Guard guard{worker_.lock()};
  outer_.set_next_hops(std::move(hops));
}

}  // namespace caponier::daemon

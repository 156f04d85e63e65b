#include "daemon/plane.h"

#include <utility>

#include "base/error.h"
#include "io/os/clock.h"
#include "wire/ike.h"
#include "wire/natt.h"

namespace caponier::daemon {

io::Io<std::unique_ptr<Plane>> Plane::open(const PlaneOptions& options, gateway::Gateway& gateway,
                                           io::Loop& loop, io::TunDevice& tun, PacketSide& packets,
                                           XdpSide& xdp, std::vector<std::string>& notices) {
  const auto workers = static_cast<unsigned>(gateway.worker_count());
  const io::UdpOptions udp{options.listen, options.ike_port, options.natt_port, options.mark,
                           workers};
  std::unique_ptr<Plane> plane{new Plane{options, gateway, loop, packets.finder(), xdp.finder(),
                                         TRY(io::UdpSockets::open(udp, notices))}};
  plane->tcp_ = std::make_unique<io::TcpStreams>(
      io::TcpOptions{options.listen, options.tcp_ports, options.mark}, io::TcpLimits{}, loop,
      plane->stream_handler(), notices);
  auto xdp_queues = xdp.take_queues(workers);
  for (unsigned i = 0; i < workers; ++i) {
    LanePorts ports{TRY(io::UdpSockets::open_beside(udp)),
                    TRY(io::RawSockets::open({options.listen, options.mark, {i, workers}})),
                    OuterSide{std::move(xdp_queues[i])}, options.natt_port};
    plane->lanes_.push_back(std::make_unique<Lane>(gateway.worker(i),
                                                   ClearSide{tun.queue(i), packets.take_queues(i)},
                                                   std::move(ports), plane->news_));
  }
  return plane;
}

Plane::Plane(const PlaneOptions& options, gateway::Gateway& gateway, io::Loop& loop,
             io::HopFinder* clear_finder, io::HopFinder* outer_finder, io::UdpSockets udp)
    : options_(options),
      gateway_(gateway),
      loop_(loop),
      clear_hops_{clear_finder},
      outer_hops_{outer_finder},
      udp_(std::move(udp)),
      received_(wire_packet_max) {
  for (std::size_t i = 0; i < stream_batch_max; ++i) stream_buffers_.emplace_back(wire_packet_max);
}

Plane::~Plane() {
  loop_.forget(news_.fd());
  for (const Hops* hops : {&clear_hops_, &outer_hops_}) {
    if (hops->finder != nullptr) loop_.forget(hops->finder->fd());
  }
  for (const io::IpSocket& socket : udp_.all()) loop_.forget(socket.fd());
}

void Plane::start() {
  loop_.on_readable(news_.fd(), [this] { heed_lanes(); });
  watch(clear_hops_);
  watch(outer_hops_);
  for (io::IpSocket& socket : udp_.all()) {
    loop_.on_readable(socket.fd(), [this, &socket] { pump_udp(socket); });
  }
  const std::vector<unsigned> cpus = io::usable_cpus();
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const auto cpu = options_.pin_workers ? std::optional{cpus[i % cpus.size()]} : std::nullopt;
    lanes_[i]->start(static_cast<unsigned>(i), cpu);
  }
}

void Plane::watch(Hops& hops) {
  if (hops.finder == nullptr) return;
  loop_.on_readable(hops.finder->fd(), [this, &hops] {
    if (hops.finder->drain()) hops.are_spread = false;
    spread_next_hops();
  });
}

void Plane::heed_lanes() {
  news_.drain();
  for (const auto& lane : lanes_) {
    if (!lane->has_messages()) continue;
    while (auto message = lane->take_message()) {
      std::visit([this](auto& one) { heed(one); }, *message);
    }
  }
  spread_next_hops();
  tcp_->flush();
  gateway_.handle_worker_news(io::monotonic_now());
}

void Plane::spread_next_hops() {
  if (!std::exchange(clear_hops_.are_spread, true)) {
    for (const auto& lane : lanes_) lane->set_next_hops(clear_hops_.finder->hops());
  }
  if (!std::exchange(outer_hops_.are_spread, true)) {
    for (const auto& lane : lanes_) lane->set_outer_hops(outer_hops_.finder->hops());
  }
}

void Plane::heed(StrayIke& stray) {
  gateway_.handle_ike(stray.path, stray.message, io::monotonic_now());
}

void Plane::heed(StreamEsp& esp) { tcp_->send(esp.path, esp.packet, io::TcpStreams::Content::esp); }

void Plane::heed(TooBigHeard& heard) {
  heard.error.quoted = heard.quoted;
  gateway_.handle_too_big(heard.error, io::monotonic_now());
}

void Plane::heed(NextHopWanted& wanted) {
  if (clear_hops_.finder->find(wanted.way)) clear_hops_.are_spread = false;
}

void Plane::heed(OuterHopWanted& wanted) {
  if (outer_hops_.finder->find(wanted.way)) outer_hops_.are_spread = false;
}

void Plane::release_waiting() {
  for (const auto& lane : lanes_) lane->release_waiting();
}

void Plane::handle_deadline(base::Instant now) {
  tcp_->handle_deadline(now);
  for (const auto& lane : lanes_) lane->handle_deadline(now);
}

std::optional<base::Instant> Plane::poll_deadline() const {
  std::optional<base::Instant> first = tcp_->poll_deadline();
  for (std::size_t i = 0; i < gateway_.worker_count(); ++i) {
    const auto at = gateway_.worker(i).next_deadline();
    if (at && (!first || *at < *first)) first = at;
  }
  return first;
}

void Plane::pump_udp(io::IpSocket& socket) {
  const bool is_natt = socket.options().port == options_.natt_port;
  for (std::size_t i = 0; i < size_errors_per_round_max; ++i) {
    const auto error = socket.poll_size_error();
    if (!error) break;
    gateway_.handle_too_big({error->remote, error->mtu, error->is_own_host, error->quoted},
                            io::monotonic_now());
  }
  for (int round = 0; round < batches_per_round_max; ++round) {
    const bool is_more = socket.receive(received_);
    const base::Instant now = io::monotonic_now();
    for (const io::Received& item : received_.packets()) {
      const base::Bytes bytes = std::as_const(*item.packet).bytes();
      const wire::NattDatagram datagram =
          is_natt ? wire::classify_natt(bytes) : wire::classify_ike_port(bytes);
      switch (datagram.kind) {
        case wire::NattKind::keepalive: break;
        case wire::NattKind::ike: gateway_.handle_ike(item.path, datagram.body, now); break;
        // Seldom: on the IKE port, or while the workers' sockets are being opened.
        case wire::NattKind::esp: open(*item.packet, item.path); break;
        case wire::NattKind::too_short: drops_.add(base::DropReason::esp_malformed); break;
      }
    }
    if (!is_more) return;
  }
}

void Plane::open(ipsec::PacketBuffer& buffer, const base::Path& path) {
  ipsec::OpenItem item;
  item.packet = &buffer;
  item.path = path;
  lanes_.front()->open({&item, 1});
  gateway_.handle_worker_news(io::monotonic_now());
}

io::TcpStreams::Handler Plane::stream_handler() {
  io::TcpStreams::Handler handler;
  handler.received = [this](const base::Path& path, base::Bytes message) {
    take_from_stream(path, message);
  };
  handler.settled = [this] { settle_streams(); };
  handler.closed = [this](const base::Path& path) {
    gateway_.handle_stream_closed(path, io::monotonic_now());
  };
  return handler;
}

void Plane::take_from_stream(const base::Path& path, base::Bytes message) {
  const wire::NattDatagram content = wire::classify_natt(message);
  switch (content.kind) {
    case wire::NattKind::keepalive: return;
    case wire::NattKind::too_short: return drops_.add(base::DropReason::esp_malformed);
    case wire::NattKind::ike: return gateway_.handle_ike(path, content.body, io::monotonic_now());
    case wire::NattKind::esp: break;
  }
  if (message.size() > wire_packet_max) return drops_.add(base::DropReason::esp_malformed);
  ipsec::PacketBuffer& buffer = stream_buffers_[from_streams_];
  buffer.assign(message);
  stream_items_[from_streams_] = {};
  stream_items_[from_streams_].packet = &buffer;
  stream_items_[from_streams_].path = path;
  if (++from_streams_ == stream_batch_max) open_from_streams();
}

void Plane::settle_streams() {
  open_from_streams();
  if (spoiled_stream_) tcp_->distrust(*std::exchange(spoiled_stream_, std::nullopt));
}

void Plane::open_from_streams() {
  const auto items = std::span{stream_items_}.first(std::exchange(from_streams_, 0));
  if (items.empty()) return;
  lanes_.front()->open(items);
  for (const ipsec::OpenItem& item : items) {
    if (item.verdict == ipsec::Verdict::forward) tcp_->prove(item.path);
    //= rfc9329#6.1-13
    if (item.drop == base::DropReason::esp_bad_icv) spoiled_stream_ = item.path;
  }
  gateway_.handle_worker_news(io::monotonic_now());
}

void Plane::transmit_on_stream(const ike::Transmit& message) {
  tcp_->send(message.path, message.datagram, io::TcpStreams::Content::ike);
  tcp_->flush();
  // We answer anybody's IKE_SA_INIT; everything later has passed an integrity check.
  base::Reader in{wire::classify_natt(message.datagram).body};
  const auto header = wire::IkeHeader::decode(in);
  if (header && header->exchange != wire::ExchangeType::ike_sa_init) tcp_->prove(message.path);
}

void Plane::transmit(const ike::Transmit& message) {
  if (message.path.transport == base::Transport::tcp) return transmit_on_stream(message);
  io::IpSocket* socket = udp_.find(message.path.local);
  if (socket == nullptr) {
    drops_.add(base::DropReason::io_send_failed);
    return;
  }
  io::Outgoing item{message.datagram, message.path};
  item.dont_fragment = message.dont_fragment;
  const io::SendResult result = socket->send({&item, 1});
  drops_.add(base::DropReason::io_send_failed, result.refused);
  drops_.add(base::DropReason::io_queue_full, result.queue_full);
}

base::DropCounters Plane::drops() const {
  base::DropCounters all = drops_;
  all.add(tcp_->drops());
  for (const auto& lane : lanes_) all.add(lane->drops());
  return all;
}

std::vector<base::DropCounters> Plane::worker_drops() const {
  std::vector<base::DropCounters> drops;
  for (const auto& lane : lanes_) drops.push_back(lane->drops());
  return drops;
}

std::vector<base::Duration> Plane::worker_cpu_times() const {
  std::vector<base::Duration> times;
  for (const auto& lane : lanes_) times.push_back(lane->cpu_time());
  return times;
}

}  // namespace caponier::daemon

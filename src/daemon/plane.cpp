#include "daemon/plane.h"

#include "io/os/clock.h"
#include "wire/ike.h"
#include "wire/natt.h"

namespace caponier::daemon {
namespace {

constexpr std::size_t size_errors_per_round_max = 64;

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

}  // namespace

Plane::Plane(gateway::Gateway& gateway, io::Loop& loop, io::TunDevice& tun, io::UdpSockets udp,
             io::RawSockets raw, std::uint16_t natt_port, const io::TcpOptions& tcp,
             std::vector<std::string>& notices)
    : gateway_(gateway),
      loop_(loop),
      tun_(tun),
      udp_(std::move(udp)),
      raw_(std::move(raw)),
      tcp_(tcp, {}, loop, stream_handler(), notices),
      natt_port_(natt_port),
      received_(wire_packet_max),
      coalescer_(io::ReceiveBatch::packets_max,
                 tun.takes_udp() ? offload::UdpCoalescing::on : offload::UdpCoalescing::off),
      open_items_(io::ReceiveBatch::packets_max) {
  for (std::size_t i = 0; i < clear_batch_max; ++i) clear_buffers_.emplace_back(clear_packet_max);
  for (std::size_t i = 0; i < clear_batch_max; ++i) clear_batch_[i] = &clear_buffers_[i];
  for (std::size_t i = 0; i < stream_batch_max; ++i) stream_buffers_.emplace_back(wire_packet_max);
  loop_.on_readable(tun_.fd(), [this] { pump_clear(); });
  for (io::IpSocket& socket : udp_.all()) {
    loop_.on_readable(socket.fd(), [this, &socket] { pump_udp(socket); });
  }
  for (io::IpSocket& socket : raw_.all()) {
    loop_.on_readable(socket.fd(), [this, &socket] { pump_raw(socket); });
  }
}

Plane::~Plane() {
  loop_.forget(tun_.fd());
  for (const io::IpSocket& socket : udp_.all()) loop_.forget(socket.fd());
  for (const io::IpSocket& socket : raw_.all()) loop_.forget(socket.fd());
}

void Plane::pump_clear() {
  for (int round = 0; round < batches_per_round_max; ++round) {
    const std::size_t count = tun_.read(clear_batch_);
    if (count == 0) return;
    protect(count);
    if (count < clear_batch_max) return;
  }
}

void Plane::release_waiting() {
  while (const std::size_t count = gateway_.take_waiting(clear_batch_)) protect(count);
}

/// The first `count` packets of clear_batch_.
void Plane::protect(std::size_t count) {
  const auto items = std::span{protect_items_}.first(count);
  for (std::size_t i = 0; i < count; ++i) {
    items[i] = {};
    items[i].packet = clear_batch_[i];
  }
  gateway_.protect(items, io::monotonic_now());
  send(items);
  send(gateway_.made());
}

io::IpSocket* Plane::socket_for(const ipsec::ProtectItem& item) {
  return item.udp_encap ? udp_.find(item.path.local) : raw_.find(item.path.local.address);
}

void Plane::send(std::span<const ipsec::ProtectItem> items) {
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
      tcp_.send(item.path, item.packet->bytes(), io::TcpStreams::Content::esp);
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
  tcp_.flush();
}

void Plane::send_split(const ipsec::ProtectItem& item) {
  io::Outgoing outgoing = outgoing_of(item);
  if (!item.udp_encap) outgoing.path.local.port = outgoing.path.remote.port = 0;
  if (!raw_.send_split(outgoing, item.fragment_to)) drops_.add(base::DropReason::io_send_failed);
}

void Plane::heed_size_errors(io::IpSocket& socket) {
  // Anybody may send such errors: a flood of them must not keep us here.
  for (std::size_t i = 0; i < size_errors_per_round_max; ++i) {
    const auto error = socket.poll_size_error();
    if (!error) return;
    gateway_.handle_too_big({error->remote, error->mtu, error->is_own_host, error->quoted},
                            io::monotonic_now());
  }
}

void Plane::flush(io::IpSocket* socket, std::size_t count_waiting) {
  if (socket == nullptr || count_waiting == 0) return;
  count(socket->send(std::span{outgoing_}.first(count_waiting)));
}

void Plane::count(const io::SendResult& result) {
  drops_.add(base::DropReason::io_send_failed, result.refused);
  drops_.add(base::DropReason::io_queue_full, result.queue_full);
}

void Plane::pump_udp(io::IpSocket& socket) {
  const bool is_natt = socket.options().port == natt_port_;
  heed_size_errors(socket);
  for (int round = 0; round < batches_per_round_max; ++round) {
    const bool is_more = socket.receive(received_);
    const base::Instant now = io::monotonic_now();
    std::size_t esp = 0;
    for (const io::Received& item : received_.packets()) {
      const base::Bytes bytes = item.packet->bytes();
      const wire::NattDatagram datagram =
          is_natt ? wire::classify_natt(bytes) : wire::classify_ike_port(bytes);
      switch (datagram.kind) {
        case wire::NattKind::keepalive: break;
        case wire::NattKind::ike: gateway_.handle_ike(item.path, datagram.body, now); break;
        case wire::NattKind::esp: set_open_item(open_items_[esp++], item); break;
        case wire::NattKind::too_short: drops_.add(base::DropReason::esp_malformed); break;
      }
    }
    open(esp);
    if (!is_more) return;
  }
}

void Plane::pump_raw(io::IpSocket& socket) {
  const bool is_ah = socket.options().kind == io::IpSocketKind::ah;
  heed_size_errors(socket);
  for (int round = 0; round < batches_per_round_max; ++round) {
    const bool is_more = socket.receive(received_);
    std::size_t count = 0;
    for (const io::Received& item : received_.packets()) {
      set_open_item(open_items_[count], item);
      if (is_ah) open_items_[count].protocol = policy::SaProtocol::ah;
      ++count;
    }
    open(count);
    if (!is_more) return;
  }
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
  open_items_[from_streams_] = {};
  open_items_[from_streams_].packet = &buffer;
  open_items_[from_streams_].path = path;
  if (++from_streams_ == stream_batch_max) open(std::exchange(from_streams_, 0));
}

void Plane::settle_streams() {
  open(std::exchange(from_streams_, 0));
  if (spoiled_stream_) tcp_.distrust(*std::exchange(spoiled_stream_, std::nullopt));
}

void Plane::open(std::size_t count) {
  if (count == 0) return;
  const auto items = std::span{open_items_}.first(count);
  gateway_.open(items, io::monotonic_now());
  for (const ipsec::OpenItem& item : items) {
    if (item.path.transport == base::Transport::tcp) {
      if (item.verdict == ipsec::Verdict::forward) tcp_.prove(item.path);
      //= rfc9329#6.1-13
      if (item.drop == base::DropReason::esp_bad_icv) spoiled_stream_ = item.path;
    }
  }
  write_clear(items);
}

void Plane::write_clear(std::span<const ipsec::OpenItem> items) {
  coalescer_.clear();
  for (const ipsec::OpenItem& item : items) {
    if (item.verdict != ipsec::Verdict::forward) continue;
    const bool is_merging = tun_.takes_tcp() && coalescer_.add(item.packet->bytes());
    if (!is_merging) deliver_clear(item.packet->bytes());
  }
  for (const offload::Coalescer::Group& group : coalescer_.groups()) {
    if (!tun_.write(group)) drops_.add(base::DropReason::io_send_failed, group.pieces.size());
  }
}

void Plane::transmit_on_stream(const ike::Transmit& message) {
  tcp_.send(message.path, message.datagram, io::TcpStreams::Content::ike);
  tcp_.flush();
  // We answer anybody's IKE_SA_INIT; everything later has passed an integrity check.
  base::Reader in{wire::classify_natt(message.datagram).body};
  const auto header = wire::IkeHeader::decode(in);
  if (header && header->exchange != wire::ExchangeType::ike_sa_init) tcp_.prove(message.path);
}

base::DropCounters Plane::drops() const {
  base::DropCounters all = drops_;
  all.add(tcp_.drops());
  all.add(tun_.drops());
  return all;
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
  count(socket->send({&item, 1}));
}

void Plane::deliver_clear(base::Bytes packet) {
  if (!tun_.write(packet)) drops_.add(base::DropReason::io_send_failed);
}

}  // namespace caponier::daemon

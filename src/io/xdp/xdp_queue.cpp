#include "io/xdp/xdp_queue.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "io/os/rng.h"

namespace caponier::io {
namespace {

/// Of linux/if_xdp.h, Linux 6.17; older kernels send 32 packets with a call.
constexpr int option_send_budget = 9;

constexpr std::string_view without = "write outer_side = \"socket\" in [daemon]";

template <class T>
bool set_option(const Fd& fd, int option, const T& value) {
  return ::setsockopt(fd.get(), SOL_XDP, option, &value, sizeof value) == 0;
}

template <class T>
bool get_option(const Fd& fd, int option, T& value) {
  socklen_t size = sizeof value;
  return ::getsockopt(fd.get(), SOL_XDP, option, &value, &size) == 0;
}

/// Of the next IPv4 packet that may be fragmented: one row for all workers, as they share
/// addresses.
std::uint16_t next_identification() {
  static std::atomic<std::uint16_t> last{static_cast<std::uint16_t>(OsRng{}.public_u32())};
  return last.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Io<XdpQueue> XdpQueue::open(const XdpQueueOptions& options) {
  XdpQueue queue{options};
  queue.fd_ = Fd{::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)};
  if (!queue.fd_.is_open()) {
    const bool is_missing = errno == EAFNOSUPPORT;
    return std::unexpected{error_from_errno(
        "cannot open an XDP socket", errno,
        is_missing ? fmt::format("{}, or run a kernel with CONFIG_XDP_SOCKETS", without)
                   : "run as root or give the program CAP_NET_RAW")};
  }
  TRY_VOID(queue.open_memory());
  TRY_VOID(queue.open_rings());
  TRY_VOID(queue.bind());
  return queue;
}

Io<void> XdpQueue::open_memory() {
  const std::size_t count = received_max + sent_max;
  const std::size_t size = count * options_.chunk_size;
  memory_ = Mapping{size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0};
  if (!memory_.is_open()) return std::unexpected{error_from_errno("no memory for frames", errno)};
  xdp_umem_reg area{};
  area.addr = reinterpret_cast<std::uint64_t>(memory_.data());
  area.len = size;
  area.chunk_size = static_cast<std::uint32_t>(options_.chunk_size);
  if (!set_option(fd_, XDP_UMEM_REG, area)) {
    return std::unexpected{
        error_from_errno(fmt::format("cannot give the kernel {} MiB of frames", size >> 20), errno,
                         "give the program CAP_IPC_LOCK, or raise its limit of locked memory")};
  }
  for (std::size_t i = 0; i < received_max; ++i) buffers_.emplace_back(chunk(i));
  received_.resize(batch_max);
  for (std::size_t i = received_max; i < count; ++i) free_.push_back(i * options_.chunk_size);
  return {};
}

Io<void> XdpQueue::open_rings() {
  const auto failed = [] {
    return std::unexpected{
        error_from_errno("cannot open the rings of an XDP socket", errno, std::string{without})};
  };
  if (!set_option(fd_, XDP_UMEM_FILL_RING, received_max) ||
      !set_option(fd_, XDP_UMEM_COMPLETION_RING, sent_max) ||
      !set_option(fd_, XDP_RX_RING, received_max) || !set_option(fd_, XDP_TX_RING, sent_max)) {
    return failed();
  }
  xdp_mmap_offsets offsets{};
  if (!get_option(fd_, XDP_MMAP_OFFSETS, offsets)) return failed();
  fill_ = {fd_.get(), offsets.fr, XDP_UMEM_PGOFF_FILL_RING, received_max};
  sent_ = {fd_.get(), offsets.cr, XDP_UMEM_PGOFF_COMPLETION_RING, sent_max};
  in_ = {fd_.get(), offsets.rx, XDP_PGOFF_RX_RING, received_max};
  out_ = {fd_.get(), offsets.tx, XDP_PGOFF_TX_RING, sent_max};
  if (!fill_.is_open() || !sent_.is_open() || !in_.is_open() || !out_.is_open()) return failed();
  for (std::uint64_t i = 0; i < received_max; ++i) fill_.push(i * options_.chunk_size);
  fill_.submit();
  static_cast<void>(set_option(fd_, option_send_budget, sent_max));
  return {};
}

Io<void> XdpQueue::bind() {
  sockaddr_xdp address{};
  address.sxdp_family = AF_XDP;
  address.sxdp_flags = XDP_USE_NEED_WAKEUP;
  address.sxdp_ifindex = options_.interface;
  address.sxdp_queue_id = options_.queue;
  const void* const at = &address;
  // The kernel takes its time to let go of the queue of a process that has just ended.
  constexpr int attempts_max = 100;
  for (int attempt = 1;; ++attempt) {
    if (::bind(fd_.get(), static_cast<const sockaddr*>(at), sizeof address) == 0) break;
    if (errno != EBUSY || attempt == attempts_max) {
      const bool is_taken = errno == EBUSY;
      return std::unexpected{error_from_errno(
          fmt::format("cannot bind an XDP socket to queue {}", options_.queue), errno,
          is_taken ? "end the program that has XDP sockets there" : std::string{without})};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  xdp_options chosen{};
  is_zero_copy_ =
      get_option(fd_, XDP_OPTIONS, chosen) && (chosen.flags & XDP_OPTIONS_ZEROCOPY) != 0;
  return {};
}

base::MutBytes XdpQueue::chunk(std::size_t index) {
  return {memory_.data() + index * options_.chunk_size, options_.chunk_size};
}

std::span<Received> XdpQueue::receive(bool& is_more) {
  const std::size_t available = in_.available();
  const std::size_t count = std::min(available, batch_max);
  is_more = available > count;
  std::size_t good = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const xdp_desc frame = in_.pop();
    taken_[i] = frame.addr - frame.addr % options_.chunk_size;
    if (take(frame, received_[good])) {
      ++good;
    } else {
      drops_.add(base::DropReason::esp_malformed);
    }
  }
  if (count != 0) in_.release();
  taken_count_ = count;
  return std::span{received_}.first(good);
}

bool XdpQueue::take(const xdp_desc& frame, Received& to) {
  const std::size_t index = frame.addr / options_.chunk_size;
  const std::size_t begin = frame.addr % options_.chunk_size;
  const auto packet = read_outer_frame(base::Bytes{chunk(index)}.subspan(begin, frame.len));
  if (!packet) return false;
  ipsec::PacketBuffer& buffer = buffers_[index];
  buffer.place(static_cast<std::size_t>(packet->esp.data() - chunk(index).data()),
               packet->esp.size());
  to = {&buffer, packet->path, packet->tos, false};
  return true;
}

void XdpQueue::release() {
  if (taken_count_ == 0) return;
  for (const std::uint64_t chunk : std::span{taken_}.first(taken_count_)) fill_.push(chunk);
  fill_.submit();
  taken_count_ = 0;
  // The card has stopped for want of frames.
  if (fill_.needs_wakeup()) {
    static_cast<void>(::recvfrom(fd_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr));
  }
}

bool XdpQueue::send(const NextHop& hop, const Outgoing& item) {
  if (free_.empty()) collect_sent();
  if (free_.empty()) {
    static_cast<void>(flush());
    collect_sent();
    if (free_.empty()) return false;
  }
  const std::uint64_t at = free_.back();
  free_.pop_back();
  const std::size_t size = ethernet_header_size + outer_packet_size(item);
  const bool may_be_cut = item.path.remote.address.is_v4() && !item.dont_fragment;
  write_outer_frame({memory_.data() + at, size}, hop, item,
                    may_be_cut ? next_identification() : std::uint16_t{0}, options_.defaults);
  out_.push({at, static_cast<std::uint32_t>(size), 0});
  return true;
}

bool XdpQueue::flush() {
  out_.submit();
  for (std::uint32_t before = out_.waiting(); before != 0;) {
    if (!out_.needs_wakeup()) return true;
    const bool is_taken = ::sendto(fd_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0;
    const int error = is_taken ? 0 : errno;
    // The card goes on by itself; elsewhere the call has sent as many as the kernel does at once.
    if (is_zero_copy_ && is_taken) return true;
    const bool is_dropped = error == EBUSY;
    if (is_dropped && !is_zero_copy_) drops_.add(base::DropReason::io_send_failed);
    // No link, or no interface any more.
    const bool is_hopeless =
        !is_taken && error != EAGAIN && error != EBUSY && error != ENOBUFS && error != EINTR;
    if (is_hopeless) return true;
    const std::uint32_t now = out_.waiting();
    if (now == before) return false;
    before = now;
  }
  return true;
}

void XdpQueue::collect_sent() {
  const std::uint32_t count = sent_.available();
  for (std::uint32_t i = 0; i < count; ++i) free_.push_back(sent_.pop());
  if (count != 0) sent_.release();
}

base::DropCounters XdpQueue::drops() const {
  base::DropCounters all = drops_;
  xdp_statistics so_far{};
  if (get_option(fd_, XDP_STATISTICS, so_far)) {
    all.add(base::DropReason::io_queue_full, so_far.rx_dropped + so_far.rx_ring_full);
  }
  return all;
}

}  // namespace caponier::io

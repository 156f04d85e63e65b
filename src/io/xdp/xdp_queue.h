#pragma once
// An XDP socket (AF_XDP) on one receive queue of an interface: what its XDP program redirects comes
// in where the card or the kernel has put it, and is opened there; what is sent is written into
// memory that the card takes it from, or the kernel copies it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/drops.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"
#include "io/xdp/outer_frame.h"
#include "io/xdp/xdp_ring.h"
#include "ipsec/packet.h"

namespace caponier::io {

struct XdpQueueOptions {
  unsigned interface = 0;
  unsigned queue = 0;
  std::size_t chunk_size = 0;  ///< of a frame and the room before it: 2048 or 4096
  OuterDefaults defaults{};
};

class XdpQueue {
 public:
  static constexpr std::uint32_t received_max = 4096;  ///< frames for what comes in
  static constexpr std::uint32_t sent_max = 2048;      ///< and for what goes out
  static constexpr std::size_t batch_max = 256;
  /// What the kernel keeps free in front of a frame that comes in.
  static constexpr std::size_t front_room = 256;

  [[nodiscard]] static Io<XdpQueue> open(const XdpQueueOptions& options);

  /// Readable while frames wait.
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] unsigned interface() const { return options_.interface; }
  /// The card reads and writes our memory.
  [[nodiscard]] bool is_zero_copy() const { return is_zero_copy_; }

  /// The largest IP packet that send() takes.
  [[nodiscard]] std::size_t packet_max() const {
    return options_.chunk_size - ethernet_header_size;
  }

  /// ESP from the SPI on, without blocking; valid until release(), which must follow. `is_more`:
  /// there may be more now.
  [[nodiscard]] std::span<Received> receive(bool& is_more);
  void release();

  /// Copies; the packet leaves with flush() at the latest. The caller knows that it fits. False:
  /// all frames are under way.
  [[nodiscard]] bool send(const NextHop& hop, const Outgoing& item);
  /// False: the card or the kernel takes no more now; to be called again soon.
  [[nodiscard]] bool flush();

  /// What made no sense, what was refused, and what there was no room for. From any thread.
  [[nodiscard]] base::DropCounters drops() const;

 private:
  explicit XdpQueue(const XdpQueueOptions& options) : options_(options) {}
  [[nodiscard]] Io<void> open_memory();
  [[nodiscard]] Io<void> open_rings();
  [[nodiscard]] Io<void> bind();
  [[nodiscard]] base::MutBytes chunk(std::size_t index);
  [[nodiscard]] bool take(const xdp_desc& frame, Received& to);
  void collect_sent();

  XdpQueueOptions options_;
  Mapping memory_;  ///< chunks: first those for what comes in
  Fd fd_;
  XdpRing<std::uint64_t> fill_;
  XdpRing<std::uint64_t> sent_;
  XdpRing<xdp_desc> in_;
  XdpRing<xdp_desc> out_;
  bool is_zero_copy_ = false;
  std::vector<ipsec::PacketBuffer> buffers_;  ///< in the chunks for what comes in
  std::vector<Received> received_;
  std::array<std::uint64_t, batch_max> taken_{};  ///< chunks that go back with release()
  std::size_t taken_count_ = 0;
  std::vector<std::uint64_t> free_;  ///< chunks to send from
  base::DropCounters drops_;
};

}  // namespace caponier::io

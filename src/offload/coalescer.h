#pragma once
// Packets that follow each other, joined into what the kernel takes as one (GRO in software). Only
// what segmentation would take apart into the very same packets is joined, and only packets of
// which the checksums hold; of IPv4 packets that must not be fragmented the identifications may
// change. Whatever else comes is passed on as it is, and no packet overtakes one of its own flow.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "offload/virtio_header.h"

namespace caponier::offload {

using base::Bytes;
using base::MutBytes;

/// UDP needs a kernel that takes gso_udp_l4 from us (TUN: Linux 6.2).
enum class UdpCoalescing : bool { off, on };

class Coalescer {
 public:
  /// More than this the kernel would not join either.
  static constexpr std::size_t segments_max = 64;

  struct Group {
    VirtioHeader header;
    /// The first packet, headers included; of the others only the payload.
    std::span<const Bytes> pieces;
  };

  /// `capacity`: as many packets as there may be between two clear(). All memory is taken here.
  Coalescer(std::size_t capacity, UdpCoalescing udp);
  Coalescer(const Coalescer&) = delete;
  Coalescer& operator=(const Coalescer&) = delete;

  /// Takes the next packet, which stays the caller's and must live until clear(). False, and
  /// nothing done, when the capacity is reached or groups() was called.
  [[nodiscard]] bool add(MutBytes packet);
  /// All that was added, in the order of the groups' first packets, whose headers it rewrites;
  /// valid until clear(). Nothing can be added any more.
  [[nodiscard]] std::span<const Group> groups();
  /// Forgets all packets.
  void clear();

 private:
  struct Candidate;
  /// Where the group of a flow is found that may still grow. It is complete once anything else
  /// takes its place, or its fence was raised.
  struct Slot {
    std::uint64_t fence = 0;
    std::uint32_t draft = 0;
  };
  struct Member {
    Bytes piece;
    std::uint32_t draft = 0;
  };
  /// A group in the making.
  struct Draft {
    MutBytes first;
    std::uint32_t count = 1;
    std::uint32_t size = 0;           ///< octets so far
    std::uint32_t next_sequence = 0;  ///< TCP
    std::uint32_t next_piece = 0;     ///< when pieces are laid out
    std::uint16_t segment_size = 0;   ///< payload octets of the first
    std::uint8_t transport = 0;       ///< where the transport header begins
    std::uint8_t headers = 0;         ///< where the payload does
    std::uint8_t last_flags = 0;      ///< TCP: what the last one adds
    bool is_tcp = false;
    bool is_verified = false;
    bool has_fixed_identification = false;
  };

  [[nodiscard]] static bool fits(const Draft& draft, const Candidate& candidate);
  [[nodiscard]] static bool fits_identification(const Draft& draft, const Candidate& candidate);
  [[nodiscard]] static VirtioHeader finish(const Draft& draft);
  void add_plain(const Candidate& candidate);
  Draft& begin(MutBytes packet);
  /// True: nothing can follow.
  [[nodiscard]] bool join(std::uint32_t index, const Candidate& candidate);

  std::size_t capacity_;
  UdpCoalescing udp_;
  bool is_complete_ = false;
  std::vector<Slot> slots_;  ///< a power of two
  /// By pairs of addresses. Raised when a packet comes that may be of any flow between the two.
  std::array<std::uint64_t, 64> fences_;
  std::vector<Member> members_;
  std::vector<Draft> drafts_;
  std::vector<Group> groups_;
  std::vector<Bytes> pieces_;
};

}  // namespace caponier::offload

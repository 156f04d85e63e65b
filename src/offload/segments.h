#pragma once
// Segmentation in software of what the kernel left whole (TSO, USO), and checksums it left undone.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>

#include "base/bytes.h"
#include "offload/virtio_header.h"
#include "wire/checksum.h"

namespace caponier::offload {

using base::Bytes;
using base::MutBytes;

/// Why a virtio header and its packet do not go together.
enum class Fault : std::uint8_t {
  unknown_type,           ///< a gso_type that is none of ours
  malformed_packet,       ///< headers whose lengths do not hold
  fragment,               ///< a piece of a packet cannot be segmented
  other_protocol,         ///< not the protocol or the IP version of which gso_type speaks
  no_segment_size,        ///< gso_size is 0
  no_room,                ///< the largest packet allowed has no room for payload
  checksum_out_of_range,  ///< csum_start or csum_offset point outside of what a checksum covers
  checksum_elsewhere,     ///< they point to something that is not this protocol's checksum
};

[[nodiscard]] std::string_view name_of(Fault fault);

/// Completes in place the checksum of a packet that is not to be segmented; nothing to do unless
/// `header` says so. The covered octets reach to the packet's end.
[[nodiscard]] std::expected<void, Fault> complete_checksum(const VirtioHeader& header,
                                                           MutBytes packet);

/// A packet as the packets that its sender would have sent without offload. One that is not to be
/// segmented makes one: itself, with its checksum completed.
class Segments {
 public:
  /// `packet` is borrowed. `size_max` is the largest IP packet that TCP may become, even if the
  /// kernel had another in mind; datagrams keep their size, and so does what is not segmented. Of
  /// IPv4, identifications count upwards.
  [[nodiscard]] static std::expected<Segments, Fault> plan(const VirtioHeader& header, Bytes packet,
                                                           std::size_t size_max);

  [[nodiscard]] std::size_t count() const { return count_; }  ///< at least 1
  [[nodiscard]] std::size_t size_of(std::size_t index) const;
  /// Writes size_of(index) octets, all of `to`.
  void write(std::size_t index, MutBytes to) const;

 private:
  Segments(const VirtioHeader& header, Bytes packet)
      : header_(header), packet_(packet), each_(packet.size()) {}
  [[nodiscard]] std::expected<void, Fault> find_headers();
  [[nodiscard]] std::expected<void, Fault> sum_pseudo_header();
  void sum_headers();
  [[nodiscard]] bool is_segmented() const { return header_.gso_type != virtio::gso_none; }
  void write_ipv4(std::size_t index, MutBytes packet) const;
  [[nodiscard]] wire::ChecksumSum write_tcp(std::size_t index, MutBytes segment) const;

  VirtioHeader header_;
  Bytes packet_;
  bool is_v4_ = false;
  bool is_tcp_ = false;
  std::size_t transport_ = 0;  ///< where the TCP or UDP header begins
  std::size_t headers_ = 0;    ///< where the payload does
  std::size_t each_;           ///< payload octets of all but the last
  std::size_t count_ = 1;
  wire::ChecksumSum ipv4_sum_ = 0;       ///< of what is the same in all IPv4 headers
  wire::ChecksumSum transport_sum_ = 0;  ///< of what is the same below, pseudo header included
};

}  // namespace caponier::offload

#pragma once
// Packets with room in front for outer headers and behind for padding and ICV, so that protection
// happens in place.

#include <cstddef>
#include <memory>

#include "base/bytes.h"
#include "base/error.h"

namespace caponier::ipsec {

/// One packet of at most `payload_max` bytes when it enters. Movable, allocated once and reused, or
/// in memory that a driver lends; memory that no packet has reached costs nothing.
class PacketBuffer {
 public:
  static constexpr std::size_t headroom = 128;  ///< outer IPv6 + UDP + ESP header + IV
  static constexpr std::size_t tailroom = 320;  ///< ESP padding (255) + trailer + ICV
  static constexpr std::size_t payload_max = 65535;

  /// `payload_capacity`: the largest packet that will be written to it.
  explicit PacketBuffer(std::size_t payload_capacity = 2048)
      : storage_(new std::byte[headroom + payload_capacity + tailroom], Release{false}),
        capacity_(headroom + payload_capacity + tailroom) {}
  /// In `lent`, which must outlive the object and be larger than the two rooms.
  explicit PacketBuffer(base::MutBytes lent)
      : storage_(lent.data(), Release{true}), capacity_(lent.size()) {
    CAPONIER_ASSERT(lent.size() > headroom + tailroom);
  }

  /// Where a driver reads a packet into; resize() afterwards tells how much came.
  [[nodiscard]] base::MutBytes fill_area() {
    return {storage_.get() + headroom, capacity_ - headroom - tailroom};
  }
  /// Makes the packet the first `size` bytes of fill_area().
  void resize(std::size_t size) {
    CAPONIER_ASSERT(size <= capacity_ - headroom - tailroom);
    begin_ = headroom;
    size_ = size;
    is_reassembled_ = false;
  }
  /// Copies `data` in as the packet.
  void assign(base::Bytes data) {
    resize(data.size());
    base::copy_into(bytes(), data);
  }

  /// Makes the packet what stands there in the whole of its memory.
  void place(std::size_t begin, std::size_t size) {
    CAPONIER_ASSERT(begin <= capacity_ && size <= capacity_ - begin);
    begin_ = begin;
    size_ = size;
    is_reassembled_ = false;
  }

  /// Its sender had it in fragments, and so may we, whatever its header says.
  void mark_reassembled() { is_reassembled_ = true; }
  [[nodiscard]] bool is_reassembled() const { return is_reassembled_; }

  [[nodiscard]] base::MutBytes bytes() { return {storage_.get() + begin_, size_}; }
  [[nodiscard]] base::Bytes bytes() const { return {storage_.get() + begin_, size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] std::size_t front_space() const { return begin_; }
  [[nodiscard]] std::size_t back_space() const { return capacity_ - begin_ - size_; }
  /// Grows at an end; the caller has checked the space. The new bytes are indeterminate.
  void grow_front(std::size_t count) {
    CAPONIER_ASSERT(count <= begin_);
    begin_ -= count;
    size_ += count;
  }
  void grow_back(std::size_t count) {
    CAPONIER_ASSERT(count <= back_space());
    size_ += count;
  }
  /// Grows at both ends, and gives the new first byte.
  [[nodiscard]] std::byte* surround(std::size_t front, std::size_t back) {
    CAPONIER_ASSERT(front <= begin_ && back <= back_space());
    begin_ -= front;
    size_ += front + back;
    return storage_.get() + begin_;
  }
  void shrink_front(std::size_t count) {
    CAPONIER_ASSERT(count <= size_);
    begin_ += count;
    size_ -= count;
  }
  void shrink_back(std::size_t count) {
    CAPONIER_ASSERT(count <= size_);
    size_ -= count;
  }
  void shrink(std::size_t front, std::size_t back) {
    CAPONIER_ASSERT(front + back <= size_);
    begin_ += front;
    size_ -= front + back;
  }

 private:
  struct Release {
    bool is_lent;
    void operator()(const std::byte* bytes) const {
      if (!is_lent) delete[] bytes;
    }
  };

  std::unique_ptr<std::byte[], Release> storage_;
  std::size_t capacity_;
  std::size_t begin_ = headroom;
  std::size_t size_ = 0;
  bool is_reassembled_ = false;
};

}  // namespace caponier::ipsec

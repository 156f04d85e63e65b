#pragma once
// One of the rings that an XDP socket shares with the kernel: each end writes its own counter, and
// entries only at its own side.

#include <linux/if_xdp.h>
#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace caponier::io {

/// Memory from mmap().
class Mapping {
 public:
  Mapping() = default;
  /// is_open() tells whether it succeeded.
  Mapping(std::size_t size, int protection, int flags, int fd, std::int64_t offset)
      : at_(::mmap(nullptr, size, protection, flags, fd, offset)), size_(size) {}
  Mapping(Mapping&& other) noexcept
      : at_(std::exchange(other.at_, MAP_FAILED)), size_(other.size_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(at_, other.at_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Mapping() {
    if (is_open()) ::munmap(at_, size_);
  }

  [[nodiscard]] bool is_open() const { return at_ != MAP_FAILED; }
  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(at_); }

 private:
  void* at_ = MAP_FAILED;
  std::size_t size_ = 0;
};

template <class T>
class XdpRing {
 public:
  XdpRing() = default;
  /// `count`: a power of two.
  XdpRing(int fd, const xdp_ring_offset& offsets, std::uint64_t page, std::uint32_t count)
      : memory_(offsets.desc + count * sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                fd, static_cast<std::int64_t>(page)),
        mask_(count - 1) {
    if (!memory_.is_open()) return;
    producer_ = reinterpret_cast<std::uint32_t*>(memory_.data() + offsets.producer);
    consumer_ = reinterpret_cast<std::uint32_t*>(memory_.data() + offsets.consumer);
    flags_ = reinterpret_cast<std::uint32_t*>(memory_.data() + offsets.flags);
    entries_ = reinterpret_cast<T*>(memory_.data() + offsets.desc);
  }

  [[nodiscard]] bool is_open() const { return memory_.is_open(); }

  // Where the kernel takes.
  /// The caller knows that there is room.
  void push(const T& entry) { entries_[at_++ & mask_] = entry; }
  /// Shows the kernel what has been pushed.
  void submit() { ref(producer_).store(at_, std::memory_order_release); }
  /// Pushed, and not yet taken.
  [[nodiscard]] std::uint32_t waiting() const {
    return at_ - ref(consumer_).load(std::memory_order_acquire);
  }
  /// To be asked behind submit(); each end looks at the other's word after writing its own.
  [[nodiscard]] bool needs_wakeup() const {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return (ref(flags_).load(std::memory_order_relaxed) & XDP_RING_NEED_WAKEUP) != 0;
  }

  // Where the kernel gives.
  [[nodiscard]] std::uint32_t available() const {
    return ref(producer_).load(std::memory_order_acquire) - at_;
  }
  /// The caller knows that there is one.
  [[nodiscard]] T pop() { return entries_[at_++ & mask_]; }
  /// Leaves the kernel the places of what has been popped.
  void release() { ref(consumer_).store(at_, std::memory_order_release); }

 private:
  [[nodiscard]] static std::atomic_ref<std::uint32_t> ref(std::uint32_t* counter) {
    return std::atomic_ref{*counter};
  }

  Mapping memory_;
  std::uint32_t* producer_ = nullptr;
  std::uint32_t* consumer_ = nullptr;
  std::uint32_t* flags_ = nullptr;
  T* entries_ = nullptr;
  std::uint32_t mask_ = 0;
  std::uint32_t at_ = 0;  ///< our own counter
};

}  // namespace caponier::io

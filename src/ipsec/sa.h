#pragma once
// One Child SA as the engine keeps it. What every packet reads comes first, in three cache lines
// for each direction; names, selectors and drop counters lie behind.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/gauge.h"
#include "ipsec/engine.h"
#include "ipsec/esp_size.h"
#include "ipsec/replay.h"

namespace caponier::ipsec {

/// A count that several workers may raise at once.
class Tally {
 public:
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }
  /// The new value. `shared` false: nobody else writes, and no bus lock is needed.
  std::uint64_t add(std::uint64_t count, bool shared) {
    if (shared) return value_.fetch_add(count, std::memory_order_relaxed) + count;
    const std::uint64_t sum = get() + count;
    value_.store(sum, std::memory_order_relaxed);
    return sum;
  }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

/// What must be one thing however many workers protect and open packets of an SA: its sequence
/// numbers in both directions, and what counts against its lifetime. Safe to use from all of them.
struct SaCommon {
  SaCommon(const policy::InstallSa& params, bool is_shared)
      : shared(is_shared), replay(params.replay_window, params.suite.esn, is_shared) {}

  bool shared;
  /// Null where the ciphers cannot be used by several threads; the workers then have their own.
  std::shared_ptr<crypto::PacketCipher> sealer;
  std::shared_ptr<crypto::PacketCipher> opener;

  /// The last sequence number used, and the IV of counter-mode ciphers. It counts what was sealed
  /// and nothing else, and may begin at 1 because the key is as new as this object: keys come from
  /// a fresh exchange and are never installed again.
  Tally sequence_out;
  Tally bytes_out;  ///< encrypted ones: payload, padding and trailer

  alignas(64) ReplayWindow replay;
  Tally packets_in;  ///< genuine and new ones, also those dropped later
  Tally bytes_in;
};

/// What crypto::KeyMemory says, in less room.
class KeyLines {
 public:
  KeyLines() = default;
  explicit KeyLines(const crypto::KeyMemory& memory)
      : always_(memory.always.data()),
        end_(memory.by_length.data() + memory.by_length.size()),
        always_size_(static_cast<std::uint32_t>(memory.always.size())),
        by_length_size_(static_cast<std::uint32_t>(memory.by_length.size())) {}

  /// As everything that only prefetches always inlined: g++ takes such a function for one that does
  /// nothing, and leaves its calls out.
  [[gnu::always_inline]] void prefetch(std::size_t packet_size) const {
    for (std::uint32_t at = 0; at < always_size_; at += line) __builtin_prefetch(always_ + at);
    const std::size_t needed = packet_size < by_length_size_ ? packet_size : by_length_size_;
    for (std::size_t back = 1; back <= needed; back += line) __builtin_prefetch(end_ - back);
  }

 private:
  static constexpr std::uint32_t line = 64;
  const std::byte* always_ = nullptr;
  const std::byte* end_ = nullptr;
  std::uint32_t always_size_ = 0;
  std::uint32_t by_length_size_ = 0;
};

/// What one worker has delivered in one direction. Others may read it meanwhile.
class Traffic {
 public:
  void add(std::size_t bytes) {
    packets_.add(1);
    bytes_.add(bytes);
  }
  /// Something came or went, whatever became of it.
  void touch(base::Instant now) { last_.set(now.since_origin.count()); }
  [[nodiscard]] std::uint64_t packets() const { return packets_.get(); }
  /// Inner ones.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.get(); }
  [[nodiscard]] std::optional<base::Instant> last() const {
    const std::int64_t at = last_.get();
    return at == not_yet ? std::nullopt : std::optional{base::Instant{base::Duration{at}}};
  }

 private:
  static constexpr std::int64_t not_yet = INT64_MIN;
  base::Gauge packets_;
  base::Gauge bytes_;
  base::BasicGauge<std::int64_t> last_{not_yet};
};

inline constexpr base::Instant never{base::Duration::max()};

/// Both directions of one Child SA, in one worker's engine.
struct alignas(64) Sa {
  Sa(policy::InstallSa params_in, const crypto::EncrInfo& encr,
     std::shared_ptr<crypto::PacketCipher> sealer_in,
     std::shared_ptr<crypto::PacketCipher> opener_in, std::shared_ptr<SaCommon> common_in,
     base::Instant now);

  // Both directions.
  SaCommon* common;
  base::Instant ends_at = never;  ///< hard lifetime
  EspShape shape;
  policy::ChildSaId id;
  policy::SaMode mode = policy::SaMode::tunnel;
  bool esn = false;
  bool follows_peer = false;  ///< its path may change with a packet
  bool is_expired = false;    ///< hard
  bool sends = true;          ///< else only when no other SA does
  bool heard_announced = false;
  bool soft_announced = false;
  bool hard_announced = false;
  bool clamp_mss = true;
  bool is_for_fragments = false;  ///< among others
  bool has_services = false;
  policy::OuterHeader outer;
  std::uint32_t flow_label = 0;  ///< where none is copied
  base::Spi spi_out;
  std::uint32_t failures = 0;  ///< of the ICV, one after the other

  alignas(64) std::uint64_t soft_packets = 0;  ///< at most hard_packets, as with bytes
  std::uint64_t soft_bytes = 0;
  std::uint64_t sequence_out_max = 0;  ///< 2^32-1, or 2^64-1 with ESN: never wraps
  std::size_t path_mtu = path_mtu_default;
  std::size_t proven_mtu = path_mtu_default;
  std::size_t inner_mtu = 0;  ///< for path_mtu
  std::size_t pad_to = 0;     ///< inner packets, for traffic flow confidentiality
  std::size_t outer_headers = 0;

  // Outbound.
  alignas(64) crypto::PacketCipher* sealer;
  KeyLines sealer_lines;
  Traffic out;

  // Inbound.
  alignas(64) crypto::PacketCipher* opener;
  KeyLines opener_lines;
  Traffic in;

  // Seldom needed.
  alignas(64) policy::InstallSa params;  ///< without its keys
  std::shared_ptr<SaCommon> common_owner;
  std::shared_ptr<crypto::PacketCipher> sealer_owner;
  std::shared_ptr<crypto::PacketCipher> opener_owner;
  std::uint64_t hard_packets = 0;
  std::uint64_t hard_bytes = 0;
  base::DropCounters drops;
  /// The endpoint last announced as PeerMoved, so that it is announced once.
  std::optional<base::Path> moved_to;
  /// DhcpAsked notices since then.
  base::Instant dhcp_since;
  std::size_t dhcp_count = 0;
  std::optional<base::Instant> soft_at;
  std::optional<base::Instant> hard_at;
  std::uint64_t rank = 0;          ///< the newer, the higher
  base::Instant dummy_at = never;  ///< not before

  /// To be called when path, encapsulation, NAT or path_mtu have changed.
  void update_path();
  [[nodiscard]] SaCounters counters() const;
  /// Whether dummy packets are wanted and possible: AH cannot have any.
  [[nodiscard]] bool has_dummies() const {
    return params.treatment.dummy_interval > base::Duration{} &&
           params.protocol == policy::SaProtocol::esp;
  }

  /// Bring what one packet needs into the cache; `common` and the keys, to which this leads, later.
  [[gnu::always_inline]] void prefetch_out() const {
    __builtin_prefetch(this);
    __builtin_prefetch(&soft_packets);
    __builtin_prefetch(&sealer);
    __builtin_prefetch(&params.path);
    __builtin_prefetch(&params.udp_encap);
  }
  [[gnu::always_inline]] void prefetch_in() const {
    __builtin_prefetch(this);
    __builtin_prefetch(&soft_packets);
    __builtin_prefetch(&opener);
  }
};

/// The largest inner packet whose outer packet fits `path_mtu`.
[[nodiscard]] std::size_t inner_mtu_of(const Sa& sa, std::size_t path_mtu);

}  // namespace caponier::ipsec

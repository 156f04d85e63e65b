#pragma once
// The security association database (RFC 4301 s4.4.2): associations by SPI for what arrives, by
// child for what leaves, and their lifetimes.

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ipsec/engine.h"
#include "ipsec/esp_size.h"
#include "ipsec/notices.h"
#include "ipsec/replay.h"
#include "wire/ip.h"

namespace caponier::ipsec {

/// What one key has done; unlike SaCounters it includes packets that were then dropped.
struct KeyUse {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;  ///< encrypted ones: payload, padding and trailer
};

/// Both directions of one Child SA.
struct Sa {
  Sa(policy::InstallSa params_in, const crypto::EncrInfo& encr,
     std::unique_ptr<crypto::PacketCipher> sealer_in,
     std::unique_ptr<crypto::PacketCipher> opener_in, base::Instant now);

  policy::InstallSa params;  ///< without its keys
  std::unique_ptr<crypto::PacketCipher> sealer;
  std::unique_ptr<crypto::PacketCipher> opener;
  EspShape shape;
  std::size_t opener_block = 1;
  std::size_t path_mtu = path_mtu_default;
  std::size_t inner_mtu = 0;  ///< for path_mtu

  std::uint64_t sequence_out = 0;      ///< the last one used
  std::uint64_t sequence_out_max = 0;  ///< 2^32-1, or 2^64-1 with ESN: never wraps
  /// The IV of counter-mode ciphers. It counts seals and nothing else, and may begin at 1 because
  /// the key is as new as this object: keys come from a fresh exchange and are never installed
  /// again.
  std::uint64_t iv_counter = 0;
  ReplayWindow replay;
  /// The endpoint last announced as PeerMoved, so that it is announced once.
  std::optional<base::Path> moved_to;

  KeyUse use_out;
  KeyUse use_in;
  std::uint64_t soft_packets = 0;
  std::uint64_t hard_packets = 0;
  std::uint64_t soft_bytes = 0;
  std::uint64_t hard_bytes = 0;
  std::optional<base::Instant> soft_at;
  std::optional<base::Instant> hard_at;
  bool is_expired = false;  ///< hard
  bool sends = true;        ///< else only when no other SA does
  bool heard_announced = false;
  bool soft_announced = false;
  bool hard_announced = false;

  SaCounters counters;

  void update_inner_mtu();
};

/// The largest inner packet whose outer packet fits `path_mtu`.
[[nodiscard]] std::size_t inner_mtu_of(const Sa& sa, std::size_t path_mtu);

class Sad {
 public:
  Sad(const EngineLimits& limits, base::Rng& rng, const crypto::CryptoProvider& crypto,
      Notices& notices)
      : limits_(limits), rng_(rng), crypto_(crypto), notices_(notices) {}

  std::expected<void, crypto::CryptoError> install(policy::InstallSa params, base::Instant now);
  void remove(policy::ChildSaId id);
  void switch_outbound(policy::ChildSaId id, bool sends);

  [[nodiscard]] Sa* find(policy::ChildSaId id) const;
  [[nodiscard]] Sa* find_inbound(base::Spi spi) const;
  /// The newest SA of the child whose selectors match: sending ones first, then living ones. Null
  /// when there is none.
  [[nodiscard]] Sa* find_outbound(const ChildName& child,
                                  const wire::PacketSelectorFields& packet) const;

  /// Counts one packet against a direction's key and announces the limits it reaches.
  void count_use(Sa& sa, KeyUse& use, std::size_t bytes);
  /// Announces the end of an SA and stops it.
  void expire(Sa& sa);
  /// Stops the SA if its time is over.
  void expire_by_time(Sa& sa, base::Instant now) {
    if (!sa.is_expired && sa.hard_at.has_value() && now >= *sa.hard_at) expire(sa);
  }
  /// Announces a hard end without stopping what still arrives: sequence numbers are used up.
  void announce_hard(Sa& sa);

  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;

  [[nodiscard]] std::size_t size() const { return by_id_.size(); }
  /// Changes whenever an earlier find_outbound() may no longer hold.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

 private:
  void announce_soft(Sa& sa);

  EngineLimits limits_;
  base::Rng& rng_;
  const crypto::CryptoProvider& crypto_;
  Notices& notices_;
  std::map<policy::ChildSaId, std::unique_ptr<Sa>> by_id_;
  std::unordered_map<base::Spi, Sa*> by_spi_;
  std::map<ChildName, std::vector<Sa*>> by_child_;  ///< oldest first
  std::set<std::pair<base::Instant, policy::ChildSaId>> deadlines_;
  std::uint64_t generation_ = 0;
};

}  // namespace caponier::ipsec

#pragma once
// The security association database (RFC 4301 s4.4.2): associations by SPI for what arrives, by
// child for what leaves, and their lifetimes.

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "ipsec/engine.h"
#include "ipsec/flat_table.h"
#include "ipsec/notices.h"
#include "ipsec/outbound_index.h"
#include "ipsec/sa.h"
#include "wire/ip.h"

namespace caponier::ipsec {

class Sad {
 public:
  Sad(const EngineLimits& limits, base::Rng& rng, const crypto::CryptoProvider& crypto,
      Notices& notices)
      : limits_(limits),
        rng_(rng),
        crypto_(crypto),
        notices_(notices),
        by_child_(limits.resource) {}

  /// `common`: of the same SA in another worker's engine; null when this is the first.
  std::expected<void, crypto::CryptoError> install(policy::InstallSa params,
                                                   std::shared_ptr<SaCommon> common,
                                                   base::Instant now);
  void remove(policy::ChildSaId id);
  void switch_outbound(policy::ChildSaId id, bool sends);

  [[nodiscard]] Sa* find(policy::ChildSaId id) const;
  /// By SPI and protocol (RFC 4301 s4.1).
  [[nodiscard]] Sa* find_inbound(policy::SaProtocol protocol, base::Spi spi) const;
  /// Brings what find_inbound() reads for ESP into the cache.
  [[gnu::always_inline]] void prefetch_inbound(base::Spi spi) const { esp_by_spi_.prefetch(spi); }
  /// As OutboundIndex::find() says.
  [[nodiscard]] Sa* find_outbound(const ChildName& child,
                                  const wire::PacketSelectorFields& packet) const {
    return by_child_.find(child, packet);
  }

  /// Counts one packet against a direction's key and announces the limits it reaches; `sequence`
  /// packets have been sealed by now.
  void count_out(Sa& sa, std::uint64_t sequence, std::size_t bytes) {
    SaCommon& common = *sa.common;
    check_use(sa, sequence, common.bytes_out.add(bytes, common.shared));
  }
  void count_in(Sa& sa, std::size_t bytes) {
    SaCommon& common = *sa.common;
    const bool shared = common.replay.is_shared();
    const std::uint64_t packets = common.packets_in.add(1, shared);
    check_use(sa, packets, common.bytes_in.add(bytes, shared));
  }
  /// Announces the end of an SA and stops it.
  void expire(Sa& sa);
  /// Stops the SA if its time is over.
  void expire_by_time(Sa& sa, base::Instant now) {
    if (now >= sa.ends_at && !sa.is_expired) expire(sa);
  }
  /// Announces a hard end without stopping what still arrives: sequence numbers are used up.
  void announce_hard(Sa& sa);

  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;

  /// An SA that owes a dummy packet, or null. Each is given once in its interval.
  [[nodiscard]] Sa* take_dummy_due(base::Instant now);

  /// Completes what the ciphers of all SAs have started.
  void finish_crypto() const { crypto_.finish(); }

  [[nodiscard]] std::size_t size() const { return by_id_.size(); }
  /// Changes whenever an earlier find_outbound() may no longer hold.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

 private:
  [[nodiscard]] std::expected<std::shared_ptr<crypto::PacketCipher>, crypto::CryptoError>
  make_cipher(const crypto::CipherSuite& suite, const policy::DirectionKeys& keys) const;
  [[nodiscard]] FlatTable<base::Spi, Sa*>& by_spi(policy::SaProtocol protocol) {
    return protocol == policy::SaProtocol::esp ? esp_by_spi_ : ah_by_spi_;
  }
  void check_use(Sa& sa, std::uint64_t packets, std::uint64_t bytes) {
    if (packets >= sa.soft_packets || bytes >= sa.soft_bytes) [[unlikely]] {
      announce_use(sa, packets >= sa.hard_packets || bytes >= sa.hard_bytes);
    }
  }
  void announce_use(Sa& sa, bool is_hard) { is_hard ? expire(sa) : announce_soft(sa); }
  void announce_soft(Sa& sa);

  EngineLimits limits_;
  base::Rng& rng_;
  const crypto::CryptoProvider& crypto_;
  Notices& notices_;
  FlatTable<policy::ChildSaId, std::unique_ptr<Sa>> by_id_;
  FlatTable<base::Spi, Sa*> esp_by_spi_;
  FlatTable<base::Spi, Sa*> ah_by_spi_;
  OutboundIndex by_child_;
  std::set<std::pair<base::Instant, policy::ChildSaId>> deadlines_;
  std::set<std::pair<base::Instant, policy::ChildSaId>> dummies_;  ///< when each may be due
  std::uint64_t generation_ = 0;
};

}  // namespace caponier::ipsec

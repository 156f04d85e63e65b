#pragma once
// From ESP and AH to the clear side (RFC 4301 s5.2, RFC 4302 s3.4, RFC 4303 s3.4).

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "ipsec/ah.h"
#include "ipsec/audit.h"
#include "ipsec/early.h"
#include "ipsec/engine.h"
#include "ipsec/esp_burst.h"
#include "ipsec/flow_cache.h"
#include "ipsec/inbound_policy.h"
#include "ipsec/ip_headers.h"
#include "ipsec/ip_summary.h"
#include "ipsec/notices.h"
#include "ipsec/sad.h"

namespace caponier::ipsec {

class EspInbound {
 public:
  /// After so many packets of an SA in a row whose ICV failed, one is tried with larger upper
  /// halves of its sequence number, at most so many (RFC 4303 appendix A3).
  static constexpr std::uint32_t resync_failures = 64;
  static constexpr std::uint32_t resync_wraps_max = 16;

  EspInbound(const EngineLimits& limits, InboundPolicy& policy, Sad& sad, EarlyPackets& early,
             Notices& notices, Audit& audit, base::DropCounters& drops);

  template <class Watch = Unwatched>
  void run(std::span<OpenItem> items, base::Instant now, Watch watch = {});

 private:
  /// What stood in front in a packet that came with its headers.
  struct Whole {
    IpHeaders headers{};
    std::size_t saved_at = 0;  ///< where headers_ has them
    AhPlace ah{};
    base::Spi spi;  ///< of AH
  };
  // A packet on its way through the stages: one whose SPI is known, one whose job the cipher has,
  // and one that is clear again.
  struct Found {
    OpenItem* item = nullptr;
    Sa* sa = nullptr;
    base::Spi spi;
    const Whole* whole = nullptr;
  };
  struct Pending {
    OpenItem* item = nullptr;
    Sa* sa = nullptr;
    std::uint64_t sequence = 0;
    const Whole* whole = nullptr;
  };
  struct Opened {
    OpenItem* item = nullptr;
    Sa* sa = nullptr;
    bool follows = false;  ///< flow and SA are those of the packet before
    IpSummary inner;
  };

  // The stages of a burst: what each packet needs is fetched into the cache step by step, sequence
  // numbers are checked, the ciphers do their work, ESP and AH are taken off, and what stood behind
  // them is checked and counted.
  void read_all(std::span<OpenItem> items);
  void find_all();
  void prepare_all(base::Instant now);
  void open_all();
  void unwrap_all(base::Instant now);
  void deliver_all(base::Instant now);

  /// Of a whole packet; null when that is not what it should be. ESP then stands at the front.
  [[nodiscard]] const Whole* read_headers(OpenItem& item);
  /// Its SA may be about to come; else it is dropped.
  void hold_or_drop(const Found& found, base::Instant now);
  /// Appends a job, or drops the packet.
  void prepare(const Found& found, base::Instant now);
  void prepare_ah(const Found& found);
  /// Keeps a packet of an SA that seems to be out of step.
  void keep(OpenItem& item, base::Bytes packet);

  // One packet after its open(); false: it was dropped.
  /// Whether it is genuine and new; it is then counted.
  [[nodiscard]] bool accept(Pending& pending, crypto::PacketJob& job, base::Instant now);
  /// True when the packet is genuine after all, 2^32 packets or more after the one before; its
  /// text is then open.
  [[nodiscard]] bool resynchronise(Pending& pending, crypto::PacketJob& job);
  /// It becomes the IP packet within, which `inner` then tells of.
  [[nodiscard]] bool unwrap(const Pending& pending, base::Bytes text, IpSummary& inner);
  [[nodiscard]] bool unwrap_ah(const Pending& pending, IpSummary& inner);
  /// Transport mode and BEET; ESP and its trailer have been taken off.
  [[nodiscard]] bool rebuild(const Pending& pending, std::uint8_t next_header, IpSummary& inner);
  [[nodiscard]] bool rebuild_transport(const Pending& pending, std::uint8_t next_header);
  // What the SA delivers must lie within the selectors that were negotiated for it.
  [[nodiscard]] bool check_fragment(const Opened& opened);
  [[nodiscard]] bool is_known(const Opened& opened, std::uint64_t generation) const;
  [[nodiscard]] bool check_new_flow(const Opened& opened, std::uint64_t generation,
                                    base::Instant now);
  /// Of a packet for us ourselves, which never goes on.
  void hand_over(OpenItem& item, Sa& sa, const wire::PacketSelectorFields& fields,
                 base::Instant now);
  /// What of the outer header goes on in the inner one.
  [[nodiscard]] bool merge_headers(const Opened& opened);
  void note_path(const OpenItem& item, Sa& sa);
  void drop(OpenItem& item, Sa* sa, base::DropReason reason);
  /// False, as those who refuse a packet say.
  bool refuse(OpenItem& item, Sa& sa, base::DropReason reason) {
    drop(item, &sa, reason);
    return false;
  }

  const EngineLimits limits_;
  InboundPolicy& policy_;
  Sad& sad_;
  EarlyPackets& early_;
  Notices& notices_;
  Audit& audit_;
  base::DropCounters& drops_;
  /// A packet as it came, in case its ICV fails too; one of a burst.
  const OpenItem* kept_item_ = nullptr;
  base::ByteVec kept_;
  FlowCache flows_;  ///< flows that were found to be within an SA's selectors
  Stage<Found> found_;
  Stage<crypto::PacketJob> jobs_;
  Stage<Pending> pending_;  ///< one for each job
  Stage<Opened> opened_;
  Stage<Whole> wholes_;
  HeaderStore headers_;
};

template <class Watch>
void EspInbound::run(std::span<OpenItem> items, base::Instant now, Watch watch) {
  while (!items.empty()) {
    const std::size_t count = std::min(items.size(), burst_packets_max);
    read_all(items.first(count));
    watch.passed(BurstStage::parse);
    find_all();
    watch.passed(BurstStage::association);
    prepare_all(now);
    watch.passed(BurstStage::headers);
    open_all();
    watch.passed(BurstStage::crypto);
    unwrap_all(now);
    watch.passed(BurstStage::unwrap);
    deliver_all(now);
    watch.passed(BurstStage::policy);
    items = items.subspan(count);
  }
}

}  // namespace caponier::ipsec

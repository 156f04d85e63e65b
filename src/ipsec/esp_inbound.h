#pragma once
// From ESP and AH to the clear side (RFC 4301 s5.2, RFC 4302 s3.4, RFC 4303 s3.4).

#include <cstdint>
#include <optional>
#include <span>

#include "ipsec/ah.h"
#include "ipsec/audit.h"
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

  EspInbound(bool clamp_mss, InboundPolicy& policy, Sad& sad, Notices& notices, Audit& audit,
             base::DropCounters& drops);

  void run(std::span<OpenItem> items, base::Instant now);

 private:
  /// What stood in front in a packet that came with its headers.
  struct Whole {
    IpHeaders headers{};
    std::size_t saved_at = 0;  ///< where headers_ has them
    AhPlace ah{};
  };
  /// A packet on its way through the stages.
  struct Pending {
    OpenItem* item = nullptr;
    Sa* sa = nullptr;
    base::Spi spi;
    std::uint64_t sequence = 0;
    const Whole* whole = nullptr;
  };

  // The stages of a burst: what each packet needs is fetched into the cache step by step, sequence
  // numbers are checked, the ciphers do their work, and what came of it is checked and counted.
  void find_all(std::span<OpenItem> items);
  /// Of a whole packet: what stands in front, and the SPI. False when that is not what it should
  /// be. ESP then stands at the front.
  [[nodiscard]] bool read_headers(Pending& found);
  void prepare_all(base::Instant now);
  void open_all();
  void complete(base::Instant now);

  /// Appends a job, or drops the packet.
  void prepare(Pending& found, base::Instant now);
  void prepare_ah(Pending& found);
  /// The whole of the sequence number at `field`; empty when the packet is a replay.
  [[nodiscard]] static std::optional<std::uint64_t> read_sequence(const Sa& sa,
                                                                  const std::byte* field);
  /// One packet after its open(): empty when it is to be delivered.
  [[nodiscard]] std::optional<base::DropReason> finish(Pending& pending, crypto::PacketJob& job,
                                                       base::Instant now);
  /// True when the packet is genuine after all, 2^32 packets or more after the one before; its
  /// text is then open.
  [[nodiscard]] bool resynchronise(Pending& pending, crypto::PacketJob& job);
  [[nodiscard]] std::optional<base::DropReason> unwrap_tunnel(OpenItem& item, Sa& sa,
                                                              std::uint8_t next_header);
  [[nodiscard]] std::optional<base::DropReason> unwrap_transport(const Pending& pending, Sa& sa,
                                                                 std::uint8_t next_header);
  [[nodiscard]] std::optional<base::DropReason> unwrap_ah(const Pending& pending, Sa& sa);
  /// A packet with its IP header, as it was before transport mode.
  [[nodiscard]] std::optional<base::DropReason> check_transport(PacketBuffer& packet, Sa& sa);
  /// What the SA delivers must lie within the selectors that were negotiated for it.
  [[nodiscard]] std::optional<base::DropReason> check_selectors(const PacketBuffer& packet,
                                                                const IpSummary& inner, Sa& sa);
  void clamp(PacketBuffer& packet, const IpSummary& inner, const Sa& sa) const;
  void note_path(const OpenItem& item, Sa& sa);
  void drop(OpenItem& item, Sa* sa, base::DropReason reason);

  bool clamp_mss_;
  InboundPolicy& policy_;
  Sad& sad_;
  Notices& notices_;
  Audit& audit_;
  base::DropCounters& drops_;
  /// A packet as it came, in case its ICV fails too; one of a burst.
  const OpenItem* kept_item_ = nullptr;
  base::ByteVec kept_;
  FlowCache flows_;  ///< flows that were found to be within an SA's selectors
  Stage<Pending> found_;
  Stage<crypto::PacketJob> jobs_;
  Stage<Pending> pending_;  ///< one for each job
  Stage<Whole> wholes_;
  HeaderStore headers_;
};

}  // namespace caponier::ipsec

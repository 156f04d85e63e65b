#pragma once
// From the clear side to ESP and AH (RFC 4301 s5.1, RFC 4302 s3.3, RFC 4303 s3.3).

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "ipsec/ah.h"
#include "ipsec/audit.h"
#include "ipsec/beet.h"
#include "ipsec/engine.h"
#include "ipsec/esp_burst.h"
#include "ipsec/flow_cache.h"
#include "ipsec/ip_headers.h"
#include "ipsec/ip_summary.h"
#include "ipsec/made_packets.h"
#include "ipsec/notices.h"
#include "ipsec/reassembly.h"
#include "ipsec/sad.h"
#include "ipsec/spd.h"
#include "ipsec/waiting.h"

namespace caponier::ipsec {

class EspOutbound {
 public:
  EspOutbound(const EngineLimits& limits, base::Rng& rng, const Spd& spd, Sad& sad,
              Notices& notices, WaitingPackets& waiting, Reassembly& reassembly, Audit& audit,
              base::DropCounters& drops);

  template <class Watch = Unwatched>
  void run(std::span<ProtectItem> items, base::Instant now, Watch watch = {});
  /// Makes the dummy packets that are due; made() has them.
  void run_dummies(base::Instant now);
  [[nodiscard]] std::span<const ProtectItem> made() const { return made_.items(); }

 private:
  /// A clear packet on its way to its SA.
  struct Chosen {
    ProtectItem* item = nullptr;
    Sa* sa = nullptr;
    bool follows = false;    ///< its flow is that of the packet before
    std::uint64_t hash = 0;  ///< of packet.flow; not when it follows
    IpSummary packet;
  };
  /// What becomes the payload of ESP or AH.
  struct Inner {
    const IpSummary& packet;
    std::uint8_t next_header = 0;        ///< in the ESP trailer or in AH
    std::size_t stripped = 0;            ///< the IP header that transport mode takes off
    const IpHeaders* outside = nullptr;  ///< or that it leaves in front, and more than that
    const BeetPayload* beet = nullptr;   ///< whose pseudo-header has yet to be written
  };
  /// A packet with AH, whose headers are masked as long as its ICV is computed.
  struct Masked {
    AhPlace ah{};
    std::size_t saved_at = 0;  ///< where headers_ has them
  };
  /// A packet whose job the cipher has.
  struct Pending {
    ProtectItem* item = nullptr;
    Sa* sa = nullptr;
    std::size_t inner_size = 0;
    const Masked* masked = nullptr;
    bool is_dummy = false;
  };

  // The stages of a burst: packets are read, each SA is found and fetched into the cache, packets
  // get their headers and trailers, the ciphers do their work, and what came of it is counted.
  void read_all(std::span<ProtectItem> items);
  void choose_all(base::Instant now);
  void prepare_all(base::Instant now);
  void seal_all();
  void complete(base::Instant now);

  /// The SA that shall carry the packet; null when its verdict has been reached.
  Sa* decide(const Chosen& chosen, base::Instant now);
  Flow find_living_flow(const Chosen& chosen, base::Instant now);
  Flow look_up(const Chosen& chosen, base::Instant now);
  /// Asks for an SA of this worker's own where `found` is not and `policy` wants it.
  void ask_for_own(const Policy& policy, const Sa& found, base::Instant now);
  /// of_whole_packet_ for a fragment that cannot be judged by itself.
  [[nodiscard]] const SpdEntry* match(const wire::PacketSelectorFields& packet) const;
  /// No policy names the packet: an ICMP error goes the way of the answer to what it quotes. Null:
  /// it was dropped.
  Sa* find_for_icmp_error(ProtectItem& item, base::Instant now);
  /// No SA yet: asks for one and holds the packet.
  void hold(ProtectItem& item, const SpdEntry& entry, base::Instant now);
  /// A fragment whose packet is needed whole: waits for the others.
  void gather(ProtectItem& item, Sa* sa, base::Instant now);
  // Append a job, or drop the packet.
  /// Does by itself what most packets need, which is ESP around them.
  void prepare(const Chosen& chosen, Sa& sa, base::Instant now);
  void prepare_special(const Chosen& chosen, Sa& sa, base::Instant now);
  void prepare_inner(ProtectItem& item, Sa& sa, const Inner& inner, base::Instant now);
  // What becomes of a packet's own header where it does not go through a tunnel.
  void prepare_beet(const Chosen& chosen, Sa& sa, base::Instant now);
  void prepare_transport(const Chosen& chosen, Sa& sa, base::Instant now);
  /// Such a packet must not go through: dropped, or a fragment that waits.
  void refuse(ProtectItem& item, Sa& sa, base::DropReason reason, base::Instant now);
  enum class Fit : std::uint8_t { whole, pieces, too_big, impossible };
  /// Appends the job of a packet that may leave as it is, with what its outer header shall say.
  [[nodiscard]] Fit pack(ProtectItem& item, Sa& sa, const Inner& inner);
  /// What may be done about one that exceeds the path MTU; whole: it leaves in fragments.
  [[nodiscard]] static Fit judge_size(const ProtectItem& item, const Sa& sa, const Inner& inner);
  /// Splits the packet or refuses it; a sender that must not have it split is told what would fit.
  void treat_size(ProtectItem& item, Sa& sa, const Inner& inner, Fit how, base::Instant now);
  /// Sends the first fragment and leaves the later ones in made_. False: it cannot be split.
  bool split(ProtectItem& item, Sa& sa, const Inner& inner);
  template <class Plan>
  bool split(ProtectItem& item, Sa& sa, const Inner& inner, const std::optional<Plan>& plan);
  /// A dummy packet as long as others of the SA may be.
  void make_dummy(Sa& sa);
  /// The fragments of all packets that were split, and dummies, through the same stages.
  void seal_made(base::Instant now);
  /// Puts ESP around all of the item's packet, which has room for it.
  void encapsulate(ProtectItem& item, Sa& sa, const IpSummary& packet, std::uint8_t next_header,
                   const EspFrame& frame);
  /// SPI and sequence number are written to `esp`; `text` octets are to be sealed behind the IV.
  void add_esp_job(Sa& sa, std::uint64_t sequence, std::byte* esp, std::size_t text);
  // The same for packets that keep or get their IP headers here.
  [[nodiscard]] Fit pack_whole(ProtectItem& item, Sa& sa, const Inner& inner);
  [[nodiscard]] static bool has_room_whole(const PacketBuffer& packet, const Sa& sa,
                                           const Inner& inner, std::size_t outer_size);
  void encapsulate_whole(ProtectItem& item, Sa& sa, const Inner& inner);
  void encapsulate_in_ah(ProtectItem& item, Sa& sa, const Inner& inner, std::uint64_t sequence);
  void encapsulate_behind_headers(ProtectItem& item, Sa& sa, const Inner& inner,
                                  std::uint64_t sequence);
  /// Zero when they are used up, which has been announced.
  [[nodiscard]] std::uint64_t next_sequence(ProtectItem& item, Sa& sa);
  void drop(ProtectItem& item, Sa* sa, base::DropReason reason);

  /// Both parts only grow, so their sum never repeats.
  [[nodiscard]] std::uint64_t generation() const { return spd_.generation() + sad_.generation(); }

  bool clamp_mss_;
  std::optional<policy::ResourceId> resource_;
  MadePackets made_;
  base::Rng& rng_;
  const Spd& spd_;
  Sad& sad_;
  Notices& notices_;
  WaitingPackets& waiting_;
  Reassembly& reassembly_;
  const SpdEntry of_whole_packet_{{PolicyAction::discard, {}, {}, {}, {}}, {}};
  Audit& audit_;
  base::DropCounters& drops_;
  FlowCache flows_;
  Stage<Chosen> chosen_;
  std::uint64_t chosen_at_ = 0;  ///< the generation in which chosen_ holds
  Stage<crypto::PacketJob> jobs_;
  Stage<Pending> pending_;  ///< one for each job
  Stage<Masked> masked_;
  HeaderStore headers_;
};

template <class Watch>
void EspOutbound::run(std::span<ProtectItem> items, base::Instant now, Watch watch) {
  made_.clear();
  while (!items.empty()) {
    const std::size_t count = std::min(items.size(), burst_packets_max);
    read_all(items.first(count));
    watch.passed(BurstStage::parse);
    choose_all(now);
    watch.passed(BurstStage::policy);
    prepare_all(now);
    watch.passed(BurstStage::headers);
    seal_all();
    watch.passed(BurstStage::crypto);
    complete(now);
    watch.passed(BurstStage::count);
    items = items.subspan(count);
  }
  if (!made_.items().empty()) seal_made(now);
}

}  // namespace caponier::ipsec

#pragma once
// From the clear side to ESP and AH (RFC 4301 s5.1, RFC 4302 s3.3, RFC 4303 s3.3).

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

  void run(std::span<ProtectItem> items, base::Instant now);
  /// Makes the dummy packets that are due; made() has them.
  void run_dummies(base::Instant now);
  [[nodiscard]] std::span<const ProtectItem> made() const { return made_.items(); }

 private:
  /// A clear packet on its way to its SA.
  struct Chosen {
    ProtectItem* item = nullptr;
    Sa* sa = nullptr;
    std::uint64_t hash = 0;  ///< of packet.flow
    IpSummary packet;
  };
  /// What becomes the payload of ESP or AH.
  struct Inner {
    const IpSummary& packet;
    std::uint8_t next_header = 0;  ///< in the ESP trailer or in AH
    std::size_t stripped = 0;      ///< the IP header that transport mode takes off
    IpHeaders outside{};           ///< or that it leaves in front, and more than that
    BeetPayload beet{};
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

  // The stages of a burst: each SA is found and fetched into the cache, packets get their headers
  // and trailers, the ciphers do their work, and what came of it is counted.
  void choose(std::span<ProtectItem> items, base::Instant now);
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
  /// Appends a job, or drops the packet.
  void prepare(const Chosen& chosen, Sa& sa, base::Instant now);
  /// What becomes of the packet's own header; false: it was dropped, or waits as a fragment.
  [[nodiscard]] bool choose_payload(ProtectItem& item, Sa& sa, Inner& inner, base::Instant now);
  enum class Fit : std::uint8_t { whole, pieces, too_big, impossible };
  /// Whether the packet may leave as it is; sets the outer header.
  [[nodiscard]] Fit fit(ProtectItem& item, const Sa& sa, const Inner& inner) const;
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
  void encapsulate(ProtectItem& item, Sa& sa, const Inner& inner);
  struct EspPlace {
    std::byte* esp;  ///< where the SPI belongs
    std::size_t payload;
  };
  void add_esp_job(ProtectItem& item, Sa& sa, const Inner& inner, std::uint64_t sequence,
                   EspPlace place);
  // The same for packets that keep or get their IP headers here.
  [[nodiscard]] static bool is_whole(const Sa& sa, const Inner& inner) {
    return sa.shape.ah != 0 || inner.outside.size != 0;
  }
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

}  // namespace caponier::ipsec

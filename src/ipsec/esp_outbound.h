#pragma once
// From the clear side to ESP (RFC 4301 s5.1, RFC 4303 s3.3).

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ipsec/engine.h"
#include "ipsec/flow_cache.h"
#include "ipsec/notices.h"
#include "ipsec/sad.h"
#include "ipsec/spd.h"

namespace caponier::ipsec {

class EspOutbound {
 public:
  EspOutbound(bool clamp_mss, const Spd& spd, Sad& sad, Notices& notices,
              base::DropCounters& drops);

  void run(std::span<ProtectItem> items, base::Instant now);

 private:
  /// What protection needs to know of a clear packet.
  struct Inner {
    base::Family family{};
    std::uint8_t tos = 0;
    bool dont_fragment = false;
    std::uint8_t next_header = 0;  ///< of the ESP trailer
    std::size_t stripped = 0;      ///< the IP header that transport mode takes off
    std::size_t size = 0;
  };
  /// A packet on its way through the stages.
  struct Pending {
    ProtectItem* item = nullptr;
    Sa* sa = nullptr;
    std::size_t inner_size = 0;
  };

  // The stages of a burst: each SA is found and fetched into the cache, packets get their headers
  // and trailers, the ciphers do their work, and what came of it is counted.
  void choose(std::span<ProtectItem> items, base::Instant now);
  void prepare_all(base::Instant now);
  void seal_all();
  void complete(base::Instant now);

  /// The SA that shall carry the packet; null when its verdict has been reached.
  Sa* decide(ProtectItem& item, base::Instant now);
  Flow find_living_flow(const wire::PacketSelectorFields& packet, base::Instant now);
  Flow look_up(const wire::PacketSelectorFields& packet);
  /// Appends a job, or drops the packet.
  void prepare(ProtectItem& item, Sa& sa, base::Instant now);
  /// Whether the packet may leave as it is; sets the outer DF.
  [[nodiscard]] bool fits(ProtectItem& item, const Sa& sa, const Inner& inner, base::Instant now);
  void encapsulate(ProtectItem& item, Sa& sa, const Inner& inner);
  void refuse_sequence(ProtectItem& item, Sa& sa);
  void drop(ProtectItem& item, Sa* sa, base::DropReason reason);

  /// Both parts only grow, so their sum never repeats.
  [[nodiscard]] std::uint64_t generation() const { return spd_.generation() + sad_.generation(); }

  bool clamp_mss_;
  const Spd& spd_;
  Sad& sad_;
  Notices& notices_;
  base::DropCounters& drops_;
  FlowCache flows_;
  std::vector<Pending> chosen_;
  std::uint64_t chosen_at_ = 0;  ///< the generation in which chosen_ holds
  std::vector<crypto::PacketJob> jobs_;
  std::vector<Pending> pending_;  ///< one for each job
};

}  // namespace caponier::ipsec

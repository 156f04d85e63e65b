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
  /// A packet whose job awaits its run's seal().
  struct Pending {
    ProtectItem* item = nullptr;
    std::size_t inner_size = 0;
  };

  /// The SA that shall carry the packet; null when its verdict has been reached.
  Sa* decide(ProtectItem& item, base::Instant now);
  Flow find_living_flow(const wire::PacketSelectorFields& packet, base::Instant now);
  Flow look_up(const wire::PacketSelectorFields& packet);
  /// Appends a job, or drops the packet.
  void prepare(ProtectItem& item, Sa& sa, base::Instant now);
  /// Whether the packet may leave as it is; sets the outer DF.
  [[nodiscard]] bool fits(ProtectItem& item, const Sa& sa, const Inner& inner, base::Instant now);
  void encapsulate(ProtectItem& item, Sa& sa, const Inner& inner);
  void flush(base::Instant now);
  void drop(ProtectItem& item, Sa* sa, base::DropReason reason);

  bool clamp_mss_;
  const Spd& spd_;
  Sad& sad_;
  Notices& notices_;
  base::DropCounters& drops_;
  FlowCache flows_;
  Sa* run_sa_ = nullptr;
  std::vector<crypto::PacketJob> jobs_;  ///< of run_sa_, as pending_
  std::vector<Pending> pending_;
};

}  // namespace caponier::ipsec

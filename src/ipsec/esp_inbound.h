#pragma once
// From ESP to the clear side (RFC 4301 s5.2, RFC 4303 s3.4).

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ipsec/engine.h"
#include "ipsec/notices.h"
#include "ipsec/sad.h"

namespace caponier::ipsec {

class EspInbound {
 public:
  EspInbound(bool clamp_mss, Sad& sad, Notices& notices, base::DropCounters& drops);

  void run(std::span<OpenItem> items, base::Instant now);

 private:
  /// A packet whose job awaits its run's open().
  struct Pending {
    OpenItem* item = nullptr;
    std::uint64_t sequence = 0;
  };

  /// The SA of a packet; null when it was dropped.
  Sa* find_sa(OpenItem& item, base::Instant now);
  /// Appends a job, or drops the packet.
  void prepare(OpenItem& item, Sa& sa);
  void flush(base::Instant now);
  /// One packet after its open(): empty when it is to be delivered.
  [[nodiscard]] std::optional<base::DropReason> finish(const Pending& pending,
                                                       const crypto::PacketJob& job, Sa& sa,
                                                       base::Instant now);
  void note_path(const OpenItem& item, Sa& sa);
  void drop(OpenItem& item, Sa* sa, base::DropReason reason);

  bool clamp_mss_;
  Sad& sad_;
  Notices& notices_;
  base::DropCounters& drops_;
  Sa* run_sa_ = nullptr;
  std::vector<crypto::PacketJob> jobs_;  ///< of run_sa_, as pending_
  std::vector<Pending> pending_;
};

}  // namespace caponier::ipsec

#pragma once
// Which dropped packets the owner hears of (RFC 4301 s9, RFC 4302 s4, RFC 4303 s4), and what. All
// are counted by their reason, told or not; whoever floods us gets few words.

#include <array>

#include "ipsec/engine.h"
#include "ipsec/notices.h"
#include "ipsec/sa.h"

namespace caponier::ipsec {

class Audit {
 public:
  Audit(const EngineLimits& limits, Notices& notices)
      : burst_max_(limits.audit_burst_max), interval_(limits.audit_interval), notices_(notices) {}

  void set(bool is_on) { is_on_ = is_on; }
  /// When the packets of the next calls are dropped.
  void set_time(base::Instant now) { now_ = now; }

  /// A packet dropped on its way in; `sa` may be null. Its bytes are as the engine left them.
  void note(const OpenItem& item, const Sa* sa, base::DropReason reason);
  void note(const ProtectItem& item, const Sa* sa, base::DropReason reason);

 private:
  struct Window {
    base::Instant ends{};
    std::size_t told = 0;
  };
  [[nodiscard]] bool is_wanted(base::DropReason reason);

  std::size_t burst_max_;
  base::Duration interval_;
  Notices& notices_;
  bool is_on_ = false;
  base::Instant now_{};
  std::array<Window, base::drop_reason_count> windows_{};
};

}  // namespace caponier::ipsec

#pragma once
// Packets of SAs that are being negotiated: the peer has its half, and sends, before its answer has
// reached us, or while the control side still reads it. Held until the SA is installed, bounded in
// number, size and age. Packets of any other unknown SPI are none of these.

#include <deque>
#include <optional>
#include <set>
#include <span>

#include "base/drops.h"
#include "base/time.h"
#include "ipsec/audit.h"
#include "ipsec/engine.h"

namespace caponier::ipsec {

class EarlyPackets {
 public:
  EarlyPackets(const EngineLimits& limits, Audit& audit, base::DropCounters& drops)
      : limits_(limits), audit_(audit), drops_(drops) {}

  void expect(base::Spi spi) { expected_.insert(spi); }
  /// False when it is not expected, or there is no room; the caller drops the packet.
  [[nodiscard]] bool hold(base::Spi spi, const OpenItem& item, base::Instant now);
  /// The SA is there: what came for it may be taken.
  void release(base::Spi spi);
  /// There will be no such SA.
  void give_up(base::Spi spi);
  /// Copies what may be taken into the packets of `to`, as it came; how many there were.
  [[nodiscard]] std::size_t take(std::span<OpenItem> to);
  [[nodiscard]] bool has_released() const { return !ready_.empty(); }
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Instant> poll_deadline() const;

 private:
  struct Held {
    base::Spi spi;
    base::ByteVec bytes;
    OpenItem item;  ///< without its packet
    base::Instant since;
  };

  void drop(const Held& held);

  EngineLimits limits_;
  Audit& audit_;
  base::DropCounters& drops_;
  std::set<base::Spi> expected_;  ///< one for each request that is under way
  std::deque<Held> held_;         ///< oldest first
  std::deque<Held> ready_;
  std::size_t bytes_ = 0;  ///< of both
};

}  // namespace caponier::ipsec

#pragma once
// A bounded recording of outer packets, rebuilt with their IP and UDP headers, as pcapng.

#include "base/address.h"
#include "base/bounded.h"
#include "base/time.h"
#include "wire/pcapng.h"

namespace caponier::gateway {

class Capture {
 public:
  /// `unix_origin`: the wall-clock time of the instants' origin.
  Capture(std::size_t packets_max, base::Duration unix_origin)
      : blocks_(packets_max), unix_origin_(unix_origin) {}

  [[nodiscard]] bool is_on() const { return on_; }
  /// Switching on starts a new file.
  void set(bool on);
  /// `path` from our side; `direction` tells which end sent. The payload as UDP carried it.
  void add_udp(const base::Path& path, wire::PcapngDirection direction, base::Bytes payload,
               base::Instant now);
  /// ESP directly above IP.
  void add_esp(const base::Path& path, wire::PcapngDirection direction, base::Bytes packet,
               base::Instant now);
  /// An IP packet.
  void add_ip(wire::PcapngDirection direction, base::Bytes packet, base::Instant now) {
    add(direction, packet, now);
  }
  [[nodiscard]] std::optional<base::ByteVec> poll();

 private:
  void add(wire::PcapngDirection direction, base::Bytes packet, base::Instant now);

  bool on_ = false;
  std::optional<base::ByteVec> head_;
  base::BoundedQueue<base::ByteVec> blocks_;
  base::Duration unix_origin_;
};

}  // namespace caponier::gateway

#pragma once
// What must never happen in a run. A checker reports; the test decides whether it was expected.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/drops.h"
#include "sim/network.h"

namespace caponier::sim {

enum class Broken : std::uint8_t {
  repeated_iv,
  repeated_sequence,
  undeclared_drop,
  error_event,
  leaked_sa,
  clear_on_link,
  delivered_twice,
  altered,
  misdelivered,
  unmatched_spi,
  no_quiescence,
  not_up,
  unproven_peer,
  bad_spi,
  wide_selectors,
  limit_exceeded,
  ends_differ,
};
[[nodiscard]] std::string_view name_of(Broken rule);

struct Violation {
  Broken rule{};
  std::string text;
};

/// At most `violations_max` are kept: the first ones tell.
class Violations {
 public:
  static constexpr std::size_t violations_max = 20;
  void add(Broken rule, std::string text);
  [[nodiscard]] const std::vector<Violation>& list() const { return list_; }
  [[nodiscard]] bool has(Broken rule) const;
  /// Forgets those of `rule`; true when there were any.
  [[nodiscard]] bool take(Broken rule);

 private:
  std::vector<Violation> list_;
};

/// ESP sequence numbers per sender and SPI.
class SequenceChecker {
 public:
  explicit SequenceChecker(Violations& violations) : violations_(&violations) {}
  /// `esp` from the SPI on.
  void on_sent(HostId sender, base::Bytes esp);

 private:
  Violations* violations_;
  std::map<std::pair<HostId, std::uint32_t>, std::unordered_set<std::uint32_t>> seen_;
};

/// Every clear packet of the run: what was sent is delivered unchanged, at the right place, at
/// most once, and never seen on a link.
class PacketLedger {
 public:
  explicit PacketLedger(Violations& violations) : violations_(&violations) {}

  struct Ping {
    std::uint64_t id = 0;
    bool is_reply = false;
    std::uint64_t flow = 0;
  };
  /// A whole ICMP echo packet whose data begins with the marker, and which is remembered.
  [[nodiscard]] base::ByteVec make(const base::IpAddress& from, const base::IpAddress& to,
                                   std::uint64_t flow, bool is_reply, std::size_t filler);
  /// What arrived on the clear side of the gateway whose inner host is `host`; nothing when it is
  /// not a packet of ours or breaks a rule.
  [[nodiscard]] std::optional<Ping> on_delivered(const base::IpAddress& host, base::Bytes packet);
  void on_link(base::Bytes outer);
  [[nodiscard]] std::uint64_t sent() const { return next_id_ - 1; }
  [[nodiscard]] std::uint64_t delivered() const { return delivered_; }

 private:
  struct Sent {
    base::IpAddress from, to;
    base::ByteVec message;  ///< ICMP from its type on
    Ping ping;
    bool delivered = false;
  };
  Violations* violations_;
  std::map<std::uint64_t, Sent> packets_;
  std::uint64_t next_id_ = 1;
  std::uint64_t delivered_ = 0;
};

}  // namespace caponier::sim

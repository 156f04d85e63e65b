#pragma once
// The path MTU of every Child SA (RFC 4301 s8.2): one search for each path, whose result all SAs on
// it share, and the ICMP errors that may change it.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "base/address.h"
#include "gateway/path_search.h"
#include "ike/actions.h"
#include "policy/child_sa.h"

namespace caponier::gateway {

/// An ICMP error "too big", or our own kernel's refusal, about an outer packet of ours.
struct OuterTooBig {
  base::Endpoint remote;     ///< where that packet went; port 0: native ESP
  std::size_t mtu = 0;       ///< what would fit, as the error says
  bool is_own_host = false;  ///< our kernel says it: there is nothing to prove, and nothing quoted
  base::Bytes quoted;        ///< of that packet, what lies behind the IP header, or in UDP
};

/// For the engine: what Engine::set_path_mtu() takes.
struct PathMtuSetting {
  policy::ChildSaId id;
  std::size_t mtu = 0;
  std::size_t proven = 0;
};

class PathMtus {
 public:
  PathMtus(const PathSearchLimits& limits, bool probes) : limits_(limits), probes_(probes) {}

  /// The SA uses this path from now on. `mtu_max`: as configured.
  void set_path(policy::ChildSaId id, const base::Path& path, bool udp_encap, std::size_t mtu_max,
                base::Instant now);
  /// Another path, with the `mtu_max` of before.
  void move(policy::ChildSaId id, const base::Path& path, bool udp_encap, base::Instant now);
  void remove(policy::ChildSaId id, base::Instant now);

  void handle_probed(const ike::PathProbed& probed, base::Instant now);
  /// Whether an SA has sent a packet with this SPI and sequence number.
  using HasSent = std::function<bool(policy::ChildSaId, base::Spi, std::uint32_t)>;
  /// False: it proves nothing and has been ignored.
  [[nodiscard]] bool handle_too_big(const OuterTooBig& error, const HasSent& has_sent,
                                    base::Instant now);
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  /// What is believed of the SA's path; `otherwise` for an unknown SA and for streams.
  [[nodiscard]] std::size_t mtu_of(policy::ChildSaId id, std::size_t otherwise) const;

  using Order = std::variant<PathMtuSetting, ike::ProbePath>;
  [[nodiscard]] std::optional<Order> poll_order();

 private:
  /// The other end first, as errors name nothing else.
  using Key = std::pair<base::IpAddress, base::Path>;
  struct Entry {
    PathSearch search;
    std::set<policy::ChildSaId> children;
    std::optional<base::Instant> armed_at{};  ///< its place in timers_
    std::uint64_t probe = 0;                  ///< under way, in probes_out_
    policy::ChildSaId asked{};                ///< whose IKE SA sends it
  };
  struct Child {
    Key key;
    std::size_t mtu_max = 0;
  };
  using Entries = std::map<Key, Entry>;

  /// Tells all SAs of the path what holds now, and sends a probe if it is time.
  void settle(Entries::iterator entry, base::Instant now);
  void arm(Entries::iterator entry);
  void tell(policy::ChildSaId id, const PathSearch& search);

  PathSearchLimits limits_;
  bool probes_;
  std::uint64_t probes_sent_ = 0;
  Entries entries_;
  std::map<policy::ChildSaId, Child> children_;
  std::set<std::pair<base::Instant, Key>> timers_;
  std::map<std::uint64_t, Key> probes_out_;
  std::deque<Order> orders_;
};

}  // namespace caponier::gateway

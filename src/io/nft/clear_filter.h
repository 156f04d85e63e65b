#pragma once
// The host's own traffic and what it forwards never passes the engine on arrival, so packets that
// must not come in clear are dropped by the kernel: one nftables table for each instance, replaced
// as a whole, in one transaction. It outlives a killed daemon, and the next start replaces it.

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/drops.h"
#include "gateway/clear_filter.h"
#include "io/netlink/netlink.h"
#include "io/os/fd.h"

namespace caponier::io {

struct ClearFilterOptions {
  std::string instance;  ///< the same after a restart: the run directory
  unsigned tun_index = 0;
  std::uint32_t own_mark = 0;            ///< of our sockets: what they receive is IKE or ESP in UDP
  std::vector<std::uint16_t> ike_ports;  ///< of ours, which ICMP errors may quote
};

/// The commands that replace the table; without rules those that remove it.
[[nodiscard]] std::string make_commands(const ClearFilterOptions& options,
                                        const gateway::SetClearFilter& filter);
/// A request for one named counter of a table, and the packets in its answer (empty: another
/// message).
[[nodiscard]] base::ByteVec make_counter_query(const std::string& table, const std::string& name);
[[nodiscard]] std::optional<std::uint64_t> read_counter(base::Bytes message);

class ClearFilter {
 public:
  explicit ClearFilter(ClearFilterOptions options);
  ClearFilter(const ClearFilter&) = delete;
  ClearFilter& operator=(const ClearFilter&) = delete;
  /// Leaves the table as it is: only an empty set() takes it away.
  ~ClearFilter() = default;

  /// The error says what is missing.
  [[nodiscard]] std::expected<void, std::string> set(const gateway::SetClearFilter& filter);
  [[nodiscard]] base::DropCounters drops() const;

  /// Readable when somebody, not only we, has changed the packet filter; -1 where there is none.
  [[nodiscard]] int fd() const { return monitor_.get(); }
  /// To be called then. True when our table was gone and has been put back: firewalls that are
  /// loaded anew tend to begin with an empty filter.
  [[nodiscard]] bool restore();

 private:
  /// Of the table in force; empty when there is none.
  [[nodiscard]] std::optional<base::DropCounters> standing() const;

  ClearFilterOptions options_;
  Fd monitor_;
  gateway::SetClearFilter filter_;          ///< as last set
  mutable std::optional<Netlink> netlink_;  ///< none where the kernel has no netfilter
  base::DropCounters past_;                 ///< of the tables before
};

}  // namespace caponier::io

#pragma once
// The XDP sockets of the outer side as the control side sees them: which interfaces have them,
// which addresses are ours there, and where the next hops are.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/config.h"
#include "io/afpacket/next_hops.h"
#include "io/xdp/local_addresses.h"
#include "io/xdp/xdp_device.h"

namespace caponier::daemon {

struct XdpSideOptions {
  config::OuterSide choice = config::OuterSide::socket;
  std::vector<std::string> interfaces;
  std::uint16_t natt_port = 0;
  std::uint32_t own_mark = 0;  ///< of our outer packets
  /// No peer is configured for ESP in UDP, which sockets carry merged and so faster than XDP
  /// sockets where these copy; an automatic choice heeds that (docs/performance.md).
  bool is_native = false;
};

class XdpSide {
 public:
  /// `netlink` must outlive the object. Where the choice is automatic, `notices` says why an
  /// interface stays with sockets.
  [[nodiscard]] static io::Io<std::unique_ptr<XdpSide>> open(const XdpSideOptions& options,
                                                             io::Netlink& netlink,
                                                             std::vector<std::string>& notices);

  /// Packets to them are ours, from then on.
  void set_addresses(std::span<const base::IpAddress> addresses);
  /// None: sockets alone.
  [[nodiscard]] io::HopFinder* finder() { return finder_ ? &*finder_ : nullptr; }
  /// For each of so many workers, once: a queue of each interface after the other.
  [[nodiscard]] std::vector<std::vector<io::XdpQueue>> take_queues(std::size_t workers);
  /// "eth1 (driver, copied, 4 queues)"; empty: sockets alone.
  [[nodiscard]] std::string to_string() const;

 private:
  XdpSide() = default;

  std::optional<io::LocalAddresses> addresses_;
  std::vector<io::XdpDevice> devices_;
  std::optional<io::HopFinder> finder_;
};

}  // namespace caponier::daemon

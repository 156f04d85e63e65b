#pragma once
// Which addresses this host has, and when that changes: new networks, cables pulled, another
// default route.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "io/netlink/messages.h"
#include "io/netlink/netlink.h"

namespace caponier::io {

/// More are not looked at; a host with that many does not roam.
inline constexpr std::size_t host_addresses_max = 256;

/// The addresses on links that carry traffic, `own_interface` (the tunnel device) left out. First
/// those in `favoured`, then the others as they come, deprecated ones last.
[[nodiscard]] std::vector<base::IpAddress> usable_addresses(
    std::span<const HostAddress> addresses, std::span<const LinkState> links,
    unsigned own_interface, std::span<const base::IpAddress> favoured);

class AddressMonitor {
 public:
  /// `netlink` must outlive the object. `mark` is that of outer packets.
  [[nodiscard]] static Io<AddressMonitor> open(Netlink& netlink, unsigned own_interface,
                                               std::uint32_t mark);
  AddressMonitor(AddressMonitor&&) noexcept;
  AddressMonitor& operator=(AddressMonitor&&) noexcept;
  ~AddressMonitor();

  [[nodiscard]] int fd() const;
  /// Reads all notices without blocking; true when collect() may now say something else.
  [[nodiscard]] bool drain();
  /// Best first: what the default routes use, then the others. Empty also when the kernel does not
  /// tell.
  [[nodiscard]] std::vector<base::IpAddress> collect();

 private:
  class Impl;
  explicit AddressMonitor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace caponier::io

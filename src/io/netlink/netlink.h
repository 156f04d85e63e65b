#pragma once
// One netlink socket: requests with their acknowledgement, and dumps. Synchronous; the kernel
// answers within the call.

#include <cstdint>
#include <functional>
#include <memory>

#include "base/bytes.h"
#include "io/os/io_error.h"

namespace caponier::io {

enum class NetlinkFamily : std::uint8_t { route, netfilter };

class Netlink {
 public:
  [[nodiscard]] static Io<Netlink> open(NetlinkFamily family = NetlinkFamily::route);
  Netlink(Netlink&&) noexcept;
  Netlink& operator=(Netlink&&) noexcept;
  ~Netlink();

  /// Sends one message (complete with its nlmsghdr; the sequence number is set here) and waits for
  /// the acknowledgement. The error is an errno.
  [[nodiscard]] std::expected<void, int> request(base::MutBytes message);
  /// The same, and hands every answering message (with its nlmsghdr) to `handle`.
  [[nodiscard]] std::expected<void, int> query(base::MutBytes message,
                                               const std::function<void(base::Bytes)>& handle);

 private:
  class Impl;
  explicit Netlink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace caponier::io

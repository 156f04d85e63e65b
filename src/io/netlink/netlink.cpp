#include "io/netlink/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cerrno>

namespace caponier::io {

class Netlink::Impl {
 public:
  explicit Impl(mnl_socket* opened) : socket(opened) {}
  ~Impl() { mnl_socket_close(socket); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  mnl_socket* socket;
  unsigned sequence = 0;
};

namespace {

int on_message(const nlmsghdr* header, void* data) {
  const auto& handle = *static_cast<const std::function<void(base::Bytes)>*>(data);
  if (handle) handle({reinterpret_cast<const std::byte*>(header), header->nlmsg_len});
  return MNL_CB_OK;
}

}  // namespace

Netlink::Netlink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Netlink::Netlink(Netlink&&) noexcept = default;
Netlink& Netlink::operator=(Netlink&&) noexcept = default;
Netlink::~Netlink() = default;

Io<Netlink> Netlink::open(NetlinkFamily family) {
  const int bus = family == NetlinkFamily::route ? NETLINK_ROUTE : NETLINK_NETFILTER;
  mnl_socket* socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
  if (socket == nullptr) {
    return std::unexpected{error_from_errno("cannot open a netlink socket", errno)};
  }
  auto impl = std::make_unique<Impl>(socket);
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
    return std::unexpected{error_from_errno("cannot bind a netlink socket", errno)};
  }
  return Netlink{std::move(impl)};
}

std::expected<void, int> Netlink::request(base::MutBytes message) { return query(message, {}); }

std::expected<void, int> Netlink::query(base::MutBytes message,
                                        const std::function<void(base::Bytes)>& handle) {
  auto* header = reinterpret_cast<nlmsghdr*>(message.data());
  header->nlmsg_seq = ++impl_->sequence;
  if (mnl_socket_sendto(impl_->socket, message.data(), message.size()) < 0) {
    return std::unexpected{errno};
  }
  std::array<char, 32768> buffer{};
  // A dump ends with NLMSG_DONE, everything else with the acknowledgement.
  for (;;) {
    const ssize_t size = mnl_socket_recvfrom(impl_->socket, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::unexpected{errno};
    const int state = mnl_cb_run(buffer.data(), static_cast<std::size_t>(size), impl_->sequence,
                                 mnl_socket_get_portid(impl_->socket), on_message,
                                 const_cast<std::function<void(base::Bytes)>*>(&handle));
    if (state == MNL_CB_ERROR) return std::unexpected{errno};
    if (state == MNL_CB_STOP) return {};
  }
}

}  // namespace caponier::io

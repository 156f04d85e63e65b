#include "daemon/xdp_side.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"

namespace caponier::daemon {

io::Io<std::unique_ptr<XdpSide>> XdpSide::open(const XdpSideOptions& options, io::Netlink& netlink,
                                               std::vector<std::string>& notices) {
  std::unique_ptr<XdpSide> side{new XdpSide};
  if (options.choice == config::OuterSide::socket) return side;
  const bool is_automatic = options.choice == config::OuterSide::automatic;
  const auto stay = [&](std::string_view name, std::string_view why) {
    notices.push_back(fmt::format("outer_side = \"auto\": {} stays with sockets: {}", name, why));
  };
  auto addresses = io::LocalAddresses::open();
  if (!addresses && !is_automatic) return std::unexpected{std::move(addresses.error())};
  std::vector<unsigned> indices;
  for (const std::string& name : options.interfaces) {
    if (!addresses) {
      stay(name, addresses.error().message);
      continue;
    }
    auto device = io::XdpDevice::open({name, options.natt_port, addresses->map()}, netlink);
    if (!device && !is_automatic) return std::unexpected{std::move(device.error())};
    if (!device) {
      stay(name, device.error().message);
    } else if (is_automatic && !device->is_zero_copy() && !options.is_native) {
      stay(name, "its driver offers no zero-copy, without which sockets are faster for ESP in UDP");
    } else {
      indices.push_back(device->index());
      side->devices_.push_back(std::move(*device));
    }
  }
  if (side->devices_.empty()) return side;
  side->addresses_.emplace(std::move(*addresses));
  side->finder_.emplace(TRY(io::HopFinder::open(netlink, indices, options.own_mark)));
  return side;
}

void XdpSide::set_addresses(std::span<const base::IpAddress> addresses) {
  if (addresses_) addresses_->set(addresses);
}

std::vector<std::vector<io::XdpQueue>> XdpSide::take_queues(std::size_t workers) {
  std::vector<std::vector<io::XdpQueue>> queues(workers);
  for (io::XdpDevice& device : devices_) {
    std::size_t next = 0;
    for (io::XdpQueue& queue : device.take_queues()) {
      queues[next++ % workers].push_back(std::move(queue));
    }
  }
  return queues;
}

std::string XdpSide::to_string() const {
  std::string text;
  for (const io::XdpDevice& device : devices_) {
    text += (text.empty() ? "" : ", ") + device.to_string();
  }
  return text;
}

}  // namespace caponier::daemon

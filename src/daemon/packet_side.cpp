#include "daemon/packet_side.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "base/error.h"

namespace caponier::daemon {
namespace {

/// Not the mark of outer packets: those pass by the tunnel's routes, and what is taken must not
/// even if nothing drops it.
constexpr std::uint32_t taken_bit = 1U << 30;

}  // namespace

io::Io<std::unique_ptr<PacketSide>> PacketSide::open(const PacketSideOptions& options,
                                                     io::Netlink& netlink) {
  io::TakingOptions taking{options.run_dir, options.own_mark | taken_bit, {}};
  std::vector<io::PacketDevice> devices;
  std::vector<unsigned> indices;
  for (const std::string& name : options.interfaces) {
    devices.push_back(TRY(io::PacketDevice::open(name, options.workers, taking.mark, netlink)));
    taking.interfaces.emplace_back(name, devices.back().index());
    indices.push_back(devices.back().index());
  }
  std::unique_ptr<PacketSide> side{new PacketSide{std::move(taking), std::move(devices)}};
  if (indices.empty()) return side;
  if (const auto done = side->taking_.probe(); !done) {
    return std::unexpected{io::IoError{
        io::IoFault::network,
        fmt::format("clear_side: packets cannot be taken from the kernel's forwarding: {}",
                    done.error()),
        "install nftables 1.0 or newer with a kernel that has NF_TABLES_NETDEV and NFT_FIB_NETDEV, "
        "or write clear_side = \"tun\" in [daemon]"}};
  }
  side->finder_.emplace(TRY(io::HopFinder::open(netlink, indices, 0)));
  return side;
}

std::vector<io::PacketQueue> PacketSide::take_queues(unsigned worker) {
  std::vector<io::PacketQueue> queues;
  for (io::PacketDevice& device : devices_) {
    auto some = device.take_queues(worker);
    std::move(some.begin(), some.end(), std::back_inserter(queues));
  }
  return queues;
}

}  // namespace caponier::daemon

#pragma once
// The packet sockets of the clear side as the control side sees them: what is taken from the
// kernel's forwarding, and where the neighbours are.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/afpacket/next_hops.h"
#include "io/afpacket/packet_device.h"
#include "io/nft/taking.h"

namespace caponier::daemon {

struct PacketSideOptions {
  std::string run_dir;
  std::vector<std::string> interfaces;  ///< none: the TUN alone
  unsigned workers = 1;
  std::uint32_t own_mark = 0;  ///< of our outer packets
};

class PacketSide {
 public:
  /// `netlink` must outlive the object.
  [[nodiscard]] static io::Io<std::unique_ptr<PacketSide>> open(const PacketSideOptions& options,
                                                                io::Netlink& netlink);

  [[nodiscard]] io::Taking& taking() { return taking_; }
  /// None: the TUN alone.
  [[nodiscard]] io::HopFinder* finder() { return finder_ ? &*finder_ : nullptr; }
  /// Of one worker, once.
  [[nodiscard]] std::vector<io::PacketQueue> take_queues(unsigned worker);

 private:
  PacketSide(io::TakingOptions taking, std::vector<io::PacketDevice> devices)
      : devices_(std::move(devices)), taking_(std::move(taking)) {}

  std::vector<io::PacketDevice> devices_;
  io::Taking taking_;
  std::optional<io::HopFinder> finder_;
};

}  // namespace caponier::daemon

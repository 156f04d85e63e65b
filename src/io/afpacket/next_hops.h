#pragma once
// Through which Ethernet neighbour a destination is reached, as the kernel sees it: its routes, its
// neighbours, and its notices when these change.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/address.h"
#include "io/afpacket/frame.h"
#include "io/netlink/netlink.h"

namespace caponier::io {

/// What waits for its neighbour included.
inline constexpr std::size_t destinations_max = 4096;

struct AddressHash {
  [[nodiscard]] std::size_t operator()(const base::IpAddress& address) const;
};
struct WayHash {
  [[nodiscard]] std::size_t operator()(const WayQuestion& question) const;
};
/// Never changes: it is replaced.
using NextHops = std::unordered_map<WayQuestion, NextHop, WayHash>;

class HopFinder {
 public:
  /// Ways through other interfaces do not count. `mark`: of the packets; 0: none. `netlink` must
  /// outlive the object.
  [[nodiscard]] static Io<HopFinder> open(Netlink& netlink, const std::vector<unsigned>& interfaces,
                                          std::uint32_t mark);
  HopFinder(HopFinder&&) noexcept;
  HopFinder& operator=(HopFinder&&) noexcept;
  ~HopFinder();

  [[nodiscard]] int fd() const;
  /// Reads all notices without blocking; true when hops() is another.
  bool drain();
  /// To be asked for a way that hops() does not hold, or only stale; the same.
  bool find(const WayQuestion& question);
  [[nodiscard]] std::shared_ptr<const NextHops> hops() const { return hops_; }

 private:
  class Monitor;
  using NeighbourName = std::pair<unsigned, base::IpAddress>;

  HopFinder(Netlink& netlink, std::unique_ptr<Monitor> monitor, std::uint32_t mark);
  [[nodiscard]] std::optional<Way> ask_way(const WayQuestion& question);
  [[nodiscard]] std::optional<Neighbour> ask_neighbour(const NeighbourName& name);
  void read_links();
  /// True when it matters.
  bool heed(const Neighbour& neighbour);
  void forget();
  void rebuild();

  Netlink* netlink_;
  std::unique_ptr<Monitor> monitor_;
  std::uint32_t mark_;
  std::map<unsigned, EthernetLink> links_;
  std::map<WayQuestion, Way> ways_;
  std::map<NeighbourName, Neighbour> neighbours_;  ///< of these ways
  std::shared_ptr<const NextHops> hops_ = std::make_shared<const NextHops>();
};

}  // namespace caponier::io

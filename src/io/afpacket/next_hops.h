#pragma once
// Through which Ethernet neighbour a destination is reached, as the kernel sees it: its routes, its
// neighbours, and its notices when these change.

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
/// Never changes: it is replaced.
using NextHops = std::unordered_map<base::IpAddress, NextHop, AddressHash>;

class HopFinder {
 public:
  /// Ways through other interfaces do not count. `netlink` must outlive the object.
  [[nodiscard]] static Io<HopFinder> open(Netlink& netlink,
                                          const std::vector<unsigned>& interfaces);
  HopFinder(HopFinder&&) noexcept;
  HopFinder& operator=(HopFinder&&) noexcept;
  ~HopFinder();

  [[nodiscard]] int fd() const;
  /// Reads all notices without blocking; true when hops() is another.
  bool drain();
  /// To be asked for a destination that hops() does not hold, or only stale; the same.
  bool find(const base::IpAddress& destination);
  [[nodiscard]] std::shared_ptr<const NextHops> hops() const { return hops_; }

 private:
  class Monitor;
  using NeighbourName = std::pair<unsigned, base::IpAddress>;

  HopFinder(Netlink& netlink, std::unique_ptr<Monitor> monitor);
  [[nodiscard]] std::optional<Way> ask_way(const base::IpAddress& destination);
  [[nodiscard]] std::optional<Neighbour> ask_neighbour(const NeighbourName& name);
  void read_links();
  /// True when it matters.
  bool heed(const Neighbour& neighbour);
  void forget();
  void rebuild();

  Netlink* netlink_;
  std::unique_ptr<Monitor> monitor_;
  std::map<unsigned, EthernetLink> links_;
  std::map<base::IpAddress, Way> ways_;            ///< by destination
  std::map<NeighbourName, Neighbour> neighbours_;  ///< of these ways
  std::shared_ptr<const NextHops> hops_ = std::make_shared<const NextHops>();
};

}  // namespace caponier::io

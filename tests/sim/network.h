#pragma once
// The network between simulated gateways: links that lose, repeat, reorder, delay and block, each
// direction for itself, partitions, NAT boxes, hosts with several interfaces. Everything that
// happens is drawn from one seed. Knows nothing of IPsec.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/rng.h"
#include "base/time.h"

namespace caponier::sim {

using namespace std::chrono_literals;

/// A fingerprint of everything that happened, in order: equal runs have equal traces.
class Trace {
 public:
  void add(base::Instant now, std::string_view what, base::Bytes data = {});
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  void mix(base::Bytes data);
  std::uint64_t hash_ = 0xcbf29ce484222325U;
  std::uint64_t count_ = 0;
};

enum class Carrier : std::uint8_t { udp, esp, ah, tcp };

/// UDP, ESP directly above IP (the ports are then 0), AH with its IP header, or one message in a
/// TCP stream, which arrives once, whole and in order, or not at all because the stream is cut.
struct Datagram {
  Carrier carrier = Carrier::udp;
  base::Endpoint source;
  base::Endpoint destination;
  base::ByteVec payload;
  std::uint64_t stream = 0;  ///< which one, for TCP
  bool dont_fragment = false;
};

using HostId = std::size_t;

/// Probabilities are in [0, 1].
struct LinkQuality {
  double loss = 0;
  double duplicate = 0;
  double reorder = 0;  ///< held back by up to four times the delay
  base::Duration delay = 10ms;
  base::Duration jitter = 0ms;
};

/// What lies between two hosts, in both directions.
class Link {
 public:
  LinkQuality quality;  ///< of both directions
  /// What `sender` sends fares otherwise than `quality`, until it is reset.
  void set_one_way(HostId sender, const LinkQuality& other) { one_way_[sender] = other; }
  void reset_one_way() { one_way_.clear(); }
  /// A larger UDP or ESP packet is lost, as one whose fragments do not pass.
  std::size_t mtu = 65535;
  bool carries_fragments = false;         ///< then only what must not be fragmented is lost
  std::set<std::uint16_t> blocked_ports;  ///< of UDP, on either end
  bool blocks_udp = false;
  bool blocks_tcp = false;
  bool blocks_esp = false;

  /// The next `count` datagrams are lost, whoever sends them.
  void drop_next(unsigned count) { drop_next_ += count; }
  void drop_next_from(HostId sender, unsigned count) { drop_next_from_[sender] += count; }
  /// Every datagram for which it is true is lost, until another filter is set.
  void drop_if(std::function<bool(const Datagram&)> filter) { filter_ = std::move(filter); }
  void partition() { parted_ = true; }
  void heal() { parted_ = false; }
  /// Whether a TCP stream can live on it.
  [[nodiscard]] bool carries_tcp() const { return !parted_ && !blocks_tcp; }

 private:
  friend class Network;
  [[nodiscard]] bool swallows(HostId sender, const Datagram& datagram);
  [[nodiscard]] bool blocks(const Datagram& datagram) const;
  [[nodiscard]] const LinkQuality& quality_from(HostId sender) const;

  std::map<HostId, LinkQuality> one_way_;
  unsigned drop_next_ = 0;
  std::map<HostId, unsigned> drop_next_from_;
  std::function<bool(const Datagram&)> filter_;
  bool parted_ = false;
};

/// A port-translating NAT with endpoint-independent mapping and address-dependent filtering
/// (RFC 4787). ESP without ports does not pass.
class Nat {
 public:
  Nat(base::IpAddress outside, base::Duration mapping_timeout)
      : outside_(outside), timeout_(mapping_timeout) {}

  [[nodiscard]] const base::IpAddress& outside() const { return outside_; }
  /// Inbound datagrams to `port` reach `inside` without a mapping.
  void forward(std::uint16_t port, const base::Endpoint& inside) { forwards_[port] = inside; }
  /// Forgets every mapping, as a restarted box does; new ones get other ports.
  void rebind();

 private:
  friend class Network;
  struct Mapping {
    base::Endpoint inside;
    base::Instant last_used;
    std::map<base::IpAddress, base::Instant> contacted;
  };
  [[nodiscard]] base::Endpoint outbound(const base::Endpoint& inside,
                                        const base::Endpoint& destination, base::Instant now);
  [[nodiscard]] std::optional<base::Endpoint> inbound(const base::Endpoint& from,
                                                      std::uint16_t port, base::Instant now) const;
  [[nodiscard]] std::optional<std::uint16_t> forwarded_port(const base::Endpoint& inside) const;

  base::IpAddress outside_;
  base::Duration timeout_;
  std::map<std::uint16_t, Mapping> mappings_;  ///< by outside port
  std::map<std::uint16_t, base::Endpoint> forwards_;
  std::uint16_t next_port_ = 20000;
};

class Network {
 public:
  Network(std::uint64_t seed, Trace& trace) : rng_(seed), trace_(&trace) {}

  HostId add_host(const base::IpAddress& address);
  /// One interface with this address instead of all there were, behind the same NAT; datagrams
  /// under way to the old ones are lost.
  void set_address(HostId host, const base::IpAddress& address);
  /// One more interface, up and not behind a NAT.
  void add_address(HostId host, const base::IpAddress& address);
  void set_interface(HostId host, const base::IpAddress& address, bool is_up);
  /// Of the interfaces that are up, in the order they were added.
  [[nodiscard]] std::vector<base::IpAddress> addresses(HostId host) const;
  /// Who is reached at this address: an interface that is up, or a NAT's outside.
  [[nodiscard]] std::optional<HostId> host_at(const base::IpAddress& address) const;
  /// Puts every interface of `host` behind one new NAT.
  Nat& put_behind_nat(HostId host, const base::IpAddress& outside, base::Duration mapping_timeout);
  /// The interfaces are reached at their own addresses again.
  void remove_nat(HostId host);
  [[nodiscard]] Link& link(HostId a, HostId b);
  /// Also the quality of links made later.
  void set_quality(const LinkQuality& quality);

  void send(HostId from, Datagram datagram, base::Instant now);

  struct Arrival {
    HostId host = 0;
    Datagram datagram;
  };
  [[nodiscard]] std::optional<base::Instant> next_arrival() const;
  /// The next datagram due at or before `now`, or nothing when it was lost on arrival; call while
  /// next_arrival() <= now.
  [[nodiscard]] std::optional<Arrival> poll_arrival(base::Instant now);
  [[nodiscard]] std::size_t in_flight() const { return queue_.size(); }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

 private:
  struct Interface {
    base::IpAddress address;
    Nat* nat = nullptr;
    bool is_up = true;
  };
  struct Host {
    std::vector<Interface> interfaces;
  };
  using Stream = std::pair<base::Endpoint, base::Endpoint>;
  [[nodiscard]] const Interface* interface_of(HostId host, const base::IpAddress& address) const;
  [[nodiscard]] bool chance(double probability);
  [[nodiscard]] base::Duration up_to(base::Duration limit);
  [[nodiscard]] std::optional<std::pair<HostId, base::Endpoint>> deliver_to(
      const Datagram& datagram, base::Instant now) const;
  void lose(const Datagram& datagram, std::string_view why, base::Instant now);
  void schedule(const LinkQuality& quality, const Datagram& datagram, base::Instant now);
  void schedule_stream(const LinkQuality& quality, const Datagram& datagram, base::Instant now);

  base::SeededRng rng_;
  Trace* trace_;
  std::vector<Host> hosts_;
  std::vector<std::unique_ptr<Nat>> nats_;
  std::map<std::pair<HostId, HostId>, Link> links_;
  LinkQuality quality_;
  std::map<std::pair<base::Instant, std::uint64_t>, Datagram> queue_;
  std::map<Stream, base::Instant> stream_ends_;  ///< when the last message of each arrives
  std::uint64_t sequence_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace caponier::sim

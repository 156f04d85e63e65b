#pragma once
// The TCP streams of the World (RFC 9329): opened by the first message of whoever chose the port,
// reliable and in order while the link carries TCP, and cut for both ends by the first message that
// it does not carry.

#include <cstdint>
#include <map>
#include <optional>

#include "base/address.h"
#include "sim/invariants.h"
#include "sim/network.h"

namespace caponier::sim {

class Node;
class World;

class Streams {
 public:
  explicit Streams(World& world) : world_(&world) {}

  /// One message from `node` on the stream that `path` names there. `may_open`: IKE; ESP does not.
  void send(Node& node, const base::Path& path, base::ByteVec message, bool may_open);
  /// The end `path` of `node` is closed on purpose: only the other one hears of it.
  void close(const Node& node, const base::Path& path);
  /// False: the stream is gone, or came another way, and the message with it.
  [[nodiscard]] bool takes(const Node& node, const Datagram& datagram);
  /// A process is gone, its kernel closes what it had.
  void close_all(const Node& node);
  [[nodiscard]] std::size_t count() const { return streams_.size(); }

 private:
  struct End {
    Process process;
    base::Path path;
    friend bool operator==(const End&, const End&) = default;
  };
  struct Stream {
    End opener;
    std::optional<End> acceptor;  ///< once something has arrived
  };
  using Id = std::uint64_t;

  [[nodiscard]] std::optional<Id> find(const End& end) const;
  [[nodiscard]] bool can_open(const Node& node, const base::Path& path) const;
  [[nodiscard]] bool carries(const Stream& stream) const;
  void cut(Id id);
  void tell_closed(const End& end, base::Duration delay);

  World* world_;
  std::map<Id, Stream> streams_;
  Id last_id_ = 0;
};

}  // namespace caponier::sim

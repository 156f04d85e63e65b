#pragma once
// The TCP streams that carry IKE and ESP (RFC 9329): those that peers opened to our listening
// ports, and those we opened. A stream is named by its path. Everything a stranger can make us hold
// has a limit, and whoever exceeds one is closed and counted.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/drops.h"
#include "base/time.h"
#include "io/loop/loop.h"
#include "io/tcp/tcp_socket.h"
#include "wire/tcp_stream.h"

namespace caponier::io {

struct TcpOptions {
  std::vector<base::IpAddress> listen;  ///< empty: the wildcard of both families
  std::vector<std::uint16_t> ports;     ///< to listen on
  std::uint32_t mark = 0;
};

struct TcpLimits {
  std::size_t accepted_max = 512;
  std::size_t accepted_per_address_max = 32;
  std::size_t opened_max = 4096;
  std::size_t message_max = 32768;                   ///< longer ones end the stream
  std::size_t unsent_max = std::size_t{256} * 1024;  ///< ESP beyond it is dropped
  std::size_t unsent_ike_max = std::size_t{320} * 1024;
  base::Duration connect_timeout{std::chrono::seconds{10}};
  /// A stranger has so long to say something that a peer of ours would (see prove()).
  base::Duration proof_timeout{std::chrono::seconds{30}};
  /// A stream in which nothing arrives for so long; a living IKE SA checks its peer more often.
  base::Duration idle_timeout{std::chrono::minutes{10}};
  /// What waits in a stream that is to be closed has so long to go.
  base::Duration closing_timeout{std::chrono::seconds{5}};
};

class TcpStreams {
 public:
  struct Handler {
    /// One message as UDP port 4500 would have carried it, borrowed.
    std::function<void(const base::Path&, base::Bytes message)> received;
    /// After the messages of one read.
    std::function<void()> settled;
    /// The stream has ended, or could not be opened. Not called for close().
    std::function<void(const base::Path&)> closed;
  };
  enum class Content : std::uint8_t { ike, esp };

  /// `loop` must outlive the object. A port that cannot be had is a notice.
  TcpStreams(const TcpOptions& options, const TcpLimits& limits, Loop& loop, Handler handler,
             std::vector<std::string>& notices);
  TcpStreams(const TcpStreams&) = delete;
  TcpStreams& operator=(const TcpStreams&) = delete;
  ~TcpStreams();

  /// Queues a message; flush() sends. IKE opens the stream when it is ours to open: a local port on
  /// which we listen means that the peer opened it. Drops are counted.
  void send(const base::Path& path, base::Bytes message, Content content);
  void flush();
  /// What came along `path` was authentic: it will not be closed for the sake of newcomers.
  void prove(const base::Path& path);
  /// Somebody spoiled the stream.
  void distrust(const base::Path& path);
  /// As soon as what waits has been sent.
  void close(const base::Path& path, base::Instant now);

  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Instant> poll_deadline() const { return next_check_; }

  [[nodiscard]] std::size_t size() const { return streams_.size(); }
  /// The ports on which we really listen.
  [[nodiscard]] std::vector<std::uint16_t> ports() const;
  [[nodiscard]] const base::DropCounters& drops() const { return drops_; }

 private:
  struct Stream;
  using Streams = std::map<base::Path, std::unique_ptr<Stream>>;

  void listen(const TcpOptions& options, std::vector<std::string>& notices);
  void accept_all(int listener);
  void accept_one(AcceptedTcp accepted);
  /// Closes the unproven stream that has waited longest; of `address` only, when given.
  bool evict(const base::IpAddress* address);
  Stream* open(const base::Path& path);
  Stream* add(Fd fd, const base::Path& path, wire::TcpRole role);
  [[nodiscard]] Stream* find(const base::Path& path);
  void handle_readable(const base::Path& path);
  void handle_writable(const base::Path& path);
  [[nodiscard]] bool take(Stream& stream, base::Bytes bytes);
  void write_some(Stream& stream);
  void end(const base::Path& path);
  void forget(const base::Path& path);

  TcpLimits limits_;
  std::uint32_t mark_;
  Loop& loop_;
  Handler handler_;
  std::vector<Fd> listeners_;
  std::vector<std::uint16_t> our_ports_;
  Streams streams_;
  std::map<base::IpAddress, std::size_t> accepted_from_;
  std::size_t accepted_ = 0;
  std::vector<base::Path> unflushed_;
  std::vector<std::byte> area_;
  Fd reserve_;  ///< given up for a moment to refuse a connection when descriptors run out
  std::optional<base::Instant> next_check_;
  base::DropCounters drops_;
};

}  // namespace caponier::io

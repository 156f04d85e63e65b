#pragma once
// Gets documents by HTTP, several at once, each with every limit it needs against servers that
// hang, drip, lie or never end. A machine: sockets and names are its driver's (http_driver.h).

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "gateway/http.h"
#include "io/http/http_response.h"
#include "io/http/http_url.h"

namespace caponier::io {

struct HttpLimits {
  std::size_t exchanges_max = 16;  ///< under way; more requests wait for their turn
  std::size_t waiting_max = 256;   ///< of those; more fail at once
  std::size_t exchanges_per_host_max = 4;
  std::size_t header_size_max = std::size_t{16} * 1024;
  unsigned redirects_max = 3;
  std::size_t addresses_max = 4;  ///< of one name that are tried
  base::Duration connect_time_max{std::chrono::seconds{3}};
  /// A server that says nothing for so long is given up.
  base::Duration silence_max{std::chrono::seconds{5}};
};

/// Never reused.
using HttpStream = std::uint64_t;

class HttpClient {
 public:
  /// Answered with handle_lookup().
  struct Resolve {
    HttpStream stream = 0;
    std::string name;
  };
  /// Answered with handle_opened() or handle_closed().
  struct Open {
    HttpStream stream = 0;
    base::Endpoint to;
  };
  struct Send {
    HttpStream stream = 0;
    base::ByteVec octets;
  };
  /// Nothing is to be said of this stream any more.
  struct Close {
    HttpStream stream = 0;
  };
  using Action = std::variant<Resolve, Open, Send, Close, gateway::HttpAnswer>;

  explicit HttpClient(const HttpLimits& limits) : limits_(limits) {}

  void handle_request(gateway::HttpRequest request, base::Instant now);
  void handle_lookup(HttpStream stream, const std::vector<base::IpAddress>& addresses,
                     base::Instant now);
  void handle_opened(HttpStream stream, base::Instant now);
  void handle_octets(HttpStream stream, base::Bytes octets, base::Instant now);
  /// It could not be opened, or the other end has closed it.
  void handle_closed(HttpStream stream, base::Instant now);
  void handle_deadline(base::Instant now);

  [[nodiscard]] std::optional<Action> poll_action();
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  [[nodiscard]] std::size_t size() const { return exchanges_.size() + waiting_.size(); }

 private:
  struct Waiting {
    gateway::HttpRequest request;
    base::Instant until;
  };
  struct Exchange {
    gateway::HttpRequest request;
    HttpUrl url;
    base::Instant until;  ///< of everything
    base::Instant next;   ///< when the present step takes too long
    unsigned redirects = 0;
    bool is_open = false;
    std::deque<base::IpAddress> addresses;  ///< not tried yet
    std::optional<HttpResponse> response;
  };
  using Exchanges = std::map<HttpStream, Exchange>;

  void start_some(base::Instant now);
  void start(Exchange exchange, base::Instant now);
  void open_next(Exchanges::iterator at, base::Instant now);
  void settle(Exchanges::iterator at, HttpResponse::Progress progress, base::Instant now);
  void follow(Exchanges::iterator at, base::Instant now);
  void finish(Exchanges::iterator at, std::expected<base::ByteVec, std::string> content,
              base::Instant now);
  void answer(std::uint64_t id, std::expected<base::ByteVec, std::string> content);
  [[nodiscard]] bool has_turn(const std::string& host) const;

  HttpLimits limits_;
  HttpStream next_stream_ = 1;
  Exchanges exchanges_;
  std::deque<Waiting> waiting_;
  std::deque<Action> actions_;
};

}  // namespace caponier::io

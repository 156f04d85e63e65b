#pragma once
// HttpClient on TCP sockets of ours and names of the host's resolver, which has a thread for this
// alone: a name that hangs delays no peer's.

#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "io/dns/resolver.h"
#include "io/http/http_client.h"
#include "io/loop/loop.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"

namespace caponier::io {

class HttpDriver {
 public:
  /// `mark`: SO_MARK, so that it goes round the tunnels. `loop` must outlive the object.
  [[nodiscard]] static Io<std::unique_ptr<HttpDriver>> start(const HttpLimits& limits,
                                                             std::uint32_t mark, Loop& loop);
  HttpDriver(const HttpDriver&) = delete;
  HttpDriver& operator=(const HttpDriver&) = delete;
  ~HttpDriver();

  void handle_request(gateway::HttpRequest request, base::Instant now);
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<gateway::HttpAnswer> poll_answer();
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const {
    return client_.poll_deadline();
  }

 private:
  struct Stream {
    Fd fd;
    bool is_open = false;
    base::ByteVec unsent;
  };

  HttpDriver(const HttpLimits& limits, std::uint32_t mark, Loop& loop, Resolver resolver);
  void perform_all();
  void perform(const HttpClient::Resolve& resolve);
  void perform(const HttpClient::Open& open);
  void perform(const HttpClient::Send& send);
  void perform(const HttpClient::Close& close);
  void handle_readable(HttpStream stream);
  void handle_writable(HttpStream stream);
  void write_some(HttpStream stream);
  void end(HttpStream stream);

  std::uint32_t mark_;
  Loop& loop_;
  Resolver resolver_;
  HttpClient client_;
  std::map<HttpStream, Stream> streams_;
  std::deque<gateway::HttpAnswer> answers_;
};

}  // namespace caponier::io

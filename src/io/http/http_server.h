#pragma once
// Answers GET requests, one on each connection, for those who scrape. Small: a request has a
// limited head and no body, a client a limited time, and there are so many clients and no more.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "io/loop/loop.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"

namespace caponier::io {

/// What a request says, once its head is whole.
class HttpRequestHead {
 public:
  static constexpr std::size_t size_max = 8192;
  enum class Progress : std::uint8_t { more, done, failed };

  HttpRequestHead();
  HttpRequestHead(HttpRequestHead&&) noexcept;
  HttpRequestHead& operator=(HttpRequestHead&&) noexcept;
  ~HttpRequestHead();

  [[nodiscard]] Progress take(std::string_view octets);
  /// Once done.
  [[nodiscard]] bool is_get() const;
  [[nodiscard]] std::string path() const;  ///< without what is behind "?"

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class HttpServer {
 public:
  static constexpr std::size_t clients_max = 32;
  static constexpr base::Duration patience = std::chrono::seconds{10};

  struct Page {
    std::string_view type;
    std::string body;
  };
  /// Empty: there is no such path.
  using Pages = std::function<std::optional<Page>(std::string_view path)>;

  /// `loop` must outlive the object.
  [[nodiscard]] static Io<std::unique_ptr<HttpServer>> open(const base::Endpoint& at, Loop& loop,
                                                            Pages pages);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();

  /// Where it listens; the port the kernel has chosen where 0 was asked for.
  [[nodiscard]] base::Endpoint at() const;
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;

 private:
  struct Client {
    Fd fd;
    base::Instant until;
    HttpRequestHead head;
    std::optional<std::string> answer;
    std::size_t sent = 0;
  };

  HttpServer(Fd listener, Loop& loop, Pages pages);
  void accept_all();
  void read_from(std::uint64_t id);
  [[nodiscard]] std::string answer_to(HttpRequestHead::Progress progress,
                                      const HttpRequestHead& head) const;
  void write_to(std::uint64_t id);
  void drop(std::uint64_t id);

  Fd listener_;
  Loop& loop_;
  Pages pages_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, Client> clients_;
};

}  // namespace caponier::io

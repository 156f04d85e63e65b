#pragma once
// A local stream socket with many clients, driven by the loop. Knows nothing of what is said.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "io/loop/loop.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"

namespace caponier::io {

class UnixServer {
 public:
  using ClientId = std::uint64_t;

  struct Handler {
    /// False: turn the client away.
    std::function<bool(ClientId, uid_t)> connected;
    std::function<void(ClientId, std::string_view)> received;
    /// So many bytes reached the kernel.
    std::function<void(ClientId, std::size_t)> written;
    std::function<void(ClientId)> disconnected;
  };

  /// The socket file gets mode 0660, and the group `group` if that exists. A stale file is
  /// replaced: the caller holds the run directory's lock. `loop` must outlive the object.
  [[nodiscard]] static Io<std::unique_ptr<UnixServer>> open(const std::string& path,
                                                            const std::string& group, Loop& loop,
                                                            Handler handler);
  UnixServer(const UnixServer&) = delete;
  UnixServer& operator=(const UnixServer&) = delete;
  ~UnixServer();

  /// Queues `data`; the caller bounds what is queued by counting `written`. `close` afterwards.
  void send(ClientId client, std::string_view data, bool close);
  /// Closes at once; what waits is lost.
  void cut(ClientId client) { drop(client); }

 private:
  struct Client {
    Fd fd;
    std::string waiting;
    bool closing = false;
    bool writable_awaited = false;
  };

  UnixServer(std::string path, Fd listener, Loop& loop, Handler handler);
  void accept_all();
  void read_from(ClientId id);
  void flush(ClientId id);
  void drop(ClientId id);

  std::string path_;
  Fd listener_;
  Loop& loop_;
  Handler handler_;
  ClientId next_id_ = 1;
  std::map<ClientId, Client> clients_;
};

}  // namespace caponier::io

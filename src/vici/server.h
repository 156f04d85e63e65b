#pragma once
// The Versatile IKE Control Interface, strongSwan's, so that its clients work here: many at once,
// octets in, octets out. What takes long is kept here and answered when it has happened; long lists
// are made piece by piece as the client takes them, of each SA as it is when its turn comes.

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/event.h"
#include "base/time.h"
#include "crypto/crypto.h"
#include "gateway/gateway.h"
#include "pki/provider.h"
#include "vici/message.h"
#include "vici/store.h"

namespace caponier::vici {

inline constexpr std::size_t clients_max = 128;
/// Octets that wait for a slow client; more, and it is cut.
inline constexpr std::size_t client_backlog_max = 4UL << 20U;
/// While so many wait for a client, no more of a list is made for it.
inline constexpr std::size_t list_backlog_max = 256UL * 1024;
/// Of all lists together, until others get their turn.
inline constexpr std::size_t list_octets_per_turn_max = 256UL * 1024;
/// What a client may send while a command of it is under way.
inline constexpr std::size_t input_size_max = segment_size_max + 64UL * 1024;
/// An SA is described anew when it has changed, or after so long.
inline constexpr base::Duration description_age_max = std::chrono::milliseconds{100};
/// Waits of a client for an SA, in milliseconds; longer ones are cut to that.
inline constexpr std::int64_t wait_milliseconds_max = 86'400'000;

/// What the host is and the process has taken.
struct HostFacts {
  std::string sysname, release, machine;  ///< as uname() tells them
  std::string since;                      ///< "Nov 22 22:08:12 2026", when the process was started
  base::Instant started;
  std::size_t heap = 0, mapped = 0, used = 0, free = 0;  ///< octets of memory, as mallinfo() says
};

/// What the server needs the daemon to do or to know.
class Host {
 public:
  virtual ~Host() = default;
  [[nodiscard]] virtual HostFacts facts() const = 0;
  /// Reads the configuration again; why not.
  [[nodiscard]] virtual std::expected<void, std::string> reload_settings(base::Instant now) = 0;
  [[nodiscard]] virtual const crypto::CryptoProvider& crypto() const = 0;
  /// May be null: then distinguished names are hexadecimal.
  [[nodiscard]] virtual const pki::PkiProvider* pki() const = 0;
  [[nodiscard]] virtual Store& store() = 0;
  /// What was loaded counts from now on, for a command that needs it.
  virtual void settle(base::Instant now) = 0;
  /// Whoever else wants to know of changes: they are fetched here.
  virtual void handle_change(const gateway::SaChange& /*change*/) {}
};

using ClientId = std::uint64_t;

class Server {
 public:
  /// Both must outlive the server, which watches the gateway's changes.
  Server(gateway::Gateway& gateway, Host& host);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// False when clients_max is reached; the driver then closes the connection.
  [[nodiscard]] bool connect(ClientId client);
  void disconnect(ClientId client);
  /// Raw octets from the client; whole segments are answered.
  void receive(ClientId client, std::string_view data, base::Instant now);
  void handle_event(const base::Event& event);
  /// Looks at what has changed and goes on with what is under way; call after every change of the
  /// gateway, when output has been written, and at poll_deadline().
  void handle_progress(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;

  struct Output {
    ClientId client = 0;
    std::string data;
    bool close = false;  ///< after `data` has been written
    bool cut = false;    ///< close at once, whatever still waits to be written
  };
  [[nodiscard]] std::optional<Output> poll_output();
  /// The kernel took so many octets of what poll_output() gave for this client.
  void handle_written(ClientId client, std::size_t octets);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caponier::vici

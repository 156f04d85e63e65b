#include "daemon/vici_side.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "config/config.h"
#include "io/os/clock.h"
#include "io/os/fd.h"

namespace caponier::daemon {
namespace {

/// "Nov 22 22:08:12 2026", in local time.
std::string time_text(std::int64_t unix_microseconds) {
  const auto seconds = static_cast<std::time_t>(unix_microseconds / 1'000'000);
  std::tm local{};
  std::array<char, 64> text{};
  ::localtime_r(&seconds, &local);
  const std::size_t size = std::strftime(text.data(), text.size(), "%b %d %H:%M:%S %Y", &local);
  return {text.data(), size};
}

/// Whether somebody answers there: strongSwan perhaps, whose socket we must not take away.
bool is_served(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  path.copy(address.sun_path, path.size());
  const io::Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  const void* const to = &address;
  if (!fd.is_open()) return false;
  const int done = ::connect(fd.get(), static_cast<const sockaddr*>(to), sizeof address);
  return done == 0 || errno == EAGAIN;
}

}  // namespace

io::Io<std::unique_ptr<ViciSide>> ViciSide::open(const Options& options, gateway::Gateway& gateway,
                                                 control::Daemon& daemon,
                                                 const crypto::CryptoProvider& crypto,
                                                 const pki::PkiProvider& pki, LoadedSide* loaded,
                                                 io::Loop& loop) {
  if (is_served(options.path)) {
    return std::unexpected{io::IoError{
        io::IoFault::in_use, fmt::format("another daemon serves {}", options.path),
        "stop it, or choose another path with --vici or [daemon] vici (\"\": no such socket)"}};
  }
  std::unique_ptr<ViciSide> side{new ViciSide{options, gateway, daemon, crypto, pki, loaded}};
  vici::Server& server = side->server_;
  io::UnixServer::Handler handler;
  handler.connected = [&server](std::uint64_t client, uid_t) { return server.connect(client); };
  handler.received = [&server](std::uint64_t client, std::string_view data) {
    server.receive(client, data, io::monotonic_now());
  };
  handler.written = [&server](std::uint64_t client, std::size_t octets) {
    server.handle_written(client, octets);
  };
  handler.disconnected = [&server](std::uint64_t client) { server.disconnect(client); };
  side->socket_ = TRY(io::UnixServer::open(options.path, options.group, loop, std::move(handler)));
  return side;
}

ViciSide::ViciSide(const Options& options, gateway::Gateway& gateway, control::Daemon& daemon,
                   const crypto::CryptoProvider& crypto, const pki::PkiProvider& pki,
                   LoadedSide* loaded)
    : options_(options),
      daemon_(daemon),
      crypto_(crypto),
      pki_(pki),
      loaded_(loaded),
      no_store_(
          "nothing can be loaded here: this daemon takes its configuration from a file; start "
          "caponierd with --vici and without one"),
      server_(gateway, *this),
      since_(time_text(io::unix_microseconds_now())) {}

void ViciSide::send() {
  while (auto output = server_.poll_output()) {
    if (output->cut) {
      socket_->cut(output->client);
    } else {
      socket_->send(output->client, output->data, output->close);
    }
  }
}

vici::Store& ViciSide::store() {
  if (loaded_ != nullptr) return loaded_->store();
  return no_store_;
}

void ViciSide::settle(base::Instant now) {
  if (loaded_ != nullptr && loaded_->has_changed()) static_cast<void>(daemon_.reload(now));
}

vici::HostFacts ViciSide::facts() const {
  vici::HostFacts facts;
  utsname names{};
  if (::uname(&names) == 0) {
    facts.sysname = names.sysname;
    facts.release = names.release;
    facts.machine = names.machine;
  }
  facts.since = since_;
  facts.started = options_.started;
  const struct mallinfo2 memory = ::mallinfo2();
  facts.heap = memory.arena;
  facts.mapped = memory.hblkhd;
  facts.used = memory.uordblks;
  facts.free = memory.fordblks;
  return facts;
}

std::expected<void, std::string> ViciSide::reload_settings(base::Instant now) {
  const auto done = daemon_.reload(now);
  if (done) return {};
  std::string text;
  for (const config::ConfigError& error : done.error()) {
    text += (text.empty() ? "" : "\n") + error.to_string();
  }
  return std::unexpected{std::move(text)};
}

}  // namespace caponier::daemon

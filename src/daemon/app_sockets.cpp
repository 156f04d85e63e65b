// The sockets on which the daemon is spoken with.

#include <unistd.h>

#include "base/error.h"
#include "control/metrics.h"
#include "daemon/app.h"
#include "io/os/clock.h"

namespace caponier::daemon {
namespace {

constexpr std::string_view control_group = "caponier";

}  // namespace

io::Io<void> App::open_control_socket(const std::string& path) {
  io::UnixServer::Handler handler;
  handler.connected = [this](std::uint64_t client, uid_t user) {
    return server_.connect(client, {.may_change = user == 0 || user == ::geteuid()});
  };
  handler.received = [this](std::uint64_t client, std::string_view data) {
    server_.receive(client, data, io::monotonic_now());
  };
  handler.written = [this](std::uint64_t client, std::size_t bytes) {
    server_.handle_written(client, bytes);
  };
  handler.disconnected = [this](std::uint64_t client) { server_.disconnect(client); };
  control_socket_ =
      TRY(io::UnixServer::open(path, std::string{control_group}, loop_, std::move(handler)));
  return {};
}

io::Io<void> App::open_vici(const config::DaemonConfig& config) {
  std::string path = options_.vici;
  if (path.empty()) path = config.vici.value_or(options_.run_dir + "/charon.vici");
  if (path.empty()) return {};
  vici_side_ = TRY(ViciSide::open(
      {path, std::string{control_group}, started_,
       [this](const gateway::SaChange& change) { charon_log_.write(change, &pki_); }},
      gateway_, *this, crypto_.provider(), pki_, loaded_.get(), loop_));
  return {};
}

io::Io<void> App::open_metrics(const config::DaemonConfig& config) {
  if (!config.metrics) return {};
  const bool compat = config.compat_metrics;
  auto page = [this, compat](std::string_view path) -> std::optional<io::HttpServer::Page> {
    if (path != "/metrics") return std::nullopt;
    return io::HttpServer::Page{control::metrics_type,
                                control::to_metrics(gateway_, *this, io::monotonic_now(), compat)};
  };
  metrics_ = TRY(io::HttpServer::open(*config.metrics, loop_, std::move(page)));
  return {};
}

void App::send_to_clients() {
  while (auto output = server_.poll_output()) {
    if (output->cut) {
      control_socket_->cut(output->client);
    } else {
      control_socket_->send(output->client, output->data, output->close);
    }
  }
  if (vici_side_) vici_side_->send();
}

}  // namespace caponier::daemon

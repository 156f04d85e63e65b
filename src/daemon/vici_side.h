#pragma once
// strongSwan's control interface: its socket, and what its server needs to know of the host.

#include <functional>
#include <memory>
#include <string>

#include "control/control.h"
#include "crypto/crypto.h"
#include "daemon/loaded_side.h"
#include "gateway/gateway.h"
#include "io/loop/loop.h"
#include "io/os/io_error.h"
#include "io/unix/unix_server.h"
#include "vici/server.h"

namespace caponier::daemon {

class ViciSide final : public vici::Host {
 public:
  struct Options {
    std::string path;
    std::string group;
    base::Instant started;
    std::function<void(const gateway::SaChange&)> changed{};  ///< told of every change too
  };

  /// Everything referred to must outlive the object. `loaded`: null where nothing can be.
  [[nodiscard]] static io::Io<std::unique_ptr<ViciSide>> open(const Options& options,
                                                              gateway::Gateway& gateway,
                                                              control::Daemon& daemon,
                                                              const crypto::CryptoProvider& crypto,
                                                              const pki::PkiProvider& pki,
                                                              LoadedSide* loaded, io::Loop& loop);
  ViciSide(const ViciSide&) = delete;
  ViciSide& operator=(const ViciSide&) = delete;

  void handle_event(const base::Event& event) { server_.handle_event(event); }
  void handle_progress(base::Instant now) { server_.handle_progress(now); }
  /// Gives the socket what there is to be said.
  void send();
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const {
    return server_.poll_deadline();
  }

  [[nodiscard]] vici::HostFacts facts() const override;
  [[nodiscard]] std::expected<void, std::string> reload_settings(base::Instant now) override;
  [[nodiscard]] const crypto::CryptoProvider& crypto() const override { return crypto_; }
  [[nodiscard]] const pki::PkiProvider* pki() const override { return &pki_; }
  [[nodiscard]] vici::Store& store() override;
  void settle(base::Instant now) override;
  void handle_change(const gateway::SaChange& change) override {
    if (options_.changed) options_.changed(change);
  }

 private:
  ViciSide(const Options& options, gateway::Gateway& gateway, control::Daemon& daemon,
           const crypto::CryptoProvider& crypto, const pki::PkiProvider& pki, LoadedSide* loaded);

  Options options_;
  control::Daemon& daemon_;
  const crypto::CryptoProvider& crypto_;
  const pki::PkiProvider& pki_;
  LoadedSide* loaded_;
  vici::NoStore no_store_;
  vici::Server server_;
  std::string since_;
  std::unique_ptr<io::UnixServer> socket_;
};

}  // namespace caponier::daemon

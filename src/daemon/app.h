#pragma once
// The daemon: everything wired together. All of it is one thread but the lanes of the data plane.

#include <memory>
#include <optional>

#include "control/control.h"
#include "crypto/choice/choice.h"
#include "daemon/charon_log.h"
#include "daemon/event_limiter.h"
#include "daemon/key_side.h"
#include "daemon/loaded_side.h"
#include "daemon/log_sink.h"
#include "daemon/options.h"
#include "daemon/packet_side.h"
#include "daemon/plane.h"
#include "daemon/proof_side.h"
#include "daemon/script_side.h"
#include "daemon/user_side.h"
#include "daemon/vici_side.h"
#include "gateway/gateway.h"
#include "io/dns/resolver.h"
#include "io/http/http_server.h"
#include "io/loop/loop.h"
#include "io/netlink/address_monitor.h"
#include "io/netlink/netlink.h"
#include "io/nft/clear_filter.h"
#include "io/os/fair_lock.h"
#include "io/os/file_source.h"
#include "io/os/file_watch.h"
#include "io/os/rng.h"
#include "io/route/route_table.h"
#include "io/store/lease_store.h"
#include "io/tun/tun_device.h"
#include "io/unix/lock_file.h"
#include "io/unix/unix_server.h"
#include "pki/provider.h"

namespace caponier::daemon {

/// Why the daemon does not run.
struct StartFailure {
  control::ExitCode code = control::ExitCode::generic;
  std::string text;  ///< message and cure, without a final newline
};

using ConfigPtr = std::shared_ptr<const config::Config>;

struct LoadedConfig {
  ConfigPtr config;
  io::FilesRead files;
  std::vector<std::string> warnings;  ///< of what does not take effect here
};

/// The configuration without its keys, which `keys` has loaded after that, or every error in it.
/// `before`: its texts are taken, not the files; what they name is read again.
[[nodiscard]] std::expected<LoadedConfig, std::vector<config::ConfigError>> load_config(
    const std::string& path, const pki::PkiProvider& pki, KeySide& keys,
    const io::FilesRead* before = nullptr);
[[nodiscard]] std::string to_text(const std::vector<config::ConfigError>& errors);

class App final : public control::Daemon {
 public:
  /// Deletes at the peers get so long before the process ends.
  static constexpr base::Duration shutdown_patience = std::chrono::seconds{5};
  /// And the scripts that are told of it so long, from then on.
  static constexpr base::Duration script_patience = std::chrono::seconds{3};
  /// What a killed process left to keep traffic in stands so long: names may have to be resolved
  /// before the routes are ours.
  static constexpr base::Duration leftover_patience = std::chrono::seconds{60};
  /// How often certificates, keys and CRLs on disk are looked at; a change counts at the second
  /// look.
  static constexpr base::Duration file_watch_interval = std::chrono::seconds{5};

  /// `pki` and `keys` must outlive the object. The keys of `config` are those last loaded.
  [[nodiscard]] static std::expected<std::unique_ptr<App>, StartFailure> start(
      const Options& options, LoadedConfig loaded, const pki::PkiProvider& pki, KeySide& keys,
      LogForm log_form);
  App(const App&) = delete;
  App& operator=(const App&) = delete;
  ~App() override;

  /// Returns when a signal has ended the daemon and the peers have been told.
  void run();

  [[nodiscard]] std::expected<config::ConfigDiff, std::vector<config::ConfigError>> check_reload()
      override;
  [[nodiscard]] std::expected<config::ConfigDiff, std::vector<config::ConfigError>> reload(
      base::Instant now) override;
  [[nodiscard]] base::DropCounters drops() const override;
  [[nodiscard]] std::vector<base::DropCounters> worker_drops() const override {
    return plane_->worker_drops();
  }
  [[nodiscard]] control::Usage usage() const override;
  [[nodiscard]] std::vector<std::string> notes() const override;
  [[nodiscard]] std::vector<pki::Expiry> expiries() const override;

 private:
  /// What a worker has for itself.
  struct WorkerPart {
    io::OsRng rng;
    io::FairLock lock;
  };

  App(const Options& options, const config::DaemonConfig& config, crypto::Choice crypto,
      const pki::PkiProvider& pki, KeySide& keys, LogForm log_form);
  [[nodiscard]] gateway::GatewayOptions gateway_options();
  [[nodiscard]] static std::vector<std::unique_ptr<WorkerPart>> make_worker_parts(
      std::size_t count);
  void load_crash_secret();
  void load_leases();
  [[nodiscard]] io::Io<void> open_drivers(const Options& options, const config::Config& all);
  [[nodiscard]] io::Io<void> open_control_socket(const std::string& path);
  [[nodiscard]] io::Io<void> open_vici(const config::DaemonConfig& config);
  [[nodiscard]] io::Io<void> open_metrics(const config::DaemonConfig& config);
  void send_to_clients();
  void apply(LoadedConfig loaded, base::Instant now);
  /// What clients have loaded, where there is no file.
  [[nodiscard]] std::expected<config::ConfigDiff, std::vector<config::ConfigError>> take_loaded(
      base::Instant now);
  /// An answer from where the keys are.
  [[nodiscard]] std::optional<ike::AuthReply> poll_key_reply() { return keys_.poll_reply(); }
  /// Certificates, keys and CRLs that are others now are taken, or, with a mistake in them, the
  /// ones before stay.
  void watch_files(base::Instant now);
  void tell_rejected(const std::vector<config::ConfigError>& errors);
  void check_host();
  void update_local_addresses(base::Instant now);

  void settle();
  /// EAP conversations that have got on; what that leads to is done.
  void settle_users(base::Instant now);
  /// The same for AUTH payloads.
  void settle_proofs(base::Instant now);
  void settle_scripts(base::Instant now);
  void settle_changes(base::Instant now);
  /// Anew, so that a file that was moved away is let go.
  void open_filelog();
  [[nodiscard]] bool has_ended(base::Instant now) const;
  void perform_actions(base::Instant now);
  void perform(ike::Transmit& action, base::Instant now);
  void perform(ike::CloseStream& action, base::Instant now);
  void perform(ike::AuthRequest& action, base::Instant now);
  void perform(ike::EapRequest& action, base::Instant now);
  void perform(ike::EapEnded& action, base::Instant now);
  void perform(gateway::SetInner& action, base::Instant now);
  void perform(gateway::KeepLease& action, base::Instant now);
  void perform(gateway::SessionUp& action, base::Instant now);
  void perform(gateway::SessionDown& action, base::Instant now);
  void perform(gateway::RunUpdown& action, base::Instant now);
  void perform(gateway::AddRoute& action, base::Instant now);
  void perform(gateway::RemoveRoute& action, base::Instant now);
  void perform(gateway::SetClearFilter& action, base::Instant now);
  void perform(gateway::Lookup& action, base::Instant now);
  void perform(gateway::FindSource& action, base::Instant now);
  void perform(gateway::DeliverClear& action, base::Instant now);
  void perform(base::Event& action, base::Instant now);
  void emit(base::Event event);
  void tell_fault(std::string text);
  /// The host or the configuration stands in the way of what is wanted; nothing has failed yet.
  void warn(std::string text);
  void heed_taking(const std::expected<void, std::string>& done);
  void update_mtu();
  void arm_timer();
  void begin_shutdown();

  base::Instant started_;
  Options options_;
  crypto::Choice crypto_;
  LogSink log_;
  CharonLog charon_log_;
  EventLimiter limiter_;
  io::OsRng rng_;
  io::Loop loop_;
  std::vector<std::unique_ptr<WorkerPart>> worker_parts_;
  io::FairLock inspection_lock_;
  const pki::PkiProvider& pki_;
  gateway::Gateway gateway_;
  KeySide& keys_;
  std::unique_ptr<LoadedSide> loaded_;  ///< null: the configuration is a file
  control::Server server_;
  ConfigPtr config_;
  io::FilesRead files_;
  io::FileWatch file_watch_;
  base::Instant next_file_look_;
  std::optional<base::Instant> stop_at_;
  std::optional<base::Instant> leftovers_until_;

  // Opened by open_drivers(), closed in the opposite order.
  std::optional<io::LockFile> lock_;
  std::optional<io::Netlink> netlink_;
  std::optional<io::TunDevice> tun_;
  std::optional<io::RouteTable> routes_;
  std::optional<io::ClearFilter> clear_filter_;
  std::string clear_filter_fault_;  ///< empty while it stands
  std::optional<io::AddressMonitor> addresses_;
  std::unique_ptr<PacketSide> packet_side_;
  std::unique_ptr<XdpSide> xdp_side_;
  std::unique_ptr<Plane> plane_;
  std::unique_ptr<UserSide> user_side_;
  std::unique_ptr<io::LeaseStore> lease_store_;
  std::unique_ptr<ProofSide> proof_side_;
  std::unique_ptr<ScriptSide> script_side_;
  std::optional<io::Resolver> resolver_;
  std::unique_ptr<io::UnixServer> control_socket_;
  std::unique_ptr<ViciSide> vici_side_;
  std::unique_ptr<io::HttpServer> metrics_;
};

}  // namespace caponier::daemon

#include "daemon/app.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "daemon/service.h"
#include "fitness/judge.h"
#include "io/host/host_facts.h"
#include "io/os/clock.h"
#include "io/os/lasting_secret.h"

namespace caponier::daemon {
namespace {

/// Deadlines that are due again at once get this many turns before the loop goes on.
constexpr int deadline_turns_max = 16;
constexpr std::size_t crash_secret_size = 32;  // RFC 6290 s5.1

control::ExitCode exit_code_of(io::IoFault fault) {
  switch (fault) {
    case io::IoFault::permission: return control::ExitCode::permission;
    case io::IoFault::in_use:
    case io::IoFault::network: return control::ExitCode::network;
    case io::IoFault::other: return control::ExitCode::generic;
  }
  return control::ExitCode::generic;
}

StartFailure failure_of(const io::IoError& error) {
  return {exit_code_of(error.fault), error.fix.empty()
                                         ? error.message
                                         : fmt::format("{}\n  fix: {}", error.message, error.fix)};
}

/// More cost memory (see docs/performance.md) and serve few.
constexpr std::size_t workers_unasked_max = 8;

std::size_t worker_count(const config::DaemonConfig& config) {
  return config.workers ? *config.workers : std::min(io::usable_cpus().size(), workers_unasked_max);
}

bool is_native(const std::vector<config::PeerConfig>& peers) {
  return !peers.empty() && std::ranges::all_of(peers, [](const config::PeerConfig& peer) {
    return peer.encap == config::Encap::native || peer.encap == config::Encap::never;
  });
}

}  // namespace

gateway::GatewayOptions App::gateway_options() {
  gateway::GatewayOptions options;
  options.probe_paths = true;
  options.inspection_lock = &inspection_lock_;
  options.pki = &pki_;
  for (const auto& part : worker_parts_) options.workers.push_back({&part->rng, &part->lock});
  return options;
}

std::vector<std::unique_ptr<App::WorkerPart>> App::make_worker_parts(std::size_t count) {
  std::vector<std::unique_ptr<WorkerPart>> parts;
  for (std::size_t i = 0; i < count; ++i) parts.push_back(std::make_unique<WorkerPart>());
  return parts;
}

App::App(const Options& options, const config::DaemonConfig& config, crypto::Choice crypto,
         const pki::PkiProvider& pki, KeySide& keys, LogForm log_form)
    : started_(io::monotonic_now()),
      options_(options),
      crypto_(std::move(crypto)),
      log_(log_form),
      worker_parts_(make_worker_parts(worker_count(config))),
      pki_(pki),
      gateway_(gateway_options(), crypto_.provider(), rng_, io::monotonic_now()),
      keys_(keys),
      loaded_(options.config.empty() ? std::make_unique<LoadedSide>(pki, keys) : nullptr),
      server_(gateway_, *this) {}

App::~App() {
  keys_.detach();
  if (resolver_) loop_.forget(resolver_->fd());
  if (addresses_) loop_.forget(addresses_->fd());
  if (clear_filter_ && clear_filter_->fd() >= 0) loop_.forget(clear_filter_->fd());
}

std::expected<std::unique_ptr<App>, StartFailure> App::start(const Options& options,
                                                             LoadedConfig loaded,
                                                             const pki::PkiProvider& pki,
                                                             KeySide& keys, LogForm log_form) {
  auto crypto = crypto::choose_crypto();
  if (!crypto) {
    return std::unexpected{StartFailure{
        control::ExitCode::generic,
        fmt::format("the self-test of the cryptography failed: {}\n  fix: do not use this machine "
                    "or its libraries for IPsec until the cause is found",
                    crypto.error())}};
  }
  std::unique_ptr<App> app{
      new App{options, loaded.config->daemon, std::move(*crypto), pki, keys, log_form}};
  for (const auto& [path, is_private] :
       {std::pair{options.run_dir, false}, std::pair{options.state_dir, true}}) {
    const auto made = io::make_folder(path, is_private);
    if (!made) return std::unexpected{failure_of(made.error())};
  }
  auto lock = io::LockFile::acquire(options.run_dir + "/caponierd.pid");
  if (!lock) {
    auto failure = failure_of(lock.error());
    if (lock.error().fault == io::IoFault::in_use) failure.code = control::ExitCode::generic;
    return std::unexpected{std::move(failure)};
  }
  app->lock_.emplace(std::move(*lock));
  const auto opened = app->open_drivers(options, *loaded.config);
  if (!opened) return std::unexpected{failure_of(opened.error())};
  const std::string xdp = app->xdp_side_->to_string();
  app->emit(
      {base::EventKind::daemon_started,
       {},
       fmt::format("caponierd {} on {}, cryptography by {}{}", CAPONIER_VERSION, app->tun_->name(),
                   app->crypto_.provider().name(), xdp.empty() ? xdp : ", XDP sockets on " + xdp),
       {}});
  app->load_crash_secret();
  app->load_leases();
  app->apply(std::move(loaded), io::monotonic_now());
  app->leftovers_until_ = io::monotonic_now() + leftover_patience;
  return app;
}

/// Without one the peers learn of a crash by silence, as ever.
void App::load_crash_secret() {
  auto kept = io::open_lasting_secrets(options_.state_dir + "/crash_secret", crash_secret_size,
                                       ike::crash_secrets_max, rng_);
  if (kept) {
    std::vector<std::shared_ptr<const base::SecretBytes>> secrets;
    for (base::SecretBytes& secret : *kept) {
      secrets.push_back(std::make_shared<const base::SecretBytes>(std::move(secret)));
    }
    return gateway_.set_crash_secrets(std::move(secrets));
  }
  emit({base::EventKind::host_unfit,
        {},
        fmt::format("quick crash detection is off: {}; {}", kept.error().message, kept.error().fix),
        {}});
}

/// Without them users get addresses anew.
void App::load_leases() {
  auto opened = io::LeaseStore::open(options_.state_dir + "/leases.db");
  if (!opened) return warn(fmt::format("{}; {}", opened.error().message, opened.error().fix));
  if (!opened->notice.empty()) warn(opened->notice);
  gateway_.restore_leases(opened->leases);
  lease_store_ = std::move(opened->store);
}

io::Io<void> App::open_drivers(const Options& options, const config::Config& all) {
  const config::DaemonConfig& config = all.daemon;
  netlink_.emplace(TRY(io::Netlink::open()));
  const auto mtu = config.mtu != 0 ? config.mtu : static_cast<unsigned>(gateway_.tunnel_mtu());
  tun_.emplace(TRY(io::TunDevice::open(config.tun, mtu,
                                       static_cast<unsigned>(gateway_.worker_count()), *netlink_)));
  const std::uint32_t mark =
      io::choose_route_table(options.run_dir + "/route-table", tun_->index(), *netlink_);
  std::vector<std::string> notices;
  if (!tun_->keeps_order()) {
    notices.push_back(
        "without CAP_BPF the kernel may reorder a few packets when a flow begins; give the program "
        "that capability, or set daemon.workers = 1");
  }
  routes_.emplace(TRY(io::RouteTable::open(mark, tun_->index(), *netlink_)));
  clear_filter_.emplace(io::ClearFilterOptions{
      options.run_dir, tun_->index(), mark, {config.ike_port, config.natt_port}});
  if (clear_filter_->fd() >= 0) {
    loop_.on_readable(clear_filter_->fd(), [this] {
      if (clear_filter_->restore()) {
        warn("somebody has emptied the packet filter; what drops clear packets has been put back");
        heed_taking(packet_side_->taking().renew());
      }
    });
  }
  packet_side_ = TRY(
      PacketSide::open({options.run_dir,
                        config.clear_side == config::ClearSide::packet ? config.clear_interfaces
                                                                       : std::vector<std::string>{},
                        static_cast<unsigned>(gateway_.worker_count()), mark},
                       *netlink_));
  xdp_side_ = TRY(XdpSide::open(
      {config.outer_side, config.outer_interfaces, config.natt_port, mark, is_native(all.peers)},
      *netlink_, notices));
  plane_ = TRY(Plane::open({config.listen, config.ike_port, config.natt_port, config.tcp_ports,
                            mark, config.pin_workers},
                           gateway_, loop_, *tun_, *packet_side_, *xdp_side_, notices));
  addresses_.emplace(TRY(io::AddressMonitor::open(*netlink_, tun_->index(), mark)));
  loop_.on_readable(addresses_->fd(), [this] {
    if (addresses_->drain()) update_local_addresses(io::monotonic_now());
  });
  user_side_ = std::make_unique<UserSide>(
      UserSide::Options{options.run_dir, tun_->name(), tun_->index(), mark}, rng_, pki_, *netlink_,
      loop_);
  proof_side_ = TRY(ProofSide::open({options.state_dir, mark}, pki_, loop_));
  script_side_ = std::make_unique<ScriptSide>(tun_->name(), loop_);
  resolver_.emplace(TRY(io::Resolver::start()));
  loop_.on_readable(resolver_->fd(), [this] {
    for (const io::LookupAnswer& answer : resolver_->take_answers()) {
      gateway_.handle_lookup(answer.connection, answer.addresses, io::monotonic_now());
    }
  });
  // Whoever is answered on the first finds the other.
  TRY_VOID(open_vici(config));
  TRY_VOID(open_control_socket(options.run_dir + "/control.sock"));
  TRY_VOID(open_metrics(config));
  for (std::string& notice : notices) warn(std::move(notice));
  plane_->start();
  return {};
}

void App::run() {
  keys_.attach(loop_);
  loop_.on_signal(SIGTERM, [this] { begin_shutdown(); });
  loop_.on_signal(SIGINT, [this] { begin_shutdown(); });
  loop_.on_signal(SIGHUP, [this] { static_cast<void>(reload(io::monotonic_now())); });
  loop_.run([this] { settle(); });
}

void App::begin_shutdown() {
  const base::Instant now = io::monotonic_now();
  if (stop_at_) {
    stop_at_ = now - script_patience;  // asked twice: no more patience
    return;
  }
  stop_at_ = now + shutdown_patience;
  notify_manager("STOPPING=1");
  emit({base::EventKind::daemon_stopping, {}, "caponierd is stopping", {}});
  gateway_.shutdown(now);
}

void App::tell_rejected(const std::vector<config::ConfigError>& errors) {
  for (const config::ConfigError& error : errors) {
    emit({base::EventKind::config_rejected,
          {},
          error.to_string(),
          {{"place", error.where.to_string()}, {"fix", error.fix}}});
  }
}

void App::watch_files(base::Instant now) {
  if (now < next_file_look_ || stop_at_) return;
  next_file_look_ = now + file_watch_interval;
  const std::vector<std::string> changed = file_watch_.look();
  if (changed.empty()) return;
  const std::string which =
      changed.size() == 1 ? changed.front()
                          : fmt::format("{} and {} more", changed.front(), changed.size() - 1);
  auto loaded = load_config(options_.config, pki_, keys_, &files_);
  if (!loaded) {
    tell_rejected(loaded.error());
    return emit({base::EventKind::config_rejected,
                 {},
                 fmt::format("{} changed, but cannot be used: what was read before stays in force "
                             "until that is corrected",
                             which),
                 {{"file", changed.front()}}});
  }
  emit({base::EventKind::pki_files_changed,
        {},
        fmt::format("{} changed: what it says now counts from the next authentication on", which),
        {{"file", changed.front()}}});
  apply(std::move(*loaded), now);
}

std::expected<config::ConfigDiff, std::vector<config::ConfigError>> App::reload(base::Instant now) {
  if (loaded_) return take_loaded(now);
  auto loaded = load_config(options_.config, pki_, keys_);
  if (!loaded) {
    tell_rejected(loaded.error());
    return std::unexpected{std::move(loaded.error())};
  }
  config::ConfigDiff diff = config::diff(*config_, *loaded->config);
  if (!stop_at_) apply(std::move(*loaded), now);
  if (diff.daemon_changed) {
    warn("the [daemon] section changed; that takes effect when caponierd is restarted");
  }
  return diff;
}

std::expected<config::ConfigDiff, std::vector<config::ConfigError>> App::check_reload() {
  if (loaded_) return config::ConfigDiff{};  // what is loaded is taken at once
  const auto loaded = load_config(options_.config, pki_, keys_);
  if (!loaded) return std::unexpected{loaded.error()};
  return config::diff(*config_, *loaded->config);
}

std::expected<config::ConfigDiff, std::vector<config::ConfigError>> App::take_loaded(
    base::Instant now) {
  if (stop_at_) return config::ConfigDiff{};
  LoadedSide::Taken taken = loaded_->take(*config_);
  for (std::string& remark : taken.remarks) warn(std::move(remark));
  if (!taken.config) {
    return std::unexpected{std::vector{config::ConfigError{
        {}, "nothing of what was loaded can be used", "see the log for what is wrong with it"}}};
  }
  config::ConfigDiff diff = config::diff(*config_, *taken.config);
  apply({std::move(taken.config), {}, {}}, now);
  return diff;
}

void App::apply(LoadedConfig loaded, base::Instant now) {
  const bool is_first = config_ == nullptr;
  config_ = std::move(loaded.config);
  files_ = std::move(loaded.files);
  file_watch_.watch({files_.pki.begin(), files_.pki.end()});
  next_file_look_ = now + file_watch_interval;
  if (is_first) update_local_addresses(now);
  keys_.commit();
  proof_side_->apply(config_, now);
  user_side_->apply(config_, now);
  gateway_.apply(config_, now);
  emit({base::EventKind::config_loaded,
        {},
        fmt::format("{} is in force, {} configured",
                    options_.config.empty() ? "what was loaded" : options_.config,
                    config_->peers.size() == 1 ? std::string{"1 peer"}
                                               : fmt::format("{} peers", config_->peers.size())),
        {}});
  open_filelog();
  check_host();
}

void App::check_host() {
  for (const config::PeerConfig& peer : config_->peers) {
    std::vector<const policy::Offers*> all{&peer.ike};
    for (const config::ChildConfig& child : peer.children) all.push_back(&child.esp);
    for (const policy::Offers* offers : all) {
      for (const std::string& weakness : policy::weaknesses_of(*offers)) {
        emit({base::EventKind::config_weak,
              {},
              fmt::format("{}: {}; compat = \"legacy\" lets it in", peer.name, weakness),
              {}});
      }
    }
  }
  for (const fitness::Finding& finding : fitness::judge(*config_, io::read_host_settings())) {
    warn(finding.to_string());
  }
}

void App::update_local_addresses(base::Instant now) {
  std::vector<base::IpAddress> usable = addresses_->collect();
  const auto& listen = config_->daemon.listen;
  if (!listen.empty()) {
    std::erase_if(usable, [&](const base::IpAddress& address) {
      return std::find(listen.begin(), listen.end(), address) == listen.end();
    });
  }
  xdp_side_->set_addresses(usable);
  gateway_.handle_local_addresses(std::move(usable), now);
}

void App::settle() {
  const base::Instant now = io::monotonic_now();
  plane_->handle_deadline(now);
  gateway_.handle_worker_news(now);
  perform_actions(now);
  for (int turn = 0; turn < deadline_turns_max; ++turn) {
    const auto deadline = gateway_.poll_deadline();
    if (!deadline || deadline->at > now) break;
    gateway_.handle_deadline(now);
    perform_actions(now);
  }
  settle_users(now);
  settle_proofs(now);
  settle_scripts(now);
  plane_->release_waiting();
  if (const auto due = loaded_ ? loaded_->poll_deadline() : std::nullopt; due && *due <= now) {
    static_cast<void>(take_loaded(now));
  }
  server_.handle_progress(now);
  settle_changes(now);
  if (metrics_) metrics_->handle_deadline(now);
  // A request may have changed the gateway.
  perform_actions(now);
  settle_users(now);
  settle_proofs(now);
  send_to_clients();
  if (leftovers_until_ && now >= *leftovers_until_) {
    leftovers_until_.reset();
    routes_->remove_leftovers();
  }
  watch_files(now);
  heed_taking(packet_side_->taking().settle());
  update_mtu();
  if (stop_at_ && has_ended(now)) return loop_.stop();
  arm_timer();
}

void App::perform_actions(base::Instant now) {
  while (auto action = gateway_.poll_action()) {
    std::visit([&](auto& chosen) { perform(chosen, now); }, *action);
  }
}

void App::perform(ike::Transmit& action, base::Instant) { plane_->transmit(action); }

void App::perform(ike::CloseStream& action, base::Instant now) {
  plane_->close_stream(action.path, now);
}

void App::perform(ike::AuthRequest& action, base::Instant now) {
  if (gateway::ProofDesk::judges(action)) {
    proof_side_->handle(std::move(action), now);
  } else {
    proof_side_->note(action, now);
    keys_.handle(action);
  }
  while (auto reply = poll_key_reply()) proof_side_->complete(std::move(*reply), now);
  while (auto reply = proof_side_->poll_reply()) {
    gateway_.handle_auth_reply(std::move(*reply), now);
  }
}

void App::settle_proofs(base::Instant now) {
  while (const auto fetch = user_side_->poll_fetch()) proof_side_->want({&*fetch, 1});
  keys_.handle_deadline(now);
  while (auto reply = poll_key_reply()) proof_side_->complete(std::move(*reply), now);
  if (auto fault = keys_.take_fault()) tell_fault(std::move(*fault));
  proof_side_->handle_deadline(now);
  while (auto reply = proof_side_->poll_reply()) {
    gateway_.handle_auth_reply(std::move(*reply), now);
    perform_actions(now);
  }
  while (auto event = proof_side_->poll_event()) emit(std::move(*event));
  if (auto fault = proof_side_->take_fault()) warn(std::move(*fault));
}

void App::perform(ike::EapRequest& action, base::Instant now) { user_side_->handle(action, now); }
void App::perform(ike::EapEnded& action, base::Instant) { user_side_->handle(action); }
void App::perform(gateway::KeepLease& action, base::Instant) {
  if (lease_store_) lease_store_->write(action);
}
void App::perform(gateway::SessionUp& action, base::Instant now) {
  user_side_->handle(action, now);
}
void App::perform(gateway::SessionDown& action, base::Instant now) {
  user_side_->handle(action, now);
}

void App::perform(gateway::SetInner& action, base::Instant) {
  const auto done = user_side_->set_inner(action);
  if (!done) warn(done.error());
}

void App::settle_users(base::Instant now) {
  user_side_->handle_deadline(now);
  while (auto reply = user_side_->poll_reply()) {
    gateway_.handle_eap_reply(std::move(*reply), now);
    perform_actions(now);
    user_side_->handle_deadline(now);
  }
  while (user_side_->serve(gateway_, now)) perform_actions(now);
  while (auto event = user_side_->poll_event()) emit(std::move(*event));
  if (auto fault = lease_store_ ? lease_store_->poll_fault() : std::nullopt) {
    warn(fmt::format("the addresses kept for users cannot be written, and are tried again: {}",
                     *fault));
  }
}

void App::perform(gateway::AddRoute& action, base::Instant) {
  const auto done = routes_->add(action.prefix, action.source, action.local_nets);
  if (!done) return tell_fault(done.error());
  packet_side_->taking().add(action.prefix, action.local_nets);
}

void App::perform(gateway::RemoveRoute& action, base::Instant) {
  packet_side_->taking().remove(action.prefix);
  const auto done = routes_->remove(action.prefix);
  if (!done) tell_fault(done.error());
}

void App::heed_taking(const std::expected<void, std::string>& done) {
  if (done) return;
  warn(
      fmt::format("packets are not taken from the kernel's forwarding as clear_side wants it, the "
                  "TUN carries them: {}; see that nft works, then restart caponierd",
                  done.error()));
}

void App::perform(gateway::SetClearFilter& action, base::Instant) {
  const auto done = clear_filter_->set(action);
  clear_filter_fault_ = done || action.rules.empty()
                            ? std::string{}
                            : fmt::format(
                                  "packets that arrive in clear although a tunnel should protect "
                                  "them are not dropped: {}; install nftables, or load nf_tables",
                                  done.error());
  if (!clear_filter_fault_.empty()) warn(clear_filter_fault_);
}

base::DropCounters App::drops() const {
  base::DropCounters all = plane_->drops();
  all.add(clear_filter_->drops());
  return all;
}

control::Usage App::usage() const { return {started_, io::cpu_time(), plane_->worker_cpu_times()}; }

std::vector<std::string> App::notes() const {
  std::vector<std::string> notes = user_side_->notes();
  if (!clear_filter_fault_.empty()) notes.push_back(clear_filter_fault_);
  std::ranges::copy(proof_side_->expiries().notes(), std::back_inserter(notes));
  return notes;
}

std::vector<pki::Expiry> App::expiries() const { return proof_side_->expiries().ends(); }

void App::perform(gateway::Lookup& action, base::Instant now) {
  if (resolver_->lookup(action.connection, std::move(action.name), std::nullopt)) return;
  gateway_.handle_lookup(action.connection, {}, now);
}

void App::perform(gateway::FindSource& action, base::Instant now) {
  auto source = routes_->find_source(action.remote);
  // Where we listen on chosen addresses only, no other can receive the answer.
  const auto& listen = config_->daemon.listen;
  if (source && !listen.empty() &&
      std::find(listen.begin(), listen.end(), *source) == listen.end()) {
    const auto same_family = std::find_if(listen.begin(), listen.end(), [&](const auto& address) {
      return address.family() == action.remote.family();
    });
    source = same_family == listen.end() ? std::nullopt : std::optional{*same_family};
  }
  gateway_.handle_source_address(action.connection, source, now);
}

void App::perform(gateway::DeliverClear& action, base::Instant) {
  plane_->deliver_clear(action.packet);
}

void App::perform(base::Event& action, base::Instant) { emit(std::move(action)); }

void App::update_mtu() {
  if (config_->daemon.mtu != 0) return;
  const auto wanted = static_cast<unsigned>(gateway_.tunnel_mtu());
  const auto done = tun_->set_mtu(wanted, *netlink_);
  if (!done) {
    tell_fault(fmt::format("cannot set the MTU of {} to {}: {}", tun_->name(), wanted,
                           io::errno_text(done.error())));
  }
}

void App::arm_timer() {
  std::optional<base::Instant> first = stop_at_;
  if (first && io::monotonic_now() >= *first) first = *first + script_patience;
  const auto heed = [&first](std::optional<base::Instant> at) {
    if (at && (!first || *at < *first)) first = at;
  };
  const auto heed_deadline = [&](const std::optional<base::Deadline>& deadline) {
    if (deadline) heed(deadline->at);
  };
  heed(leftovers_until_);
  heed_deadline(gateway_.poll_deadline());
  heed_deadline(server_.poll_deadline());
  if (vici_side_) heed_deadline(vici_side_->poll_deadline());
  if (metrics_) heed_deadline(metrics_->poll_deadline());
  if (loaded_) heed(loaded_->poll_deadline());
  heed(plane_->poll_deadline());
  heed_deadline(user_side_->poll_deadline());
  heed(keys_.poll_deadline());
  if (!files_.pki.empty()) heed(next_file_look_);
  heed(proof_side_->poll_deadline());
  heed(script_side_->poll_deadline());
  loop_.set_timer(first);
}

}  // namespace caponier::daemon

#include "gateway/accounting_desk.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gateway/radius_servers.h"

namespace caponier::gateway {

using base::Instant;
using radius::ErrorCause;

namespace {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

const config::PeerConfig* server_of(const config::Config& config) {
  const auto found = std::ranges::find_if(
      config.peers, [](const config::PeerConfig& peer) { return peer.server.has_value(); });
  return found == config.peers.end() ? nullptr : &*found;
}

bool is_same_secret(const config::RadiusConfig& a, const config::RadiusConfig& b) {
  return base::equal_constant_time(a.secret->reveal(), b.secret->reveal());
}

bool has_same_accounting(const std::optional<config::RadiusConfig>& a,
                         const std::optional<config::RadiusConfig>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->accounting == b->accounting && is_same_secret(*a, *b);
}

bool has_same_coa(const std::optional<config::RadiusConfig>& a,
                  const std::optional<config::RadiusConfig>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->coa == b->coa && a->coa_clients == b->coa_clients && is_same_secret(*a, *b);
}

std::optional<base::Duration> seconds_of(const std::optional<std::uint32_t>& seconds) {
  if (!seconds) return std::nullopt;
  return std::chrono::seconds{*seconds};
}

/// What an answer to it must not claim to have done.
bool asks_for_more(const eap::Authorization& changes) {
  return changes.framed_ipv4 || changes.framed_ipv4_netmask || changes.framed_ipv6 ||
         !changes.framed_ipv6_prefixes.empty() || !changes.delegated_ipv6_prefixes.empty() ||
         !changes.framed_routes.empty() || !changes.dns.empty() || changes.interim_interval_seconds;
}

}  // namespace

ErrorCause cause_of(ChangeOutcome outcome) {
  switch (outcome) {
    case ChangeOutcome::done: return ErrorCause::none;
    case ChangeOutcome::not_found: return ErrorCause::session_context_not_found;
    case ChangeOutcome::no_group: return ErrorCause::administratively_prohibited;
    case ChangeOutcome::other_networks: return ErrorCause::resources_unavailable;
  }
  return ErrorCause::resources_unavailable;
}

radius::UnixSeconds AccountingDesk::unix_now(Instant now) const {
  const auto since = unix_origin_ + now.since_origin;
  return {
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(since).count())};
}

void AccountingDesk::apply(std::shared_ptr<const config::Config> config, Instant now) {
  const auto before = std::exchange(config_, std::move(config));
  const config::PeerConfig* const server = server_of(*config_);
  const auto& radius = config_->radius;
  const std::optional<config::RadiusConfig> none;
  const auto& old = before ? before->radius : none;
  if (!has_same_accounting(old, radius)) {
    // What was under way is told to those that are responsible now.
    for (auto& [id, request] : std::exchange(under_way_, {})) keep(std::move(request), now);
    client_.reset();
    if (radius && !radius->accounting.empty()) {
      client_ = std::make_unique<radius::RadiusClient>(
          radius::ClientSettings{}, radius_servers(*radius, RadiusUse::accounting), crypto_, rng_);
      for (auto& [id, entry] : sessions_) {
        if (!entry.accounting) begin(entry, now);
      }
    } else {
      untold_.clear();
      retell_at_.reset();
    }
  }
  if (before && has_same_coa(old, radius)) return;
  dynamic_.reset();
  if (!radius || !radius->coa || server == nullptr) return;
  radius::DynamicSettings settings;
  for (const base::IpAddress& address : radius->coa_clients) {
    settings.clients.push_back({address, base::SecretBytes{radius->secret->reveal()}});
  }
  radius::NasAttributes nas;
  nas.identifier = nas_identifier(*server);
  dynamic_ =
      std::make_unique<radius::DynamicAuthorization>(std::move(settings), std::move(nas), crypto_);
}

radius::NasAttributes AccountingDesk::nas_of(const Session& session) const {
  const config::PeerConfig* const server = server_of(*config_);
  if (server == nullptr) return {};
  return nas_attributes(*server, session.id.value, session.path);
}

void AccountingDesk::handle(const SessionUp& up, Instant now) {
  Entry& entry = sessions_[up.session.id];
  entry.session = up.session;
  // Numbers of IKE SAs begin anew with every process.
  entry.acct_session_id = fmt::format("{:08x}-{:x}", unix_now(now).value, up.session.id.value);
  begin(entry, now);
}

void AccountingDesk::begin(Entry& entry, Instant now) {
  if (!client_) return;
  const Session& session = entry.session;
  radius::AccountingSettings settings;
  settings.nas = nas_of(session);
  settings.session_id = entry.acct_session_id;
  settings.user_name = session.user;
  settings.classes = session.grant.classes;
  settings.framed_addresses = session.addresses;
  settings.interim_interval = session.grant.interim_interval.value_or(config_->radius->interim);
  entry.accounting.emplace(std::move(settings), now);
  arm(entry, entry.accounting->poll_deadline());
  submit(entry.accounting->start(unix_now(now)), now);
}

void AccountingDesk::arm(Entry& entry, std::optional<base::Deadline> at) {
  if (entry.interim) interims_.erase({*entry.interim, entry.session.id});
  entry.interim.reset();
  if (!at) return;
  entry.interim = at->at;
  interims_.emplace(at->at, entry.session.id);
}

void AccountingDesk::handle(const SessionDown& down, Instant now) {
  const auto found = sessions_.find(down.id);
  if (found == sessions_.end()) return;
  if (const auto& accounting = found->second.accounting) {
    submit(accounting->stop(down.usage, down.cause, unix_now(now), now), now);
  }
  arm(found->second, std::nullopt);
  sessions_.erase(found);
}

void AccountingDesk::handle_usage(SessionId session, const radius::Usage& usage, Instant now) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end() || !std::exchange(found->second.is_asked, false)) return;
  auto& accounting = found->second.accounting;
  if (!accounting) return;
  radius::Request request = accounting->interim(usage, unix_now(now), now);
  arm(found->second, accounting->poll_deadline());
  submit(std::move(request), now);
}

void AccountingDesk::submit(radius::Request request, Instant now) {
  if (!client_) return;
  const auto id = client_->submit(request, now);
  if (id) {
    under_way_.emplace(*id, std::move(request));
  } else {
    keep(std::move(request), now);
  }
  drain(now);
}

void AccountingDesk::keep(radius::Request request, Instant now) {
  if (untold_.size() == untold_max) {
    untold_.pop_front();
    if (lost_++ == 0) tell("accounting is lost: no RADIUS server has answered for too long");
  }
  untold_.push_back(std::move(request));
  if (!retell_at_) retell_at_ = now + untold_pause;
}

void AccountingDesk::handle_datagram(radius::PortHandle port, const base::Endpoint& from,
                                     base::Bytes datagram, Instant now) {
  if (!client_) return;
  client_->handle_datagram(port, from, datagram, now);
  drain(now);
}

void AccountingDesk::drain(Instant now) {
  const Overloaded carry{
      [&](radius::Transmit& transmit) { actions_.emplace_back(std::move(transmit)); },
      [&](const radius::Answer& answer) {
        under_way_.erase(answer.request);
        lost_ = 0;
      },
      [&](const radius::NoAnswer& none) {
        auto node = under_way_.extract(none.request);
        if (!node.empty()) keep(std::move(node.mapped()), now);
      },
      [&](const radius::ServerChanged& changed) {
        tell(fmt::format("the RADIUS server {} {}", client_->server(changed.server).name,
                         changed.is_alive ? "takes accounting again" : "takes no accounting"));
      },
  };
  while (auto action = client_->poll_action()) std::visit(carry, *action);
}

void AccountingDesk::handle_deadline(Instant now) {
  if (!client_) return;
  client_->handle_deadline(now);
  drain(now);
  while (!interims_.empty() && interims_.begin()->first <= now) {
    Entry& entry = sessions_.at(interims_.begin()->second);
    arm(entry, std::nullopt);
    entry.is_asked = true;
    actions_.emplace_back(AskUsage{entry.session.id});
  }
  if (!retell_at_ || *retell_at_ > now) return;
  retell_at_.reset();
  for (radius::Request& request : std::exchange(untold_, {})) submit(std::move(request), now);
}

std::optional<base::Deadline> AccountingDesk::poll_deadline() const {
  if (!client_) return std::nullopt;
  auto first = client_->poll_deadline();
  const auto consider = [&](const std::optional<base::Deadline>& other) {
    if (other && (!first || other->at < first->at)) first = other;
  };
  if (!interims_.empty()) {
    consider(base::Deadline{interims_.begin()->first, "an interim update of accounting is due"});
  }
  if (retell_at_) consider(base::Deadline{*retell_at_, "accounting that nobody has taken"});
  return first;
}

// ---- What servers ask

void AccountingDesk::handle_dynamic(const base::Endpoint& from, base::Bytes datagram, Instant now) {
  if (!dynamic_) return;
  dynamic_->handle_datagram(from, datagram, unix_now(now));
  drain_dynamic();
}

void AccountingDesk::drain_dynamic() {
  const Overloaded carry{
      [&](const radius::DynamicRequest& request) { handle_request(request); },
      [&](radius::DynamicTransmit& transmit) { actions_.emplace_back(std::move(transmit)); },
  };
  while (auto action = dynamic_->poll_action()) std::visit(carry, *action);
}

void AccountingDesk::handle_request(const radius::DynamicRequest& request) {
  std::vector<SessionId> found = find(request.session);
  if (found.empty()) return dynamic_->answer(request.id, ErrorCause::session_context_not_found);
  if (request.is_disconnect) {
    actions_.emplace_back(EndSessions{request.id, std::move(found)});
    return;
  }
  const eap::Authorization& changes = request.changes;
  if (asks_for_more(changes))
    return dynamic_->answer(request.id, ErrorCause::unsupported_attribute);
  SessionChange change{seconds_of(changes.session_timeout_seconds),
                       seconds_of(changes.idle_timeout_seconds), changes.filter_ids};
  const bool is_empty = !change.session_timeout && !change.idle_timeout && change.filters.empty();
  if (is_empty) return dynamic_->answer(request.id, ErrorCause::missing_attribute);
  actions_.emplace_back(ChangeSessions{request.id, std::move(found), std::move(change)});
}

std::vector<SessionId> AccountingDesk::find(const radius::SessionSelector& selector) const {
  const auto fits = [&](const Entry& entry) {
    const Session& session = entry.session;
    const auto nas = nas_of(session);
    const auto is_own = [&](const base::IpAddress& address) {
      return std::ranges::find(session.addresses, address) != session.addresses.end();
    };
    const auto is_class = [&](const base::ByteVec& one) {
      const auto& classes = session.grant.classes;
      return std::ranges::find(classes, one) != classes.end();
    };
    const auto is_or_empty = [](const std::string& asked, const std::string& own) {
      return asked.empty() || asked == own;
    };
    return is_or_empty(selector.user_name, session.user) &&
           is_or_empty(selector.acct_session_id, entry.acct_session_id) &&
           is_or_empty(selector.calling_station_id, nas.calling_station_id) &&
           is_or_empty(selector.nas_port_id, nas.port_id) &&
           (!selector.nas_port || selector.nas_port == nas.port) &&
           std::ranges::all_of(selector.framed_addresses, is_own) &&
           std::ranges::all_of(selector.classes, is_class);
  };
  std::vector<SessionId> found;
  for (const auto& [id, entry] : sessions_) {
    if (fits(entry)) found.push_back(id);
  }
  return found;
}

void AccountingDesk::answer(radius::DynamicId request, ErrorCause cause) {
  if (!dynamic_) return;
  dynamic_->answer(request, cause);
  drain_dynamic();
}

void AccountingDesk::tell(std::string text) {
  actions_.emplace_back(base::Event{base::EventKind::radius_server, "", std::move(text), {}});
}

std::optional<AccountingAction> AccountingDesk::poll_action() {
  if (actions_.empty()) return std::nullopt;
  AccountingAction action = std::move(actions_.front());
  actions_.pop_front();
  return action;
}

}  // namespace caponier::gateway

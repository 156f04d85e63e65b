#include "daemon/user_side.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "eap/openssl/tls_context.h"
#include "io/netlink/messages.h"
#include "io/os/clock.h"
#include "io/os/io_error.h"

namespace caponier::daemon {

namespace {
base::Duration unix_origin() {
  return std::chrono::microseconds{io::unix_microseconds_now()} - io::monotonic_now().since_origin;
}
}  // namespace

UserSide::UserSide(Options options, base::Rng& rng, const pki::PkiProvider& pki,
                   io::Netlink& netlink, io::Loop& loop)
    : options_(std::move(options)),
      netlink_(netlink),
      loop_(loop),
      desk_({legacy_, rng, &pki, eap::make_tls_context, unix_origin()}),
      accounting_(legacy_, rng, unix_origin()),
      sockets_(options_.own_mark,
               [this](int fd, radius::PortHandle port) {
                 watched_.push_back(fd);
                 loop_.on_readable(fd, [this, fd, port] { receive(fd, port); });
               }),
      accounting_sockets_(options_.own_mark, [this](int fd, radius::PortHandle port) {
        watched_.push_back(fd);
        loop_.on_readable(fd, [this, fd, port] { receive_accounting(fd, port); });
      }) {}

void UserSide::apply(std::shared_ptr<const config::Config> config, base::Instant now) {
  listen(config->radius ? config->radius->coa : std::nullopt);
  accounting_.apply(config, now);
  desk_.apply(std::move(config), now);
}

void UserSide::listen(const std::optional<base::Endpoint>& at) {
  if (at == listens_at_) return;
  if (listener_.is_open()) loop_.forget(listener_.get());
  listener_.reset();
  listens_at_ = at;
  if (!at) return;
  auto opened = io::open_radius_listener(*at, options_.own_mark);
  if (!opened) {
    // Again with the next configuration.
    listens_at_.reset();
    events_.push_back({base::EventKind::host_unfit, {}, opened.error().message, {}});
    return;
  }
  listener_ = std::move(*opened);
  loop_.on_readable(listener_.get(), [this] { receive_dynamic(); });
}

void UserSide::receive_dynamic() {
  const base::Instant now = io::monotonic_now();
  for (const io::RadiusDatagram& datagram : io::RadiusSockets::receive(listener_.get())) {
    accounting_.handle_dynamic(datagram.from, datagram.data, now);
  }
}

void UserSide::receive_accounting(int fd, radius::PortHandle port) {
  const base::Instant now = io::monotonic_now();
  for (const io::RadiusDatagram& datagram : io::RadiusSockets::receive(fd)) {
    accounting_.handle_datagram(port, datagram.from, datagram.data, now);
  }
}

namespace {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

}  // namespace

bool UserSide::serve(gateway::Gateway& gateway, base::Instant now) {
  bool any = false;
  const Overloaded carry{
      [&](const radius::Transmit& transmit) { accounting_sockets_.send(transmit); },
      [&](const radius::DynamicTransmit& transmit) {
        io::send_radius_answer(listener_.get(), transmit.to, transmit.datagram);
      },
      [&](const gateway::AskUsage& ask) {
        if (const auto usage = gateway.session_usage(ask.session)) {
          accounting_.handle_usage(ask.session, *usage, now);
        }
      },
      [&](const gateway::EndSessions& end) {
        for (const gateway::SessionId session : end.sessions) {
          static_cast<void>(gateway.end_session(session, radius::TerminateCause::admin_reset, now));
        }
        accounting_.answer(end.request, radius::ErrorCause::none);
      },
      [&](const gateway::ChangeSessions& change) {
        auto outcome = gateway::ChangeOutcome::done;
        for (const gateway::SessionId session : change.sessions) {
          const auto one = gateway.change_session(session, change.change, now);
          if (outcome == gateway::ChangeOutcome::done) outcome = one;
        }
        accounting_.answer(change.request, cause_of(outcome));
      },
      [&](base::Event& event) { events_.push_back(std::move(event)); },
  };
  while (auto action = accounting_.poll_action()) {
    any = true;
    std::visit(carry, *action);
  }
  return any;
}

std::optional<base::Deadline> UserSide::poll_deadline() const {
  const auto desk = desk_.poll_deadline();
  const auto accounting = accounting_.poll_deadline();
  if (!desk || !accounting) return desk ? desk : accounting;
  return desk->at < accounting->at ? desk : accounting;
}

std::vector<std::string> UserSide::notes() const { return desk_.notes(io::monotonic_now()); }

std::optional<base::Event> UserSide::poll_event() {
  if (events_.empty()) return desk_.poll_event();
  base::Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void UserSide::receive(int fd, radius::PortHandle port) {
  const base::Instant now = io::monotonic_now();
  for (const io::RadiusDatagram& datagram : io::RadiusSockets::receive(fd)) {
    desk_.handle_datagram(port, datagram.from, datagram.data, now);
  }
}

UserSide::~UserSide() {
  for (const int fd : watched_) loop_.forget(fd);
  if (listener_.is_open()) loop_.forget(listener_.get());
  inner_.clear();
  static_cast<void>(update_addresses());
}

void UserSide::handle_deadline(base::Instant now) {
  const auto deadline = desk_.poll_deadline();
  if (deadline && deadline->at <= now) desk_.handle_deadline(now);
  const auto accounting = accounting_.poll_deadline();
  if (accounting && accounting->at <= now) accounting_.handle_deadline(now);
  while (const auto transmit = desk_.poll_transmit()) sockets_.send(*transmit);
}

std::expected<void, std::string> UserSide::set_inner(const gateway::SetInner& inner) {
  if (inner.addresses.empty()) {
    inner_.erase(inner.connection);
  } else {
    inner_[inner.connection] = inner;
  }
  auto done = update_addresses();
  auto dns = update_dns();
  return done ? dns : done;
}

std::expected<void, std::string> UserSide::update_addresses() {
  std::set<base::IpAddress> wanted;
  for (const auto& [name, inner] : inner_) {
    wanted.insert(inner.addresses.begin(), inner.addresses.end());
  }
  std::expected<void, std::string> result;
  const auto change = [&](io::Change what, const base::IpAddress& address) {
    auto message = io::make_address(what, options_.tun_index, address);
    const auto done = netlink_.request(message);
    if (!done && what == io::Change::add) {
      result = std::unexpected{fmt::format("cannot put {} on {}: {}", address.to_string(),
                                           options_.tun, io::errno_text(done.error()))};
    }
  };
  for (const base::IpAddress& address : wanted) {
    if (!addresses_.contains(address)) change(io::Change::add, address);
  }
  for (const base::IpAddress& address : addresses_) {
    if (!wanted.contains(address)) change(io::Change::remove, address);
  }
  addresses_ = std::move(wanted);
  return result;
}

namespace {

/// As resolvectl wants them.
void append_tls(std::vector<std::string>& to, const std::vector<wire::EncryptedDns>& servers) {
  for (const wire::EncryptedDns& dns : servers) {
    if (std::ranges::find(dns.protocols, "dot") == dns.protocols.end()) continue;
    for (const base::IpAddress& address : dns.addresses) {
      const std::string where =
          dns.port ? base::Endpoint{address, *dns.port}.to_string() : address.to_string();
      to.push_back(where + "#" + dns.name);
    }
  }
}

}  // namespace

std::expected<void, std::string> UserSide::update_dns() {
  io::DnsServers servers;
  for (const auto& [name, inner] : inner_) {
    servers.addresses.insert(servers.addresses.end(), inner.dns.begin(), inner.dns.end());
    servers.domains.insert(servers.domains.end(), inner.domains.begin(), inner.domains.end());
  }
  for (const auto& [name, inner] : inner_) append_tls(servers.by_tls, inner.encrypted);
  const bool is_none = servers.addresses.empty() && servers.by_tls.empty();
  if (is_none) servers.domains.clear();
  if (!dns_ && is_none) return {};
  if (!dns_) {
    dns_ =
        std::make_unique<io::DnsSettings>(options_.tun, options_.run_dir + "/resolv.conf.before");
  }
  auto done = dns_->set(servers);
  if (done) return done;
  return std::unexpected{
      fmt::format("the DNS servers of the tunnel are not asked: {}", done.error())};
}

}  // namespace caponier::daemon

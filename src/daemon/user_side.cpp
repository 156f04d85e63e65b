#include "daemon/user_side.h"

#include <fmt/format.h>

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
      sockets_(options_.own_mark, [this](int fd, radius::PortHandle port) {
        watched_.push_back(fd);
        loop_.on_readable(fd, [this, fd, port] { receive(fd, port); });
      }) {}

void UserSide::receive(int fd, radius::PortHandle port) {
  const base::Instant now = io::monotonic_now();
  for (const io::RadiusDatagram& datagram : io::RadiusSockets::receive(fd)) {
    desk_.handle_datagram(port, datagram.from, datagram.data, now);
  }
}

UserSide::~UserSide() {
  for (const int fd : watched_) loop_.forget(fd);
  inner_.clear();
  static_cast<void>(update_addresses());
}

void UserSide::handle_deadline(base::Instant now) {
  const auto deadline = desk_.poll_deadline();
  if (deadline && deadline->at <= now) desk_.handle_deadline(now);
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

std::expected<void, std::string> UserSide::update_dns() {
  io::DnsServers servers;
  for (const auto& [name, inner] : inner_) {
    servers.addresses.insert(servers.addresses.end(), inner.dns.begin(), inner.dns.end());
    servers.domains.insert(servers.domains.end(), inner.domains.begin(), inner.domains.end());
  }
  if (servers.addresses.empty()) servers.domains.clear();
  if (!dns_ && servers.addresses.empty()) return {};
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

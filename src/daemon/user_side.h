#pragma once
// Users, on both ends: their EAP conversations and the RADIUS servers that know them, and, where we
// are a user ourselves, the inner addresses and DNS servers that we were given.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "crypto/openssl/legacy.h"
#include "gateway/accounting_desk.h"
#include "gateway/eap_desk.h"
#include "gateway/gateway.h"
#include "io/loop/loop.h"
#include "io/netlink/netlink.h"
#include "io/radius/radius_sockets.h"
#include "io/resolv/dns_settings.h"

namespace caponier::daemon {

class UserSide {
 public:
  struct Options {
    std::string run_dir;
    std::string tun;
    unsigned tun_index = 0;
    std::uint32_t own_mark = 0;  ///< of our outer packets
  };

  /// All must outlive the object.
  UserSide(Options options, base::Rng& rng, const pki::PkiProvider& pki, io::Netlink& netlink,
           io::Loop& loop);
  ~UserSide();
  UserSide(const UserSide&) = delete;
  UserSide& operator=(const UserSide&) = delete;

  void apply(std::shared_ptr<const config::Config> config, base::Instant now);
  void handle(const ike::EapRequest& request, base::Instant now) { desk_.handle(request, now); }
  void handle(const ike::EapEnded& ended) { desk_.end(ended.sa); }
  void handle(const gateway::SessionUp& up, base::Instant now) { accounting_.handle(up, now); }
  void handle(const gateway::SessionDown& down, base::Instant now) {
    accounting_.handle(down, now);
  }
  /// The error says what of it could not be done.
  [[nodiscard]] std::expected<void, std::string> set_inner(const gateway::SetInner& inner);

  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  /// Carries what RADIUS servers and accounting want of the gateway; whether there was anything.
  bool serve(gateway::Gateway& gateway, base::Instant now);
  /// Who has to wait after wrong passwords.
  [[nodiscard]] std::vector<std::string> notes() const;
  /// Everything has been told to the RADIUS servers.
  [[nodiscard]] bool is_idle() const { return accounting_.is_idle(); }
  [[nodiscard]] std::optional<ike::EapReply> poll_reply() { return desk_.poll_reply(); }
  [[nodiscard]] std::optional<pki::Fetch> poll_fetch() { return desk_.poll_fetch(); }
  [[nodiscard]] std::optional<base::Event> poll_event();

 private:
  void receive(int fd, radius::PortHandle port);
  void receive_accounting(int fd, radius::PortHandle port);
  void receive_dynamic();
  void listen(const std::optional<base::Endpoint>& at);
  [[nodiscard]] std::expected<void, std::string> update_addresses();
  [[nodiscard]] std::expected<void, std::string> update_dns();

  Options options_;
  crypto::OpensslLegacy legacy_;
  io::Netlink& netlink_;
  io::Loop& loop_;
  gateway::EapDesk desk_;
  gateway::AccountingDesk accounting_;
  io::RadiusSockets sockets_;
  io::RadiusSockets accounting_sockets_;
  std::optional<base::Endpoint> listens_at_;  ///< for Disconnect and CoA
  io::Fd listener_;
  std::deque<base::Event> events_;
  std::vector<int> watched_;
  std::unique_ptr<io::DnsSettings> dns_;            ///< from the first servers on
  std::map<std::string, gateway::SetInner> inner_;  ///< by connection
  std::set<base::IpAddress> addresses_;             ///< on the device
};

}  // namespace caponier::daemon

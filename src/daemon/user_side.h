#pragma once
// Users, on both ends: their EAP conversations and the RADIUS servers that know them, and, where we
// are a user ourselves, the inner addresses and DNS servers that we were given.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "crypto/openssl/legacy.h"
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

  void apply(std::shared_ptr<const config::Config> config, base::Instant now) {
    desk_.apply(std::move(config), now);
  }
  void handle(const ike::EapRequest& request, base::Instant now) { desk_.handle(request, now); }
  void handle(const ike::EapEnded& ended) { desk_.end(ended.sa); }
  /// The error says what of it could not be done.
  [[nodiscard]] std::expected<void, std::string> set_inner(const gateway::SetInner& inner);

  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const {
    return desk_.poll_deadline();
  }
  [[nodiscard]] std::optional<ike::EapReply> poll_reply() { return desk_.poll_reply(); }
  [[nodiscard]] std::optional<base::Event> poll_event() { return desk_.poll_event(); }
  [[nodiscard]] std::optional<pki::Fetch> poll_fetch() { return desk_.poll_fetch(); }

 private:
  void receive(int fd, radius::PortHandle port);
  [[nodiscard]] std::expected<void, std::string> update_addresses();
  [[nodiscard]] std::expected<void, std::string> update_dns();

  Options options_;
  crypto::OpensslLegacy legacy_;
  io::Netlink& netlink_;
  io::Loop& loop_;
  gateway::EapDesk desk_;
  io::RadiusSockets sockets_;
  std::vector<int> watched_;
  std::unique_ptr<io::DnsSettings> dns_;            ///< from the first servers on
  std::map<std::string, gateway::SetInner> inner_;  ///< by connection
  std::set<base::IpAddress> addresses_;             ///< on the device
};

}  // namespace caponier::daemon

#pragma once
// A RADIUS server of the World: a host that knows users and speaks EAP behind Access-Requests. It
// may be slow, or say nothing at all.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eap/server.h"
#include "radius/packet.h"
#include "sim/network.h"

namespace caponier::sim {

class World;

inline constexpr std::uint16_t radius_port = 1812;
inline constexpr std::uint16_t radius_accounting_port = 1813;
inline constexpr std::uint16_t radius_coa_port = 3799;  ///< of those who ask
inline constexpr std::string_view radius_secret = "what gateway and RADIUS server share";

class RadiusServer {
 public:
  RadiusServer(World& world, HostId id, const base::IpAddress& address);

  [[nodiscard]] HostId id() const { return id_; }
  [[nodiscard]] base::Endpoint endpoint() const { return {address_, radius_port}; }
  std::map<std::string, std::string> users;  ///< passwords by name
  std::vector<eap::Type> methods{eap::Type::mschapv2};
  base::Duration delay{};  ///< from a request to its answer
  bool is_silent = false;  ///< hears and says nothing

  /// Of everybody who is let in.
  std::vector<std::string> filters;
  std::optional<std::uint32_t> session_timeout_seconds;

  /// Asks `nas` for something (RFC 5176); `fill` says what. Event-Timestamp is put in.
  using Fill = std::function<void(radius::PacketBuilder&)>;
  void ask(const base::IpAddress& nas, radius::Code code, const Fill& fill);
  /// What came of it, in order.
  [[nodiscard]] const std::vector<radius::Code>& answers() const { return answers_; }
  /// Acct-Status-Type: 1 start, 2 stop, 3 in between; repeated ones not included.
  [[nodiscard]] const std::vector<std::uint32_t>& accounted() const { return accounted_; }

  void handle(const Datagram& datagram);
  /// Repeated ones included.
  [[nodiscard]] std::uint64_t requests() const { return requests_; }

 private:
  class Users final : public eap::Passwords {
   public:
    explicit Users(const RadiusServer& server) : server_(server) {}
    [[nodiscard]] std::optional<eap::Password> find(std::string_view user) const override;

   private:
    const RadiusServer& server_;
  };
  using Request = std::pair<base::Endpoint, radius::Authenticator>;

  void handle_accounting(const Datagram& datagram);
  [[nodiscard]] eap::Step step(const radius::PacketView& request, base::Bytes eap);
  [[nodiscard]] base::ByteVec answer(const radius::PacketView& request, eap::Step step);

  World* world_;
  HostId id_;
  base::IpAddress address_;
  Users passwords_{*this};
  std::map<std::string, std::unique_ptr<eap::EapServer>> conversations_;  ///< by State
  std::string state_;                                                     ///< of the last one
  std::map<Request, base::ByteVec> answered_;  ///< a repeated request gets the same answer
  std::vector<radius::Code> answers_;
  std::vector<std::uint32_t> accounted_;
  std::uint8_t asked_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t begun_ = 0;
};

}  // namespace caponier::sim

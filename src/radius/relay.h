#pragma once
// An EAP authenticator that knows no users: EAP goes to a RADIUS server and back (RFC 3579).

#include <optional>
#include <string>

#include "eap/conversation.h"
#include "radius/client.h"

namespace caponier::radius {

/// What a server is told of us and of the peer, in every request of a session.
struct NasAttributes {
  std::string identifier;                  ///< NAS-Identifier; must not be empty when no address is
  std::optional<base::IpAddress> address;  ///< NAS-IP-Address or NAS-IPv6-Address
  std::optional<std::uint32_t> port;       ///< NAS-Port: any number that tells sessions apart
  std::string port_id;                     ///< NAS-Port-Id: the connection's name; may be empty
  std::string called_station_id;           ///< our address by custom, "192.0.2.1[4500]"
  std::string calling_station_id;          ///< the peer's
};

/// All that are there, with NAS-Port-Type (virtual) and Service-Type (framed).
void add_nas_attributes(std::vector<RequestAttribute>& to, const NasAttributes& nas);

struct RelaySettings {
  NasAttributes nas;
  /// Framed-MTU: how large EAP packets may become (RFC 3579 s2.4).
  std::uint32_t framed_mtu = 1400;
  /// As in ServerSettings: without asking, EAP begins with `known_identity` (RFC 3579 s2.1).
  bool ask_identity = true;
  std::string known_identity;
  /// Succeed only with an MSK.
  bool demand_key = true;
};

class EapRelay final : public eap::Authenticator {
 public:
  /// `client` must outlive the relay.
  EapRelay(RelaySettings settings, RadiusClient& client);
  /// Cancels what is under way.
  ~EapRelay() override;
  EapRelay(const EapRelay&) = delete;
  EapRelay& operator=(const EapRelay&) = delete;

  [[nodiscard]] eap::Step start(Instant now) override;
  [[nodiscard]] eap::Step handle(Bytes packet, Instant now) override;
  /// The request whose Answer or NoAnswer is to be given to handle_backend(): after every Wait.
  [[nodiscard]] std::optional<RequestId> waiting_for() const { return waiting_for_; }
  [[nodiscard]] eap::Step handle_backend(const Answer& answer, Instant now);
  [[nodiscard]] eap::Step handle_backend(const NoAnswer& none, Instant now);

 private:
  [[nodiscard]] eap::Step ask(Bytes eap_packet, Instant now);
  [[nodiscard]] eap::Step challenge(const PacketView& packet);
  [[nodiscard]] eap::Step reject(const PacketView& packet);
  [[nodiscard]] eap::Step accept(const Answer& answer, const PacketView& packet);
  [[nodiscard]] eap::Step fail(eap::FailureReason reason, std::string sentence);

  RelaySettings settings_;
  RadiusClient& client_;
  std::optional<RequestId> waiting_for_;
  std::optional<ServerIndex> server_;
  ByteVec state_;  ///< as the server gave it; empty: none
  std::string identity_;
  std::uint8_t identifier_ = 0;  ///< of the last EAP request
  std::size_t rounds_ = 0;
  eap::Type method_ = eap::Type::none;
  enum class Stage : std::uint8_t { fresh, asking_identity, relaying, over };
  Stage stage_ = Stage::fresh;
};

/// Every attribute of an Access-Accept that eap::Authorization has a place for; what does not
/// decode is left out.
[[nodiscard]] eap::Authorization authorization_of(const PacketView& accept);

}  // namespace caponier::radius

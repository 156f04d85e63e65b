#pragma once
// Answers EapRequest: keeps the conversations, has the passwords of our own users, asks RADIUS for
// others, and is the user where we are a client. Like the keyholder it is outside of Gateway, so
// that what parses EAP and what knows passwords can be processes of their own.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/rng.h"
#include "base/time.h"
#include "config/config.h"
#include "crypto/legacy.h"
#include "eap/client.h"
#include "eap/server.h"
#include "ike/actions.h"
#include "radius/relay.h"

namespace caponier::gateway {

class EapDesk {
 public:
  /// Both must outlive the object.
  EapDesk(const crypto::LegacyCrypto& crypto, base::Rng& rng) : crypto_(&crypto), rng_(&rng) {}

  /// Conversations under way go on as they began, but for those that wait for RADIUS servers that
  /// are others now.
  void apply(std::shared_ptr<const config::Config> config, base::Instant now);
  void handle(const ike::EapRequest& request, base::Instant now);
  void end(ike::IkeSaId sa) { conversations_.erase(sa); }
  [[nodiscard]] std::optional<ike::EapReply> poll_reply();

  // The driver of RADIUS.
  void handle_datagram(radius::PortHandle port, const base::Endpoint& from, base::Bytes datagram,
                       base::Instant now);
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<radius::Transmit> poll_transmit();
  [[nodiscard]] std::optional<base::Event> poll_event();
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  [[nodiscard]] std::size_t size() const { return conversations_.size(); }

 private:
  class Users final : public eap::Passwords {
   public:
    explicit Users(const EapDesk& desk) : desk_(desk) {}
    [[nodiscard]] std::optional<eap::Password> find(std::string_view user) const override;

   private:
    const EapDesk& desk_;
  };
  struct Conversation {
    std::string connection;
    std::uint64_t request = 0;              ///< the last, not yet answered
    std::optional<eap::Password> password;  ///< a client's, which it borrows
    std::unique_ptr<eap::EapClient> client;
    std::unique_ptr<eap::EapServer> server;
    std::unique_ptr<radius::EapRelay> relay;
  };

  [[nodiscard]] const config::PeerConfig* find(const std::string& connection) const;
  [[nodiscard]] eap::Step step(Conversation& conversation, const ike::EapRequest& request,
                               base::Instant now);
  [[nodiscard]] eap::Step begin_server(Conversation& conversation, const ike::EapRequest& request,
                                       base::Instant now);
  [[nodiscard]] eap::Step continue_client(Conversation& conversation,
                                          const ike::EapRequest& request, base::Instant now);
  void answer(ike::IkeSaId sa, const Conversation& conversation, eap::Step step);
  void drain_radius(base::Instant now);
  template <class Answer>
  void handle_answer(const Answer& answer, base::Instant now);

  const crypto::LegacyCrypto* crypto_;
  base::Rng* rng_;
  std::shared_ptr<const config::Config> config_;
  Users users_{*this};
  std::unique_ptr<radius::RadiusClient> radius_;
  std::map<ike::IkeSaId, Conversation> conversations_;
  std::deque<ike::EapReply> replies_;
  std::deque<radius::Transmit> transmits_;
  std::deque<base::Event> events_;
};

}  // namespace caponier::gateway

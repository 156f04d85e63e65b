#pragma once
// Answers EapRequest: keeps the conversations, has the passwords of our own users, asks RADIUS for
// others, and is the user where we are a client. Like the keyholder it is outside of Gateway, so
// that what parses EAP and what knows passwords can be processes of their own.

#include <deque>
#include <functional>
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
#include "eap/tls.h"
#include "gateway/chain_verifier.h"
#include "gateway/failure_book.h"
#include "ike/actions.h"
#include "radius/relay.h"

namespace caponier::gateway {

/// More are not asked for at once.
inline constexpr std::size_t eap_fetches_max = 64;

class EapDesk {
 public:
  /// Makes TLS, or says why it cannot.
  using TlsFactory =
      std::function<std::expected<std::unique_ptr<eap::TlsContext>, std::string>(eap::TlsSettings)>;
  /// All must outlive the object. Without `pki` or `make_tls` there are no TLS methods.
  struct Ports {
    const crypto::LegacyCrypto& crypto;
    base::Rng& rng;
    const pki::PkiProvider* pki = nullptr;
    TlsFactory make_tls{};
    base::Duration unix_origin{0};  ///< the wall-clock time (since 1970) of the instants' origin
  };
  explicit EapDesk(Ports ports) : ports_(std::move(ports)) {}

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
  /// CRLs and OCSP answers that a certificate inside of EAP should be looked up in. TLS does not
  /// wait for them: what is at hand has decided, and the next conversation finds them.
  [[nodiscard]] std::optional<pki::Fetch> poll_fetch();
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  [[nodiscard]] std::size_t size() const { return conversations_.size(); }
  /// Who has to wait after wrong passwords, for status.
  [[nodiscard]] std::vector<std::string> notes(base::Instant now) const;

 private:
  class Users final : public eap::Passwords {
   public:
    explicit Users(const EapDesk& desk) : desk_(desk) {}
    [[nodiscard]] std::optional<eap::Password> find(std::string_view user) const override;

   private:
    const EapDesk& desk_;
  };
  /// A context and what judges the other side in it.
  struct Tls {
    std::unique_ptr<ChainVerifier> verifier;
    std::unique_ptr<eap::TlsContext> context;
  };
  struct Conversation {
    std::string connection;
    std::uint64_t request = 0;              ///< the last, not yet answered
    bool has_peer_ended = false;            ///< with its last packet
    std::optional<eap::Password> password;  ///< a client's, which it borrows
    Tls tls;                                ///< a client's, likewise
    std::unique_ptr<eap::EapClient> client;
    std::unique_ptr<eap::EapServer> server;
    std::unique_ptr<radius::EapRelay> relay;
    std::optional<std::string> claims;  ///< a user, what it says it is
    base::IpAddress source;             ///< of a user
    bool is_refused = false;            ///< for what was before; that is no failure of its own
  };

  [[nodiscard]] const config::PeerConfig* find(const std::string& connection) const;
  [[nodiscard]] Tls make_tls(const config::PeerConfig& peer, const pki::Credential* own,
                             eap::TlsRole role);
  [[nodiscard]] eap::Step step(Conversation& conversation, const ike::EapRequest& request,
                               base::Instant now);
  [[nodiscard]] eap::Step begin_server(Conversation& conversation, const ike::EapRequest& request,
                                       base::Instant now);
  [[nodiscard]] eap::Step continue_client(Conversation& conversation,
                                          const ike::EapRequest& request, base::Instant now);
  void answer(ike::IkeSaId sa, const Conversation& conversation, eap::Step step);
  void note_outcome(const Conversation& conversation, const eap::Step& step);
  void drain_radius(base::Instant now);
  template <class Answer>
  void handle_answer(const Answer& answer, base::Instant now);

  Ports ports_;
  base::Instant now_;
  std::shared_ptr<const config::Config> config_;
  Users users_{*this};
  Tls server_tls_;  ///< of our own server of users
  std::unique_ptr<radius::RadiusClient> radius_;
  std::map<ike::IkeSaId, Conversation> conversations_;
  FailureBook failures_;
  std::deque<ike::EapReply> replies_;
  std::deque<radius::Transmit> transmits_;
  std::deque<base::Event> events_;
  std::deque<pki::Fetch> fetches_;  ///< wanted, at most eap_fetches_max
};

}  // namespace caponier::gateway

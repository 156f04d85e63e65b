#pragma once
// All IKE SAs of one host: demultiplexing, cookies, half-open limits, and the door through which
// the IKE machines are driven. Pure: bytes, time and luck come in, actions come out.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bounded.h"
#include "base/drops.h"
#include "base/rng.h"
#include "base/time.h"
#include "crypto/crypto.h"
#include "ike/actions.h"
#include "ike/config.h"
#include "ike/counters.h"

namespace caponier::ike {

enum class IkeState : std::uint8_t {
  init_sent,      ///< initiator: IKE_SA_INIT request out
  init_answered,  ///< responder: IKE_SA_INIT response out, half open
  auth_pending,   ///< waiting for the keyholder
  auth_sent,      ///< initiator: IKE_AUTH request out
  auth_answered,  ///< responder: IKE_AUTH answered, more of it comes (EAP)
  established,
  deleting,  ///< our DELETE is out
  dead,
};
[[nodiscard]] std::string_view name_of(IkeState state);

/// What an IKE SA is asking its peer, or will.
enum class Task : std::uint8_t {
  ike_init,
  ike_auth,
  ike_rekey,
  ike_delete,
  ike_liveness,
  ike_addresses,  ///< MOBIKE
  ike_notice,
  ike_sync,  ///< RFC 6311
  child_create,
  child_rekey,
  child_delete,
};

enum class ChildState : std::uint8_t {
  installed,
  rekeying,  ///< our request is out
  replaced,  ///< another one has its place
  deleting,  ///< our DELETE is out, or waits
};

struct ChildSaInfo {
  policy::ChildSaId id;
  std::string name;
  policy::SaMode mode{};
  policy::SaProtocol protocol{};
  policy::ChildSuite suite;
  base::Spi spi_in, spi_out;
  bool udp_encap = false;
  policy::TrafficSelectors local, remote;
  base::Instant established_at;
  std::optional<base::Instant> rekey_at, expires_at;
  ChildState state{};
  std::optional<policy::ResourceId> resource;  ///< RFC 9611
};

/// A snapshot for status; values only.
struct IkeSaInfo {
  IkeSaId id;
  std::string connection;
  IkeState state{};
  bool initiator = false;
  bool is_replaced = false;  ///< another one has its place, or will have
  base::IkeSpi spi_i, spi_r;
  base::Path path;
  bool local_behind_nat = false;
  bool remote_behind_nat = false;
  bool fakes_nat = false;  ///< we said that there is one
  std::optional<policy::IkeSuite> suite;
  std::optional<policy::Identity> local_id, remote_id;
  std::vector<policy::Identity> earlier_ids;  ///< that the peer has proved before that (RFC 4739)
  policy::Product product{};
  bool is_product_configured = false;  ///< else it is what its messages look like
  std::string user;                    ///< by EAP; may be empty
  std::vector<base::IpAddress> inner;  ///< given to the peer, or to us
  std::optional<base::Instant> established_at;
  std::optional<base::Instant> rekey_at, reauth_at;
  std::vector<Task> active, queued;
  std::optional<base::Duration> last_round_trip;  ///< of the last answered request of ours
  std::uint64_t round_trips = 0;                  ///< how many have been measured
  bool is_redirectable = false;  ///< the peer would follow a REDIRECT of ours (RFC 5685)
  std::size_t waiting = 0;       ///< requests of ours that the window has no room for yet
  std::vector<ChildSaInfo> children;

  /// Whether this is how the peer has proved who it is: the name of EAP, else the identity.
  [[nodiscard]] bool is_of(std::string_view name) const {
    return user.empty() ? remote_id && remote_id->to_string() == name : user == name;
  }
};

class IkeSa;

class IkeEndpoint {
 public:
  /// `rng` and `crypto` must outlive the endpoint.
  IkeEndpoint(const EndpointConfig& config, base::Rng& rng, const crypto::CryptoProvider& crypto,
              base::Instant now);
  ~IkeEndpoint();
  IkeEndpoint(const IkeEndpoint&) = delete;
  IkeEndpoint& operator=(const IkeEndpoint&) = delete;

  /// Replaces the configuration. SAs of connections that are gone or changed are the caller's to
  /// delete; new negotiations use the new values.
  void set_connections(Connections connections);
  /// EndpointConfig::export_keys, for IKE SAs negotiated from now on.
  void set_export_keys(bool on);
  /// EndpointConfig::redirect, from now on.
  void set_redirect(std::optional<RedirectPolicy> policy);

  /// One IKE message, the non-ESP marker already removed.
  void handle_datagram(const base::Path& path, base::Bytes message, base::Instant now);
  void handle_command(const Command& command, base::Instant now);
  void handle_auth_reply(AuthReply reply, base::Instant now);
  void handle_eap_reply(EapReply reply, base::Instant now);
  void handle_lease_reply(LeaseReply reply, base::Instant now);
  /// Spurious and early calls are harmless.
  void handle_deadline(base::Instant now);

  [[nodiscard]] std::optional<Action> poll_action();
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;

  [[nodiscard]] std::vector<IkeSaInfo> snapshot() const;
  /// Of all that snapshot() would tell of, ordered.
  [[nodiscard]] std::vector<IkeSaId> ids() const;
  /// The same of one, without looking at the others; empty when it is gone.
  [[nodiscard]] std::optional<IkeSaInfo> find(IkeSaId id) const;
  /// The established IKE SAs of a connection that no other has replaced.
  [[nodiscard]] std::set<IkeSaId> established_of(const std::string& connection) const;
  [[nodiscard]] std::size_t half_open_count() const;
  [[nodiscard]] const base::DropCounters& drops() const;
  [[nodiscard]] CounterBook& counters();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caponier::ike

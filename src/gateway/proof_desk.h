#pragma once
// Judges signatures of peers: whether their certificates lead to an authority of ours and have not
// been revoked, and whether they have signed. It holds no secret: those are the Keyholder's.
//
// What has to be fetched for that (CRL, OCSP) is an HttpRequest for the driver. The IKE SA waits
// meanwhile, others do not; when the time is up, what is at hand decides by the connection's
// `revocation`. Nothing is fetched for a certificate whose path is not proven: the store sees to
// it.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/event.h"
#include "base/time.h"
#include "config/config.h"
#include "gateway/http.h"
#include "ike/actions.h"
#include "pki/provider.h"

namespace caponier::gateway {

struct ProofLimits {
  std::size_t waiting_max = 1024;  ///< verifications that wait; more are decided at once
  std::size_t waiting_octets_max = std::size_t{64} << 20;  ///< of their certificates
  std::size_t fetches_max = 64;                            ///< under way; more are not begun
  /// Whoever else has something to do gets a turn after so many.
  std::size_t judged_per_turn_max = 8;
  base::Duration patience{std::chrono::seconds{15}};  ///< of one verification
  /// A fetch goes on when nobody waits for it any more: the next one finds what it brought.
  base::Duration crl_time_max{std::chrono::seconds{60}};
  base::Duration ocsp_time_max{std::chrono::seconds{5}};
  /// Our own AUTH waits so long for an OCSP answer that the peer has asked for.
  base::Duration own_patience{std::chrono::seconds{3}};
  /// What the keyholder does not answer in this time is not waited for here.
  base::Duration keyholder_patience{std::chrono::minutes{1}};
  std::size_t own_statuses_max = 64;
  /// Certificates by hash and URL: fetched before the peer is known, so few at once.
  std::size_t lookups_max = 8;
  std::size_t certificates_max = 256;  ///< of those that are kept, with those that failed
};

/// A CRL that was fetched and believed, to be kept on disk for the next start.
struct KeepCrl {
  std::string url;
  base::ByteVec octets;
};

class ProofDesk {
 public:
  /// Without `pki`, which must outlive the object, nothing can be judged.
  explicit ProofDesk(const pki::PkiProvider* pki, ProofLimits limits = {})
      : pki_(pki), limits_(limits) {}

  /// Whether a request is for this desk: a proof of the peer by signature.
  [[nodiscard]] static bool judges(const ike::AuthRequest& request) {
    return request.proof && request.proof->method != wire::AuthMethod::shared_key_mic;
  }

  /// The store of the new configuration takes over what the old one had fetched.
  void apply(std::shared_ptr<const config::Config> config);
  /// Answered by poll_reply(), now or later. `wall_clock`: for the validity of certificates.
  void handle(ike::AuthRequest request, base::Instant now, pki::UnixTime wall_clock);
  /// Our own proof is being made by the keyholder. If the peer wants an OCSP answer with it (RFC
  /// 4806), that is looked for meanwhile.
  void note(const ike::AuthRequest& request, base::Instant now, pki::UnixTime wall_clock);
  /// The keyholder's reply. It comes out of poll_reply(), with that answer when it is there in
  /// time.
  void complete(ike::AuthReply reply, base::Instant now, pki::UnixTime wall_clock);
  /// Somebody who cannot wait needs these: the next one will find them.
  void want(std::span<const pki::Fetch> fetches);
  void handle_answer(const HttpAnswer& answer, base::Instant now, pki::UnixTime wall_clock);
  void handle_deadline(base::Instant now, pki::UnixTime wall_clock);
  /// A CRL that an earlier process has kept; after apply(). False: it is none.
  bool restore(const KeepCrl& kept, pki::UnixTime wall_clock);

  [[nodiscard]] std::optional<ike::AuthReply> poll_reply();
  [[nodiscard]] std::optional<HttpRequest> poll_request();
  [[nodiscard]] std::optional<KeepCrl> poll_kept();
  [[nodiscard]] std::optional<base::Event> poll_event();
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  [[nodiscard]] std::size_t fetching() const { return fetches_.size(); }

 private:
  struct Waiting {
    ike::AuthRequest request;
    base::Instant until;
    std::size_t octets = 0;
    std::set<std::uint64_t> fetches;  ///< what it waits for; empty: it is its turn
  };
  using Decision = std::variant<ike::AuthReply, std::vector<pki::Fetch>>;
  using FetchKey = std::pair<std::string, base::ByteVec>;

  /// An AUTH of ours that is to have an OCSP answer beside it.
  struct Own {
    std::optional<FetchKey> status;
    std::optional<wire::CertPayload> by_url;  ///< instead of our certificate itself
    base::Instant until;
    std::optional<ike::AuthReply> reply;
  };
  struct OwnStatus {
    base::ByteVec answer;
    pki::UnixTime usable_until{};
    pki::UnixTime ask_again{};  ///< not before; of one that failed
  };
  using OwnId = std::pair<ike::IkeSaId, std::uint64_t>;

  [[nodiscard]] Decision decide(const ike::AuthRequest& request, bool may_fetch,
                                pki::UnixTime wall_clock) const;
  [[nodiscard]] static FetchKey key_of(const pki::Fetch& fetch);
  [[nodiscard]] bool has_room(std::size_t octets) const;
  void judge(Waiting waiting, base::Instant now, pki::UnixTime wall_clock);
  [[nodiscard]] std::optional<std::uint64_t> begin(const pki::Fetch& fetch);
  void take(const pki::Fetch& fetch, const HttpAnswer& answer, pki::UnixTime wall_clock);
  [[nodiscard]] std::string take_content(const pki::Fetch& fetch, base::Bytes content,
                                         pki::UnixTime wall_clock);
  [[nodiscard]] const config::PeerConfig* find(const std::string& connection) const;
  [[nodiscard]] const base::ByteVec* own_answer(const FetchKey& status,
                                                pki::UnixTime wall_clock) const;
  void take_own(const FetchKey& status, const pki::Fetch& fetch, const HttpAnswer& answer,
                pki::UnixTime wall_clock);
  [[nodiscard]] std::optional<FetchKey> own_status(const std::vector<pki::Certificate>& chain,
                                                   pki::UnixTime wall_clock);
  /// Certificates that came as hash and URL become certificates where they are known; the fetches
  /// of the others, where the configuration allows them.
  [[nodiscard]] std::vector<pki::Fetch> look_up(ike::AuthRequest& request,
                                                pki::UnixTime wall_clock) const;
  void take_certificate(const pki::Fetch& fetch, const HttpAnswer& answer,
                        pki::UnixTime wall_clock);
  void tell(const pki::Fetch& fetch, const std::string& why);
  /// What needs not wait any more goes.
  void settle_own(base::Instant now, pki::UnixTime wall_clock);
  [[nodiscard]] bool settle(Own& own, base::Instant now, pki::UnixTime wall_clock);

  const pki::PkiProvider* pki_;
  ProofLimits limits_;
  std::shared_ptr<const config::Config> config_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, pki::Fetch> fetches_;  ///< under way
  std::map<FetchKey, std::uint64_t> asked_;      ///< the same, by what is asked
  std::vector<Waiting> waiting_;                 ///< in the order they came
  std::size_t waiting_octets_ = 0;
  std::map<OwnId, Own> own_;  ///< at most waiting_max
  std::map<FetchKey, OwnStatus> own_statuses_;
  struct LookedUp {
    base::ByteVec der;  ///< empty: it was not to be had
    pki::UnixTime taken{};
    std::uint64_t order = 0;  ///< the least is forgotten first
  };
  std::map<base::ByteVec, LookedUp> certificates_;  ///< by hash and URL
  std::deque<ike::AuthReply> replies_;
  std::deque<HttpRequest> requests_;
  std::deque<KeepCrl> kept_;
  std::deque<base::Event> events_;
};

}  // namespace caponier::gateway

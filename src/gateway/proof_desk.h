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

  [[nodiscard]] Decision decide(const ike::AuthRequest& request, bool may_fetch,
                                pki::UnixTime wall_clock) const;
  [[nodiscard]] bool has_room(std::size_t octets) const;
  void judge(Waiting waiting, base::Instant now, pki::UnixTime wall_clock);
  [[nodiscard]] std::optional<std::uint64_t> begin(const pki::Fetch& fetch);
  void take(const pki::Fetch& fetch, const HttpAnswer& answer, pki::UnixTime wall_clock);

  const pki::PkiProvider* pki_;
  ProofLimits limits_;
  std::shared_ptr<const config::Config> config_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, pki::Fetch> fetches_;  ///< under way
  std::map<FetchKey, std::uint64_t> asked_;      ///< the same, by what is asked
  std::vector<Waiting> waiting_;                 ///< in the order they came
  std::size_t waiting_octets_ = 0;
  std::deque<ike::AuthReply> replies_;
  std::deque<HttpRequest> requests_;
  std::deque<KeepCrl> kept_;
  std::deque<base::Event> events_;
};

}  // namespace caponier::gateway

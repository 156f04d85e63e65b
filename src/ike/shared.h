#pragma once
// What all IKE SAs of one endpoint share: configuration, the outgoing actions, SPIs, and the limits
// that strangers must not exceed.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/drops.h"
#include "base/rng.h"
#include "base/time.h"
#include "crypto/crypto.h"
#include "ike/actions.h"
#include "ike/config.h"
#include "ike/counters.h"
#include "ike/crash_detection.h"
#include "ike/fragments.h"
#include "ike/half_open.h"
#include "ike/resumption.h"
#include "ike/sa_index.h"
#include "ike/streams.h"

namespace caponier::ike {

class IkeSa;
using ConnectionPtr = std::shared_ptr<const ConnectionConfig>;

/// A burst, then one per interval.
class RateLimit {
 public:
  RateLimit(std::size_t burst, base::Duration interval, base::Instant now)
      : burst_(burst), interval_(interval), tokens_(burst), counted_at_(now) {}
  [[nodiscard]] bool take(base::Instant now);

 private:
  std::size_t burst_;
  base::Duration interval_;
  std::size_t tokens_;
  base::Instant counted_at_;
};

/// An IKE SA that came up, for the endpoint to compare with its siblings.
struct Established {
  IkeSaId sa;
  bool initial_contact = false;
};

class Shared {
 public:
  Shared(EndpointConfig endpoint_config, base::Rng& random, const crypto::CryptoProvider& provider,
         base::Instant now);
  ~Shared();
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  /// Never refused: state changes are bounded by the number of SAs.
  void emit(Action action);
  /// One IKE message, with the non-ESP marker where the local port wants it. Dropped and counted
  /// when the action queue is full; IKE repeats.
  void transmit(const base::Path& path, base::Bytes message, bool dont_fragment = false);
  void transmit_keepalive(const base::Path& path);
  void report(base::Event event);
  /// For explanation; dropped when the action queue is full.
  void note(policy::Evidence evidence);
  /// Likewise of a stranger, at the rate that they may cause events.
  template <class MakeEvidence>
  void note_stranger(base::Instant now, MakeEvidence make_evidence) {
    if (stranger_evidence_.take(now)) note(make_evidence());
  }
  /// An event a stranger caused, made only when the limits allow it: a flood stays cheap.
  template <class MakeEvent>
  void report_stranger(base::Instant now, MakeEvent make_event) {
    if (admits_stranger_event(now)) report_admitted(make_event());
  }
  [[nodiscard]] std::optional<Action> next_action();

  [[nodiscard]] const IkeLimits& limits() const { return config.limits; }
  [[nodiscard]] IkeSaId new_sa_id() { return IkeSaId{++last_sa_id_}; }
  [[nodiscard]] policy::ChildSaId new_child_id() { return policy::ChildSaId{++last_child_id_}; }
  [[nodiscard]] std::uint64_t new_request() { return ++last_request_; }
  [[nodiscard]] base::ByteVec new_nonce(std::size_t size);
  /// Random, unique among ours, not reserved; given back with release(). Leads to the worker that
  /// is the resource, or to each in turn.
  [[nodiscard]] base::Spi allocate_spi(std::optional<policy::ResourceId> resource = {});
  /// For a request: the peer may send with it before its answer has come.
  [[nodiscard]] base::Spi allocate_expected_spi(std::optional<policy::ResourceId> resource = {});
  /// Its SA has been installed.
  void settle(base::Spi spi) { expected_spis_.erase(spi); }
  void release(base::Spi spi);
  [[nodiscard]] base::IkeSpi allocate_ike_spi(IkeSaId owner);
  /// For a half-open SA: not entered anywhere yet.
  [[nodiscard]] base::IkeSpi new_ike_spi();
  /// All IKE SAs, half-open ones included.
  [[nodiscard]] std::size_t ike_sa_count() const { return by_spi.size() + half_open.size(); }
  /// Null when it is gone.
  [[nodiscard]] IkeSa* find(IkeSaId id) const;
  /// `value`, less up to a tenth: lifetimes that began together must not end together.
  template <class T>
  [[nodiscard]] T shortened(T value) {
    const auto tenth = static_cast<std::uint64_t>(count_of(value)) / 10;
    if (tenth == 0) return value;
    return value - static_cast<T>(rng.public_below(tenth));
  }
  /// `value`, up to a quarter more or less.
  [[nodiscard]] base::Duration jittered(base::Duration value);

  const EndpointConfig config;
  base::Rng& rng;
  const crypto::CryptoProvider& crypto;
  Connections connections;
  base::DropCounters drops;
  CounterBook counters;
  SaIndex index;
  HalfOpenCounts half_open_counts;
  HalfOpenCounts pending_counts;  ///< of those whose proof a back end may be busy with
  HalfOpenTable half_open;
  AnswerKeys answer_keys;
  FragmentBudget fragments;
  CrashTokens crash_tokens;
  TicketMaker ticket_maker;
  TicketStore tickets;
  RedirectLimit redirects;
  RateLimit answers;
  bool is_shutting_down = false;
  std::vector<base::IpAddress> local_addresses;  ///< best first; empty: not known
  bool exports_keys;                             ///< changes at run time
  std::optional<RedirectPolicy> redirect;
  std::size_t lingering = 0;
  std::map<base::IkeSpi, IkeSaId> by_spi;  ///< our SPIs
  std::map<policy::ChildSaId, IkeSaId> child_owner;
  StreamUsers stream_users;
  std::map<std::string, std::size_t> up_count;   ///< established IKE SAs per connection
  std::vector<Established> established;          ///< since the endpoint last looked
  std::vector<IkeSaId> answered;                 ///< initiators whose IKE_SA_INIT was, likewise
  std::vector<std::unique_ptr<IkeSa>> newborns;  ///< made by a rekey, for the endpoint to adopt
  std::vector<IkeSaId> touched;                  ///< by another SA: their timers may have changed
  std::vector<IkeSaId> reauthentications;        ///< that are due, for the endpoint to begin
  std::map<IkeSaId, IkeSa*> sas;                 ///< every one that exists

 private:
  static std::uint64_t count_of(std::uint64_t value) { return value; }
  static base::Duration::rep count_of(base::Duration value) { return value.count(); }
  [[nodiscard]] bool admits_stranger_event(base::Instant now);
  void report_admitted(base::Event event);
  [[nodiscard]] bool is_full() const { return actions_.size() >= config.limits.action_queue_max; }

  std::deque<Action> actions_;
  RateLimit stranger_events_;
  RateLimit stranger_evidence_;
  std::uint64_t suppressed_events_ = 0;
  std::uint64_t last_sa_id_ = 0;
  std::uint64_t last_child_id_ = 0;
  std::uint64_t last_request_ = 0;
  std::uint32_t next_worker_ = 0;
  std::set<base::Spi> inbound_spis_;
  std::set<base::Spi> expected_spis_;  ///< of those
};

}  // namespace caponier::ike

#pragma once
// The inside of IkeEndpoint. endpoint.cpp runs commands and timers, endpoint_datagrams.cpp sorts
// what arrives.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ike/cookie.h"
#include "ike/half_open.h"
#include "ike/ike_sa.h"

namespace caponier::ike {

class IkeEndpoint::Impl {
 public:
  Impl(const EndpointConfig& config, base::Rng& rng, const crypto::CryptoProvider& crypto,
       base::Instant now)
      : shared(config, rng, crypto, now),
        cookies_(crypto, rng, shared.limits().cookie_lifetime, now) {}

  void handle_datagram(const base::Path& path, base::Bytes message, base::Instant now);
  void handle_command(const Command& command, base::Instant now);
  /// False: nobody waits for it.
  template <class Reply>
  bool handle_reply(Reply reply, base::Instant now);
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> next_deadline() const;
  [[nodiscard]] std::vector<IkeSaInfo> snapshot() const;
  [[nodiscard]] std::vector<IkeSaId> ids() const;
  [[nodiscard]] std::optional<IkeSaInfo> info_of(IkeSaId id) const;
  [[nodiscard]] std::set<IkeSaId> established_of(const std::string& connection) const;

  Shared shared;

 private:
  void handle_init(const base::Path& path, const wire::IkeHeader& header, base::Bytes datagram,
                   base::Instant now);
  void continue_half_open(HalfOpen& half_open, const base::Path& path,
                          const wire::IkeHeader& header, base::Bytes datagram, base::Instant now);
  [[nodiscard]] bool has_solved(const HalfOpen& half_open,
                                const std::vector<wire::Payload>& payloads) const;
  void expire_half_open(base::Instant now);
  [[nodiscard]] std::optional<HalfOpen> judge_new_init(const base::Path& path,
                                                       const wire::IkeHeader& header,
                                                       base::Bytes datagram, base::Instant now);
  [[nodiscard]] std::optional<HalfOpen> judge_new_resume(const base::Path& path,
                                                         const wire::IkeHeader& header,
                                                         base::Bytes datagram, base::Instant now);
  void answer_stranger(const base::Path& path, base::Bytes answer, std::size_t request_size);
  void handle_unknown(const base::Path& path, const wire::IkeHeader& header, base::Bytes datagram,
                      base::Instant now);
  void refuse_version(const base::Path& path, const wire::IkeHeader& header, base::Instant now);
  template <class MakeText>
  void report_stranger(const base::Path& path, base::EventKind kind, MakeText make_text,
                       base::Instant now);

  void run(const Initiate& command, base::Instant now);
  void run(const InitiateChild& command, base::Instant now);
  void run(const DeleteIke& command, base::Instant now);
  void run(const DeleteChild& command, base::Instant now);
  void run(const RekeyChild& command, base::Instant now);
  void run(const RekeyIke& command, base::Instant now);
  void run(const Reauthenticate& command, base::Instant now);
  void reauthenticate(const IkeSa& old, const base::Path& path, base::Instant now);
  void run(const SetLocalAddresses& command, base::Instant now);
  void run(const PeerMoved& command, base::Instant now);
  void run(const PeerHeard& command, base::Instant now);
  void run(const EspSent& command, base::Instant now);
  void run(const StreamClosed& command, base::Instant now);
  void run(const SyncMessageIds& command, base::Instant now);
  void run(const CheckLiveness& command, base::Instant now);
  void run(const RedirectPeer& command, base::Instant now);
  void run(const ProbePath& command, base::Instant now);
  void run(const Shutdown& command, base::Instant now);

  [[nodiscard]] IkeSa* find(IkeSaId id);
  [[nodiscard]] IkeSa* owner_of(policy::ChildSaId child);
  [[nodiscard]] IkeSa* find_established(const std::string& connection,
                                        std::optional<IkeSaId> only = std::nullopt);
  [[nodiscard]] std::vector<IkeSaId> ids_of(const std::string& connection) const;
  IkeSa& adopt(std::unique_ptr<IkeSa> sa);
  /// After an SA had anything to do: newborns, twins, its timer, its end.
  void settle(IkeSaId id, base::Instant now);
  void settle_timer(IkeSaId id);
  template <class Condition>
  void end_siblings(IkeSaId winner, Condition condition, base::Instant now);
  void compare_with_siblings(const Established& newest, base::Instant now);

  CookieJar cookies_;
  using ByInit = std::map<InitKey, IkeSaId>;
  struct Entry {
    std::unique_ptr<IkeSa> sa;
    std::optional<ByInit::iterator> init{};   ///< a responder's, for its initiator's repetitions
    std::optional<base::Instant> armed_at{};  ///< its place in timers_
  };
  std::map<IkeSaId, Entry> sas_;
  ByInit by_init_;
  std::set<std::pair<base::Instant, IkeSaId>> timers_;
};

}  // namespace caponier::ike

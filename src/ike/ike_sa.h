#pragma once
// One IKE SA (RFC 7296 s2): its state, its two windows, and the exchanges. The members are
// implemented in one file per exchange: ike_sa_init.cpp, ike_auth.cpp, create_child_sa.cpp,
// rekey_ike_sa.cpp, informational.cpp; ike_sa.cpp and exchange_flow.cpp hold what they share.

#include <algorithm>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ike/child.h"
#include "ike/child_negotiation.h"
#include "ike/endpoint.h"
#include "ike/extensions.h"
#include "ike/fragments.h"
#include "ike/handshake.h"
#include "ike/keys.h"
#include "ike/lifetimes.h"
#include "ike/mobility.h"
#include "ike/nat_detection.h"
#include "ike/protection.h"
#include "ike/puzzle.h"
#include "ike/shared.h"
#include "ike/streams.h"
#include "ike/windows.h"

namespace caponier::ike {

class IkeSa {
 public:
  using Payloads = std::vector<wire::Payload>;

  /// `shared` must outlive the SA.
  IkeSa(Shared& shared, IkeSaId id, bool is_initiator, base::Path path, base::Instant now);
  ~IkeSa();
  IkeSa(const IkeSa&) = delete;
  IkeSa& operator=(const IkeSa&) = delete;

  // Beginnings.
  /// `redirected_from`: the gateway that sent us here (RFC 5685).
  void initiate(ConnectionPtr connection, base::Instant now,
                std::optional<base::IpAddress> redirected_from = std::nullopt,
                FirstChild first_child = {});
  /// Likewise, to take the place of `old`.
  void reauthenticate(const IkeSa& old, ConnectionPtr connection, base::Instant now);
  /// The responder goes on where `half_open` stands, and takes its slot. Derives the keys into
  /// `half_open` when nobody has; false when that fails.
  [[nodiscard]] bool continue_init(HalfOpen& half_open, base::Instant now);
  /// Nobody proved to be the initiator: the slot goes back.
  void hand_back(HalfOpen& half_open) { half_open.slot = std::move(half_open_); }

  // Input.
  void handle_message(const base::Path& path, const wire::IkeHeader& header, base::Bytes datagram,
                      base::Instant now);
  /// The peer repeated its IKE_SA_INIT request; false when `datagram` is another one.
  bool handle_init_again(const base::Path& path, base::Bytes datagram);
  /// False: it is not waited for.
  bool handle_reply(AuthReply& reply, base::Instant now);
  bool handle_reply(EapReply& reply, base::Instant now);
  bool handle_reply(LeaseReply& reply, base::Instant now);
  /// The TCP stream of this path is gone: the originator opens another, the other end waits.
  void handle_stream_closed(const base::Path& path, base::Instant now);
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> next_deadline() const;

  // Commands.
  void create_child(const std::string& child, base::Instant now,
                    std::optional<policy::Trigger> trigger = std::nullopt);
  void delete_child(policy::ChildSaId child, base::Instant now);
  void rekey_child(policy::ChildSaId child, base::Instant now);
  void rekey(base::Instant now);
  /// With a DELETE when the peer knows the SA, silently else.
  void close(EndReason reason, base::Instant now);
  /// Without a word to the peer, who does not have the SA any more.
  void forget(EndReason reason, base::Instant now);
  void shut_down(base::Instant now);
  void peer_moved(policy::ChildSaId child, const base::Path& path, base::Instant now);
  void peer_heard(policy::ChildSaId child, const std::optional<base::Path>& path,
                  base::Instant now);
  void esp_sent(policy::ChildSaId child, base::Instant now);
  /// Shared::local_addresses changed from these.
  void heed_local_addresses(const std::vector<base::IpAddress>& before, base::Instant now);
  void check_liveness(base::Instant now);
  void probe_path(const ProbePath& probe, base::Instant now);
  /// To another gateway, if the peer said that it would go (RFC 5685 s5).
  void send_away(const GatewayName& to, base::Instant now);
  /// After a failover to this member (RFC 6311).
  void sync_message_ids(std::uint64_t skip_inbound, base::Instant now);
  /// Another SA lives on in its place: it is deleted after a while.
  void retire(base::Instant now) { retire(now, retire_delay); }
  void retire(base::Instant now, base::Duration wait);
  /// Whoever made it deletes it, unless it came up there too late to look like a twin.
  void retire_as_twin(base::Instant now) {
    retire(now, is_initiator_ ? retire_delay : unnoticed_twin_wait);
  }

  /// After input, before the next: gives back what the keys can make again.
  void rest() {
    if (session_ && !handshake_) session_->protection.rest();
  }

  // Views.
  [[nodiscard]] IkeSaId id() const { return id_; }
  [[nodiscard]] IkeState state() const { return state_; }
  [[nodiscard]] bool is_initiator() const { return is_initiator_; }
  [[nodiscard]] bool is_being_reauthenticated() const;
  [[nodiscard]] base::IkeSpi spi_i() const { return spi_i_; }
  [[nodiscard]] base::IkeSpi peer_spi() const { return is_initiator_ ? spi_r_ : spi_i_; }
  [[nodiscard]] const base::Path& path() const { return path_; }
  /// Where an IKE SA that authenticates anew goes; nothing when only the peer can begin one.
  [[nodiscard]] std::optional<base::Path> successor_path() const;
  [[nodiscard]] const ConnectionPtr& connection() const { return connection_; }
  [[nodiscard]] const std::optional<policy::Identity>& remote_id() const { return remote_id_; }
  [[nodiscard]] base::Instant created_at() const { return created_at_; }
  [[nodiscard]] std::optional<base::Instant> established_at() const { return established_at_; }
  /// Its own or that of the SA it was rekeyed from.
  [[nodiscard]] std::optional<base::Instant> authenticated_at() const {
    return lifetimes_.authenticated_at;
  }
  /// A message with the right integrity check has come.
  [[nodiscard]] bool is_heard() const { return is_heard_; }
  [[nodiscard]] bool is_retired() const { return retire_at_ || heir_ || predecessor_; }
  /// Dead, and no retransmission to answer any more.
  [[nodiscard]] bool is_gone() const { return state_ == IkeState::dead && !linger_until_; }
  [[nodiscard]] IkeSaInfo info() const;

 private:
  friend class ResourceSas;
  friend class Twins;
  friend class Witness;
  /// How long both twins of a simultaneous initiation, or both of a reauthentication, carry traffic
  /// (no RFC number).
  static constexpr base::Duration retire_delay = std::chrono::seconds{2};
  static constexpr base::Duration unnoticed_twin_wait = std::chrono::seconds{10};

  // ike_sa.cpp: life
  void move_to(IkeState to);
  /// The connection and, once it is known, the peer's identity: what siblings are found by.
  void belong_to(ConnectionPtr connection, std::optional<policy::Identity> peer);
  void be_found();
  void die(EndReason reason, base::Instant now, bool lingers);
  void announce_down(EndReason reason);
  void begin_farewell(Payloads payloads, EndReason reason, base::Instant now);
  void fail_wishes(EndReason reason);
  void drop_all_wishes(EndReason reason);
  void report(base::EventKind kind, std::string text) const;
  /// Before the peer is authenticated: at the rate strangers may cause events.
  void report_early(base::EventKind kind, std::string text, base::Instant now) const;
  [[nodiscard]] base::Event make_event(base::EventKind kind, std::string text) const;
  void drop(base::DropReason reason) { shared_.drops.add(reason); }
  [[nodiscard]] std::string who() const;  ///< "192.0.2.1:500"
  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] policy::Product product() const;  ///< the peer, as it is configured or looks
  [[nodiscard]] policy::Quirks quirks() const;
  [[nodiscard]] base::IkeSpi our_spi() const { return is_initiator_ ? spi_i_ : spi_r_; }
  [[nodiscard]] ChildScene scene(bool in_ike_auth) const;
  [[nodiscard]] bool uses_udp_encap() const;  ///< or the TCP stream of the path

  // streams.cpp
  void set_path(const base::Path& path);
  void relocate(const base::Path& path);  ///< likewise, of an established SA with its children
  /// What arrives along `path` and is authentic moves the SA there.
  [[nodiscard]] bool may_follow(const base::Path& path) const;
  /// How long a request that is repeated after `wait` waits on the present path.
  [[nodiscard]] base::Duration answer_wait(base::Duration wait) const;
  [[nodiscard]] std::string_view carriage(policy::SaProtocol protocol) const;
  //= rfc9329#6.6-1
  [[nodiscard]] bool needs_keepalives() const {
    return local_behind_nat_ && path_.transport == base::Transport::udp;
  }

  // exchange_flow.cpp
  void want(Wish wish, base::Instant now);
  /// Later, as the peer cannot just now (s2.25). When it could not for too long, the SA ends.
  void postpone(Wish wish, base::Instant now);
  void postpone(Wish wish, base::Duration wait, base::Instant now);
  void want_postponed(base::Instant now);
  void send_next(base::Instant now);
  void send_request(Sent what, wire::ExchangeType exchange, const Payloads& payloads,
                    base::Instant now);
  void launch(Sent what, wire::ExchangeType exchange, SealedMessage message, base::Instant now);
  void give_back(InFlight request, EndReason reason);
  void repeat_due(base::Instant now);
  void repeat(InFlight& request, base::Instant now);
  void give_up(const InFlight& request, base::Instant now);
  void shorten_in_flight(base::Instant now);
  void tell_invalid_message_id(base::MessageId id, base::Instant now);
  void note_window_size();
  void respond(const Payloads& payloads);
  void respond(const wire::NotifyPayload& notify) { respond(Payloads{notify}); }
  [[nodiscard]] wire::IkeHeader header_of(wire::ExchangeType exchange, base::MessageId id,
                                          bool is_response) const;
  void transmit(const base::Path& path, base::Bytes message);
  void transmit(const base::Path& path, const Datagrams& datagrams, bool dont_fragment = false);
  void handle_answer(Sent what, const Payloads& payloads, base::Instant now);
  void handle_request(const base::Path& path, const wire::IkeHeader& header,
                      std::optional<Payloads> payloads, base::Instant now);
  void dispatch_request(Payloads payloads, base::Instant now);
  /// An authentic message, whole.
  void handle_unsealed(const base::Path& path, const wire::IkeHeader& header, Unsealed message,
                       base::Instant now);
  /// Its payloads, or nothing when they do not parse.
  void handle_content(const base::Path& path, const wire::IkeHeader& header,
                      std::optional<Payloads> payloads, base::Instant now);
  void repeat_answer(const base::Path& path, base::MessageId id, base::Instant now);
  [[nodiscard]] bool is_expecting(const wire::IkeHeader& header) const;
  void handle_response(const base::Path& path, const wire::IkeHeader& header,
                       std::optional<Payloads> payloads, base::Instant now);
  void handle_unprotected(const wire::IkeHeader& header, base::Bytes datagram,
                          MessageProtection::OpenError error, base::Instant now);
  void refuse_malformed(const std::string& what, base::Instant now);
  void heard_along(const base::Path& path, base::Instant now);
  /// The answer to the request in flight has come; a repeated request does not tell which one.
  void note_round_trip(const InFlight& request, base::Instant now);
  void handle_silence(base::Instant now);
  void send_probe(const ProbePath& probe, base::Instant now);
  [[nodiscard]] std::optional<SealedMessage> seal_probe(std::size_t size);
  void give_up_probe(InFlight& request);
  void conclude_probe(const InFlight& request);

  // ike_fragmentation.cpp
  void note_fragmentation(const ConnectionConfig& connection);
  [[nodiscard]] bool may_fragment(const base::Path& path) const;
  /// IP header, UDP header and non-ESP marker.
  [[nodiscard]] std::size_t overhead_of(const base::Path& path) const;
  [[nodiscard]] std::size_t message_size_max(const base::Path& path) const;
  [[nodiscard]] std::optional<SealedMessage> seal(const wire::IkeHeader& header,
                                                  const Payloads& payloads, const base::Path& path);
  /// It may become smaller, should it stay unanswered.
  [[nodiscard]] bool is_large(const SealedMessage& message, const base::Path& path) const;
  /// Cuts a message that stays unanswered into smaller pieces; false when that is of no use.
  bool shrink(SealedMessage& message, unsigned repeats, const base::Path& path, base::Instant now);
  void handle_fragment(const base::Path& path, const wire::IkeHeader& header,
                       FragmentNumbers numbers, base::Bytes datagram, base::Instant now);
  [[nodiscard]] std::optional<base::DropReason> object_to_fragment(const FragmentKey& key,
                                                                   const wire::IkeHeader& header,
                                                                   FragmentNumbers numbers) const;
  void expire_fragments(base::Instant now);

  // ike_sa_init.cpp
  void begin_init(base::Instant now);
  void send_init(base::Instant now);
  void append_redirect_notifies(Payloads& payloads) const;
  [[nodiscard]] bool make_key_exchange(crypto::KeGroup group);
  void handle_init_response(const base::Path& path, base::Bytes datagram, base::Instant now);
  [[nodiscard]] bool handle_init_notify(const wire::IkeMessage& message, base::Instant now);
  void accept_refusal(base::Instant now);
  void accept_init_response(const wire::IkeMessage& message, base::Bytes datagram,
                            policy::IkeSuite suite, base::Instant now);
  [[nodiscard]] bool start_session(const policy::IkeSuite& suite, base::Bytes peer_public,
                                   std::string& why);
  [[nodiscard]] bool open_session(const policy::IkeSuite& suite, const base::SecretBytes& material,
                                  std::string& why);
  /// The end of both kinds of it: the keys are there, IKE_AUTH comes.
  void accept_init(const wire::IkeMessage& message, base::Bytes datagram, base::Instant now);
  /// A new request with the cookie, once the puzzle that came with it is solved or left.
  void heed_cookie(base::ByteVec cookie, const wire::NotifyPayload* puzzle, base::Instant now);
  void solve_puzzle(base::Instant now);
  [[nodiscard]] bool start_auth_puzzle(const Payloads& payloads, base::Instant now);
  void heed_init_redirect(const wire::NotifyPayload& notify, base::Instant now);
  void note_nat(const NatView& view);
  void export_keys() const;

  // ike_session_resume.cpp
  void send_resume(base::Instant now);
  void handle_resume_response(const base::Path& path, base::Bytes datagram, base::Instant now);
  void accept_resume_response(const wire::IkeMessage& message, base::Bytes datagram,
                              base::Instant now);
  /// False when nothing was being resumed.
  bool fall_back_to_init(std::string_view why, base::Instant now);
  [[nodiscard]] base::SecretBytes resumed_auth(bool is_initiators, base::Bytes octets) const;
  [[nodiscard]] ConnectionPtr resumed_connection(const Payloads& payloads) const;

  // gifts.cpp
  /// `request`: what is being answered; null in a request of ours.
  void append_gifts(Payloads& payloads, const Payloads* request, base::Instant now);
  void append_crash_token(Payloads& payloads) const;
  void answer_ticket_request(Payloads& payloads, const Payloads& request, base::Instant now);
  [[nodiscard]] Resumable resumable(const policy::Identity& initiator,
                                    const policy::Identity& responder, base::Instant expires) const;
  void heed_gifts(const Payloads& payloads, base::Instant now);
  void renew_gifts(base::Instant now);
  [[nodiscard]] bool is_crash_proven(const Payloads& unprotected) const;
  bool follow_redirect(const Payloads& payloads, base::Instant now);
  void announce_redirect(const GatewayName& to);
  [[nodiscard]] bool redirect_in_auth(Payloads& answer, base::Instant now);

  // ike_intermediate.cpp
  void begin_auth(base::Instant now);
  void next_round(base::Instant now);
  void chain_intermediate(const wire::IkeHeader& header, const Unsealed& message);
  void note_own_intermediate(const InnerMessage& message);
  [[nodiscard]] base::ByteVec int_auth() const;
  void handle_intermediate_request(const Payloads& payloads, base::Instant now);
  void handle_intermediate_response(const Payloads& payloads, base::Instant now);
  /// Where extensions find what was carried for them.
  [[nodiscard]] Payloads take_intermediate_request(const Payloads& payloads);
  void take_intermediate_answer(const Payloads& payloads);

  // message_id_sync.cpp
  [[nodiscard]] wire::NotifyPayload counter_sync(std::uint64_t delta) const;
  bool renew_sync(InFlight& request);
  void handle_sync_response(const Payloads& payloads, base::Instant now);
  void restart_peers_at(std::uint32_t id);
  void report_synced() const;
  void relaunch(InFlight request, base::Instant now);
  [[nodiscard]] bool is_sync_request(const wire::IkeHeader& header, const Payloads& payloads) const;
  void handle_sync_request(const base::Path& path, const wire::IkeHeader& header,
                           const Payloads& payloads, base::Instant now);
  void skip_outbound(std::uint64_t count);

  // auth_proof.cpp
  [[nodiscard]] policy::Identity own_id() const;
  /// Our AUTH value, or whether the peer's is right: from the keyholder, unless the keys are here.
  void request_auth(AuthStep step, base::Instant now);
  [[nodiscard]] base::ByteVec octets_to_sign(AuthStep step) const;
  /// The key of AUTH values that need no keyholder: of NULL authentication, and of EAP.
  [[nodiscard]] std::optional<base::Bytes> key_at_hand(AuthStep step) const;
  [[nodiscard]] PeerProof proof_of(const Payloads& payloads) const;
  void settle_own(OwnProof proof, base::Instant now);
  void settle_peer(const AuthReply& verdict, base::Instant now);
  void append_certificate_request(Payloads& payloads) const;

  // auth_rounds.cpp: RFC 4739
  [[nodiscard]] const PeerRound& peer_round() const;
  [[nodiscard]] const OwnRound& own_round() const;
  void append_own_round(Payloads& payloads, const OwnProof& proof);
  void append_another(Payloads& payloads, std::size_t through) const;
  void append_proof(Payloads& payloads, const OwnProof& proof);
  void note_proof(const Payloads& payloads);
  void take_peer_round(const Payloads& payloads, base::Instant now);
  void begin_own_round(base::Instant now);
  [[nodiscard]] bool is_in_eap_round() const;
  void send_round(const OwnProof* proof, base::Instant now);
  void continue_auth_response(base::Instant now);
  void settle_responder(base::Instant now);
  [[nodiscard]] bool is_last_answer() const;
  void begin_peer_round(const Payloads& payloads, AuthKind kind, bool is_eap_only,
                        base::Instant now);
  void continue_auth_request(const Payloads& payloads, base::Instant now);
  void settle_initiator(base::Instant now);
  void answer_or_admit(base::Instant now);
  void prove(base::Instant now);
  void answer_round(const OwnProof* proof, base::Instant now);

  // eap_auth.cpp
  void ask_eap(std::optional<base::ByteVec> packet, base::Instant now);
  [[nodiscard]] bool admit_to_pending(base::Instant now);
  void begin_eap(const OwnProof* proof, base::Instant now);
  void continue_eap_request(const Payloads& payloads, base::Instant now);
  void continue_eap_response(const Payloads& payloads, base::Instant now);
  void send_eap(base::ByteVec packet, base::Instant now);
  void conclude_eap(EapReply& reply, base::Instant now);
  void end_eap();

  // inner_addresses.cpp: the Configuration payload
  [[nodiscard]] bool wants_lease() const;
  void ask_lease();
  void append_configuration_request(Payloads& payloads) const;
  /// Why there is none, and so no Child SA.
  [[nodiscard]] std::optional<wire::NotifyPayload> append_configuration(Payloads& payloads,
                                                                        const Handshake& handshake);
  void heed_configuration(const Payloads& payloads);
  void end_lease();

  // ike_auth.cpp
  [[nodiscard]] bool wants_childless() const;
  void begin_children(const FirstChild& first_child, base::Instant now);
  void note_peer(const wire::IdPayload& id, AuthKind kind);
  [[nodiscard]] bool is_unwelcome();
  [[nodiscard]] bool is_kind_wanted(std::optional<AuthKind> kind) const;
  void note_auth_methods(const Payloads& payloads, base::Instant now);
  [[nodiscard]] std::string announced() const;
  void fail_auth_locally(const AuthReply& reply, base::Instant now);
  /// Null: by EAP.
  void send_auth(const OwnProof* proof, base::Instant now);
  void admit(base::Instant now);
  void handle_auth_request(Payloads payloads, base::Instant now);
  [[nodiscard]] ConnectionPtr choose_connection(const Payloads& payloads) const;
  [[nodiscard]] bool heed_auth_refusal(const Payloads& payloads, base::Instant now);
  [[nodiscard]] std::optional<std::string> fault_in_auth_response(const Payloads& payloads) const;
  void handle_auth_response(const Payloads& payloads, base::Instant now);
  void answer_auth(const OwnProof* proof, base::Instant now);
  void conclude_auth(base::Instant now);
  void refuse_auth(const std::string& why, policy::Evidence evidence, base::Instant now);
  void distrust(const std::string& why, policy::Evidence evidence, base::Instant now);
  void establish(bool initial_contact, base::Instant now);

  // create_child_sa.cpp
  void start_child(const WantChild& wanted, base::Instant now);
  void handle_child_request(const Payloads& payloads, base::Instant now);
  [[nodiscard]] std::optional<ChildRefusal> obstacle(const Payloads& payloads);
  void refuse_child(const ChildRefusal& refusal);
  void answer_child(const ChildAgreement& agreement, const Payloads& payloads,
                    const Replacement& replacement, base::Instant now);
  void handle_child_response(ChildCreation creation, const Payloads& payloads, base::Instant now);
  void handle_child_refusal(const ChildCreation& creation, const Payloads& answer,
                            base::Instant now);
  [[nodiscard]] bool retry_child(const ChildCreation& creation, const wire::NotifyPayload& error);
  void fail_child(const std::string& child, EndReason reason, const std::string& why);

  // children.cpp. `g_ir` is empty without PFS. Null when the keys could not be made.
  Child* install(const ChildAgreement& agreement, base::Spi spi_in, base::Bytes g_ir,
                 base::Bytes nonce_i, base::Bytes nonce_r, bool is_exchange_initiator,
                 base::Instant now, const Replacement& replacement = {});
  void announce_child(const ChildSaInfo& child, const Replacement& replacement);
  void switch_child(Child& child, bool sends);
  /// The peer sends on it, so it has its half.
  void child_heard(policy::ChildSaId id);
  /// Both sides have deleted it. It still receives for a while when another one has taken over.
  void remove_child(policy::ChildSaId child, EndReason reason, base::Instant now);
  void announce_child_down(Child& child, EndReason reason);
  void erase_child(policy::ChildSaId child);
  void delete_children_due(base::Instant now);
  /// The peer repeats a request: it does not have our answer, nor what the answer is about.
  void wait_for_peer_again(base::MessageId request, base::Instant now);
  [[nodiscard]] std::optional<base::Instant> next_child_deadline() const;
  [[nodiscard]] Child* find_child(std::optional<policy::ChildSaId> id);
  /// By the SPI the peer receives on; not one that only lingers.
  [[nodiscard]] Child* find_child(std::optional<base::Spi> spi_out, policy::SaProtocol protocol);
  [[nodiscard]] std::size_t living_children() const;
  [[nodiscard]] bool has_other(const Child& child) const;

  // rekey_child_sa.cpp
  [[nodiscard]] Child* find_rekeyed(const Payloads& payloads);
  [[nodiscard]] std::optional<ChildRefusal> rekey_obstacle(const wire::NotifyPayload& rekey);
  void note_rekeyed_by_peer(Child& old, Child& child, base::ByteVec lowest_nonce,
                            base::Instant now);
  void note_made_by_peer(const Child& made, base::ByteVec lowest_nonce);
  /// Our own creation of the same child that is under way, if there is one, has a rival.
  void note_rival(const Child& made, std::optional<policy::ChildSaId> replaces,
                  base::ByteVec lowest_nonce);
  /// False when the keys could not be made.
  [[nodiscard]] bool conclude_child(const ChildCreation& creation, const ChildAgreement& agreement,
                                    base::Bytes g_ir, base::Bytes nonce_r, base::Instant now);
  void fail_rekey(const ChildCreation& creation, const Payloads& answer, base::Instant now);
  void append_reason(Payloads& answer, const ChildRefusal& refusal) const;
  void retry_rekey(policy::ChildSaId old, base::Instant now);

  // rekey_ike_sa.cpp
  void start_ike_rekey(const WantIkeRekey& wanted, base::Instant now);
  void handle_ike_rekey(const Payloads& payloads, base::Instant now);
  [[nodiscard]] std::optional<ChildRefusal> rekey_obstacle() const;
  void handle_ike_rekey_response(IkeCreation creation, const Payloads& payloads, base::Instant now);
  void handle_ike_rekey_refusal(const IkeCreation& creation, const wire::NotifyPayload& error,
                                base::Instant now);
  void fail_ike_rekey(const std::string& why, base::Instant now);
  void conclude_ike_rekey(std::unique_ptr<IkeSa> heir, const IkeCreation& creation,
                          base::Bytes nonce_r, base::Instant now);
  [[nodiscard]] bool continue_session(const IkeSa& old, const policy::IkeSuite& suite,
                                      base::Bytes g_ir, base::Bytes nonce_i, base::Bytes nonce_r);
  /// What holds for the peer, not for the old SA, from the new one's first moment.
  void inherit(const IkeSa& old, base::Instant now);
  /// The children and everything that was wanted of the old SA.
  void take_over(IkeSa& old, base::Instant now);
  /// The old SA ends before its own rekey was answered: the peer's may have won.
  void settle_rival(EndReason reason, base::Instant now);
  [[nodiscard]] IkeSa* rival_of(const IkeCreation& creation) const;
  /// Which SA has the children a message of this one may speak of.
  [[nodiscard]] IkeSa& child_holder();
  void touch() { shared_.touched.push_back(id_); }

  // reauthentication.cpp
  void start_lifetime(base::Instant now);
  void start_authentication_lifetime(base::Instant now);
  void inherit_authentication(const IkeSa& old);
  void handle_lifetime(base::Instant now);
  [[nodiscard]] std::optional<base::Instant> next_lifetime_end() const;
  /// The SA that this one shall replace, or what has replaced that; null when there is none.
  [[nodiscard]] IkeSa* reauthenticated() const;
  void begin_reauthenticated_children(const std::string& first, base::Instant now);
  void conclude_reauthentication(base::Instant now);
  void abandon_reauthentication(base::Instant now);
  void put_off_reauthentication(base::Instant now);
  void append_auth_lifetime(Payloads& payloads) const;
  void heed_auth_lifetime(const Payloads& payloads, base::Instant now);

  // informational.cpp
  void handle_informational(const Payloads& payloads, base::Instant now);
  void collect_deletions(const wire::DeletePayload& deletion,
                         std::vector<wire::DeletePayload>& answers, base::Instant now);
  void handle_informational_response(const SentInformational& sent, const Payloads& payloads,
                                     base::Instant now);
  /// Why a notify among them ends the SA, if one does.
  [[nodiscard]] std::optional<EndReason> heed_notifies(const Payloads& payloads);

  // address_update.cpp
  /// With MOBIKE only UPDATE_SA_ADDRESSES makes IKE messages move anything (RFC 4555 s3.8).
  [[nodiscard]] bool moves_by_update(const base::Path& path) const;
  void follow_peer(const base::Path& path);
  void move_child(policy::ChildSaId id, Child& child, const base::Path& path);
  void move_children(base::Instant now);
  [[nodiscard]] bool wants_mobike() const;
  [[nodiscard]] std::vector<base::IpAddress> own_addresses() const;
  [[nodiscard]] std::vector<base::IpAddress> additional_addresses() const;
  [[nodiscard]] std::vector<base::Path> candidate_paths() const;
  void append_mobility(Payloads& payloads);
  void note_mobility(const Payloads& payloads);
  /// False when the request was refused and the SA has ended.
  [[nodiscard]] bool agree_on_mobility(const Payloads& request, Payloads& answer,
                                       base::Instant now);
  void reconsider_path(const std::vector<base::IpAddress>& before, base::Instant now);
  void inform_decider(base::Instant now);
  void tell_addresses(base::Instant now);
  void change_path(const base::Path& to, base::Instant now);
  void repeat_at_once(base::Instant now);
  void ask_about_addresses(base::Instant now);
  void send_addresses(base::Instant now);
  void append_nat_detection(Payloads& payloads, const base::Path& path);
  void send_liveness(base::Instant now);
  void handle_addresses_answer(const AddressRequest& sent, const Payloads& payloads,
                               base::Instant now);
  void conclude_update(const Payloads& payloads, base::Instant now);
  void compare_mapping(const AddressRequest& sent, const Payloads& payloads, base::Instant now);
  void handle_addresses_refusal(const AddressRequest& sent, const wire::NotifyPayload& error,
                                base::Instant now);
  [[nodiscard]] AddressNews heed_addresses(const Payloads& payloads, Payloads& answer);
  [[nodiscard]] bool is_acceptable(const base::Path& path) const;
  void act_on(const AddressNews& news, base::Instant now);
  void accept_update(const AddressNews& news, base::Instant now);
  void try_other_paths(const InFlight& request);
  void heed_answer_path(const base::Path& path, base::Instant now);
  [[nodiscard]] bool has_patience(const InFlight& request, base::Instant now);
  /// From the IKE SA that this one replaces: addresses, and what is still to be said about them.
  /// The old one keeps them: as long as the peer does not know the new one, only the old one can
  /// ask and be asked.
  void take_mobility(IkeSa& old);
  [[nodiscard]] bool has_known_heir() const;
  /// The peer has used this SA, or deleted the one it replaces.
  void become_known(base::Instant now);
  void resume_mobility(base::Instant now);

  Shared& shared_;
  const IkeSaId id_;
  const bool is_initiator_;
  IkeState state_;
  base::IkeSpi spi_i_, spi_r_;
  base::Path path_;
  base::Instant created_at_;
  ConnectionPtr connection_;
  std::optional<policy::Identity> remote_id_;
  AuthKind remote_kind_ = AuthKind::shared_key;   ///< how the peer proves that
  std::vector<policy::Identity> earlier_ids_;     ///< of its rounds before the last (RFC 4739)
  std::string user_;                              ///< the peer, by EAP
  std::vector<base::IpAddress> inner_;            ///< given by the responder
  policy::TrafficSelectors networks_, services_;  ///< see LeaseReply
  SaIndex::Entry index_entry_;
  PeerSupport support_;
  Mobility mobility_;
  bool local_behind_nat_ = false, remote_behind_nat_ = false;
  bool has_forced_encap_ = false;
  bool is_local_lost_ = false;  ///< our address on the path was this host's, and is not any more
  bool opens_streams_;          ///< we are the TCP originator, should there be a stream
  StreamUse stream_;

  std::unique_ptr<Handshake> handshake_;
  std::optional<Session> session_;
  std::map<policy::ChildSaId, Child> children_;
  HalfOpenCounts::Slot half_open_;

  Wishes wishes_;
  Troubles troubles_;
  std::vector<InFlight> parked_;  ///< until Message IDs are agreed on again
  std::uint64_t sync_floor_ = 0;  ///< the next Message ID sync of the peer starts here or above
  std::optional<base::Instant> next_invalid_id_notice_;
  OwnWindow own_;
  PeerWindow peers_;
  FragmentAssembler fragments_;
  bool is_fragmenting_ = false;
  std::uint16_t fragment_size_ = 0;  ///< of an IP datagram that carries a fragment of ours
  std::optional<Answering> answering_;
  base::ByteVec init_request_hash_;  ///< tells a repeated IKE_SA_INIT request from a new one

  base::Instant last_heard_;
  base::Instant last_sent_;  ///< IKE, or ESP in UDP along the same path
  std::optional<base::Instant> established_at_;
  std::optional<base::Duration> last_round_trip_;
  std::uint64_t round_trips_ = 0;
  std::optional<base::Instant> half_open_until_;
  std::optional<base::Instant> retire_at_;
  std::optional<base::Instant> linger_until_;
  EndReason farewell_reason_ = EndReason::local_request;
  bool is_farewell_short_ = false;  ///< the peer may not even know us: do not insist
  Lifetimes lifetimes_;
  std::optional<IkeSaId> reauthenticates_;
  std::optional<IkeSaId> heir_;         ///< has the children
  std::optional<IkeSaId> predecessor_;  ///< still has them: the rekey is undecided, or lost
  bool has_lease_ = false;              ///< the peer has, of ours
  bool is_heard_ = false, is_resumed_ = false, is_down_announced_ = false;
  bool is_known_ = true;            ///< false: the peer rekeyed, and may not have our answer
  bool follows_redirects_ = false;  ///< we initiated, and said so
  std::optional<base::IpAddress> redirected_from_;
  base::ByteVec crash_token_;  ///< the peer's
};

}  // namespace caponier::ike

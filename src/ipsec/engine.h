#pragma once
// The userspace IPsec engine (RFC 4301, 4302, 4303): policies, associations and the two batch
// operations, protect (clear to ESP or AH) and open (back to clear). Knows nothing of IKE.

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/drops.h"
#include "base/rng.h"
#include "base/time.h"
#include "crypto/crypto.h"
#include "ipsec/packet.h"
#include "ipsec/reassembly.h"
#include "policy/child_sa.h"
#include "policy/trigger.h"
#include "wire/ip.h"

namespace caponier::ipsec {

enum class PolicyAction : std::uint8_t { protect, bypass, discard };
enum class PolicyDirection : std::uint8_t { both, outbound, inbound };

/// One SPD entry (RFC 4301 s4.4.1); the first that matches decides.
struct Policy {
  PolicyAction action = PolicyAction::protect;
  std::string connection;  ///< protect: the configured connection and child
  std::string child;
  policy::TrafficSelectors local;
  policy::TrafficSelectors remote;
  PolicyDirection direction = PolicyDirection::both;
  policy::PfpFlags pfp{};  ///< of the SAs that this entry asks for
  /// RFC 9611: so many of the workers ask for an SA of their own, the first ones.
  std::uint32_t resources = 0;
};

/// What the index of the policies may take. Beyond it lookups are as right and slower.
struct SpdLimits {
  /// Pairs of a local and a remote selector, all policies together; policies that no longer fit are
  /// compared one by one.
  std::size_t pairs_max = std::size_t{1} << 18;
  /// Copies of a pair in the index, on average; where they are used up the search ends early.
  std::size_t copies_max = 16;
};

struct EngineLimits {
  std::size_t associations_max = 65536;
  std::size_t notice_queue_max = 1024;
  /// An Acquire for the same child and, with PFP, the same values is not repeated within this time.
  base::Duration acquire_interval{std::chrono::seconds{1}};
  /// At most `too_big_burst_max` TooBig notices are made within one `too_big_interval`.
  std::size_t too_big_burst_max = 32;
  base::Duration too_big_interval{std::chrono::seconds{1}};
  /// Of packets dropped for one reason, so many become Audited notices within `audit_interval`.
  std::size_t audit_burst_max = 8;
  base::Duration audit_interval{std::chrono::seconds{10}};
  /// Packets that one protect() makes of those it splits, besides the first of each; and dummies
  /// at once.
  std::size_t made_packets_max = 1024;
  /// Of packets that are needed whole.
  ReassemblyLimits reassembly;
  /// Lowers the MSS of TCP SYNs, both ways, to what fits the SA's path MTU; an SA may say no.
  bool clamp_mss = true;
  /// Other workers' engines, in threads of their own, may have the same associations.
  bool shares_associations = false;
  /// Which of the workers this one is; empty: there are no others.
  std::optional<policy::ResourceId> resource{};
  SpdLimits spd{};
  /// DHCP messages of one SA that become DhcpAsked notices within `dhcp_interval`.
  std::size_t dhcp_burst_max = 8;
  base::Duration dhcp_interval{std::chrono::seconds{10}};
  /// Packets that wait for their SA: of one child, and of all. Zero packets: none waits.
  std::size_t waiting_packets_max = 64;
  std::size_t waiting_bytes_max = std::size_t{128} << 10;
  std::size_t waiting_packets_all_max = 4096;
  std::size_t waiting_bytes_all_max = std::size_t{8} << 20;
  base::Duration waiting_age_max{std::chrono::seconds{10}};
  /// Packets that come before the SA that their peer answers with, and how long they may wait for
  /// it.
  std::size_t early_packets_max = 64;
  std::size_t early_bytes_max = std::size_t{128} << 10;
  base::Duration early_age_max{std::chrono::seconds{1}};
  /// Triggers whose Acquire is remembered, so that it is not repeated too soon.
  std::size_t acquires_remembered_max = 4096;
};

/// Clear traffic wants a child that is not there.
struct Acquire {
  std::string connection;
  std::string child;
  policy::Trigger trigger{};
  std::optional<policy::ResourceId> resource{};  ///< there is an SA, but none of this one's own
};
/// Replace this SA (soft), or it has just stopped working (hard).
struct Expired {
  policy::ChildSaId id;
  bool hard = false;
};
/// An authenticated packet, newer than all before, came from another outer address.
struct PeerMoved {
  policy::ChildSaId id;
  base::Path path;
};
/// A packet did not fit its SA's path MTU and must not be fragmented: the ICMP error (a whole IP
/// packet) to hand to the clear side.
struct TooBig {
  base::ByteVec icmp_reply;
};
/// The first authenticated packet of an SA that only receives so far.
struct PeerSends {
  policy::ChildSaId id;
};
/// An auditable event (RFC 4301 s9): a packet was dropped. What of it was not to be seen is empty.
struct Audited {
  base::DropReason reason{};
  std::string connection;  ///< of the SA, as the three below
  std::optional<base::Spi> spi;
  policy::TrafficSelectors local;
  policy::TrafficSelectors remote;
  std::optional<std::uint64_t> sequence;
  policy::SaProtocol protocol = policy::SaProtocol::esp;
  bool is_outbound = false;
  base::Path path;  ///< of the outer packet, and its flow label
  std::optional<std::uint32_t> flow_label;
  std::optional<wire::PacketSelectorFields> inner;
};
/// What a user asks by DHCP, at one of its SA's services: the whole IP packet.
struct DhcpAsked {
  policy::ChildSaId id;
  base::ByteVec packet;
};
using Notice = std::variant<Acquire, Expired, PeerMoved, TooBig, PeerSends, Audited, DhcpAsked>;

/// What an SA sends towards until set_path_mtu() says otherwise.
inline constexpr std::size_t path_mtu_default = 1500;

/// An ICMP error may speak of a packet that so many others have followed.
inline constexpr std::uint32_t icmp_sequence_window = 1U << 16;

/// `held`: a copy waits in the engine for its SA, or for the other fragments of its packet; see
/// take_waiting() and take_early(); or it is the control side's, see DhcpAsked.
enum class Verdict : std::uint8_t { drop, forward, bypass, held };

/// One packet from the clear side. In: an IP packet. Out, when forwarded: ESP from the SPI on, and
/// how to send it; or a whole outer packet, as AH always is.
struct ProtectItem {
  PacketBuffer* packet = nullptr;
  Verdict verdict = Verdict::drop;
  base::DropReason drop{};
  policy::ChildSaId sa;
  base::Path path;
  bool udp_encap = false;
  std::uint8_t tos = 0;          ///< outer DSCP and ECN
  std::uint8_t ttl = 0;          ///< or hop limit
  bool dont_fragment = false;    ///< outer DF (IPv4)
  std::uint32_t flow_label = 0;  ///< IPv6
  /// IPv6, or a whole packet: what is larger as an outer packet leaves in fragments of at most this
  /// size; 0: it leaves as it is.
  std::size_t fragment_to = 0;
  policy::SaProtocol protocol = policy::SaProtocol::esp;
  /// The packet has its outer IP header, which the fields above repeat: AH, and what ESP leaves in
  /// front of itself besides the IP header alone.
  bool is_whole = false;
};

/// One ESP or AH packet. In: from the SPI on, or with its IP headers, as AH must have them; and
/// where it came from. Out, when forwarded: an IP packet.
struct OpenItem {
  PacketBuffer* packet = nullptr;
  base::Path path;
  std::uint8_t outer_tos = 0;
  Verdict verdict = Verdict::drop;
  base::DropReason drop{};
  policy::ChildSaId sa;
  policy::SaProtocol protocol = policy::SaProtocol::esp;
  bool is_whole = false;  ///< ESP with its outer IP headers
};

struct SaCounters {
  std::uint64_t packets_in = 0;
  std::uint64_t bytes_in = 0;  ///< inner bytes
  std::uint64_t packets_out = 0;
  std::uint64_t bytes_out = 0;
  std::optional<base::Instant> last_in;
  std::optional<base::Instant> last_out;
  base::DropCounters drops;
};

/// The part of an SA that the engines of several workers must have in common.
struct SaCommon;
/// What an engine is made of; ipsec/engine_parts.h.
struct EngineParts;

/// One worker's; used by one thread at a time. While another thread protects or opens, the one that
/// installs and removes may call inner_mtu(), counters(), connection_of(), has_sent(), common_of(),
/// drops() and association_count(), and nothing else.
class Engine {
 public:
  /// `rng` and `crypto` must outlive the engine.
  Engine(EngineLimits limits, base::Rng& rng, const crypto::CryptoProvider& crypto);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void set_policies(std::vector<Policy> policies);
  /// Whether there are Audited notices; at first there are none.
  void set_audit(bool is_on);
  /// Of the SAs of a child whose negotiated selectors match, outbound traffic is carried by one
  /// that sends, or one that receives only if there is no other; of those, by one for this worker's
  /// resource, else for no resource, else for another; of those, by the newest. All receive until
  /// they are removed.
  /// Keys are wiped once the ciphers exist. An `id` or `spi_in` in
  /// use, and more than associations_max, are refused as backend_failure.
  std::expected<void, crypto::CryptoError> install(policy::InstallSa sa, base::Instant now);
  /// The same SA as in another worker's engine: whoever opens a packet first has it accepted, the
  /// others drop it as a replay, and no sequence number or IV is used twice. Both engines must have
  /// been made with `shares_associations`. SaCounters and drops are each worker's own; lifetimes
  /// count what all have done.
  std::expected<void, crypto::CryptoError> install_beside(policy::InstallSa sa,
                                                          std::shared_ptr<SaCommon> common,
                                                          base::Instant now);
  /// For install_beside(); null for an unknown SA.
  [[nodiscard]] std::shared_ptr<SaCommon> common_of(policy::ChildSaId id) const;
  void remove(policy::ChildSaId id);
  /// What comes with this SPI before install() is held for a while, see take_early().
  void expect(const policy::ExpectSa& expected);
  void switch_outbound(const policy::SwitchSa& choice);
  void move(const policy::MoveSa& move);
  void skip(const policy::SkipSa& skip);
  /// The largest outer IP packet the SA's path carries, and the largest that is known to arrive.
  /// Between the two, packets may be fragmented on their way (IPv6: leave in fragments).
  void set_path_mtu(policy::ChildSaId id, std::size_t path_mtu, std::size_t proven_mtu);
  void set_path_mtu(policy::ChildSaId id, std::size_t path_mtu) {
    set_path_mtu(id, path_mtu, path_mtu);
  }
  /// Whether the SA has lately sent a packet with this SPI and these low 32 bits of a sequence
  /// number: for judging ICMP errors (RFC 4301 s8.2.1).
  [[nodiscard]] bool has_sent(policy::ChildSaId id, base::Spi spi, std::uint32_t sequence) const;
  /// The next outbound packet gets a sequence number above `at_least`, and the key's packet count
  /// goes on as if all up to it had been sent. For an SA taken over from a process or cluster node
  /// that may have used them (RFC 6311 s5.1). Never goes back.
  void advance_sequence(policy::ChildSaId id, std::uint64_t at_least);

  /// Decides and protects in place. No item's failure touches another.
  void protect(std::span<ProtectItem> items, base::Instant now);
  /// What the last protect() made besides, to be sent behind `items`, or the last
  /// handle_deadline(); until the next call of one of them.
  [[nodiscard]] std::span<const ProtectItem> made() const;
  /// Verifies, decrypts and checks in place.
  void open(std::span<OpenItem> items, base::Instant now);

  /// Packets that shall go through protect() once more, now that they can, in the order they came.
  /// Fills as many of `to` as there are and returns their number. To be called until that is zero
  /// after every install(); the rest is dropped and counted when it has waited too long.
  [[nodiscard]] std::size_t take_waiting(std::span<PacketBuffer* const> to);
  /// A packet of our own goes the same way: what take_waiting() gives next. False: there is no
  /// room.
  [[nodiscard]] bool send(base::ByteVec packet);
  /// Packets that came before their SA, and shall go through open() now that it is there. Fills as
  /// many of `to` as there are, whose packets are the caller's, and returns their number.
  [[nodiscard]] std::size_t take_early(std::span<OpenItem> to);
  /// Whether take_waiting() or take_early() would give any.
  [[nodiscard]] bool has_released() const;

  /// Time-based lifetimes, packets that have waited too long, and dummy packets: see made().
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  [[nodiscard]] std::optional<Notice> poll_notice();
  [[nodiscard]] bool has_notice() const;

  /// The largest inner packet whose outer packet fits `path_mtu`; 0 for an unknown SA.
  [[nodiscard]] std::size_t inner_mtu(policy::ChildSaId id, std::size_t path_mtu) const;
  [[nodiscard]] std::optional<SaCounters> counters(policy::ChildSaId id) const;
  /// The connection that an SA belongs to; empty for an unknown one.
  [[nodiscard]] std::string_view connection_of(policy::ChildSaId id) const;
  /// The policy that decides about a packet with these fields that leaves us, or that arrives; or
  /// null. Borrowed until the next set_policies().
  [[nodiscard]] const Policy* find_outbound_policy(const wire::PacketSelectorFields& packet) const;
  [[nodiscard]] const Policy* find_inbound_policy(const wire::PacketSelectorFields& packet) const;
  /// All drops, those without an SA included.
  [[nodiscard]] const base::DropCounters& drops() const;
  [[nodiscard]] std::size_t association_count() const;

 private:
  std::unique_ptr<EngineParts> parts_;
};

}  // namespace caponier::ipsec

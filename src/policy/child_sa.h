#pragma once
// What the key exchange hands to whatever carries the packets: `ike` emits these, the userspace
// engine (or a kernel) consumes them. Neither side knows the other.

#include <cstdint>
#include <optional>
#include <string>

#include "base/address.h"
#include "base/secret.h"
#include "base/strong.h"
#include "base/time.h"
#include "policy/proposal.h"
#include "policy/traffic_selector.h"

namespace caponier::policy {

/// Names one Child SA (both directions) for the life of the process; never reused.
using ChildSaId = base::Strong<struct ChildSaIdTag, std::uint64_t>;

/// One of the resources that may each have an SA of its own (RFC 9611): a worker of the data plane.
using ResourceId = base::Strong<struct ResourceIdTag, std::uint32_t>;

/// BEET (draft-nikander-esp-beet-mode) carries the payload alone, as transport mode does, between
/// two fixed inner addresses, as tunnel mode would.
enum class SaMode : std::uint8_t { tunnel, transport, beet };
[[nodiscard]] std::string_view name_of(SaMode mode);

/// RFC 4303, RFC 4302.
enum class SaProtocol : std::uint8_t { esp, ah };
[[nodiscard]] std::string_view name_of(SaProtocol protocol);

/// The DF bit of an outer IPv4 header (RFC 4301 s8.1).
enum class OuterDf : std::uint8_t { copy, set, clear };
[[nodiscard]] std::string_view name_of(OuterDf df);

/// How tunnel and BEET mode make the outer header (RFC 4301 s5.1.2).
struct OuterHeader {
  std::optional<std::uint8_t> dscp;  ///< empty: the inner packet's
  bool ecn = true;                   ///< RFC 6040 normal mode; else the outer field is Not-ECT
  OuterDf df = OuterDf::copy;
  std::uint8_t ttl = 64;          ///< or hop limit
  bool copy_flow_label = false;   ///< IPv6 in IPv6; else a hash of the SA's name
  bool copy_dscp_inward = false;  ///< the outer DSCP replaces the inner one on arrival (RFC 2983)
  friend auto operator<=>(const OuterHeader&, const OuterHeader&) = default;
};

/// What becomes of a packet without DF that does not fit the tunnel (RFC 4301 s8, RFC 4459).
enum class FragmentWhen : std::uint8_t { before, after };
[[nodiscard]] std::string_view name_of(FragmentWhen when);

/// How an SA treats packets; ours alone, nothing of it is negotiated.
struct SaTreatment {
  OuterHeader outer;
  FragmentWhen fragment = FragmentWhen::before;
  bool clamp_mss = true;
  /// Traffic flow confidentiality (RFC 4303 s2.7): payloads are filled up to this many octets, or
  /// to the path MTU; 0 = off.
  std::uint16_t tfc_pad = 0;
  /// And when nothing has been sent for so long, a dummy packet is (RFC 4303 s2.6); 0 = never.
  base::Duration dummy_interval{};
  friend auto operator<=>(const SaTreatment&, const SaTreatment&) = default;
};
/// SaTreatment::tfc_pad: as long as the path MTU allows.
inline constexpr std::uint16_t tfc_pad_to_mtu = 0xffff;

/// When an SA must be replaced (soft) and when it stops working (hard); empty = no such limit. The
/// algorithm's own packet limit (crypto::EncrInfo::packets_max) always applies as well.
struct Lifetime {
  std::optional<base::Duration> soft_time{};
  std::optional<base::Duration> hard_time{};
  std::optional<std::uint64_t> soft_bytes{};
  std::optional<std::uint64_t> hard_bytes{};
  std::optional<std::uint64_t> soft_packets{};
  std::optional<std::uint64_t> hard_packets{};
  friend auto operator<=>(const Lifetime&, const Lifetime&) = default;
};

/// Sizes as crypto::encr_key_size and integ_key_size say.
struct DirectionKeys {
  base::SecretBytes encr;
  base::SecretBytes integ;
};

struct InstallSa {
  ChildSaId id;
  std::string connection;  ///< the configured connection and child it realises
  std::string child;
  SaMode mode = SaMode::tunnel;
  SaProtocol protocol = SaProtocol::esp;
  SaTreatment treatment;
  ChildSuite suite;
  base::Spi spi_in;
  base::Spi spi_out;
  DirectionKeys keys_in;
  DirectionKeys keys_out;
  base::Path path;               ///< outer addresses; ports matter only with udp_encap
  bool udp_encap = false;        ///< RFC 3948; else native ESP, IP protocol 50
  bool peer_behind_nat = false;  ///< follow the peer's address and port once a packet proves it
  TrafficSelectors local;        ///< negotiated: what we may send from and they to
  TrafficSelectors remote;
  /// The endpoints' addresses as the peers see themselves (before NAT), for transport-mode
  /// checksums (RFC 3948 s3.1.2); from the traffic selectors.
  Lifetime lifetime;
  std::uint32_t replay_window = 4096;  ///< packets; 0 switches the check off
  /// The peer may not have its half yet: another SA of the child goes on sending, if there is one.
  bool receives_only = false;
  /// Whose outbound traffic this SA is for; empty: everybody's who has none of his own.
  std::optional<ResourceId> resource{};
  /// Where a user asks us ourselves: what arrives for these is for the control side.
  TrafficSelectors services{};
};

struct RemoveSa {
  ChildSaId id;
};

/// We have told the peer an SPI, whose SA is installed when its answer has come. It may send first.
struct ExpectSa {
  base::Spi spi_in;
  bool comes = true;  ///< false: it will not
};

/// Whether outbound traffic shall use this SA while another one of its child could.
struct SwitchSa {
  ChildSaId id;
  bool sends = true;
};

/// The outer addresses changed; keys and sequence numbers go on.
struct MoveSa {
  ChildSaId id;
  base::Path path;
  bool udp_encap = false;
  bool peer_behind_nat = false;
};

/// The next outbound sequence number is `count` further on (RFC 6311 s5.2).
struct SkipSa {
  ChildSaId id;
  std::uint64_t count = 0;
};

}  // namespace caponier::policy

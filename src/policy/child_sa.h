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

enum class SaMode : std::uint8_t { tunnel, transport };
[[nodiscard]] std::string_view name_of(SaMode mode);

/// When an SA must be replaced (soft) and when it stops working (hard); empty = no such limit. The
/// algorithm's own packet limit (crypto::EncrInfo::packets_max) always applies as well.
struct Lifetime {
  std::optional<base::Duration> soft_time;
  std::optional<base::Duration> hard_time;
  std::optional<std::uint64_t> soft_bytes;
  std::optional<std::uint64_t> hard_bytes;
  std::optional<std::uint64_t> soft_packets;
  std::optional<std::uint64_t> hard_packets;
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
};

struct RemoveSa {
  ChildSaId id;
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

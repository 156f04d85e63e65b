#pragma once
// MOBIKE (RFC 4555): what an IKE SA remembers of its peer's addresses and of the changes under way,
// and the notifies that carry them. Values and functions of values.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/strong.h"
#include "base/time.h"
#include "ike/nat_detection.h"
#include "wire/ike.h"

namespace caponier::ike {

/// What one INFORMATIONAL request of ours said or asked about addresses.
struct AddressRequest {
  bool is_update = false;  ///< UPDATE_SA_ADDRESSES
  bool is_notice = false;  ///< our additional addresses
  bool is_check = false;   ///< return routability of the path
  bool is_probe = false;   ///< a liveness check that asks how the peer sees us (s3.8)
  std::uint64_t change = 0;
  base::Path path;
  base::ByteVec cookie2;                  ///< empty: none
  std::vector<base::IpAddress> notified;  ///< with is_notice
};

/// Carried over as a whole when the IKE SA is rekeyed.
struct Mobility {
  bool is_agreed = false;
  bool decides = false;        ///< we initiated the first IKE SA of the series (s1.3)
  bool nat_traversal = false;  ///< both sides detect NATs
  /// All of the peer's, as it last said: at most IkeLimits::peer_addresses_max, and the one that
  /// was not named because the message came from there.
  std::vector<base::IpAddress> peer_addresses;
  /// The address of the peer that last proved to be reachable.
  std::optional<base::IpAddress> proven;
  /// What the peer knows of our addresses.
  std::vector<base::IpAddress> told;
  /// Counts the changes of the path, so that an answer to an older one is recognised.
  std::uint64_t change = 0;
  // What is to be asked or said; each stays until it is answered.
  bool update_due = false;
  bool notice_due = false;
  bool check_due = false;
  bool is_asking = false;  ///< a request about it is under way
  /// The responder lost its address and does not know yet which path reaches the initiator.
  bool is_seeking = false;
  std::optional<base::Instant> lost_since;
  base::Path settled;  ///< of the Child SAs
  /// Late packets of the path before do not bring it back.
  std::optional<base::Endpoint> left;
  base::Instant left_at;
  std::vector<base::Path> refused;  ///< since the addresses last changed
  unsigned nat_refusals = 0;        ///< UNEXPECTED_NAT_DETECTED in a row
  base::ByteVec seen_as;            ///< the last NAT_DETECTION_DESTINATION_IP
  std::optional<base::MessageId> newest_update;

  [[nodiscard]] bool has_something_to_say() const { return update_due || notice_due || check_due; }
};

/// ADDITIONAL_IP4_ADDRESS and ADDITIONAL_IP6_ADDRESS (s3.4).
void append_addresses(std::vector<wire::Payload>& payloads,
                      std::span<const base::IpAddress> addresses);
/// At most `addresses_max` of them; empty list for NO_ADDITIONAL_ADDRESSES, nothing when the
/// message does not speak of addresses. What no host can have is left out.
[[nodiscard]] std::optional<std::vector<base::IpAddress>> read_addresses(
    const std::vector<wire::Payload>& payloads, std::size_t addresses_max);

/// NO_NATS_ALLOWED for a message that leaves along `path` (s4.2.6).
[[nodiscard]] wire::NotifyPayload make_no_nats(const base::Path& path);
/// The message that came along `path` says that it left elsewhere (s3.9).
[[nodiscard]] bool is_altered(const std::vector<wire::Payload>& payloads, const base::Path& path);

/// Unicast, and not of this host itself.
[[nodiscard]] bool is_host_address(const base::IpAddress& address);
/// A private address that talks to a public one: likely behind a NAT.
[[nodiscard]] bool suspects_nat(const base::IpAddress& local, const base::IpAddress& remote);

/// Every pair of one of ours and one of the peer's addresses but the current one; those that share
/// an end with it first.
[[nodiscard]] std::vector<base::Path> other_paths(const base::Path& current,
                                                  std::span<const base::IpAddress> ours,
                                                  std::span<const base::IpAddress> peers);

[[nodiscard]] bool is_same_addresses(const base::Path& a, const base::Path& b);

/// What a request of the peer changes once it is answered.
struct AddressNews {
  base::Path path;
  NatView nat;
  bool is_update = false;
  bool has_addresses = false;
};

}  // namespace caponier::ike

#pragma once
// The one declared list of reasons for which a packet or message is discarded. Each has a name
// (stable, shown in status and metrics), a unit and one sentence.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/gauge.h"

namespace caponier::base {

// clang-format off
#define CAPONIER_DROPS(X)                                                                          \
  /* IKE, before a message belongs to an SA */                                                     \
  X(ike_malformed,        messages, "The IKE message does not parse.")                             \
  X(ike_bad_version,      messages, "The IKE major version is not 2.")                             \
  X(ike_unknown_spi,      messages, "No IKE SA has these SPIs.")                                   \
  X(ike_unknown_peer,     messages, "No configured connection matches the peer.")                  \
  X(ike_half_open_limit,  messages, "The limit of half-open IKE SAs is reached.")                  \
  X(ike_bad_cookie,       messages, "The returned cookie is not ours or is too old.")              \
  X(ike_rate_limited,     messages, "Too many unauthenticated messages need an answer.")           \
  /* IKE, inside an SA */                                                                          \
  X(ike_bad_icv,          messages, "The integrity check of the SK payload failed.")               \
  X(ike_bad_message_id,   messages, "The Message ID is outside the window.")                       \
  X(ike_duplicate,        messages, "A retransmission of a message already answered or handled.")  \
  X(ike_unexpected,       messages, "The exchange or payload is not legal in this state.")         \
  X(ike_fragment_limit,   messages, "A fragment exceeds the reassembly limits.")                   \
  X(ike_bad_fragment,     messages, "A fragment contradicts its set or its numbers make no sense.")\
  X(ike_bad_puzzle,       messages, "The puzzle's solution is wrong or not for this puzzle.")      \
  X(ike_bad_ticket,       messages, "The resumption ticket is not ours, too old or used up.")      \
  X(ike_unproven_address, messages, "An address the peer claims did not prove reachable.")         \
  X(ike_low_difficulty,   messages, "No puzzle was solved while one was demanded.")                \
  /* ESP inbound */                                                                                \
  /* (AH shares these) */                                                                          \
  X(esp_malformed,        packets,  "The ESP or AH packet is too short or wrongly aligned.")       \
  X(esp_no_sa,            packets,  "No SA has this SPI.")                                         \
  X(esp_replay,           packets,  "The sequence number was seen or is left of the window.")      \
  X(esp_bad_icv,          packets,  "The integrity check failed.")                                 \
  X(esp_bad_padding,      packets,  "The padding after decryption is inconsistent.")               \
  X(esp_bad_inner,        packets,  "The decrypted packet is not a valid IP packet.")              \
  X(esp_selector,         packets,  "The decrypted packet is outside the SA's selectors.")         \
  X(esp_dummy,            packets,  "A dummy packet (next header 59), discarded as intended.")     \
  X(esp_service,          packets,  "A user's packet to ourselves that we do not answer.")  \
  X(esp_congestion,       packets,  "The outer header marks congestion, the inner cannot.")       \
  X(esp_expired,          packets,  "The SA's hard lifetime has passed.")                          \
  X(esp_icmp_unproven,    packets,  "An ICMP error about ESP quotes no packet that an SA sent.")   \
  /* clear side outbound */                                                                        \
  X(clear_malformed,      packets,  "The packet from the clear side is not valid IP.")             \
  X(clear_no_policy,      packets,  "No policy protects this traffic.")                            \
  X(clear_no_sa,          packets,  "The policy wants an SA that is not up.")                      \
  X(clear_too_big,        packets,  "The packet exceeds the tunnel MTU and must not fragment.")    \
  X(clear_sequence_limit, packets,  "The SA's sequence numbers are used up.")                      \
  X(clear_fragment,       packets,  "A fragment overlaps others of its packet or is no IP.")       \
  X(clear_fragment_limit, packets,  "Fragments exceed the reassembly limits.")                     \
  X(clear_headers,        packets,  "IP options or extensions that transport mode cannot carry.")  \
  X(clear_seal_failed,    packets,  "The cipher failed to protect the packet.")                    \
  X(clear_policy_discard, packets,  "A policy discards this traffic.")                             \
  X(clear_expired,        packets,  "The outbound SA's hard lifetime has passed.")                 \
  X(clear_queue_full,     packets,  "Too many packets, or too old ones, wait for their SA.")       \
  X(clear_unprotected,    packets,  "A packet arrived in clear that policy wants protected.")      \
  X(clear_unmatched,      packets,  "No policy names this clear packet, and unmatched = discard.") \
  /* drivers */                                                                                    \
  X(tcp_bad_framing,      packets,  "A TCP stream broke the framing of RFC 9329.")                 \
  X(tcp_limit,            packets,  "Too many TCP streams, or one is too far behind.")             \
  X(io_send_failed,       packets,  "The kernel refused the packet.")                              \
  X(io_queue_full,        packets,  "A bounded queue towards a driver is full.")
// clang-format on

enum class DropReason : std::uint8_t {
#define CAPONIER_DROP_ENUM(id, unit, sentence) id,
  CAPONIER_DROPS(CAPONIER_DROP_ENUM)
#undef CAPONIER_DROP_ENUM
};

struct DropInfo {
  std::string_view name;
  std::string_view unit;
  std::string_view sentence;
};

inline constexpr std::array drop_table = {
#define CAPONIER_DROP_ROW(id, unit, sentence) DropInfo{#id, #unit, sentence},
    CAPONIER_DROPS(CAPONIER_DROP_ROW)
#undef CAPONIER_DROP_ROW
};

inline constexpr std::size_t drop_reason_count = drop_table.size();

[[nodiscard]] constexpr const DropInfo& info_of(DropReason reason) {
  return drop_table[static_cast<std::size_t>(reason)];
}

/// One counter per reason. One thread counts; any may read or copy meanwhile.
class DropCounters {
 public:
  DropCounters() = default;
  DropCounters(const DropCounters& other) { add(other); }
  DropCounters& operator=(const DropCounters& other) {
    for (std::size_t i = 0; i < drop_reason_count; ++i) counts_[i].set(other.counts_[i].get());
    return *this;
  }

  void add(DropReason reason, std::uint64_t count = 1) {
    counts_[static_cast<std::size_t>(reason)].add(count);
  }
  void add(const DropCounters& other) {
    for (std::size_t i = 0; i < drop_reason_count; ++i) counts_[i].add(other.counts_[i].get());
  }
  [[nodiscard]] std::uint64_t operator[](DropReason reason) const {
    return counts_[static_cast<std::size_t>(reason)].get();
  }
  [[nodiscard]] std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const Gauge& count : counts_) sum += count.get();
    return sum;
  }

 private:
  std::array<Gauge, drop_reason_count> counts_{};
};

}  // namespace caponier::base

#pragma once
// How large packets may be on one path: believed at first, then found out by probes that are
// answered (as in RFC 8899), so that no ICMP need arrive; errors that do arrive are heeded at once,
// and nothing is believed for ever (RFC 1191 s6.3).

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/time.h"

namespace caponier::gateway {

struct PathSearchLimits {
  /// Less is never believed: RFC 791 and RFC 8200 s5 promise it.
  std::size_t mtu_min_v4 = 576;
  std::size_t mtu_min_v6 = 1280;
  /// The first probe waits until the peer has its half of the SA.
  base::Duration first_wait{std::chrono::milliseconds{200}};
  /// Larger sizes are tried again, and the present one once more.
  base::Duration again_after{std::chrono::minutes{10}};
  /// A probe of which nobody says what became of it.
  base::Duration answer_wait{std::chrono::minutes{1}};
  unsigned tries = 2;        ///< of one size, as packets get lost for other reasons, too
  std::size_t step_min = 4;  ///< sizes are told apart no finer
};

class PathSearch {
 public:
  /// `probes`: whether probes will be sent. Without, `mtu_max` is taken to be right.
  PathSearch(const PathSearchLimits& limits, base::Family family, std::size_t mtu_max, bool probes,
             base::Instant now);

  /// What is sent towards.
  [[nodiscard]] std::size_t mtu() const { return mtu_; }
  /// What is known to arrive; above it packets may be fragmented.
  [[nodiscard]] std::size_t proven() const { return proven_; }

  /// A probe that is due; from then on handle_probed() is waited for.
  [[nodiscard]] std::optional<std::size_t> poll_probe(base::Instant now);
  /// An IP packet of `size` octets, the last probe or a little less, arrived or did not.
  void handle_probed(std::size_t size, bool carried, base::Instant now);
  /// Nobody will say any more what became of the probe.
  void handle_unanswered(base::Instant now);
  /// This peer cannot be probed.
  void handle_impossible();
  /// Believable: the path carries `mtu` at most.
  void handle_too_big(std::size_t mtu, base::Instant now);
  /// Anybody may have said it: worth a probe, should there be one to choose.
  void handle_hint(std::size_t mtu);
  [[nodiscard]] std::optional<base::Instant> poll_deadline() const;

 private:
  void restart(base::Instant now);
  void try_next(std::size_t size, base::Instant now);
  void note_carried(std::size_t size, base::Instant now);
  void note_lost(base::Instant now);
  /// Halves what lies between the largest that arrived and the smallest that did not.
  void narrow(base::Instant now);
  void conclude(base::Instant now);

  PathSearchLimits limits_;
  bool is_v4_;
  bool probes_;
  std::size_t floor_;
  std::size_t max_;
  std::size_t mtu_;
  std::size_t proven_;
  std::size_t unprobed_;      ///< what counts as proven where nothing is probed
  std::size_t wanted_;        ///< the size to probe
  std::size_t carried_;       ///< of this search, as wanted
  std::size_t lost_;          ///< the smallest that is too large
  std::size_t hint_ = 0;      ///< 0: none
  unsigned losses_ = 0;       ///< of wanted_
  bool is_checking_ = false;  ///< what was proven earlier
  bool is_hinted_ = false;    ///< wanted_ is what somebody said
  bool is_out_ = false;
  std::optional<base::Instant> due_;
};

}  // namespace caponier::gateway

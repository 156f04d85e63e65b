#pragma once
// The ways to a peer, from the one we want to the last resort, and when to try the next. Each rung
// is an IKE SA of its own, begun beside those below it; the first to be answered goes on.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/rng.h"
#include "base/time.h"
#include "config/config.h"

namespace caponier::gateway {

enum class Rung : std::uint8_t {
  udp_ike,    ///< port 500; with a NAT on the way the SA itself moves to 4500
  udp_natt,   ///< port 4500 from the start (RFC 7296 s2.23)
  tcp_natt,   ///< a TCP stream to port 4500 (RFC 9329)
  tcp_https,  ///< the same to port 443, which few networks block
};

/// A rung without any answer gets the next one beside it after this time.
inline constexpr base::Duration rung_patience{std::chrono::seconds{4}};
/// The same for one that was answered and still does not come up: its next message may take a way
/// that is blocked.
inline constexpr base::Duration answered_patience{std::chrono::seconds{15}};
inline constexpr std::uint16_t https_port = 443;

class Ladder {
 public:
  struct Ports {
    std::uint16_t ike = 500;    ///< ours
    std::uint16_t natt = 4500;  ///< ours and the peer's
    std::uint16_t remote = 500;
  };
  Ladder(config::Tcp tcp, const Ports& ports);

  /// A new attempt, from the rung that worked last.
  void begin();
  [[nodiscard]] bool has_next() const { return next_ < order_.size(); }
  /// has_next(): that one begins now.
  Rung climb(base::Instant now);
  /// The rung of this path was answered: the others wait longer.
  void handle_answer(base::Instant now);
  /// Up, refused, or given up.
  void stop() { climb_at_.reset(); }
  [[nodiscard]] std::optional<base::Instant> climb_at() const { return climb_at_; }
  void note_success(Rung rung) { best_ = rung; }

  [[nodiscard]] Rung rung_of(const base::Path& path) const;
  [[nodiscard]] base::Path path_of(Rung rung, const base::IpAddress& local,
                                   const base::IpAddress& remote, base::Rng& rng) const;
  /// What this attempt has tried: "UDP 500, UDP 4500 and TCP 4500".
  [[nodiscard]] std::string tried() const;
  [[nodiscard]] std::size_t tried_count() const { return next_; }

 private:
  [[nodiscard]] std::string describe(Rung rung) const;

  Ports ports_;
  std::vector<Rung> rungs_;  ///< as preferred
  std::vector<Rung> order_;  ///< of this attempt
  std::size_t next_ = 0;
  std::optional<Rung> best_;
  std::optional<base::Instant> climb_at_;
};

}  // namespace caponier::gateway

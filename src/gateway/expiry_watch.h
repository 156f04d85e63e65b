#pragma once
// Certificates and CRLs of ours that end: said weeks ahead, once a day until it has been seen to.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/event.h"
#include "base/time.h"
#include "config/config.h"
#include "pki/certificate.h"

namespace caponier::gateway {

/// What is said of each look; how many more there are is said with the last.
inline constexpr std::size_t expiries_told_max = 16;

class ExpiryWatch {
 public:
  static constexpr base::Duration interval{std::chrono::hours{24}};

  /// Looks at once, at what this configuration holds: our certificates, the authorities, CRLs.
  void apply(const config::Config& config, base::Instant now, pki::UnixTime wall_clock);
  /// Spurious calls are harmless.
  void handle_deadline(base::Instant now, pki::UnixTime wall_clock);

  [[nodiscard]] std::optional<base::Event> poll_event();
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  /// Everything that ends, the first to end first; each once.
  [[nodiscard]] const std::vector<pki::Expiry>& ends() const { return ends_; }
  /// A sentence for each that has ended or soon will, as of the last look.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  void look(base::Instant now, pki::UnixTime wall_clock);

  std::vector<pki::Expiry> ends_;
  base::Duration ahead_{};
  std::optional<base::Instant> next_;
  std::vector<std::string> notes_;
  std::deque<base::Event> events_;
};

}  // namespace caponier::gateway

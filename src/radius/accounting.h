#pragma once
// Accounting of one session (RFC 2866, RFC 2869 s5): Start, Interim-Update and Stop as requests
// for the RadiusClient, which repeats them until a server has answered.

#include <string>
#include <vector>

#include "base/time.h"
#include "eap/conversation.h"
#include "radius/client.h"
#include "radius/relay.h"

namespace caponier::radius {

/// Seconds since 1970, for Event-Timestamp.
using UnixSeconds = base::Strong<struct UnixSecondsTag, std::uint32_t>;

/// "Input" is what came from the user (RFC 2866 s5.3).
struct Usage {
  std::uint64_t input_octets = 0;
  std::uint64_t output_octets = 0;
  std::uint64_t input_packets = 0;
  std::uint64_t output_packets = 0;
};

enum class TerminateCause : std::uint8_t {  // RFC 2866 s5.10
  user_request = 1,
  lost_carrier = 2,
  idle_timeout = 4,
  session_timeout = 5,
  admin_reset = 6,
  admin_reboot = 7,
  nas_error = 9,
  nas_request = 10,
  nas_reboot = 11,
};

struct AccountingSettings {
  NasAttributes nas;
  std::string session_id;  ///< Acct-Session-Id, unique over restarts
  std::string user_name;
  std::vector<ByteVec> classes;  ///< as the Access-Accept had them
  std::vector<base::IpAddress> framed_addresses;
  /// Zero: no interim updates. RFC 2869 s5.16 wants at least a minute; less is taken as that.
  base::Duration interim_interval{};
};
inline constexpr base::Duration interim_interval_min = std::chrono::seconds{60};

class AccountingSession {
 public:
  /// Begins now; start() is to be submitted.
  AccountingSession(AccountingSettings settings, Instant now);
  [[nodiscard]] Request start(UnixSeconds at) const;
  /// When interim() is due; empty: never.
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  /// Also moves the deadline.
  [[nodiscard]] Request interim(const Usage& usage, UnixSeconds at, Instant now);
  [[nodiscard]] Request stop(const Usage& usage, TerminateCause cause, UnixSeconds at,
                             Instant now) const;
  [[nodiscard]] const AccountingSettings& settings() const { return settings_; }

 private:
  AccountingSettings settings_;
  Instant since_;
  std::optional<Instant> next_interim_;
};

}  // namespace caponier::radius

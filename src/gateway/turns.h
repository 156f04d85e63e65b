#pragma once
// Who may begin a negotiation: many connections with one address take turns, for whoever is there
// takes few half-open IKE SAs from one address at once, and drops what is more.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/address.h"
#include "base/time.h"

namespace caponier::gateway {

/// Beginning with one address at once; strongSwan drops the sixth half-open IKE SA of an address.
inline constexpr std::size_t turns_per_address_max = 4;
/// A negotiation that takes longer goes on, but makes way for the next.
inline constexpr base::Duration turn_time{std::chrono::seconds{2}};

class Turns {
 public:
  /// In vain until poll() says this name; asking anew goes to the end of the queue.
  void ask(const std::string& connection, const base::IpAddress& remote);
  /// It has come up, has failed, or is not wanted any more. Harmless without having asked.
  void give_back(const std::string& connection);
  /// The next that may begin.
  [[nodiscard]] std::optional<std::string> poll(base::Instant now);
  /// While somebody waits.
  [[nodiscard]] std::optional<base::Instant> poll_deadline() const;

 private:
  struct Place {
    base::IpAddress remote;
    std::uint64_t ticket = 0;
    std::optional<base::Instant> until;  ///< null: it waits
  };
  struct Address {
    std::map<std::uint64_t, std::string> waiting;  ///< by ticket
    std::size_t taken = 0;
  };
  using Places = std::map<std::string, Place>;

  void release(Places::iterator place);
  void expire(base::Instant now);
  /// Whether somebody may begin, or nobody is left.
  void look_at(const base::IpAddress& remote);

  Places places_;
  std::map<base::IpAddress, Address> addresses_;
  std::set<base::IpAddress> ready_;  ///< somebody waits, and there is room
  std::set<std::pair<base::Instant, std::string>> ends_;
  std::size_t waiting_ = 0;
  std::uint64_t last_ticket_ = 0;
};

}  // namespace caponier::gateway

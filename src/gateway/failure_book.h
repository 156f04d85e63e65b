#pragma once
// Who has given wrong passwords lately, and for how long nothing more is taken from there: by user
// and source address, so that nobody locks out a user elsewhere, nor others behind the same NAT;
// and by address alone with a higher limit, for those who try many users.

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/time.h"

namespace caponier::gateway {

/// Failures in a row that cost nothing but the attempt.
inline constexpr unsigned free_failures_of_user = 5;
inline constexpr unsigned free_failures_of_address = 50;
/// Each further one doubles the pause.
inline constexpr base::Duration pause_min = std::chrono::seconds{2};
inline constexpr base::Duration pause_max = std::chrono::minutes{5};
/// After so long without failures all is forgotten.
inline constexpr base::Duration failure_memory = std::chrono::minutes{15};
/// Users with their addresses, and addresses; those that have failed longest ago are forgotten.
inline constexpr std::size_t failure_entries_max = 4096;

class FailureBook {
 public:
  struct Paused {
    std::string user;     ///< empty: everybody from there
    base::Prefix source;  ///< an IPv6 host has a /64
    base::Instant until;
    unsigned failures = 0;  ///< in a row
  };

  /// Whether nothing is to be taken from there now.
  [[nodiscard]] std::optional<Paused> find(const std::string& user, const base::IpAddress& source,
                                           base::Instant now) const;
  /// Without a user, of the address alone. Whose pause begins, or grows, by this.
  [[nodiscard]] std::vector<Paused> note_failure(const std::string& user,
                                                 const base::IpAddress& source, base::Instant now);
  void note_success(const std::string& user, const base::IpAddress& source);
  /// At most `count` of those who have to wait.
  [[nodiscard]] std::vector<Paused> paused(base::Instant now, std::size_t count) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  using Key = std::pair<std::string, base::Prefix>;  ///< without a user: of the address
  struct Entry {
    unsigned failures = 0;
    base::Instant last;
    base::Instant until;
    std::list<Key>::iterator age;
  };

  [[nodiscard]] std::optional<Paused> add(const Key& key, unsigned free, base::Instant now);
  void forget(std::map<Key, Entry>::iterator entry);

  std::map<Key, Entry> entries_;
  std::list<Key> by_age_;  ///< the one that failed last is last
};

}  // namespace caponier::gateway

#pragma once
// The inner addresses that a server gives to its users (RFC 7296 s2.19): which are free, who has
// which, and who had which, so that a user who comes again gets the same.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/address.h"
#include "gateway/groups.h"
#include "ike/actions.h"

namespace caponier::gateway {

/// Addresses kept for users who are away; the oldest are forgotten first.
inline constexpr std::size_t kept_leases_max = 65536;

/// To be kept across restarts; without a user: to be forgotten.
struct KeepLease {
  base::IpAddress address;
  std::string user;
};

struct LeaseStatus {
  base::IpAddress address;
  std::string user;
  bool is_held = false;  ///< by somebody who is in
};
enum class ReleaseOutcome : std::uint8_t { released, held, unknown };

class AddressPools {
 public:
  /// What was kept before, the one used longest ago first; before anybody comes in.
  void restore(const std::vector<KeepLease>& leases);
  /// What is to be kept from now on.
  [[nodiscard]] std::optional<KeepLease> poll_change();
  [[nodiscard]] std::vector<LeaseStatus> list() const;
  /// Nobody gets it for having had it any more.
  [[nodiscard]] ReleaseOutcome release(const base::IpAddress& address);
  /// One address of each family that is asked for and that there are pools of. The address that the
  /// user names is given when it is its own already (it authenticates anew), or was, or is free.
  /// One that RADIUS names goes before, unless another device has it.
  [[nodiscard]] ike::LeaseReply lease(const ike::LeaseRequest& request, const LeaseTerms& terms);
  void end(ike::IkeSaId sa);
  /// The one SA has taken the other's place.
  void move(ike::IkeSaId from, ike::IkeSaId to);

  [[nodiscard]] std::size_t in_use() const { return in_use_; }
  [[nodiscard]] std::size_t kept() const { return kept_.size(); }

 private:
  struct Lease {
    std::string identity;
    std::set<ike::IkeSaId> holders;  ///< none: it is kept for the user, until another needs it
    std::uint64_t ended = 0;         ///< the higher, the later
  };
  using Leases = std::map<base::IpAddress, Lease>;

  [[nodiscard]] std::optional<base::IpAddress> choose(const std::vector<base::Prefix>& pools,
                                                      base::Family family,
                                                      const std::string& identity,
                                                      const std::optional<base::IpAddress>& wished);
  /// What RADIUS names of this family, if it is to be had.
  [[nodiscard]] std::optional<base::IpAddress> find_framed(
      const ike::LeaseRequest& request, const LeaseTerms& terms, base::Family family,
      const std::optional<base::IpAddress>& wished) const;
  [[nodiscard]] std::optional<base::IpAddress> find_kept(const std::vector<base::Prefix>& pools,
                                                         base::Family family,
                                                         const std::string& identity) const;
  [[nodiscard]] std::optional<base::IpAddress> find_fresh(const base::Prefix& pool);
  [[nodiscard]] std::optional<base::IpAddress> find_fresh(const base::Prefix& pool,
                                                          const base::IpAddress& from) const;
  [[nodiscard]] std::optional<base::IpAddress> find_oldest(const std::vector<base::Prefix>& pools,
                                                           base::Family family) const;
  /// Of one without holders.
  void forget(const base::IpAddress& address);
  void take(const base::IpAddress& address, const std::string& identity, ike::IkeSaId sa);

  Leases leases_;
  std::map<base::Prefix, base::IpAddress> last_fresh_;  ///< by pool: the search goes on there
  std::multimap<std::string, base::IpAddress> by_identity_;
  std::map<std::uint64_t, base::IpAddress> kept_;  ///< without holders, by `ended`
  std::map<ike::IkeSaId, std::vector<base::IpAddress>> by_sa_;
  std::set<base::IpAddress> changed_;  ///< since poll_change() was last empty
  std::uint64_t ends_ = 0;
  std::size_t in_use_ = 0;
};

}  // namespace caponier::gateway

#pragma once
// Which packets our packet sockets take from the kernel, decided in one place: rules at the
// ingress of the clear interfaces mark them, the sockets receive what is marked, and the kernel's
// own routing drops it. Without the rules (somebody has emptied the packet filter) the kernel
// forwards everything, as if there were no packet sockets. They outlive a killed daemon, and the
// next start removes them.

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/address.h"

namespace caponier::io {

struct TakingOptions {
  std::string instance;  ///< the same after a restart: the run directory
  std::uint32_t mark = 0;
  std::vector<std::pair<std::string, unsigned>> interfaces;  ///< name and index
};

/// Traffic to a route's prefix is taken, but not what goes to its exceptions.
using TakenRoutes = std::map<base::Prefix, std::vector<base::Prefix>>;

/// The commands that replace the rules; those that remove them where nothing is to be taken.
[[nodiscard]] std::string make_taking_commands(const TakingOptions& options,
                                               const TakenRoutes& routes);

class Taking {
 public:
  /// Removes what a killed process of this instance has left, if anything.
  explicit Taking(TakingOptions options);
  Taking(const Taking&) = delete;
  Taking& operator=(const Taking&) = delete;
  /// Takes the rules away.
  ~Taking();

  /// Whether the kernel can do it, seen by rules for an address that nobody has.
  [[nodiscard]] std::expected<void, std::string> probe();

  /// Local networks that lie inside `prefix` are its exceptions.
  void add(const base::Prefix& prefix, const std::vector<base::Prefix>& local_nets);
  void remove(const base::Prefix& prefix);
  /// Makes the kernel's rules what add() and remove() have said since, on those of the interfaces
  /// that are still there. The error says what is missing.
  [[nodiscard]] std::expected<void, std::string> settle();
  /// The same, whatever has been said: somebody else may have changed the rules.
  [[nodiscard]] std::expected<void, std::string> renew();

 private:
  TakingOptions options_;
  TakenRoutes routes_;
  bool is_settled_ = true;
  bool stands_ = false;  ///< there are rules to be taken away
};

}  // namespace caponier::io

#pragma once
// The keys of the last SAs as Wireshark's tables. Exists only while the configuration allows it.

#include <deque>
#include <string>

#include "base/address.h"
#include "gateway/gateway.h"
#include "ike/actions.h"

namespace caponier::gateway {

inline constexpr std::size_t key_table_sas_max = 64;

/// Remembers the newest key_table_sas_max SAs of each kind.
class KeyTableLog {
 public:
  /// False: Wireshark cannot decrypt this algorithm, nothing was added.
  [[nodiscard]] bool add(const ike::KeysExported& keys);
  [[nodiscard]] bool add(const policy::InstallSa& sa);
  [[nodiscard]] KeyTables tables() const;

 private:
  std::deque<std::string> ike_;
  std::deque<std::string> esp_;
};

}  // namespace caponier::gateway

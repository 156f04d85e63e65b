#pragma once
// What our nftables commands are written with.

#include <string>
#include <vector>

#include "gateway/clear_filter.h"

namespace caponier::io {

/// "caponier-1f2e3d4c": the table of an instance.
[[nodiscard]] std::string table_name(const std::string& instance);
/// "{ 10.2.0.0-10.2.255.255, 10.3.0.1 }"; of one family, and not empty.
[[nodiscard]] std::string set_of(const std::vector<gateway::AddressRange>& ranges);

}  // namespace caponier::io

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace caponier::pki {

/// The extended key usages of a certificate in DER, dotted; null: it has no such extension.
[[nodiscard]] std::optional<std::vector<std::string>> extended_usages(base::Bytes certificate);

}  // namespace caponier::pki

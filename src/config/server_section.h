#pragma once
// Reading [server]: whom users with devices connect to.

#include "config/document.h"
#include "config/errors.h"

namespace caponier::config {

[[nodiscard]] ServerConfig read_server(const Node& table, Errors& errors);

}  // namespace caponier::config

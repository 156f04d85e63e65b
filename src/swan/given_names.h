#pragma once
// Whoever has loaded connections calls them and their children by the names that he gave them.

#include <memory>
#include <string_view>
#include <vector>

#include "swan/connection.h"
#include "swan/document.h"

namespace caponier::swan {

/// The connection that a path such as "connections.gw.children.net" is in; names may hold dots.
/// Null: none.
[[nodiscard]] const Connection* find_in(const std::vector<Connection>& connections,
                                        std::string_view path);

/// `config`, made of `document`, with the names that `connections` and their children have, and
/// "connection/child" for policies. What cannot be found keeps its own.
[[nodiscard]] std::shared_ptr<const config::Config> with_given_names(
    const config::Config& config, const Document& document,
    const std::vector<Connection>& connections);

}  // namespace caponier::swan

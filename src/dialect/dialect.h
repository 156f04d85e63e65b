#pragma once
// The peer's side of a configured tunnel, in the language of the peer's product. Pure: values in,
// text out. What a product can say of each tunnel is in targets.h.

#include <cstdint>
#include <expected>
#include <string>

#include "config/config.h"
#include "dialect/names.h"

namespace caponier::dialect {

/// What the configuration alone does not say.
struct Situation {
  std::string reached_at;       ///< our address or name, as the peer reaches it
  base::IpAddress own_address;  ///< from which we send: our identity where none is configured
  std::uint16_t ike_port = 500;
  std::string secret_place;  ///< where the pre-shared key lies, for people
  bool with_secret = false;  ///< the key itself instead of a word that stands for it
};

/// What the product cannot do as it is configured, and the key that says so.
struct Refusal {
  std::string key;
  std::string message;
  std::string fix;
};

/// UTF-8, lines. Holds the pre-shared key only `with_secret`.
[[nodiscard]] std::expected<std::string, Refusal> export_peer(const config::PeerConfig& peer,
                                                              Target target,
                                                              const Situation& situation);

}  // namespace caponier::dialect

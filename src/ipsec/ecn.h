#pragma once
// Explicit congestion notification across a tunnel (RFC 6040), normal mode: the encapsulator copies
// the inner field (s4.1), the decapsulator merges both.

#include <cstdint>
#include <optional>

#include "wire/ip.h"

namespace caponier::ipsec {

/// The inner field after decapsulation (RFC 6040 s4.2, figure 4); empty when the packet must be
/// dropped, because congestion was marked on a flow that cannot hear of it.
//= rfc7296#2.24-1
[[nodiscard]] constexpr std::optional<wire::Ecn> decapsulated_ecn(wire::Ecn inner,
                                                                  wire::Ecn outer) {
  using wire::Ecn;
  switch (inner) {
    case Ecn::not_ect:
      if (outer == Ecn::ce) return std::nullopt;
      return Ecn::not_ect;
    case Ecn::ect0: return outer == Ecn::not_ect ? Ecn::ect0 : outer;
    case Ecn::ect1: return outer == Ecn::ce ? Ecn::ce : Ecn::ect1;
    case Ecn::ce: return Ecn::ce;
  }
  return std::nullopt;
}

}  // namespace caponier::ipsec

#include "policy/child_sa.h"

namespace caponier::policy {

std::string_view name_of(SaMode mode) {
  switch (mode) {
    case SaMode::tunnel: return "tunnel";
    case SaMode::transport: return "transport";
  }
  return "unknown";
}

}  // namespace caponier::policy

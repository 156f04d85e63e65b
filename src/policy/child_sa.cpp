#include "policy/child_sa.h"

namespace caponier::policy {

std::string_view name_of(SaMode mode) {
  switch (mode) {
    case SaMode::tunnel: return "tunnel";
    case SaMode::transport: return "transport";
    case SaMode::beet: return "beet";
  }
  return "unknown";
}

std::string_view name_of(SaProtocol protocol) {
  switch (protocol) {
    case SaProtocol::esp: return "esp";
    case SaProtocol::ah: return "ah";
  }
  return "unknown";
}

std::string_view name_of(OuterDf df) {
  switch (df) {
    case OuterDf::copy: return "copy";
    case OuterDf::set: return "set";
    case OuterDf::clear: return "clear";
  }
  return "unknown";
}

std::string_view name_of(FragmentWhen when) {
  switch (when) {
    case FragmentWhen::before: return "before";
    case FragmentWhen::after: return "after";
  }
  return "unknown";
}

}  // namespace caponier::policy

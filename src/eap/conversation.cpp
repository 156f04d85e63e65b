#include "eap/conversation.h"

namespace caponier::eap {

std::string_view name_of(FailureReason reason) {
  switch (reason) {
    case FailureReason::malformed: return "malformed";
    case FailureReason::out_of_place: return "out_of_place";
    case FailureReason::too_long: return "too_long";
    case FailureReason::no_common_method: return "no_common_method";
    case FailureReason::bad_credentials: return "bad_credentials";
    case FailureReason::server_not_proven: return "server_not_proven";
    case FailureReason::tls: return "tls";
    case FailureReason::identity_mismatch: return "identity_mismatch";
    case FailureReason::refused_by_peer: return "refused_by_peer";
    case FailureReason::backend_rejected: return "backend_rejected";
    case FailureReason::backend_silent: return "backend_silent";
    case FailureReason::backend_invalid: return "backend_invalid";
    case FailureReason::no_key: return "no_key";
  }
  return "unknown";
}

std::string printable(std::string_view text) {
  constexpr std::size_t shown_max = 64;
  std::string shown{text.substr(0, shown_max)};
  for (char& character : shown) {
    if (character < ' ' || character > '~' || character == '"') character = '?';
  }
  if (text.size() > shown_max) shown += "...";
  return shown;
}

}  // namespace caponier::eap

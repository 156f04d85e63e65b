#include "ike/actions.h"
#include "ike/endpoint.h"

namespace caponier::ike {

std::string_view name_of(EndReason reason) {
  switch (reason) {
    case EndReason::timeout: return "timeout";
    case EndReason::peer_refused: return "peer refused";
    case EndReason::authentication: return "authentication";
    case EndReason::no_proposal: return "no proposal";
    case EndReason::selectors: return "selectors";
    case EndReason::local_request: return "local request";
    case EndReason::peer_deleted: return "peer deleted";
    case EndReason::expired: return "expired";
    case EndReason::replaced: return "replaced";
    case EndReason::protocol_error: return "protocol error";
    case EndReason::redirected: return "redirected";
    case EndReason::peer_restarted: return "peer restarted";
    case EndReason::local_fault: return "local fault";
    case EndReason::address_lost: return "address lost";
  }
  return "unknown";
}

std::string_view name_of(IkeState state) {
  switch (state) {
    case IkeState::init_sent: return "init_sent";
    case IkeState::init_answered: return "init_answered";
    case IkeState::auth_pending: return "auth_pending";
    case IkeState::auth_sent: return "auth_sent";
    case IkeState::auth_answered: return "auth_answered";
    case IkeState::established: return "established";
    case IkeState::deleting: return "deleting";
    case IkeState::dead: return "dead";
  }
  return "unknown";
}

}  // namespace caponier::ike

#include "explain/diagnose.h"

#include <utility>

#include "explain/diagnose_parts.h"

namespace caponier::explain {

std::string remote_of(const policy::Evidence& seen) {
  std::string text = seen.path.remote.to_string();
  if (seen.path.transport == base::Transport::tcp) text += " over TCP";
  return text;
}

Diagnosis diagnose(const policy::Evidence& seen, const Context& context) {
  using enum policy::Symptom;
  switch (seen.symptom) {
    case name_unresolved:
    case no_source:
    case init_unanswered:
    case auth_unanswered:
    case auth_missing:
    case peer_silent:
    case overloaded: return diagnose_reach(seen, context);
    case init_refused:
    case init_answer_foreign:
    case init_no_proposal:
    case init_peer_unknown:
    case other_version:
    case ike_rekey_refused:
    case protocol_error: return diagnose_init(seen, context);
    case auth_refused:
    case auth_method_unwanted:
    case auth_identity_unknown:
    case auth_identity_other:
    case auth_proof_wrong:
    case auth_proof_lacking:
    case auth_eap_failed:
    case auth_unwelcome:
    case auth_unsupported:
    case address_refused: return diagnose_auth(seen, context);
    case child_refused:
    case child_no_proposal:
    case child_group:
    case child_no_selectors:
    case child_mode:
    case child_answer_foreign:
    case child_other: return diagnose_child(seen, context);
  }
  return {};
}

}  // namespace caponier::explain

#include "pki/trust.h"

namespace caponier::pki {

std::string_view name_of(Refusal reason) {
  switch (reason) {
    case Refusal::no_certificate: return "no certificate";
    case Refusal::too_many_certificates: return "too many certificates";
    case Refusal::certificate_too_large: return "certificate too large";
    case Refusal::malformed: return "malformed certificate";
    case Refusal::weak_key: return "weak key";
    case Refusal::unsupported_key: return "unsupported key";
    case Refusal::weak_signature: return "weak signature";
    case Refusal::unknown_authority: return "unknown authority";
    case Refusal::bad_signature: return "bad signature";
    case Refusal::chain_too_long: return "chain too long";
    case Refusal::not_yet_valid: return "not yet valid";
    case Refusal::expired: return "expired";
    case Refusal::not_an_authority: return "not an authority";
    case Refusal::path_length: return "path length";
    case Refusal::key_usage: return "key usage";
    case Refusal::extended_key_usage: return "extended key usage";
    case Refusal::name_constraints: return "name constraints";
    case Refusal::certificate_policy: return "certificate policy";
    case Refusal::unknown_critical_extension: return "unknown critical extension";
    case Refusal::invalid_extension: return "invalid extension";
    case Refusal::identity_mismatch: return "identity mismatch";
    case Refusal::identity_kind: return "kind of identity";
    case Refusal::revoked: return "revoked";
    case Refusal::revocation_unknown: return "revocation unknown";
    case Refusal::revocation_outdated: return "revocation outdated";
    case Refusal::internal: return "internal";
  }
  return "?";
}

}  // namespace caponier::pki

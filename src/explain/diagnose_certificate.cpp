// Each rule that the peer's certificate can break (pki::Refusal).

#include <array>
#include <optional>

#include <fmt/format.h>

#include "explain/diagnose_parts.h"
#include "explain/fixes.h"
#include "pki/trust.h"

namespace caponier::explain {

using pki::Refusal;
using policy::Evidence;

namespace {

struct Rule {
  Refusal refusal{};
  Code code{};
  Side side{};
  std::string_view cure;
};
constexpr std::array rules = {
    Rule{Refusal::no_certificate, Code::cert_missing, Side::theirs,
         "let the peer send its certificate (strongSwan: send_cert = always)"},
    Rule{Refusal::too_many_certificates, Code::cert_chain, Side::theirs,
         "let the peer send its own chain alone"},
    Rule{Refusal::certificate_too_large, Code::cert_malformed, Side::theirs,
         "issue a smaller certificate"},
    Rule{Refusal::malformed, Code::cert_malformed, Side::theirs,
         "issue the certificate anew: it is not DER"},
    Rule{Refusal::weak_key, Code::cert_weak, Side::theirs,
         "issue a certificate for RSA of 2048 bits or more, or for ECDSA P-256"},
    Rule{Refusal::unsupported_key, Code::cert_weak, Side::theirs,
         "issue a certificate for RSA, ECDSA or EdDSA"},
    Rule{Refusal::weak_signature, Code::cert_weak, Side::theirs,
         "sign the chain with SHA-256 or better"},
    Rule{Refusal::unknown_authority, Code::cert_untrusted, Side::ours,
         "add the authority of the peer to ca, or let the peer send what is between"},
    Rule{Refusal::bad_signature, Code::cert_chain, Side::theirs,
         "issue the certificate anew: its authority has not signed it"},
    Rule{Refusal::chain_too_long, Code::cert_chain, Side::theirs, "use a shorter chain"},
    Rule{Refusal::not_yet_valid, Code::cert_not_yet_valid, Side::theirs,
         "wait, or issue it anew; if our clock is wrong, set it"},
    Rule{Refusal::expired, Code::cert_expired, Side::theirs,
         "renew the certificate; if our clock is wrong, set it"},
    Rule{Refusal::not_an_authority, Code::cert_chain, Side::theirs,
         "the issuer must be an authority (basicConstraints CA)"},
    Rule{Refusal::path_length, Code::cert_chain, Side::theirs,
         "the authority allows fewer authorities below it (pathLenConstraint)"},
    Rule{Refusal::key_usage, Code::cert_usage, Side::theirs,
         "issue it with the key usage digitalSignature"},
    Rule{Refusal::extended_key_usage, Code::cert_usage, Side::theirs,
         "issue it with the extended key usage named above, or with none"},
    Rule{Refusal::name_constraints, Code::cert_chain, Side::theirs,
         "the authority may not certify that name (nameConstraints)"},
    Rule{Refusal::certificate_policy, Code::cert_policy, Side::theirs,
         "issue it under the policy that we require"},
    Rule{Refusal::unknown_critical_extension, Code::cert_chain, Side::theirs,
         "issue it without the critical extension that nobody here knows"},
    Rule{Refusal::invalid_extension, Code::cert_malformed, Side::theirs,
         "issue it anew: an extension of it is broken"},
    Rule{Refusal::identity_mismatch, Code::cert_name, Side::theirs,
         "issue it with the identity as subjectAltName, or let the peer call itself as it says"},
    Rule{Refusal::identity_kind, Code::cert_name, Side::theirs,
         "let the peer use a host name, an address, a mail address or its subject as identity"},
    Rule{Refusal::revoked, Code::cert_revoked, Side::theirs, "issue a new certificate"},
    Rule{Refusal::revocation_unknown, Code::cert_status_unknown, Side::ours,
         "let this host reach the CRL or OCSP server, or be less strict"},
    Rule{Refusal::revocation_outdated, Code::cert_status_unknown, Side::ours,
         "let the authority issue its CRL anew, or be less strict"},
    Rule{Refusal::internal, Code::cert_malformed, Side::ours, "see the log"},
};

const Rule* find_rule(std::string_view word) {
  for (const Rule& rule : rules) {
    if (pki::name_of(rule.refusal) == word) return &rule;
  }
  return nullptr;
}

}  // namespace

Diagnosis diagnose_certificate(const Evidence& seen, const Context& context) {
  const Rule* const rule = find_rule(seen.fault);
  if (rule == nullptr) {
    Diagnosis diagnosis{Code::signature_wrong, Certainty::proven, {}, {}, {}, {}};
    diagnosis.cause = seen.text;
    diagnosis.fixes = {fix_theirs(seen,
                                  "see that the peer signs with the key of what it shows, or "
                                  "that peer_key here is its public key")};
    return diagnosis;
  }
  Diagnosis diagnosis{rule->code, Certainty::proven, {}, {}, {}, {}};
  diagnosis.cause = seen.text;
  const bool is_time = rule->refusal == Refusal::expired || rule->refusal == Refusal::not_yet_valid;
  if (is_time) {
    diagnosis.certainty = Certainty::strong;
    diagnosis.others = {{Code::clock_wrong, "this host's clock is wrong"}};
  }
  std::vector<Setting> settings;
  if (rule->code == Code::cert_status_unknown) {
    settings = {{{}, "revocation", toml("relaxed")}};
  }
  diagnosis.fixes = {rule->side == Side::ours
                         ? fix_ours(context, std::string{rule->cure}, std::move(settings))
                         : fix_theirs(seen, std::string{rule->cure})};
  return diagnosis;
}

}  // namespace caponier::explain

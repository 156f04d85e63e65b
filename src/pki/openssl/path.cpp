#include "pki/openssl/path.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.h"

namespace caponier::pki::ossl {

namespace {

using StorePtr = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;
using StoreCtx = std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>>;
inline void free_crl_stack(STACK_OF(X509_CRL) * stack) { sk_X509_CRL_free(stack); }
inline void free_borrowed(STACK_OF(X509) * stack) { sk_X509_free(stack); }
using BorrowedStack = std::unique_ptr<STACK_OF(X509), Freed<free_borrowed>>;
using CrlStack = std::unique_ptr<STACK_OF(X509_CRL), Freed<free_crl_stack>>;

/// How often the search for a path begins anew: what a peer can make us compute is bounded by it.
constexpr int rounds_max = 24;
/// At least 112 bits of strength: no RSA below 2048 bits, no MD5 or SHA-1.
constexpr int auth_level = 2;

BorrowedStack stack_of(std::span<X509* const> certificates) {
  BorrowedStack stack{sk_X509_new_null()};
  for (X509* const one : certificates) {
    if (stack == nullptr || sk_X509_push(stack.get(), one) <= 0) return nullptr;
  }
  return stack;
}

/// What a run of OpenSSL's verification reads and leaves.
struct Run {
  UnixTime now{};
  bool with_crls = false;
  std::vector<CrlFinding> findings;  ///< by depth
};

/// OpenSSL takes a certificate as expired in the second of notAfter, which RFC 5280 s4.1.2.5
/// includes.
bool is_last_second(X509_STORE_CTX* ctx, UnixTime now) {
  const X509* const certificate = X509_STORE_CTX_get_current_cert(ctx);
  return X509_STORE_CTX_get_error(ctx) == X509_V_ERR_CERT_HAS_EXPIRED && certificate != nullptr &&
         ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), now.value) == 0;
}

bool is_of_crls(int error) {
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
    case X509_V_ERR_CERT_REVOKED: return true;
    default: return false;
  }
}

/// The signatures have been checked, so a revocation is believed even of a CRL that should not
/// speak.
void note(Run& run, X509_STORE_CTX* ctx) {
  const auto depth = static_cast<std::size_t>(X509_STORE_CTX_get_error_depth(ctx));
  if (depth >= run.findings.size()) return;
  CrlFinding& finding = run.findings[depth];
  const int error = X509_STORE_CTX_get_error(ctx);
  if (error == X509_V_ERR_CERT_REVOKED) finding = CrlFinding::revoked;
  if (finding == CrlFinding::revoked) return;
  const bool is_old = error == X509_V_ERR_CRL_HAS_EXPIRED && finding != CrlFinding::none;
  finding = is_old ? CrlFinding::outdated : CrlFinding::none;
}

int judge(int ok, X509_STORE_CTX* ctx) {
  if (ok == 1) return 1;
  auto& run = *static_cast<Run*>(X509_STORE_CTX_get_app_data(ctx));
  if (run.with_crls && is_of_crls(X509_STORE_CTX_get_error(ctx))) {
    note(run, ctx);
  } else if (!is_last_second(ctx, run.now)) {
    return 0;
  }
  X509_STORE_CTX_set_error(ctx, X509_V_OK);
  return 1;
}

Refusal refusal_of(int error) {
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED: return Refusal::unknown_authority;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
    case X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH: return Refusal::bad_signature;
    case X509_V_ERR_CERT_NOT_YET_VALID: return Refusal::not_yet_valid;
    case X509_V_ERR_CERT_HAS_EXPIRED: return Refusal::expired;
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD: return Refusal::malformed;
    case X509_V_ERR_CERT_CHAIN_TOO_LONG: return Refusal::chain_too_long;
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_NON_CA: return Refusal::not_an_authority;
    case X509_V_ERR_PATH_LENGTH_EXCEEDED: return Refusal::path_length;
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN: return Refusal::key_usage;
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_SUBTREE_MINMAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
    case X509_V_ERR_UNNESTED_RESOURCE: return Refusal::name_constraints;
    case X509_V_ERR_NO_EXPLICIT_POLICY:
    case X509_V_ERR_INVALID_POLICY_EXTENSION: return Refusal::certificate_policy;
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION: return Refusal::unknown_critical_extension;
    case X509_V_ERR_INVALID_EXTENSION:
    case X509_V_ERR_PROXY_CERTIFICATES_NOT_ALLOWED: return Refusal::invalid_extension;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS: return Refusal::weak_key;
    case X509_V_ERR_CA_MD_TOO_WEAK: return Refusal::weak_signature;
    default: return Refusal::internal;
  }
}

/// OpenSSL calls an authority without the right to sign certificates none at all.
bool is_authority_by_name(const X509* certificate) {
  return (X509_get_extension_flags(const_cast<X509*>(certificate)) & EXFLAG_CA) != 0;
}

std::string expectation(Refusal reason) {
  switch (reason) {
    case Refusal::unknown_authority:
      return "leads to none of the authorities that are trusted here; the authority's certificate "
             "must be configured, and the peer must send those between";
    case Refusal::bad_signature: return "was not signed by the authority it names";
    case Refusal::not_yet_valid: return "is not valid yet; compare the clocks";
    case Refusal::expired: return "has expired; have it issued again";
    case Refusal::chain_too_long: return "is too far away from an authority that is trusted here";
    case Refusal::not_an_authority:
      return "is not that of an authority (basicConstraints), but others were signed with it";
    case Refusal::path_length: return "may not stand above so many authorities (path length)";
    case Refusal::key_usage: return "may not sign certificates (key usage)";
    case Refusal::name_constraints:
      return "has a name that an authority above may not vouch for (name constraints)";
    case Refusal::certificate_policy:
      return "does not hold for a certificate policy that is needed";
    case Refusal::unknown_critical_extension: return "has a critical extension we do not know";
    case Refusal::weak_key: return "has a key that is too weak";
    case Refusal::weak_signature:
      return "was signed with a weak hash (SHA-1 or MD5); have it issued again with SHA-256";
    default: return "cannot be accepted";
  }
}

Refused refused_by(X509_STORE_CTX* ctx) {
  const int error = X509_STORE_CTX_get_error(ctx);
  Refusal reason = refusal_of(error);
  const X509* const certificate = X509_STORE_CTX_get_current_cert(ctx);
  if (reason == Refusal::not_an_authority && certificate != nullptr &&
      is_authority_by_name(certificate)) {
    reason = Refusal::key_usage;
  }
  const std::string who = certificate == nullptr ? "the peer's certificate"
                                                 : "the certificate " + quoted_subject(certificate);
  return {reason, fmt::format("{} {} [{}]", who, expectation(reason),
                              X509_verify_cert_error_string(error))};
}

bool set_policies(X509_VERIFY_PARAM* param, std::span<const std::string> required) {
  unsigned long flags =
      X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_POLICY_CHECK;
  for (const std::string& oid : required) {
    std::unique_ptr<ASN1_OBJECT, Freed<ASN1_OBJECT_free>> policy{OBJ_txt2obj(oid.c_str(), 1)};
    if (policy == nullptr || X509_VERIFY_PARAM_add0_policy(param, policy.get()) != 1) return false;
    (void)policy.release();
  }
  if (!required.empty()) flags |= X509_V_FLAG_EXPLICIT_POLICY;
  return X509_VERIFY_PARAM_set_flags(param, flags) == 1;
}

/// The pieces of one run, which must outlive the context.
struct Verification {
  StorePtr store{X509_STORE_new()};
  BorrowedStack untrusted;
  BorrowedStack anchors;
  StoreCtx ctx{X509_STORE_CTX_new()};

  bool begin(const PathQuestion& question, Run& run) {
    untrusted = stack_of(question.untrusted);
    anchors = stack_of(question.anchors);
    if (store == nullptr || ctx == nullptr || untrusted == nullptr || anchors == nullptr ||
        X509_STORE_CTX_init(ctx.get(), store.get(), question.leaf, untrusted.get()) != 1) {
      return false;
    }
    X509_STORE_CTX_set0_trusted_stack(ctx.get(), anchors.get());
    X509_STORE_CTX_set_app_data(ctx.get(), &run);
    X509_STORE_CTX_set_verify_cb(ctx.get(), judge);
    X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_time(param, question.now.value);
    X509_VERIFY_PARAM_set_depth(param, static_cast<int>(chain_depth_max));
    X509_VERIFY_PARAM_set_auth_level(param, auth_level);
    return set_policies(param, question.required_policies);
  }
};

std::vector<std::string> policies_of(X509_STORE_CTX* ctx) {
  std::vector<std::string> policies;
  X509_POLICY_TREE* const tree = X509_STORE_CTX_get0_policy_tree(ctx);
  if (tree == nullptr) return policies;
  STACK_OF(X509_POLICY_NODE)* const nodes = X509_policy_tree_get0_policies(tree);
  for (int i = 0; i < sk_X509_POLICY_NODE_num(nodes); ++i) {
    std::array<char, 128> oid{};
    const auto* const node = sk_X509_POLICY_NODE_value(nodes, i);
    OBJ_obj2txt(oid.data(), static_cast<int>(oid.size()), X509_policy_node_get0_policy(node), 1);
    policies.emplace_back(oid.data());
  }
  return policies;
}

Path path_of(X509_STORE_CTX* ctx) {
  Path path;
  STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(ctx);
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* const one = sk_X509_value(chain, i);
    if (X509_up_ref(one) == 1) path.chain.emplace_back(one);
  }
  path.policies = policies_of(ctx);
  return path;
}

/// The certificate above the leaf that led nowhere: where the chain ended, or whose key did not
/// fit. Another one of the same name may do.
X509* dead_end(X509_STORE_CTX* ctx, Refusal reason) {
  STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(ctx);
  int at = -1;
  if (reason == Refusal::unknown_authority) at = sk_X509_num(chain) - 1;
  if (reason == Refusal::bad_signature) at = X509_STORE_CTX_get_error_depth(ctx) + 1;
  return at > 0 && at < sk_X509_num(chain) ? sk_X509_value(chain, at) : nullptr;
}

void remove(std::vector<X509*>& certificates, const X509* one) {
  std::erase_if(certificates, [&](const X509* other) { return X509_cmp(other, one) == 0; });
}

}  // namespace

std::string quoted_subject(const X509* certificate) {
  const std::string text = text_of(X509_get_subject_name(certificate));
  return text.empty() ? "without a subject" : "'" + text + "'";
}

// OpenSSL takes the first issuer that fits by name. What led nowhere is taken away and the search
// repeated, so that cross-signed authorities and renewed keys are found; each round takes one away.
std::expected<Path, Refused> find_path(const PathQuestion& question) {
  const ErrorScope errors;
  std::vector<X509*> untrusted{question.untrusted.begin(), question.untrusted.end()};
  std::vector<X509*> anchors{question.anchors.begin(), question.anchors.end()};
  std::optional<Refused> first;
  for (int round = 1;; ++round) {
    PathQuestion now = question;
    now.untrusted = untrusted;
    now.anchors = anchors;
    Run run{question.now, false, {}};
    Verification verification;
    if (!verification.begin(now, run)) {
      return std::unexpected{Refused{Refusal::internal, "the path cannot be checked"}};
    }
    X509_STORE_CTX* const ctx = verification.ctx.get();
    if (X509_verify_cert(ctx) == 1) return path_of(ctx);
    const Refused refused = refused_by(ctx);
    const X509* const useless = dead_end(ctx, refused.reason);
    if (!first) first = refused;
    const std::size_t before = untrusted.size() + anchors.size();
    if (useless != nullptr) {
      const X509Ptr kept{X509_dup(const_cast<X509*>(useless))};
      remove(untrusted, kept.get());
      remove(anchors, kept.get());
    }
    const bool was_search =
        first->reason == Refusal::unknown_authority || first->reason == Refusal::bad_signature;
    if (before == untrusted.size() + anchors.size() || round == rounds_max) {
      return std::unexpected{was_search && refused.reason == Refusal::unknown_authority ? *first
                                                                                        : refused};
    }
  }
}

namespace {

bool is_delta(const X509_CRL* crl) { return X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0; }

/// A list of changes adds to those who are revoked, and takes nobody away: whoever was on hold is
/// free again with the next complete list.
void add_changes(const Path& path, std::span<X509_CRL* const> crls,
                 std::vector<CrlFinding>& findings) {
  for (X509_CRL* const crl : crls) {
    if (!is_delta(crl)) continue;
    for (std::size_t i = 0; i < findings.size(); ++i) {
      X509* const certificate = path.chain[i].get();
      const bool is_issuer =
          X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(certificate)) == 0;
      X509_REVOKED* entry = nullptr;
      constexpr int is_revoked = 1;
      if (is_issuer && X509_CRL_get0_by_cert(crl, &entry, certificate) == is_revoked) {
        findings[i] = CrlFinding::revoked;
      }
    }
  }
}

}  // namespace

std::expected<std::vector<CrlFinding>, Refused> ask_crls(const Path& path,
                                                         std::span<X509_CRL* const> crls,
                                                         UnixTime now) {
  const ErrorScope errors;
  Run run{now, true, std::vector<CrlFinding>(path.chain.size() - 1, CrlFinding::good)};
  if (crls.empty()) {
    std::ranges::fill(run.findings, CrlFinding::none);
    return run.findings;
  }
  std::vector<X509*> chain;
  for (const X509Ptr& one : path.chain) chain.push_back(one.get());
  const std::span<X509* const> all{chain};
  Verification verification;
  const CrlStack stack{sk_X509_CRL_new_null()};
  bool ready = stack != nullptr && verification.begin({.leaf = chain.front(),
                                                       .untrusted = all.subspan(1, all.size() - 2),
                                                       .anchors = all.last(1),
                                                       .required_policies = {},
                                                       .now = now},
                                                      run);
  // OpenSSL takes a list of changes for a complete one, if it is the newer.
  for (X509_CRL* const crl : crls) {
    if (!is_delta(crl)) ready = ready && sk_X509_CRL_push(stack.get(), crl) > 0;
  }
  if (ready) {
    X509_STORE_CTX_set0_crls(verification.ctx.get(), stack.get());
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(verification.ctx.get()),
                                X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  }
  if (!ready || X509_verify_cert(verification.ctx.get()) != 1) {
    return std::unexpected{Refused{Refusal::internal, "the CRLs cannot be asked"}};
  }
  add_changes(path, crls, run.findings);
  return run.findings;
}

}  // namespace caponier::pki::ossl

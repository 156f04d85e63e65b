#pragma once
// The parts of diagnose(), by what an exchange was about.

#include "explain/diagnose.h"

namespace caponier::explain {

[[nodiscard]] Diagnosis diagnose_reach(const policy::Evidence& seen, const Context& context);
[[nodiscard]] Diagnosis diagnose_init(const policy::Evidence& seen, const Context& context);
[[nodiscard]] Diagnosis diagnose_auth(const policy::Evidence& seen, const Context& context);
/// A wrong proof by signature and certificate.
[[nodiscard]] Diagnosis diagnose_certificate(const policy::Evidence& seen, const Context& context);
[[nodiscard]] Diagnosis diagnose_child(const policy::Evidence& seen, const Context& context);

/// Values and fixes of two lists of proposals with nothing in common. `child`: of ESP or AH.
void compare_offers(const policy::Evidence& seen, const Context& context, bool is_child,
                    Diagnosis& diagnosis);

/// "192.0.2.1:500"
[[nodiscard]] std::string remote_of(const policy::Evidence& seen);

}  // namespace caponier::explain

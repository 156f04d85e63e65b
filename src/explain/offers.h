#pragma once
// What two lists of proposals have in common, what is missing, and the least that would make them
// agree.

#include <optional>
#include <string>
#include <vector>

#include "policy/proposal.h"

namespace caponier::explain {

/// One transform type in which the two nearest proposals have nothing in common.
struct Gap {
  wire::TransformType type{};
  std::string ours;  ///< "aes256gcm16, aes128gcm16"; "none"
  std::string theirs;
};

/// The nearest pair: one proposal of each side.
struct Difference {
  std::vector<Gap> gaps;        ///< none: they agree
  std::size_t our_index = 0;    ///< of our offers
  std::size_t their_index = 0;  ///< of their proposals
};
/// `with_ke`: false in IKE_AUTH, where a Child SA has none (RFC 7296 s1.2). Null: one side has none
/// of this protocol.
[[nodiscard]] std::optional<Difference> compare(const policy::Offers& ours,
                                                const wire::SaPayload& theirs, bool with_ke);

/// As the configuration has it: "aes256gcm16-prfsha384-x25519".
[[nodiscard]] std::string config_text(const policy::Offer& offer);
/// The first of each kind alone.
[[nodiscard]] policy::Offer first_choice(const policy::Offer& offer);

/// The first of their proposals that we could offer too.
struct Adoptable {
  std::string text;
  bool needs_compat = false;  ///< compat = "legacy"
};
[[nodiscard]] std::optional<Adoptable> find_adoptable(const wire::SaPayload& theirs,
                                                      wire::ProtocolId protocol);

}  // namespace caponier::explain

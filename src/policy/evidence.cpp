#include "policy/evidence.h"

#include <algorithm>
#include <array>

namespace caponier::policy {

std::string_view name_of(Symptom symptom) {
  static constexpr std::array names = {
#define CAPONIER_SYMPTOM_NAME(id, word) std::string_view{word},
      CAPONIER_SYMPTOMS(CAPONIER_SYMPTOM_NAME)
#undef CAPONIER_SYMPTOM_NAME
  };
  return names.at(static_cast<std::size_t>(symptom));
}

wire::SaPayload kept_part(const wire::SaPayload& theirs) {
  wire::SaPayload kept;
  for (const wire::Proposal& proposal : theirs.proposals) {
    if (kept.proposals.size() == evidence_proposals_max) break;
    wire::Proposal& copy = kept.proposals.emplace_back(proposal);
    if (copy.transforms.size() > evidence_transforms_max) {
      copy.transforms.resize(evidence_transforms_max);
    }
  }
  return kept;
}

}  // namespace caponier::policy

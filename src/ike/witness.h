#pragma once
// What an IKE SA has seen of a failure, for explanation (policy/evidence.h). It stands beside the
// event that says the same in a sentence, and changes nothing.

#include <string>

#include "base/time.h"
#include "ike/actions.h"
#include "ike/child_negotiation.h"
#include "policy/evidence.h"

namespace caponier::ike {

class IkeSa;
class Shared;
struct InFlight;

class Witness {
 public:
  explicit Witness(const IkeSa& sa) : sa_(sa) {}

  /// What is true of every failure of this IKE SA.
  [[nodiscard]] policy::Evidence saw(policy::Symptom symptom) const;
  /// Our offers of the IKE SA as well, and theirs.
  [[nodiscard]] policy::Evidence saw_offers(policy::Symptom symptom,
                                            const wire::SaPayload* theirs) const;
  /// Ours of a child that we asked for.
  [[nodiscard]] policy::Evidence saw_offer(policy::Symptom symptom, const ChildOffer& offer) const;
  /// How and as whom both sides authenticate.
  [[nodiscard]] policy::Evidence saw_identities(policy::Symptom symptom) const;

  void note(policy::Evidence evidence) const;
  /// At the rate strangers may cause them, as long as the peer may be one.
  void note_early(policy::Evidence evidence, base::Instant now) const;

  // The cases that several places share.
  void note_unanswered(const InFlight& request) const;
  /// We refuse a Child SA, or what the peer answered to our offer of one.
  void note_refusal(const ChildRefusal& refusal, const ChildOffer* offer) const;
  /// The peer refuses one, with an error notify and perhaps with its reason (ike/reason.h).
  void note_child_refused(const ChildOffer& offer, const std::vector<wire::Payload>& answer,
                          bool is_rekey) const;

 private:
  const IkeSa& sa_;
};

/// The first four octets of Microsoft's notify 12345, which has the code of the failure; 0: there
/// is none.
[[nodiscard]] std::uint32_t peer_status_in(const std::vector<wire::Payload>& payloads);
/// The configuration's words.
[[nodiscard]] std::vector<std::string_view> words_of(const std::vector<AuthKind>& kinds);

}  // namespace caponier::ike

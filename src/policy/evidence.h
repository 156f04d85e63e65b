#pragma once
// What a machine saw when something failed: the values of both sides as they were then. What it
// means, and what would mend it, is explain's to say. No secrets.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "policy/child_sa.h"
#include "policy/identity.h"
#include "policy/product.h"
#include "policy/proposal.h"
#include "policy/traffic_selector.h"
#include "wire/ike.h"

namespace caponier::policy {

// clang-format off
/// One for each kind of place where something fails. "We" are this host; who began the exchange is
/// Evidence::we_asked.
#define CAPONIER_SYMPTOMS(X)                                                                       \
  X(name_unresolved,      "name.unresolved")      /* the peer's name has no address */             \
  X(no_source,            "source.none")          /* no address of ours reaches the peer */        \
  X(init_unanswered,      "init.unanswered")      /* IKE_SA_INIT: nothing came back */             \
  X(init_refused,         "init.refused")         /* an error notify, unprotected */               \
  X(init_answer_foreign,  "init.answer.foreign")  /* it chose what we have not offered */          \
  X(init_no_proposal,     "init.no_proposal")     /* we refused: no common algorithms */           \
  X(init_peer_unknown,    "init.peer.unknown")    /* we refused: no connection has its address */  \
  X(other_version,        "ike.version")          /* it speaks IKEv1 or something newer */         \
  X(auth_unanswered,      "auth.unanswered")      /* IKE_SA_INIT was answered, IKE_AUTH not */     \
  X(auth_missing,         "auth.missing")         /* it began, we answered, IKE_AUTH never came */ \
  X(auth_refused,         "auth.refused")         /* an error notify instead of AUTH */            \
  X(auth_method_unwanted, "auth.method")          /* we refused how it proves itself */            \
  X(auth_identity_unknown, "auth.identity.unknown") /* we refused: no connection is for it */      \
  X(auth_identity_other,  "auth.identity.other")  /* it is not whom we want */                     \
  X(auth_proof_wrong,     "auth.proof.wrong")     /* its AUTH or certificate; see `fault` */       \
  X(auth_proof_lacking,   "auth.proof.lacking")   /* we could not prove who we are */              \
  X(auth_eap_failed,      "auth.eap.failed")      /* the user's EAP; see `fault` */                \
  X(auth_unwelcome,       "auth.unwelcome")       /* we refused: it is here already */             \
  X(auth_unsupported,     "auth.unsupported")     /* it lacks an extension that we are to use */   \
  X(address_refused,      "address.refused")      /* no inner address was to be had */             \
  X(child_refused,        "child.refused")        /* an error notify; protected */                 \
  X(child_no_proposal,    "child.no_proposal")    /* we refused: no common algorithms */           \
  X(child_group,          "child.group")          /* we refused: another key exchange (PFS) */     \
  X(child_no_selectors,   "child.no_selectors")   /* we refused: no common traffic */              \
  X(child_mode,           "child.mode")           /* we refused: tunnel, transport or BEET */      \
  X(child_answer_foreign, "child.answer.foreign") /* it chose what we have not offered */          \
  X(child_other,          "child.other")          /* no Child SA for another reason */             \
  X(ike_rekey_refused,    "ike.rekey.refused")    /* an error notify; protected */                 \
  X(peer_silent,          "peer.silent")          /* an IKE SA that was up is answered no more */  \
  X(protocol_error,       "protocol.error")       /* what came breaks RFC 7296 */                  \
  X(overloaded,           "overloaded")           /* we take no more IKE SAs just now */
// clang-format on

enum class Symptom : std::uint8_t {
#define CAPONIER_SYMPTOM_ENUM(id, word) id,
  CAPONIER_SYMPTOMS(CAPONIER_SYMPTOM_ENUM)
#undef CAPONIER_SYMPTOM_ENUM
};
[[nodiscard]] std::string_view name_of(Symptom symptom);

/// What one end is, wants or has, as far as it showed. Empty: not shown, or not to the point.
struct EvidenceSide {
  std::optional<Identity> identity;       ///< what it calls itself
  std::string expects;                    ///< whom it wants the other one to be
  std::vector<std::string_view> methods;  ///< of authentication: "psk", "pubkey", "eap", "null"
  std::optional<SaMode> mode;
  TrafficSelectors local, remote;  ///< as seen from here: `local` is our end, for both
  std::optional<crypto::KeGroup> group;
};

/// Of the peer's proposals; more are not kept.
inline constexpr std::size_t evidence_proposals_max = 16;
inline constexpr std::size_t evidence_transforms_max = 64;
inline constexpr std::size_t evidence_names_max = 16;

struct Evidence {
  Symptom symptom{};
  bool we_asked = false;          ///< the exchange that failed
  bool is_authenticated = false;  ///< the peer has proved who it is
  bool is_rekey = false;          ///< of an SA that was up
  std::string connection;         ///< empty: of a peer that none is known for
  std::string child;
  base::Path path;
  base::IkeSpi spi_i, spi_r;  ///< both ends have them in their logs
  Product product{};
  std::string text;                        ///< the event's sentence
  std::optional<wire::NotifyType> notify;  ///< what the refusing side said
  std::uint32_t peer_status = 0;           ///< Microsoft's notify of status 12345; 0: none
  /// Why a proof was wrong or lacking: pki::name_of(Refusal), a key slip of ike/key_slips.h, or a
  /// word of EAP; of auth_identity_unknown "wanted", when its name would have done but it looks for
  /// somebody else. Empty: not known.
  std::string fault;
  bool has_key_exchange = false;  ///< of a Child SA: not in IKE_AUTH
  Offers our_offers;
  wire::SaPayload their_offers;
  EvidenceSide ours, theirs;
  std::vector<std::string> known;  ///< identities that would have been taken
  unsigned sent = 0;               ///< messages of ours that had no answer
  std::size_t size = 0;            ///< of the largest of them, in octets of the IP packet
  bool in_fragments = false;       ///< RFC 7383
  bool local_behind_nat = false, remote_behind_nat = false;
};

/// The part of a peer's proposals that is kept.
[[nodiscard]] wire::SaPayload kept_part(const wire::SaPayload& theirs);

}  // namespace caponier::policy

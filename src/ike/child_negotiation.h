#pragma once
// What IKE_AUTH and CREATE_CHILD_SA have in common: agreeing on a Child SA (RFC 7296 s1.3.1, s2.9).
// Values in, values out.

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ike/actions.h"
#include "ike/config.h"
#include "policy/proposal.h"
#include "wire/ike.h"

namespace caponier::ike {

using ChildConfigPtr = std::shared_ptr<const ChildConfig>;

/// Where the two ends are, as transport mode's selectors need to know (s2.23.1).
struct ChildScene {
  base::Path path;
  bool local_behind_nat = false;
  bool remote_behind_nat = false;
  bool in_ike_auth = false;
  bool in_udp = false;                       ///< or TCP, where AH cannot be
  std::span<const base::IpAddress> inner{};  ///< given by the responder
  /// Of ours that a user may reach; none: all that the child has.
  std::span<const policy::TrafficSelector> networks{};
  std::span<const policy::TrafficSelector> services{};  ///< besides them
};

/// The SA, TS and mode payloads of a message. `sa` and both `ts` must be there.
struct ChildPayloads {
  const wire::SaPayload* sa = nullptr;
  const wire::TsPayload* ts_i = nullptr;
  const wire::TsPayload* ts_r = nullptr;
  bool wants_transport = false;
  bool wants_beet = false;   ///< draft-nikander-esp-beet-mode, as strongSwan negotiates it
  bool refuses_tfc = false;  ///< RFC 7296 s1.3.1
  bool is_grouped = false;   ///< SA_RESOURCE_INFO (RFC 9611); what it says is for people

  [[nodiscard]] static ChildPayloads of(const std::vector<wire::Payload>& payloads);
  [[nodiscard]] bool is_complete() const { return sa && ts_i && ts_r; }
};

struct ChildAgreement {
  ChildConfigPtr child;
  policy::ChildSuite suite;
  policy::SaMode mode = policy::SaMode::tunnel;
  policy::SaProtocol protocol{};
  bool may_pad = true;  ///< for traffic flow confidentiality (RFC 4303 s2.7)
  base::Spi spi_out;
  wire::Proposal answer;  ///< the responder's, still with the initiator's SPI
  policy::TrafficSelectors local, remote;
  bool is_grouped = false;  ///< both ends would have more of the same (RFC 9611)
};

/// Why there will be no Child SA, with the notify that tells the peer.
struct ChildRefusal {
  wire::NotifyPayload notify;
  EndReason reason{};
  std::string sentence;
  /// Of our side and the peer's, as far as the two are to blame; null: neither is.
  std::shared_ptr<const policy::Evidence> seen{};
};

/// An SA that the new one shall be like: of the same child and selectors, as it replaces it
/// (s2.9.2).
struct Model {
  std::string child;
  policy::TrafficSelectors local, remote;
  /// Of the same algorithms too, as it is not replaced but joined (RFC 9611 s3).
  struct Joined {
    policy::SaProtocol protocol{};
    policy::ChildSuite suite;
  };
  std::optional<Joined> joined{};
};

using ChildVerdict = std::expected<ChildAgreement, ChildRefusal>;

/// The responder's choice among the configured children: the one that covers most of what is
/// asked, in configuration order. A rekey keeps its child, and its selectors when they are asked.
[[nodiscard]] ChildVerdict choose_child_sa(const ChildPayloads& request, crypto::KeGroup ke_group,
                                           const ConnectionConfig& connection,
                                           const std::shared_ptr<const ConnectionConfig>& owner,
                                           const ChildScene& scene,
                                           const Model* replaced = nullptr);

/// Why the child cannot be had there at all: AH does not survive a NAT, nor has it a place in UDP.
[[nodiscard]] std::optional<std::string> find_obstacle(const ChildConfig& child,
                                                       const ChildScene& scene);

/// What the initiator asks for.
struct ChildOffer {
  ChildConfigPtr child;
  base::Spi spi_in;
  crypto::KeGroup ke_group = crypto::KeGroup::none;
  std::vector<wire::Payload> payloads;  ///< SA, TSi, TSr, and notifies
  policy::Offers offers;
  policy::TrafficSelectors local, remote;  ///< as offered
  bool is_in_use = false;                  ///< then they must not be narrowed (s2.9.2)
  std::optional<policy::Trigger> trigger;
};
[[nodiscard]] ChildOffer make_child_offer(ChildConfigPtr child, base::Spi spi_in,
                                          crypto::KeGroup ke_group, const ChildScene& scene,
                                          const Model* replaced = nullptr,
                                          const std::optional<policy::Trigger>& trigger = {});

/// The initiator's check of the answer.
[[nodiscard]] ChildVerdict accept_child_sa(const ChildPayloads& response, const ChildOffer& offer,
                                           const ChildScene& scene);

/// The responder's SA, TSi, TSr and mode payloads.
[[nodiscard]] std::vector<wire::Payload> make_child_answer(const ChildAgreement& agreement,
                                                           base::Spi spi_in);

/// What an error notify about a Child SA means for the loop above.
[[nodiscard]] EndReason reason_of(wire::NotifyType error);

}  // namespace caponier::ike

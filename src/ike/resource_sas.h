#pragma once
// Per-resource Child SAs (RFC 9611): besides its first SA, which is for everybody, a child may have
// more that are the same in all but their keys, each for the traffic of one resource, which is a
// worker of the data plane.
//
// Both ends say with the first SA that they would have more (SA_RESOURCE_INFO). Then each asks when
// a resource of its own has traffic and no SA; what the other end asks for is given to the resource
// here that has the fewest. So two ends that ask at once seldom get more than they need, and
// neither needs to know how the other counts.

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "ike/child_negotiation.h"

namespace caponier::ike {

struct Child;
struct ChildCreation;
class IkeSa;

class ResourceSas {
 public:
  explicit ResourceSas(IkeSa& sa) : sa_(sa) {}

  /// Asks for an SA of the child for this resource, unless there is one or the peer wants no more.
  void want(const std::string& child, policy::ResourceId resource, base::Instant now);
  /// What a further SA of the child must equal; empty when there is nothing to be joined.
  [[nodiscard]] std::optional<Model> model(const std::string& child) const;
  /// The peer refuses what we have asked for, or has answered what we cannot take.
  void handle_refusal(const ChildCreation& creation, const wire::NotifyPayload& error,
                      base::Instant now);
  void note_full(const std::string& child);

  /// What the SA that the peer asks for shall be for: a resource, or, for the first, everybody.
  [[nodiscard]] std::expected<std::optional<policy::ResourceId>, ChildRefusal> place(
      const ChildAgreement& agreement, const std::vector<wire::Payload>& request) const;

 private:
  [[nodiscard]] Child* first(const std::string& child) const;
  [[nodiscard]] bool is_provided(const std::string& child, policy::ResourceId resource) const;
  [[nodiscard]] std::size_t count(const std::string& child) const;
  [[nodiscard]] policy::ResourceId least_used(const ChildConfig& child) const;

  IkeSa& sa_;
};

}  // namespace caponier::ike

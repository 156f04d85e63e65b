#include "ike/resource_sas.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/ike_sa.h"
#include "ike/messages.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using policy::ResourceId;
using wire::NotifyType;

namespace {

bool is_current(const Child& child) {
  return !child.is_closing && !child.replaced_by && !child.lingers_until;
}

bool is_equal(const policy::TrafficSelectors& a, const policy::TrafficSelectors& b) {
  return policy::contains(a, b) && policy::contains(b, a);
}

}  // namespace

Child* ResourceSas::first(const std::string& child) const {
  const auto found = std::ranges::find_if(sa_.children_, [&](const auto& entry) {
    const Child& other = entry.second;
    return other.info.name == child && !other.info.resource && is_current(other);
  });
  return found == sa_.children_.end() ? nullptr : &found->second;
}

bool ResourceSas::is_provided(const std::string& child, ResourceId resource) const {
  const auto is_sa = [&](const auto& entry) {
    const Child& other = entry.second;
    return other.info.name == child && other.info.resource == resource && is_current(other);
  };
  const auto is_under_way = [&](const auto& entry) {
    const auto* const creation = std::get_if<ChildCreation>(&entry.second.what);
    return creation != nullptr && creation->offer.child->name == child &&
           creation->resource == resource;
  };
  const auto is_same = [&](const Wish& wish) {
    const auto* const wanted = std::get_if<WantChild>(&wish);
    return wanted != nullptr && wanted->name == child && wanted->resource == resource;
  };
  return std::ranges::any_of(sa_.children_, is_sa) ||
         std::ranges::any_of(sa_.own_.all(), is_under_way) || sa_.wishes_.has(is_same);
}

std::size_t ResourceSas::count(const std::string& child) const {
  return static_cast<std::size_t>(std::ranges::count_if(sa_.children_, [&](const auto& entry) {
    const Child& other = entry.second;
    return other.info.name == child && other.info.resource && is_current(other);
  }));
}

// ---- Initiator

void ResourceSas::want(const std::string& child, ResourceId resource, Instant now) {
  if (sa_.is_retired()) return;  // the SAs of what takes its place ask for themselves
  const Child* const joined = first(child);
  if (joined == nullptr || !joined->is_grouped || joined->is_group_full) return;
  if (is_provided(child, resource)) return;
  WantChild wanted{child};
  wanted.resource = resource;
  sa_.want(std::move(wanted), now);
}

std::optional<Model> ResourceSas::model(const std::string& child) const {
  const Child* const joined = first(child);
  if (joined == nullptr || joined->is_group_full) return std::nullopt;
  const ChildSaInfo& info = joined->info;
  return Model{info.name, info.local, info.remote, Model::Joined{info.protocol, info.suite}};
}

void ResourceSas::handle_refusal(const ChildCreation& creation, const wire::NotifyPayload& error,
                                 Instant now) {
  const std::string& child = creation.offer.child->name;
  if (error.type == NotifyType::temporary_failure) {
    if (creation.retries >= sa_.shared_.limits().resource_retries_max) return;
    WantChild again{child, creation.offer.ke_group, creation.retries + 1};
    again.resource = creation.resource;
    return sa_.postpone(std::move(again), sa_.shared_.limits().temporary_retry_max, now);
  }
  sa_.report(EventKind::child_resource,
             fmt::format("{}: no more SAs of {}: the peer refuses with {}", sa_.who(), child,
                         describe(error)));
  note_full(child);
}

/// Until the first SA is rekeyed: what the peer has no room for now it may have by then.
void ResourceSas::note_full(const std::string& child) {
  if (Child* const joined = first(child)) joined->is_group_full = true;
}

// ---- Responder

std::expected<std::optional<ResourceId>, ChildRefusal> ResourceSas::place(
    const ChildAgreement& agreement, const std::vector<wire::Payload>& request) const {
  if (wire::find_notify(request, NotifyType::sa_resource_info) == nullptr) return std::nullopt;
  const ChildConfig& config = *agreement.child;
  const Child* const joined = first(config.name);
  if (joined == nullptr || !is_equal(joined->info.local, agreement.local) ||
      !is_equal(joined->info.remote, agreement.remote)) {
    return std::nullopt;
  }
  // RFC 9611 s6: never NO_ADDITIONAL_SAS, which would speak of other selectors too.
  if (count(config.name) >= config.resources * sa_.shared_.limits().sas_per_resource_max) {
    return std::unexpected{ChildRefusal{make_notify(NotifyType::ts_max_queue),
                                        EndReason::local_fault,
                                        fmt::format("there are {} SAs of {} for resources already",
                                                    count(config.name), config.name)}};
  }
  // RFC 9611 s3
  const bool is_same = joined->info.suite.cipher == agreement.suite.cipher &&
                       joined->info.suite.esn == agreement.suite.esn &&
                       joined->info.protocol == agreement.protocol;
  if (!is_same) {
    return std::unexpected{ChildRefusal{
        make_notify(NotifyType::no_proposal_chosen), EndReason::no_proposal,
        fmt::format("the first SA of {} is of {}, one more cannot be of {}", config.name,
                    policy::to_string(joined->info.suite), policy::to_string(agreement.suite))}};
  }
  return least_used(config);
}

ResourceId ResourceSas::least_used(const ChildConfig& child) const {
  const std::uint32_t resources = std::min(child.resources, sa_.shared_.config.workers);
  std::vector<unsigned> uses(resources);
  const auto note = [&](const std::string& name, std::optional<ResourceId> resource) {
    if (name == child.name && resource && resource->value < resources) ++uses[resource->value];
  };
  for (const auto& [id, other] : sa_.children_) {
    if (is_current(other)) note(other.info.name, other.info.resource);
  }
  for (const auto& [id, request] : sa_.own_.all()) {
    const auto* const creation = std::get_if<ChildCreation>(&request.what);
    if (creation != nullptr && creation->is_additional()) {
      note(creation->offer.child->name, creation->resource);
    }
  }
  const auto least = std::ranges::min_element(uses) - uses.begin();
  return ResourceId{static_cast<std::uint32_t>(least)};
}

}  // namespace caponier::ike

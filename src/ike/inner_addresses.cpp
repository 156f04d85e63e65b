// The Configuration payload of IKE_AUTH (RFC 7296 s2.19, s3.15): an initiator asks for inner
// addresses and more, a responder gives what somebody above has decided.

#include <utility>

#include <fmt/format.h>

#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "ike/witness.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using wire::ConfigType;
using Payloads = std::vector<wire::Payload>;

namespace {

const wire::ConfigPayload* find_config(const Payloads& payloads, ConfigType type) {
  const auto* const found = wire::find<wire::ConfigPayload>(payloads);
  return found != nullptr && found->cfg_type == static_cast<std::uint8_t>(type) ? found : nullptr;
}

wire::ConfigAttribute ask_for(wire::ConfigAttributeType type) {
  return {static_cast<std::uint16_t>(type), {}};
}

/// s3.15.1: this very address.
wire::ConfigAttribute ask_for(const base::IpAddress& address) {
  constexpr auto whole = std::byte{128};
  const auto type = address.is_v4() ? wire::ConfigAttributeType::internal_ip4_address
                                    : wire::ConfigAttributeType::internal_ip6_address;
  wire::ConfigAttribute attribute{static_cast<std::uint16_t>(type), base::to_vec(address.bytes())};
  if (!address.is_v4()) attribute.value.push_back(whole);
  return attribute;
}

/// s3.15.1: an IPv6 address comes with a prefix length, which says nothing here.
std::optional<base::IpAddress> address_in(const wire::ConfigAttribute& attribute) {
  const base::Bytes value = attribute.value;
  switch (static_cast<wire::ConfigAttributeType>(attribute.type)) {
    case wire::ConfigAttributeType::internal_ip4_address:
      if (value.size() == 4) return base::IpAddress::from_bytes(value);
      break;
    case wire::ConfigAttributeType::internal_ip6_address:
      if (value.size() == 16 || value.size() == 17) {
        return base::IpAddress::from_bytes(value.first(16));
      }
      break;
    default: break;
  }
  return std::nullopt;
}

}  // namespace

// ---- Initiator

void IkeSa::append_configuration_request(Payloads& payloads) const {
  using enum wire::ConfigAttributeType;
  if (!connection_->wish) return;
  wire::ConfigPayload config;
  config.cfg_type = static_cast<std::uint8_t>(ConfigType::request);
  if (connection_->wish->ipv4) {
    for (const auto type :
         {internal_ip4_address, internal_ip4_dns, internal_ip4_subnet, encdns_ip4}) {
      config.attributes.push_back(ask_for(type));
    }
  }
  if (connection_->wish->ipv6) {
    for (const auto type :
         {internal_ip6_address, internal_ip6_dns, internal_ip6_subnet, encdns_ip6}) {
      config.attributes.push_back(ask_for(type));
    }
  }
  config.attributes.push_back(ask_for(internal_dns_domain));
  // Who authenticates anew keeps the addresses that its connections hang on.
  const IkeSa* const old = reauthenticated();
  for (const base::IpAddress& address : old == nullptr ? inner_ : old->inner_) {
    const wire::ConfigAttribute wish = ask_for(address);
    for (wire::ConfigAttribute& asked : config.attributes) {
      if (asked.type == wish.type) asked = wish;
    }
  }
  payloads.emplace_back(std::move(config));
}

void IkeSa::heed_configuration(const Payloads& payloads) {
  if (!connection_->wish) return;
  const auto* const config = find_config(payloads, ConfigType::reply);
  if (config == nullptr) return;
  for (const wire::ConfigAttribute& attribute : config->attributes) {
    const auto address = address_in(attribute);
    if (address && inner_.size() < shared_.limits().inner_addresses_max) {
      inner_.push_back(*address);
    }
  }
  shared_.emit(Configured{id_, name(), inner_, config->attributes});
}

// ---- Responder

bool IkeSa::wants_lease() const {
  return connection_->gives_leases &&
         find_config(handshake_->peer_auth, ConfigType::request) != nullptr;
}

void IkeSa::ask_lease() {
  handshake_->step = AuthStep::lease;
  handshake_->auth_request = shared_.new_request();
  LeaseRequest request;
  request.sa = id_;
  request.request = handshake_->auth_request;
  request.connection = connection_->name;
  request.identity = user_.empty() ? remote_id_->to_string() : user_;
  request.asked = find_config(handshake_->peer_auth, ConfigType::request)->attributes;
  request.grant = std::move(handshake_->grant);
  shared_.emit(std::move(request));
}

bool IkeSa::handle_reply(LeaseReply& reply, Instant now) {
  const bool is_awaited = state_ == IkeState::auth_pending && handshake_ &&
                          handshake_->step == AuthStep::lease &&
                          reply.request == handshake_->auth_request;
  if (!is_awaited) return false;
  handshake_->step = AuthStep::none;
  has_lease_ = !reply.addresses.empty();
  inner_ = reply.addresses;
  if (reply.is_refused) {
    refuse_auth(fmt::format("{} may not come in: {}", remote_id_->to_string(), reply.why),
                Witness{*this}.saw_identities(policy::Symptom::auth_unwelcome), now);
    return true;
  }
  networks_ = std::move(reply.networks);
  services_ = std::move(reply.services);
  handshake_->lease = std::move(reply);
  prove(now);
  return true;
}

/// Nothing to add where the answer names an obstacle to the Child SA.
std::optional<wire::NotifyPayload> IkeSa::append_configuration(Payloads& payloads,
                                                               const Handshake& handshake) {
  if (!connection_->gives_leases) return std::nullopt;
  const auto fail = [&](wire::NotifyType type, std::string_view why) {
    auto evidence = Witness{*this}.saw_identities(policy::Symptom::address_refused);
    evidence.we_asked = false;
    evidence.notify = type;
    evidence.text = why;
    Witness{*this}.note(std::move(evidence));
    report(EventKind::child_failed,
           fmt::format("{}: no inner address for {}: {}", who(), remote_id_->to_string(), why));
    return make_notify(type);
  };
  //= rfc7296#2.19-7
  if (!handshake.lease) {
    return fail(wire::NotifyType::failed_cp_required, "the peer does not ask for one");
  }
  if (!has_lease_) return fail(wire::NotifyType::internal_address_failure, handshake.lease->why);
  wire::ConfigPayload config;
  config.cfg_type = static_cast<std::uint8_t>(ConfigType::reply);
  config.attributes = handshake.lease->attributes;
  payloads.emplace_back(std::move(config));
  return std::nullopt;
}

void IkeSa::end_lease() {
  if (std::exchange(has_lease_, false)) shared_.emit(LeaseEnded{id_});
}

}  // namespace caponier::ike

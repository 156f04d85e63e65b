#include "ike/extensions.h"

#include <algorithm>
#include <array>
#include <span>

#include "ike/auth_methods.h"
#include "ike/messages.h"
#include "ike/uniqueness.h"

namespace caponier::ike {

using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {

bool has(const Payloads& payloads, NotifyType type) {
  return wire::find_notify(payloads, type) != nullptr;
}

void append(Payloads& payloads, NotifyType type) { payloads.emplace_back(make_notify(type)); }

/// MD5("strongSwan"). It announces (RFC 7296 s3.12) that we know the notify types that strongSwan
/// has taken from the private range, of which USE_BEET_MODE is one: it heeds that from nobody else.
constexpr std::array<std::uint8_t, 16> strongswan_vendor_id{
    0x88, 0x2f, 0xe5, 0x6d, 0x6f, 0xd2, 0x0d, 0xbc, 0x22, 0x51, 0x61, 0x3b, 0x2e, 0xbe, 0x5b, 0xeb};

/// MD5("Caponier: ESP in UDP"): we would rather have ESP in UDP than by itself, NAT or not, because
/// kernels carry many datagrams at once but packets of IP protocol 50 one by one. Agreed on when
/// both have said so; every implementation takes either form at any time (RFC 7296 s2.23).
constexpr std::array<std::uint8_t, 16> udp_preferred_vendor_id{
    0x74, 0x1d, 0xcb, 0xe9, 0xa1, 0x5c, 0xd6, 0xaa, 0x4b, 0x29, 0x1b, 0x84, 0x32, 0x64, 0x4e, 0xa0};

using VendorId = std::array<std::uint8_t, 16>;

void append(Payloads& payloads, const VendorId& id) {
  const base::Bytes bytes = std::as_bytes(std::span{id});
  payloads.emplace_back(wire::VendorIdPayload{{bytes.begin(), bytes.end()}});
}

bool has(const Payloads& payloads, const VendorId& id) {
  return std::ranges::any_of(payloads, [&](const wire::Payload& payload) {
    const auto* const vendor = std::get_if<wire::VendorIdPayload>(&payload);
    return vendor != nullptr && std::ranges::equal(vendor->data, std::as_bytes(std::span{id}));
  });
}

void append_beet_vendor_id(Payloads& payloads, const ConnectionConfig& connection) {
  const auto is_beet = [](const ChildConfig& child) { return child.mode == policy::SaMode::beet; };
  if (std::ranges::any_of(connection.children, is_beet)) append(payloads, strongswan_vendor_id);
}

}  // namespace

void PeerSupport::note_init(const Payloads& payloads) {
  fragmentation = has(payloads, NotifyType::ikev2_fragmentation_supported);
  intermediate = has(payloads, NotifyType::intermediate_exchange_supported);
  childless = has(payloads, NotifyType::childless_ikev2_supported);
  prefers_udp_encap = has(payloads, udp_preferred_vendor_id);
  signature_hashes = find_signature_hashes(payloads);
  product = policy::recognize(payloads);
  certificate_lookup = has(payloads, NotifyType::http_cert_lookup_supported);
  multiple_auth = has(payloads, NotifyType::multiple_auth_supported);
  redirect =
      has(payloads, NotifyType::redirect_supported) || has(payloads, NotifyType::redirected_from);
}

bool agrees_to_udp_encap(base::Bytes message) {
  return has_vendor_id(message, std::as_bytes(std::span{udp_preferred_vendor_id}));
}

void PeerSupport::note_auth(const Payloads& payloads) {
  certificate_lookup = certificate_lookup || has(payloads, NotifyType::http_cert_lookup_supported);
  multiple_auth = multiple_auth || has(payloads, NotifyType::multiple_auth_supported);
  mobike = has(payloads, NotifyType::mobike_supported);
  message_id_sync = has(payloads, NotifyType::ikev2_message_id_sync_supported);
  replay_counter_sync = has(payloads, NotifyType::ipsec_replay_counter_sync_supported);
  note_window_size(payloads);
}

void PeerSupport::note_window_size(const Payloads& payloads) {
  const auto* const notify = wire::find_notify(payloads, NotifyType::set_window_size);
  //= rfc7296#2.3-1
  if (notify == nullptr || notify->data.size() != 4) return;
  const auto size = base::load_be<std::uint32_t>(notify->data.data());
  if (size > 0) window_size = size;
}

void append_init_request_notifies(Payloads& payloads, const ConnectionConfig& connection) {
  if (connection.fragmentation) append(payloads, NotifyType::ikev2_fragmentation_supported);
  // Only who initiates can begin a round: without one to come the offer would be idle.
  if (!connection.intermediate.empty()) {
    append(payloads, NotifyType::intermediate_exchange_supported);
  }
  // RFC 7427 s4: what we can verify.
  if (accepts(connection, AuthKind::signature)) payloads.emplace_back(make_signature_hashes());
  append_beet_vendor_id(payloads, connection);
  if (connection.prefers_udp_encap) append(payloads, udp_preferred_vendor_id);
}

void append_init_response_notifies(Payloads& payloads, const ConnectionConfig& connection,
                                   const PeerSupport& peer) {
  // These may make an answer longer than its request: unasked, many an initiator sends no
  // certificate, or signs with SHA-1.
  if (accepts(connection, AuthKind::signature)) {
    payloads.emplace_back(make_signature_hashes());
    if (!connection.authorities.empty()) {
      payloads.emplace_back(make_certificate_request(connection));
      if (connection.asks_ocsp) payloads.emplace_back(make_ocsp_request());
      if (connection.looks_up) append(payloads, NotifyType::http_cert_lookup_supported);
    }
  }
  if (connection.fragmentation && peer.fragmentation) {
    append(payloads, NotifyType::ikev2_fragmentation_supported);
  }
  if (peer.intermediate) append(payloads, NotifyType::intermediate_exchange_supported);
  append_beet_vendor_id(payloads, connection);
  if (connection.prefers_udp_encap && peer.prefers_udp_encap) {
    append(payloads, udp_preferred_vendor_id);
  }
}

Payloads optional_init_response_notifies(const ConnectionConfig& connection,
                                         const std::vector<wire::AuthMethod>& methods) {
  Payloads payloads;
  if (connection.childless != Childless::never) {
    wire::NotifyPayload notify = make_notify(NotifyType::childless_ikev2_supported);
    notify.protocol = wire::ProtocolId::ike;  // RFC 6023 s4
    payloads.emplace_back(std::move(notify));
  }
  // A pre-shared key alone is what everybody assumes; each octet here is kept per half-open SA.
  const bool is_assumed = methods == std::vector{wire::AuthMethod::shared_key_mic};
  if (!methods.empty() && !is_assumed) payloads.emplace_back(make_auth_methods(methods));
  return payloads;
}

namespace {

void append_window_size(Payloads& payloads, const ConnectionConfig& connection,
                        const IkeLimits& limits) {
  const std::uint32_t size = peer_window_size(connection, limits);
  if (size <= 1) return;
  base::ByteVec data(4);
  base::store_be(data.data(), size);
  payloads.emplace_back(make_notify(NotifyType::set_window_size, std::move(data)));
}

}  // namespace

unsigned peer_window_size(const ConnectionConfig& connection, const IkeLimits& limits) {
  //= rfc8019#5-1
  // A window never shrinks again: nobody gets a wide one without saying who it is.
  return is_anonymous(connection) ? 1 : limits.peer_window_size;
}

void append_auth_request_notifies(Payloads& payloads, const ConnectionConfig& connection,
                                  const IkeLimits& limits) {
  append_window_size(payloads, connection, limits);
  append(payloads, NotifyType::ikev2_message_id_sync_supported);
  append(payloads, NotifyType::ipsec_replay_counter_sync_supported);
}

void append_auth_response_notifies(Payloads& payloads, const ConnectionConfig& connection,
                                   const IkeLimits& limits, const PeerSupport& peer) {
  append_window_size(payloads, connection, limits);
  if (peer.message_id_sync) append(payloads, NotifyType::ikev2_message_id_sync_supported);
  if (peer.replay_counter_sync) append(payloads, NotifyType::ipsec_replay_counter_sync_supported);
}

}  // namespace caponier::ike

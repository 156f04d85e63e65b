#include "ike/extensions.h"

#include "ike/messages.h"

namespace caponier::ike {

using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {

bool has(const Payloads& payloads, NotifyType type) {
  return wire::find_notify(payloads, type) != nullptr;
}

void append(Payloads& payloads, NotifyType type) { payloads.emplace_back(make_notify(type)); }

}  // namespace

void PeerSupport::note_init(const Payloads& payloads) {
  fragmentation = has(payloads, NotifyType::ikev2_fragmentation_supported);
  intermediate = has(payloads, NotifyType::intermediate_exchange_supported);
  childless = has(payloads, NotifyType::childless_ikev2_supported);
  redirect =
      has(payloads, NotifyType::redirect_supported) || has(payloads, NotifyType::redirected_from);
}

void PeerSupport::note_auth(const Payloads& payloads) {
  mobike = has(payloads, NotifyType::mobike_supported);
  message_id_sync = has(payloads, NotifyType::ikev2_message_id_sync_supported);
  replay_counter_sync = has(payloads, NotifyType::ipsec_replay_counter_sync_supported);
}

void append_init_request_notifies(Payloads& payloads, const ConnectionConfig& connection) {
  if (connection.fragmentation) append(payloads, NotifyType::ikev2_fragmentation_supported);
}

void append_init_response_notifies(Payloads& payloads, const ConnectionConfig& connection,
                                   const PeerSupport& peer) {
  if (connection.fragmentation && peer.fragmentation) {
    append(payloads, NotifyType::ikev2_fragmentation_supported);
  }
}

void append_auth_request_notifies(Payloads& payloads, const ConnectionConfig& connection,
                                  const IkeLimits& limits) {
  (void)payloads;
  (void)connection;
  (void)limits;
}

void append_auth_response_notifies(Payloads& payloads, const ConnectionConfig& connection,
                                   const IkeLimits& limits, const PeerSupport& peer) {
  (void)payloads;
  (void)connection;
  (void)limits;
  (void)peer;
}

}  // namespace caponier::ike

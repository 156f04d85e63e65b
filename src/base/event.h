#pragma once
// Events: what the core tells the outside world. A log line is one rendering of an event.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <array>

namespace caponier::base {

enum class Severity : std::uint8_t { debug, info, notice, warning, error };

[[nodiscard]] std::string_view name_of(Severity severity);

// clang-format off
#define CAPONIER_EVENTS(X)                                               \
  X(daemon_started,       "daemon.started",        notice)               \
  X(daemon_stopping,      "daemon.stopping",       notice)               \
  X(config_loaded,        "config.loaded",         notice)               \
  X(config_rejected,      "config.rejected",       error)                \
  X(config_weak,          "config.weak",           warning)              \
  X(local_fault,          "local.fault",           error)                \
  X(host_unfit,           "host.unfit",            warning)              \
  X(ike_initiating,       "ike.initiating",        info)                 \
  X(ike_established,      "ike.established",       notice)               \
  X(ike_failed,           "ike.failed",            warning)              \
  X(ike_auth_failed,      "ike.auth.failed",       warning)              \
  X(ike_no_proposal,      "ike.proposal.none",     warning)              \
  X(ike_peer_unknown,     "ike.peer.unknown",      warning)              \
  X(ike_timeout,          "ike.timeout",           warning)              \
  X(ike_deleted,          "ike.deleted",           notice)               \
  X(ike_malformed,        "ike.malformed",         info)                 \
  X(ike_notify_hint,      "ike.notify.hint",       info)                 \
  X(ike_cookie_demanded,  "ike.cookie.demanded",   info)                 \
  X(ike_nat_detected,     "ike.nat.detected",      info)                 \
  X(ike_peer_moved,       "ike.peer.moved",        notice)               \
  X(ike_rekeyed,          "ike.rekeyed",           notice)               \
  X(ike_rekey_failed,     "ike.rekey.failed",      warning)              \
  X(ike_collision,        "ike.collision",         info)                 \
  X(ike_reauthenticating, "ike.reauthenticating",  notice)               \
  X(ike_auth_lifetime,    "ike.auth.lifetime",     info)                 \
  X(ike_redirected,       "ike.redirected",        notice)               \
  X(ike_resumed,          "ike.resumed",           notice)               \
  X(ike_ticket,           "ike.ticket",            info)                 \
  X(ike_crash_detected,   "ike.crash.detected",    notice)               \
  X(ike_ids_synced,       "ike.ids.synced",        notice)               \
  X(ike_puzzle,           "ike.puzzle",            info)                 \
  X(ike_fragments,        "ike.fragments",         info)                 \
  X(ike_addresses,        "ike.addresses",         info)                 \
  X(ike_transport,        "ike.transport",         notice)               \
  X(child_rekeyed,        "child.rekeyed",         notice)               \
  X(child_up,             "child.up",              notice)               \
  X(child_down,           "child.down",            notice)               \
  X(child_failed,         "child.failed",          warning)              \
  X(child_resource,       "child.resource",        info)                 \
  X(child_expiring,       "child.expiring",        info)                 \
  X(child_idle,           "child.idle",            notice)               \
  X(updown_said,          "updown.said",           info)                 \
  X(updown_failed,        "updown.failed",         warning)              \
  X(radius_server,        "radius.server",         warning)              \
  X(user_paused,          "user.paused",           warning)              \
  X(user_dhcp,            "user.dhcp",             info)                 \
  X(pki_fetched,          "pki.fetched",           info)                 \
  X(pki_fetch_failed,     "pki.fetch.failed",      warning)              \
  X(pki_expiring,         "pki.expiring",          warning)              \
  X(pki_files_changed,    "pki.files.changed",     notice)               \
  X(audit,                "audit",                 notice)
// clang-format on

enum class EventKind : std::uint8_t {
#define CAPONIER_EVENT_ENUM(id, name, severity) id,
  CAPONIER_EVENTS(CAPONIER_EVENT_ENUM)
#undef CAPONIER_EVENT_ENUM
};

struct EventInfo {
  std::string_view name;
  Severity severity;
};

inline constexpr std::array event_table = {
#define CAPONIER_EVENT_ROW(id, name, severity) EventInfo{name, Severity::severity},
    CAPONIER_EVENTS(CAPONIER_EVENT_ROW)
#undef CAPONIER_EVENT_ROW
};

[[nodiscard]] constexpr const EventInfo& info_of(EventKind kind) {
  return event_table[static_cast<std::size_t>(kind)];
}

/// Carries values only, never a reference into a machine; no secrets.
struct Event {
  EventKind kind{};
  std::string peer;  ///< the connection's name; empty when none is known
  std::string text;  ///< one sentence for people; peer-supplied text has been through printable()
  std::vector<std::pair<std::string_view, std::string>> fields;  ///< static keys, for machines
};

/// `text` with everything outside printable ASCII written as \xNN, cut at `size_max` characters.
[[nodiscard]] std::string printable(std::string_view text, std::size_t size_max = 128);

}  // namespace caponier::base

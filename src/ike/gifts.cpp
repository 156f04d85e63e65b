// What two authenticated sides give each other for later: crash tokens (RFC 6290), tickets
// (RFC 5723), and the address of another gateway (RFC 5685).

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/extensions.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

void IkeSa::append_gifts(Payloads& payloads, const Payloads* request, Instant now) {
  append_crash_token(payloads);
  if (request != nullptr) return answer_ticket_request(payloads, *request, now);
  if (connection_->resumption) payloads.emplace_back(make_notify(NotifyType::ticket_request));
}

void IkeSa::append_crash_token(Payloads& payloads) const {
  if (!connection_->crash_detection) return;
  base::ByteVec token = shared_.crash_tokens.make(spi_i_, spi_r_);
  if (!token.empty()) payloads.emplace_back(make_crash_token(std::move(token)));
}

void IkeSa::answer_ticket_request(Payloads& payloads, const Payloads& request, Instant now) {
  if (!connection_->resumption ||
      wire::find_notify(request, NotifyType::ticket_request) == nullptr) {
    return;
  }
  //= rfc5723#6.2-4..5
  base::Duration lifetime = shared_.limits().ticket_lifetime;
  if (connection_->ike_lifetime > base::Duration{}) {
    lifetime = std::min(lifetime, connection_->ike_lifetime);
  }
  if (connection_->auth_lifetime) {
    const base::Duration age =
        lifetimes_.authenticated_at ? now - *lifetimes_.authenticated_at : base::Duration{};
    lifetime = std::min(lifetime, *connection_->auth_lifetime - age);
  }
  // Whoever resumes will be the initiator.
  const Resumable state =
      resumable(*remote_id_, connection_->own_rounds.front().identity, now + lifetime);
  //= rfc5723#4.1-3
  base::ByteVec ticket;
  if (lifetime >= std::chrono::seconds{1}) ticket = shared_.ticket_maker.seal(state, now);
  if (ticket.empty()) {
    payloads.emplace_back(make_notify(NotifyType::ticket_nack));
    return;
  }
  report(EventKind::ike_ticket,
         fmt::format("{}: gave a ticket for {:.0f} s", who(), base::seconds_of(lifetime)));
  payloads.emplace_back(make_given_ticket({lifetime, std::move(ticket)}));
}

Resumable IkeSa::resumable(const policy::Identity& initiator, const policy::Identity& responder,
                           Instant expires) const {
  return {name(),          initiator.to_wire(true),    responder.to_wire(false),
          session_->suite, session_->sk_d.duplicate(), connection_->credential_tag,
          expires};
}

void IkeSa::heed_gifts(const Payloads& payloads, Instant now) {
  if (connection_->crash_detection) {
    if (auto token = find_crash_token(payloads)) crash_token_ = std::move(*token);
  }
  const auto* const notify = wire::find_notify(payloads, NotifyType::ticket_lt_opaque);
  if (notify == nullptr || !connection_->resumption) return;
  auto given = read_given_ticket(*notify);
  if (!given || given->ticket.size() > shared_.limits().ticket_size_max) {
    report(EventKind::ike_ticket, fmt::format("{}: the peer's ticket is unusable", who()));
    return;
  }
  report(EventKind::ike_ticket,
         fmt::format("{}: got a ticket for {:.0f} s", who(), base::seconds_of(given->lifetime)));
  shared_.tickets.keep(
      {resumable(connection_->own_rounds.front().identity, *remote_id_, now + given->lifetime),
       std::move(given->ticket), id_.value});
}

/// The IKE SA has new SPIs and keys: what hung on the old ones is given anew (RFC 7296 s2.3,
/// RFC 6290 s4.3, RFC 5723 s6.2).
void IkeSa::renew_gifts(Instant now) {
  Payloads payloads;
  append_auth_response_notifies(payloads, *connection_, shared_.limits(), {});  // our window
  append_crash_token(payloads);
  //= rfc5723#4.1-2 rfc5723#6.2-3
  if (shared_.tickets.has(name())) {
    shared_.tickets.forget(name());
    payloads.emplace_back(make_notify(NotifyType::ticket_request));
  }
  if (!payloads.empty()) want(WantNotice{std::move(payloads)}, now);
}

bool IkeSa::is_crash_proven(const Payloads& unprotected) const {
  return state_ == IkeState::established && has_crash_token(unprotected, crash_token_);
}

// ---- Redirect

bool IkeSa::follow_redirect(const Payloads& payloads, Instant now) {
  const auto* const notify = wire::find_notify(payloads, NotifyType::redirect);
  if (notify == nullptr) return false;
  const auto redirect = read_redirect(*notify);
  // RFC 5685 s9.2: the nonce is for IKE_SA_INIT only.
  const bool is_legal = follows_redirects_ && redirect && redirect->nonce.empty();
  if (!is_legal || !shared_.redirects.admit(name(), now)) {
    report(EventKind::ike_redirected,
           fmt::format("{}: the peer's REDIRECT is ignored: {}", who(),
                       is_legal ? "too many in a short time" : "it is not allowed here"));
    return false;
  }
  announce_redirect(redirect->to);
  close(EndReason::redirected, now);
  return true;
}

void IkeSa::announce_redirect(const GatewayName& to) {
  report(EventKind::ike_redirected,
         fmt::format("{}: the peer sends us to {}", who(), to.to_string()));
  shared_.emit(Redirected{id_, name(), path_.remote.address, to});
}

void IkeSa::send_away(const GatewayName& to, Instant now) {
  if (state_ != IkeState::established || follows_redirects_ || !support_.redirect) return;
  report(EventKind::ike_redirected,
         fmt::format("{}: sending the peer to {}", who(), to.to_string()));
  want(WantNotice{{make_redirect({to, {}})}}, now);
  retire_at_ = now + shared_.limits().redirect_patience;
}

bool IkeSa::redirect_in_auth(Payloads& answer, Instant now) {
  if (!connection_->redirect_to || !support_.redirect) return false;
  report(EventKind::ike_redirected,
         fmt::format("{}: sending the peer to {}", who(), connection_->redirect_to->to_string()));
  answer.emplace_back(make_redirect({*connection_->redirect_to, {}}));
  retire_at_ = now + shared_.limits().redirect_patience;
  return true;
}

}  // namespace caponier::ike

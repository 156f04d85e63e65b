// INFORMATIONAL (RFC 7296 s1.4, s1.5, s2.21, s2.25): deletion, liveness, and notices.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/configuration.h"
#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "ike/witness.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {

/// s2.4: a DELETE may overtake the answer that makes its SA.
void remember_deletion(OwnWindow& own, base::Spi spi) {
  constexpr std::size_t deletions_max = 16;
  for (auto& [id, request] : own.all()) {
    auto* const creation = std::get_if<ChildCreation>(&request.what);
    if (creation != nullptr && creation->deleted.size() < deletions_max) {
      creation->deleted.push_back(spi);
    }
  }
}

bool is_child_deletion(const wire::DeletePayload& deletion) {
  const bool is_child =
      deletion.protocol == wire::ProtocolId::esp || deletion.protocol == wire::ProtocolId::ah;
  return is_child && deletion.spi_size == 4;
}

}  // namespace

void IkeSa::handle_informational(const Payloads& payloads, Instant now) {
  if (const auto fault = fault_in(Shape::informational, payloads)) {
    return refuse_malformed(*fault, now);
  }
  std::vector<wire::DeletePayload> answers;
  bool is_end = false;
  for (const wire::Payload& payload : payloads) {
    const auto* const deletion = std::get_if<wire::DeletePayload>(&payload);
    if (deletion == nullptr) continue;
    if (deletion->protocol == wire::ProtocolId::ike) {
      is_end = true;
    } else if (is_child_deletion(*deletion)) {
      child_holder().collect_deletions(*deletion, answers, now);
    } else {
      return refuse_malformed("DELETE names a protocol or SPI size that does not exist", now);
    }
  }
  if (is_end) {
    report(EventKind::ike_deleted, fmt::format("{}: the peer deleted IKE SA {}", who(), id_.value));
    respond(Payloads{});
    return die(state_ == IkeState::deleting ? farewell_reason_ : EndReason::peer_deleted, now,
               true);
  }
  support_.note_window_size(payloads);
  note_window_size();
  if (const auto skip = find_counter_sync(payloads)) skip_outbound(*skip);
  const auto fatal = heed_notifies(payloads);
  Payloads reply;
  for (wire::DeletePayload& answer : answers) reply.emplace_back(std::move(answer));
  const AddressNews news = heed_addresses(payloads, reply);
  answer_ticket_request(reply, payloads, now);
  if (connection_->gives_leases) append_configuration_answer(payloads, inner_, reply);
  heed_gifts(payloads, now);
  heed_auth_lifetime(payloads, now);
  //= rfc7296#1.4-4..6 rfc7296#4-5
  respond(reply);
  if (fatal) return die(*fatal, now, true);
  if (follow_redirect(payloads, now)) return;
  act_on(news, now);
}

//= rfc7296#1.4.1-2..5 rfc7296#3.11-3
void IkeSa::collect_deletions(const wire::DeletePayload& deletion,
                              std::vector<wire::DeletePayload>& answers, Instant now) {
  const auto known = std::ranges::find(answers, deletion.protocol, &wire::DeletePayload::protocol);
  wire::DeletePayload answer;
  if (known != answers.end()) {
    answer = std::move(*known);
    answers.erase(known);
  }
  answer.protocol = deletion.protocol;
  answer.spi_size = 4;
  for (const base::ByteVec& bytes : deletion.spis) {
    const auto spi = child_spi(bytes);
    Child* const child = find_child(spi, sa_protocol(deletion.protocol));
    if (child == nullptr) {
      if (spi) remember_deletion(own_, *spi);
      continue;
    }
    // s2.25.1: when both sides delete at once, neither answers with its own SPI.
    if (!child->is_closing) answer.spis.push_back(to_bytes(child->info.spi_in));
    // s2.8: who closes the replaced one has the new one.
    if (Child* const successor = find_child(child->replaced_by)) switch_child(*successor, true);
    remove_child(child->info.id, EndReason::peer_deleted, now);
  }
  if (!answer.spis.empty()) answers.push_back(std::move(answer));
  touch();
}

std::optional<EndReason> IkeSa::heed_notifies(const Payloads& payloads) {
  for (const wire::Payload& payload : payloads) {
    const auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
    //= rfc7296#2.21.4-9 rfc7296#3.10.1-2..3
    if (notify == nullptr || !wire::is_error(notify->type)) continue;
    if (notify->type == NotifyType::authentication_failed) {
      auto evidence = Witness{*this}.saw_identities(policy::Symptom::auth_refused);
      evidence.notify = notify->type;
      evidence.peer_status = peer_status_in(payloads);
      Witness{*this}.note(std::move(evidence));
      base::Event event =
          make_event(EventKind::ike_auth_failed,
                     fmt::format("{}: the peer does not accept our AUTH as {}", who(),
                                 connection_->own_rounds.back().identity.to_string()));
      event.fields.emplace_back("notify", wire::name_of(notify->type));
      shared_.report(std::move(event));
      return EndReason::authentication;
    }
    const bool is_fatal = notify->type == NotifyType::invalid_syntax ||
                          notify->type == NotifyType::unsupported_critical_payload;
    report(is_fatal ? EventKind::ike_failed : EventKind::ike_notify_hint,
           fmt::format("{}: the peer reports {}{}", who(), describe(*notify),
                       is_fatal ? " and ends the IKE SA" : ""));
    if (is_fatal) return EndReason::protocol_error;
  }
  return std::nullopt;
}

void IkeSa::handle_informational_response(const SentInformational& sent, const Payloads& payloads,
                                          Instant now) {
  if (sent.is_farewell) return die(farewell_reason_, now, false);
  if (sent.deletion && sent.deletion->child) {
    child_holder().remove_child(*sent.deletion->child, EndReason::local_request, now);
  }
  heed_gifts(payloads, now);
  if (const auto fatal = heed_notifies(payloads)) return die(*fatal, now, false);
  if (sent.addresses) handle_addresses_answer(*sent.addresses, payloads, now);
}

}  // namespace caponier::ike

// What users ask of the gateway itself, inside their tunnels, and what becomes of tunnels that
// nobody uses.

#include <fmt/format.h>

#include <algorithm>

#include "gateway/dhcp_answer.h"
#include "gateway/gateway_impl.h"

namespace caponier::gateway {

policy::TrafficSelectors Gateway::Impl::services_for(const ike::LeaseRequest& request,
                                                     const LeaseTerms& terms,
                                                     Session& session) const {
  const auto sa = endpoint_->find(request.sa);
  const auto own = std::ranges::find_if(terms.own, &base::IpAddress::is_v4);
  const bool has_v4 = std::ranges::any_of(session.addresses, &base::IpAddress::is_v4);
  const bool asks = sa && has_v4 && policy::quirks_of(sa->product).asks_dhcp;
  if (!asks || own == terms.own.end()) return {};
  session.server = *own;
  return dhcp_services(*own);
}

void Gateway::Impl::on_dhcp_asked(const ipsec::DhcpAsked& asked) {
  const Session* const session = sessions_.find(asked.id);
  const Peer* const peer = session == nullptr ? nullptr : find(session->connection);
  const bool is_served = peer != nullptr && peer->config().server && session->server;
  if (!is_served) return drops_.add(base::DropReason::esp_service);
  const auto terms = terms_of(*config_, peer->config(), session->user, session->grant);
  auto answer = terms ? answer_dhcp(asked.packet, session->addresses, *terms, *session->server)
                      : std::nullopt;
  if (!answer) return drops_.add(base::DropReason::esp_service);
  emit(base::EventKind::user_dhcp, session->connection,
       fmt::format("{} at {} was told its networks by DHCP", session->user,
                   session->addresses.front().to_string()));
  workers_.send(std::move(*answer));
}

void Gateway::Impl::note_group(const ike::ChildUp& up, const Peer& peer, base::Instant now) {
  const config::ChildConfig* const config = peer.config().find_child(up.child);
  const auto connection = peer.connection();
  const auto sa = endpoint_->find(up.sa);
  if (config == nullptr || !connection || !sa) return;
  const auto child = std::ranges::find(sa->children, up.child_sa, &ike::ChildSaInfo::id);
  if (child == sa->children.end()) return;
  const auto given = inner_.find(up.connection);
  groups_.handle_up(
      {peer.config(), *config, *sa, *child, connection->own_rounds.back().identity,
       given == inner_.end() ? std::vector<base::IpAddress>{} : given->second.dns, options_.pki},
      now);
}

void Gateway::Impl::end_idle(const IdleGroup& idle, base::Instant now) {
  emit(
      base::EventKind::child_idle, idle.connection,
      fmt::format("{}: nothing has gone through for {} s: the tunnel ends until it is wanted again",
                  idle.child, std::chrono::duration_cast<std::chrono::seconds>(idle.idle).count()));
  if (Peer* const peer = find(idle.connection)) peer->handle_idle(idle.child);
  for (const policy::ChildSaId sa : idle.sas) command(ike::DeleteChild{sa}, now);
}

}  // namespace caponier::gateway

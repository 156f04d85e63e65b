// What users ask of the gateway itself, inside their tunnels.

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

}  // namespace caponier::gateway

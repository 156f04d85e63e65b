#include "gateway/eap_desk.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gateway/radius_servers.h"

namespace caponier::gateway {

using base::Instant;
using ike::EapReply;

namespace {

/// Whether we are the end of a TLS method: RADIUS servers are it themselves.
bool speaks_tls(const config::ServerConfig& server) {
  if (!server.radius_servers.empty()) return false;
  if (server.eap.empty()) return server.certificates;
  return std::ranges::any_of(
      server.eap, [](config::EapMethod method) { return method != config::EapMethod::mschapv2; });
}

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

eap::Failure refuse(std::string sentence) {
  return {{}, eap::FailureReason::backend_silent, std::move(sentence)};
}

bool is_same(const std::optional<config::RadiusConfig>& a,
             const std::optional<config::RadiusConfig>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->servers == b->servers &&
         base::equal_constant_time(a->secret->reveal(), b->secret->reveal());
}

policy::UserGrant grant_of(const eap::Authorization& said) {
  const auto seconds = [](const std::optional<std::uint32_t>& value) {
    std::optional<base::Duration> duration;
    if (value) duration = std::chrono::seconds{*value};
    return duration;
  };
  policy::UserGrant grant;
  grant.filters = said.filter_ids;
  grant.classes = said.classes;
  grant.dns = said.dns;
  for (const auto& framed : {said.framed_ipv4, said.framed_ipv6}) {
    if (framed) grant.framed.push_back(*framed);
  }
  grant.session_timeout = seconds(said.session_timeout_seconds);
  grant.idle_timeout = seconds(said.idle_timeout_seconds);
  grant.interim_interval = seconds(said.interim_interval_seconds);
  return grant;
}

eap::Type type_of(config::EapMethod method) {
  switch (method) {
    case config::EapMethod::tls: return eap::Type::tls;
    case config::EapMethod::mschapv2: return eap::Type::mschapv2;
    case config::EapMethod::ttls: return eap::Type::ttls;
    case config::EapMethod::peap: return eap::Type::peap;
  }
  return eap::Type::mschapv2;
}

/// Who an EAP Identity response claims to be; nobody when it is none, or hides behind a name that
/// many have (RFC 7542 s2.4).
std::string claimed_in(base::Bytes bytes) {
  const auto packet = eap::Packet::decode(bytes);
  const bool is_identity = packet && packet->code == eap::Code::response &&
                           packet->type == eap::Type::identity &&
                           packet->data.size() <= eap::identity_size_max;
  if (!is_identity) return {};
  const std::string_view name = base::as_text(packet->data);
  return name.starts_with('@') || name.starts_with("anonymous") ? std::string{} : std::string{name};
}

std::string describe(const FailureBook::Paused& paused, Instant now) {
  const std::string who = paused.user.empty()
                              ? std::string{"nobody"}
                              : fmt::format("no user \"{}\"", eap::printable(paused.user));
  return fmt::format("{} is let in from {} for {:.0f} s, after {} wrong passwords in a row", who,
                     paused.source.to_string(), base::seconds_of(paused.until - now),
                     paused.failures);
}

eap::Failure refuse_for_now(const FailureBook::Paused& paused, Instant now) {
  eap::Failure failure = refuse(describe(paused, now));
  failure.packet =
      eap::encode({eap::Code::failure, 1, eap::Type::none, {}}).value_or(base::ByteVec{});
  return failure;
}

}  // namespace

std::optional<eap::Password> EapDesk::Users::find(std::string_view user) const {
  if (!desk_.config_) return std::nullopt;
  const auto& users = desk_.config_->users;
  const auto found = users.find(std::string{user});
  if (found == users.end()) return std::nullopt;
  return eap::Cleartext{base::SecretBytes{found->second->reveal()}};
}

void EapDesk::apply(std::shared_ptr<const config::Config> config, Instant now) {
  const auto before = std::exchange(config_, std::move(config));
  now_ = now;
  const auto server = std::ranges::find_if(
      config_->peers, [](const config::PeerConfig& peer) { return peer.server.has_value(); });
  // Conversations under way have borrowed the old one.
  if (server != config_->peers.end() && conversations_.empty()) {
    const bool has_tls = speaks_tls(*server->server);
    server_tls_ =
        has_tls ? make_tls(*server, server->proof.credential.get(), eap::TlsRole::server) : Tls{};
  }
  const bool is_kept = before && is_same(before->radius, config_->radius);
  if (is_kept) return;
  for (auto& [sa, conversation] : conversations_) {
    if (!conversation.relay) continue;
    const bool waits = conversation.relay->waiting_for().has_value();
    conversation.relay.reset();
    if (waits) answer(sa, conversation, refuse("the RADIUS servers are others now"));
  }
  radius_.reset();
  if (config_->radius && !config_->radius->servers.empty()) {
    radius_ = std::make_unique<radius::RadiusClient>(
        radius::ClientSettings{}, radius_servers(*config_->radius, RadiusUse::authentication),
        ports_.crypto, ports_.rng);
  }
  drain_radius(now);
}

const config::PeerConfig* EapDesk::find(const std::string& connection) const {
  if (!config_) return nullptr;
  const auto found = std::ranges::find(config_->peers, connection, &config::PeerConfig::name);
  return found == config_->peers.end() ? nullptr : &*found;
}

EapDesk::Tls EapDesk::make_tls(const config::PeerConfig& peer, const pki::Credential* own,
                               eap::TlsRole role) {
  const config::ProofConfig& proof = peer.proof;
  if (ports_.pki == nullptr || !ports_.make_tls || own == nullptr) return {};
  if (own->chain.empty()) return {};  // a raw key
  Tls tls;
  ChainVerifier::Settings judged{config_->store, proof.authorities, proof.revocation, {}, {}, {}};
  if (role == eap::TlsRole::client) judged.expected = proof.eap_server;
  judged.now = [this] {
    return pki::UnixTime{
        std::chrono::duration_cast<std::chrono::seconds>(ports_.unix_origin + now_.since_origin)
            .count()};
  };
  judged.want = [this](std::vector<pki::Fetch> wanted) {
    for (pki::Fetch& fetch : wanted) {
      if (fetches_.size() < eap_fetches_max) fetches_.push_back(std::move(fetch));
    }
  };
  tls.verifier = std::make_unique<ChainVerifier>(std::move(judged), *ports_.pki);
  eap::TlsSettings settings;
  settings.role = role;
  for (const pki::Certificate& certificate : own->chain) {
    settings.chain.push_back(certificate.der);
  }
  settings.signer = own->signer;
  settings.verifier = tls.verifier.get();
  auto context = ports_.make_tls(std::move(settings));
  if (!context) {
    events_.push_back({base::EventKind::local_fault,
                       peer.name,
                       fmt::format("EAP-TLS is not to be had: {}", context.error()),
                       {}});
    return {};
  }
  tls.context = std::move(*context);
  return tls;
}

void EapDesk::handle(const ike::EapRequest& request, Instant now) {
  now_ = now;
  Conversation& conversation = conversations_[request.sa];
  conversation.connection = request.connection;
  conversation.request = request.request;
  constexpr auto failure = static_cast<std::byte>(eap::Code::failure);
  conversation.has_peer_ended =
      request.packet && !request.packet->empty() && request.packet->front() == failure;
  eap::Step next = step(conversation, request, now);
  answer(request.sa, conversation, std::move(next));
  drain_radius(now);
}

eap::Step EapDesk::step(Conversation& conversation, const ike::EapRequest& request, Instant now) {
  if (!request.is_server) return continue_client(conversation, request, now);
  if (!request.packet) return begin_server(conversation, request, now);
  if (!conversation.claims) {
    conversation.claims = claimed_in(*request.packet);
    conversation.source = request.path.remote.address;
    const auto paused = failures_.find(*conversation.claims, conversation.source, now);
    if (paused) {
      conversation.is_refused = true;
      return refuse_for_now(*paused, now);
    }
  }
  if (conversation.relay) return conversation.relay->handle(*request.packet, now);
  if (conversation.server) return conversation.server->handle(*request.packet, now);
  return refuse("the conversation is over");
}

eap::Step EapDesk::begin_server(Conversation& conversation, const ike::EapRequest& request,
                                Instant now) {
  const config::PeerConfig* const peer = find(request.connection);
  if (peer == nullptr || !peer->server) return refuse("the server is not configured any more");
  if (radius_) {
    radius::RelaySettings settings;
    settings.nas = nas_attributes(*peer, request.sa.value, request.path);
    conversation.relay = std::make_unique<radius::EapRelay>(std::move(settings), *radius_);
    return conversation.relay->start(now);
  }
  eap::ServerSettings settings;
  for (const config::EapMethod method : peer->server->eap) {
    settings.methods.push_back(type_of(method));
  }
  if (settings.methods.empty()) {
    if (peer->server->certificates) settings.methods.push_back(eap::Type::tls);
    if (peer->server->passwords) settings.methods.push_back(eap::Type::mschapv2);
  }
  conversation.server = std::make_unique<eap::EapServer>(
      std::move(settings), eap::ServerPorts{.crypto = ports_.crypto,
                                            .rng = ports_.rng,
                                            .passwords = &users_,
                                            .tls = server_tls_.context.get()});
  return conversation.server->start(now);
}

eap::Step EapDesk::continue_client(Conversation& conversation, const ike::EapRequest& request,
                                   Instant now) {
  if (!conversation.client) {
    const config::PeerConfig* const peer = find(request.connection);
    const auto user = peer == nullptr ? std::nullopt : config::local_round(*peer, request.round);
    if (!user || user->user.empty()) return refuse("no user is configured");
    eap::ClientSettings settings;
    conversation.tls = make_tls(*peer, user->credential.get(), eap::TlsRole::client);
    if (conversation.tls.context) settings.methods.push_back(eap::Type::tls);
    if (user->password) {
      conversation.password = eap::Cleartext{base::SecretBytes{user->password->reveal()}};
      settings.methods.push_back(eap::Type::mschapv2);
    }
    settings.identity = user->user;
    conversation.client = std::make_unique<eap::EapClient>(
        std::move(settings),
        eap::ClientPorts{.crypto = ports_.crypto,
                         .rng = ports_.rng,
                         .password = conversation.password ? &*conversation.password : nullptr,
                         .tls = conversation.tls.context.get()});
  }
  if (!request.packet) return refuse("the server has sent nothing");
  return conversation.client->handle(*request.packet, now);
}

/// By the name that was claimed: that of a tunnel's inside may never be said.
void EapDesk::note_outcome(const Conversation& conversation, const eap::Step& step) {
  if (!conversation.claims || conversation.is_refused) return;
  if (std::holds_alternative<eap::Success>(step)) {
    return failures_.note_success(*conversation.claims, conversation.source);
  }
  const auto* const failure = std::get_if<eap::Failure>(&step);
  const bool is_wrong =
      failure != nullptr && (failure->reason == eap::FailureReason::bad_credentials ||
                             failure->reason == eap::FailureReason::backend_rejected);
  if (!is_wrong) return;
  for (const auto& paused :
       failures_.note_failure(*conversation.claims, conversation.source, now_)) {
    events_.push_back(
        {base::EventKind::user_paused, conversation.connection, describe(paused, now_), {}});
  }
}

std::vector<std::string> EapDesk::notes(Instant now) const {
  constexpr std::size_t shown_max = 10;
  std::vector<std::string> notes;
  for (const auto& paused : failures_.paused(now, shown_max))
    notes.push_back(describe(paused, now));
  return notes;
}

void EapDesk::answer(ike::IkeSaId sa, const Conversation& conversation, eap::Step step) {
  note_outcome(conversation, step);
  EapReply reply;
  reply.sa = sa;
  reply.request = conversation.request;
  const Overloaded fill{
      [](eap::Wait&) { return false; },
      [&](eap::Send& send) {
        reply.outcome = EapReply::Outcome::proceed;
        reply.packet = std::move(send.packet);
        return true;
      },
      [&](eap::Success& success) {
        reply.outcome = EapReply::Outcome::success;
        reply.packet = std::move(success.packet);
        reply.msk = std::move(success.outcome.msk);
        reply.is_mutual = success.outcome.is_mutual;
        reply.identity = success.outcome.identity.empty() ? success.outcome.outer_identity
                                                          : success.outcome.identity;
        reply.grant = grant_of(success.outcome.authorization);
        reply.grant.units = std::move(success.outcome.peer.units);
        reply.grant.certificate_policies = std::move(success.outcome.peer.policies);
        return true;
      },
      [&](eap::Failure& failure) {
        reply.outcome = EapReply::Outcome::failure;
        reply.packet = std::move(failure.packet);
        reply.why = std::move(failure.sentence);
        reply.fault = eap::name_of(failure.reason);
        reply.is_peers_end = conversation.has_peer_ended;
        return true;
      },
  };
  if (std::visit(fill, step)) replies_.push_back(std::move(reply));
}

std::optional<EapReply> EapDesk::poll_reply() {
  if (replies_.empty()) return std::nullopt;
  EapReply reply = std::move(replies_.front());
  replies_.pop_front();
  return reply;
}

// ---- RADIUS

void EapDesk::handle_datagram(radius::PortHandle port, const base::Endpoint& from,
                              base::Bytes datagram, Instant now) {
  if (!radius_) return;
  now_ = now;
  radius_->handle_datagram(port, from, datagram, now);
  drain_radius(now);
}

void EapDesk::handle_deadline(Instant now) {
  if (!radius_) return;
  radius_->handle_deadline(now);
  drain_radius(now);
}

template <class Answer>
void EapDesk::handle_answer(const Answer& answered, Instant now) {
  for (auto& [sa, conversation] : conversations_) {
    if (!conversation.relay || conversation.relay->waiting_for() != answered.request) continue;
    return answer(sa, conversation, conversation.relay->handle_backend(answered, now));
  }
}

void EapDesk::drain_radius(Instant now) {
  if (!radius_) return;
  const Overloaded carry{
      [&](radius::Transmit& transmit) { transmits_.push_back(std::move(transmit)); },
      [&](radius::Answer& answered) { handle_answer(answered, now); },
      [&](radius::NoAnswer& none) { handle_answer(none, now); },
      [&](radius::ServerChanged& changed) {
        events_.push_back(
            {base::EventKind::radius_server,
             "",
             fmt::format("the RADIUS server {} {}", radius_->server(changed.server).name,
                         changed.is_alive ? "answers again" : "does not answer"),
             {}});
      },
  };
  while (auto action = radius_->poll_action()) std::visit(carry, *action);
}

std::optional<radius::Transmit> EapDesk::poll_transmit() {
  if (transmits_.empty()) return std::nullopt;
  radius::Transmit transmit = std::move(transmits_.front());
  transmits_.pop_front();
  return transmit;
}

std::optional<base::Event> EapDesk::poll_event() {
  if (events_.empty()) return std::nullopt;
  base::Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::optional<pki::Fetch> EapDesk::poll_fetch() {
  if (fetches_.empty()) return std::nullopt;
  pki::Fetch fetch = std::move(fetches_.front());
  fetches_.pop_front();
  return fetch;
}

std::optional<base::Deadline> EapDesk::poll_deadline() const {
  return radius_ ? radius_->poll_deadline() : std::nullopt;
}

}  // namespace caponier::gateway

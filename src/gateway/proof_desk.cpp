#include "gateway/proof_desk.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace caponier::gateway {

using base::Instant;
using ike::AuthOutcome;
using ike::AuthReply;
using ike::AuthRequest;
using pki::UnixTime;

namespace {

pki::Purpose purpose_of(config::PeerKind kind) {
  switch (kind) {
    case config::PeerKind::client: return pki::Purpose::server;
    case config::PeerKind::server: return pki::Purpose::client;
    case config::PeerKind::site:
    case config::PeerKind::host: break;
  }
  // Between gateways the authority's word is enough: what they are for is seldom in there.
  return pki::Purpose::any;
}

std::size_t octets_of(const AuthRequest& request) {
  std::size_t octets = request.signed_octets.size() + request.proof->auth.size();
  for (const wire::CertPayload& certificate : request.proof->certificates) {
    octets += certificate.data.size();
  }
  return octets;
}

std::string_view name_of(pki::FetchKind kind) {
  switch (kind) {
    case pki::FetchKind::crl: return "the CRL";
    case pki::FetchKind::ocsp: return "the OCSP answer";
  }
  return "the document";
}

template <class T>
std::optional<T> pop(std::deque<T>& queue) {
  if (queue.empty()) return std::nullopt;
  std::optional<T> first{std::move(queue.front())};
  queue.pop_front();
  return first;
}

}  // namespace

void ProofDesk::apply(std::shared_ptr<const config::Config> config) {
  const auto before = std::exchange(config_, std::move(config));
  if (before && before->store && config_->store && before->store != config_->store) {
    config_->store->take_over(*before->store);
  }
}

ProofDesk::Decision ProofDesk::decide(const AuthRequest& request, bool may_fetch,
                                      UnixTime wall_clock) const {
  AuthReply reply;
  reply.sa = request.sa;
  reply.request = request.request;
  if (!config_ || pki_ == nullptr || !request.proof || request.signed_octets.empty()) return reply;
  const auto peer =
      std::ranges::find(config_->peers, request.connection, &config::PeerConfig::name);
  if (peer == config_->peers.end()) return reply;
  const config::ProofConfig& proof = peer->proof;
  std::optional<pki::PublicKey> key = proof.peer_key;
  if (!key && (!config_->store || proof.authorities.empty())) {
    reply.why = "no authority is configured for the peer's certificate";
    return reply;
  }
  reply.outcome = AuthOutcome::wrong;
  if (!key) {
    auto verdict = config_->store->verify({.identity = request.proof->identity,
                                           .certs = request.proof->certificates,
                                           .now = wall_clock,
                                           .revocation = proof.revocation,
                                           .purpose = purpose_of(peer->kind),
                                           .anchors = proof.authorities,
                                           .required_policies = {},
                                           .may_fetch = may_fetch});
    if (auto* const needs = std::get_if<pki::NeedsFetch>(&verdict)) {
      return std::move(needs->fetches);
    }
    if (const auto* const refused = std::get_if<pki::Refused>(&verdict)) {
      reply.why = refused->text;
      return reply;
    }
    const auto& trusted = std::get<pki::Trusted>(verdict);
    key = trusted.leaf.key;
    reply.grant.units = trusted.leaf.units;
    reply.grant.certificate_policies = trusted.policies;
  }
  const wire::AuthPayload auth{request.proof->method, request.proof->auth};
  const auto scheme =
      pki_->verify({.octets = request.signed_octets, .auth = auth, .key = *key, .sha1 = false});
  if (scheme) {
    reply.outcome = AuthOutcome::right;
  } else {
    reply.why = scheme.error().text;
  }
  return reply;
}

bool ProofDesk::has_room(std::size_t octets) const {
  return waiting_.size() < limits_.waiting_max &&
         waiting_octets_ + octets <= limits_.waiting_octets_max;
}

void ProofDesk::handle(AuthRequest request, Instant now, UnixTime wall_clock) {
  if (!judges(request)) return;
  const std::size_t octets = octets_of(request);
  judge({std::move(request), now + limits_.patience, octets, {}}, now, wall_clock);
}

void ProofDesk::judge(Waiting waiting, Instant now, UnixTime wall_clock) {
  const bool may_wait = now < waiting.until && has_room(waiting.octets);
  Decision decision = decide(waiting.request, may_wait, wall_clock);
  if (const auto* const wanted = std::get_if<std::vector<pki::Fetch>>(&decision)) {
    for (const pki::Fetch& fetch : *wanted) {
      if (const auto id = begin(fetch)) waiting.fetches.insert(*id);
    }
    if (!waiting.fetches.empty()) {
      waiting_octets_ += waiting.octets;
      waiting_.push_back(std::move(waiting));
      return;
    }
    decision = decide(waiting.request, false, wall_clock);
  }
  if (auto* const reply = std::get_if<AuthReply>(&decision)) replies_.push_back(std::move(*reply));
}

std::optional<std::uint64_t> ProofDesk::begin(const pki::Fetch& fetch) {
  const FetchKey key{fetch.url, fetch.body};
  if (const auto known = asked_.find(key); known != asked_.end()) return known->second;
  if (fetches_.size() >= limits_.fetches_max) return std::nullopt;
  const bool is_ocsp = fetch.kind == pki::FetchKind::ocsp;
  HttpRequest request;
  request.id = next_id_++;
  request.url = fetch.url;
  request.body = fetch.body;
  if (is_ocsp) request.content_type = "application/ocsp-request";
  request.size_max = fetch.size_max;
  request.time_max = is_ocsp ? limits_.ocsp_time_max : limits_.crl_time_max;
  const std::uint64_t id = request.id;
  requests_.push_back(std::move(request));
  fetches_.emplace(id, fetch);
  asked_.emplace(key, id);
  return id;
}

void ProofDesk::want(std::span<const pki::Fetch> fetches) {
  for (const pki::Fetch& fetch : fetches) static_cast<void>(begin(fetch));
}

void ProofDesk::handle_answer(const HttpAnswer& answer, Instant now, UnixTime wall_clock) {
  const auto known = fetches_.find(answer.id);
  if (known == fetches_.end()) return;
  const pki::Fetch fetch = std::move(known->second);
  fetches_.erase(known);
  asked_.erase({fetch.url, fetch.body});
  take(fetch, answer, wall_clock);
  for (Waiting& one : waiting_) one.fetches.erase(answer.id);
  handle_deadline(now, wall_clock);
}

void ProofDesk::take(const pki::Fetch& fetch, const HttpAnswer& answer, UnixTime wall_clock) {
  if (!config_ || !config_->store) return;
  std::string why;
  if (!answer.content) {
    config_->store->take_failure(fetch, wall_clock);
    why = answer.content.error();
  } else if (auto taken = config_->store->take_answer(fetch, *answer.content, wall_clock); !taken) {
    why = taken.error();
  } else if (fetch.kind == pki::FetchKind::crl) {
    kept_.push_back({fetch.url, *answer.content});
  }
  const std::string url = base::printable(fetch.url);
  events_.push_back(
      why.empty() ? base::Event{base::EventKind::pki_fetched,
                                {},
                                fmt::format("{} of {} has been fetched", name_of(fetch.kind), url),
                                {{"url", url}}}
                  : base::Event{base::EventKind::pki_fetch_failed,
                                {},
                                fmt::format("{} of {} is not to be had: {}; it is asked for again "
                                            "in {} s at the earliest",
                                            name_of(fetch.kind), url, why, pki::failure_seconds),
                                {{"url", url}, {"reason", why}}});
}

void ProofDesk::handle_deadline(Instant now, UnixTime wall_clock) {
  for (std::size_t turn = 0; turn < limits_.judged_per_turn_max; ++turn) {
    const auto due = std::ranges::find_if(
        waiting_, [&](const Waiting& one) { return one.fetches.empty() || one.until <= now; });
    if (due == waiting_.end()) return;
    Waiting one = std::move(*due);
    waiting_.erase(due);
    waiting_octets_ -= one.octets;
    one.fetches.clear();
    judge(std::move(one), now, wall_clock);
  }
}

bool ProofDesk::restore(const KeepCrl& kept, UnixTime wall_clock) {
  return config_ && config_->store &&
         config_->store->restore_crl(kept.url, kept.octets, wall_clock);
}

std::optional<AuthReply> ProofDesk::poll_reply() { return pop(replies_); }
std::optional<HttpRequest> ProofDesk::poll_request() { return pop(requests_); }
std::optional<KeepCrl> ProofDesk::poll_kept() { return pop(kept_); }
std::optional<base::Event> ProofDesk::poll_event() { return pop(events_); }

std::optional<base::Deadline> ProofDesk::poll_deadline() const {
  std::optional<base::Deadline> first;
  for (const Waiting& one : waiting_) {
    if (one.fetches.empty()) return base::Deadline{{}, "a certificate can be judged"};
    if (!first || one.until < first->at) {
      first = base::Deadline{one.until, "a verification has waited long enough"};
    }
  }
  return first;
}

}  // namespace caponier::gateway

#include "gateway/proof_desk.h"

#include <algorithm>
#include <array>
#include <tuple>
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
    case pki::FetchKind::certificate: return "the certificate";
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

const config::PeerConfig* ProofDesk::find(const std::string& connection) const {
  if (!config_) return nullptr;
  const auto found = std::ranges::find(config_->peers, connection, &config::PeerConfig::name);
  return found == config_->peers.end() ? nullptr : &*found;
}

ProofDesk::Decision ProofDesk::decide(const AuthRequest& request, bool may_fetch,
                                      UnixTime wall_clock) const {
  AuthReply reply;
  reply.sa = request.sa;
  reply.request = request.request;
  if (!config_ || pki_ == nullptr || !request.proof || request.signed_octets.empty()) return reply;
  const config::PeerConfig* const peer = find(request.connection);
  if (peer == nullptr) return reply;
  const auto round = config::remote_round(*peer, request.round);
  if (!round) return reply;
  std::optional<pki::PublicKey> key = round->peer_key;
  if (!key && (!config_->store || round->authorities.empty())) {
    reply.why = "no authority is configured for the peer's certificate";
    return reply;
  }
  reply.outcome = AuthOutcome::wrong;
  if (!key) {
    auto verdict = config_->store->verify({.identity = request.proof->identity,
                                           .certs = request.proof->certificates,
                                           .now = wall_clock,
                                           .revocation = peer->proof.revocation,
                                           .purpose = purpose_of(peer->kind),
                                           .anchors = round->authorities,
                                           .required_policies = {},
                                           .may_fetch = may_fetch});
    if (auto* const needs = std::get_if<pki::NeedsFetch>(&verdict)) {
      return std::move(needs->fetches);
    }
    if (const auto* const refused = std::get_if<pki::Refused>(&verdict)) {
      reply.why = refused->text;
      reply.fault = pki::name_of(refused->reason);
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
    reply.fault = "signature";
  }
  return reply;
}

/// What is asked: two who need the same share it. A stranger's certificate shares nothing with a
/// CRL.
ProofDesk::FetchKey ProofDesk::key_of(const pki::Fetch& fetch) {
  return {fetch.url, fetch.kind == pki::FetchKind::certificate ? fetch.certificate : fetch.body};
}

bool ProofDesk::has_room(std::size_t octets) const {
  return waiting_.size() < limits_.waiting_max &&
         waiting_octets_ + octets <= limits_.waiting_octets_max;
}

void ProofDesk::handle(AuthRequest request, Instant now, UnixTime wall_clock) {
  if (!judges(request)) return;
  judge({std::move(request), now + limits_.patience, 0, {}}, now, wall_clock);
}

void ProofDesk::judge(Waiting waiting, Instant now, UnixTime wall_clock) {
  const std::vector<pki::Fetch> lookups = look_up(waiting.request, wall_clock);
  waiting.octets = octets_of(waiting.request);
  const bool may_wait = now < waiting.until && has_room(waiting.octets);
  Decision decision{lookups};
  if (lookups.empty() || !may_wait) decision = decide(waiting.request, may_wait, wall_clock);
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
  FetchKey key = key_of(fetch);
  if (const auto known = asked_.find(key); known != asked_.end()) return known->second;
  if (fetches_.size() >= limits_.fetches_max) return std::nullopt;
  const auto is_lookup = [](const pki::Fetch& one) {
    return one.kind == pki::FetchKind::certificate;
  };
  const auto lookups =
      std::ranges::count_if(fetches_, [&](const auto& entry) { return is_lookup(entry.second); });
  if (is_lookup(fetch) && static_cast<std::size_t>(lookups) >= limits_.lookups_max) {
    return std::nullopt;
  }
  const bool is_ocsp = fetch.kind == pki::FetchKind::ocsp;
  HttpRequest request;
  request.id = next_id_++;
  request.url = fetch.url;
  request.body = fetch.body;
  if (is_ocsp) request.content_type = "application/ocsp-request";
  request.size_max = fetch.size_max;
  request.time_max =
      fetch.kind == pki::FetchKind::crl ? limits_.crl_time_max : limits_.ocsp_time_max;
  // Else it could lead out of what is allowed.
  request.follows_redirects = !is_lookup(fetch);
  const std::uint64_t id = request.id;
  requests_.push_back(std::move(request));
  fetches_.emplace(id, fetch);
  asked_.emplace(std::move(key), id);
  return id;
}

void ProofDesk::want(std::span<const pki::Fetch> fetches) {
  for (const pki::Fetch& fetch : fetches) static_cast<void>(begin(fetch));
}

void ProofDesk::handle_answer(const HttpAnswer& answer, Instant now, UnixTime wall_clock) {
  const auto known = fetches_.find(answer.id);
  if (known == fetches_.end()) return;
  const pki::Fetch fetch = std::move(known->second);
  const FetchKey key = key_of(fetch);
  fetches_.erase(known);
  asked_.erase(key);
  if (fetch.kind == pki::FetchKind::certificate) {
    take_certificate(fetch, answer, wall_clock);
  } else {
    take(fetch, answer, wall_clock);
    take_own(key, fetch, answer, wall_clock);
  }
  for (Waiting& one : waiting_) one.fetches.erase(answer.id);
  handle_deadline(now, wall_clock);
}

std::string ProofDesk::take_content(const pki::Fetch& fetch, base::Bytes content,
                                    UnixTime wall_clock) {
  auto taken = config_->store->take_answer(fetch, content, wall_clock);
  if (!taken) return std::move(taken.error());
  if (fetch.kind == pki::FetchKind::crl) kept_.push_back({fetch.url, base::to_vec(content)});
  return {};
}

void ProofDesk::take(const pki::Fetch& fetch, const HttpAnswer& answer, UnixTime wall_clock) {
  if (!config_ || !config_->store) return;
  if (!answer.content) config_->store->take_failure(fetch, wall_clock);
  const std::string why =
      answer.content ? take_content(fetch, *answer.content, wall_clock) : answer.content.error();
  tell(fetch, why);
}

void ProofDesk::tell(const pki::Fetch& fetch, const std::string& why) {
  const std::string url = base::printable(fetch.url);
  if (why.empty()) {
    events_.push_back({base::EventKind::pki_fetched,
                       {},
                       fmt::format("{} of {} has been fetched", name_of(fetch.kind), url),
                       {{"url", url}}});
    return;
  }
  events_.push_back({base::EventKind::pki_fetch_failed,
                     {},
                     fmt::format("{} of {} is not to be had: {}; it is asked for again in {} s at "
                                 "the earliest",
                                 name_of(fetch.kind), url, why, pki::failure_seconds),
                     {{"url", url}, {"reason", why}}});
}

// ---- certificates by hash and URL (RFC 7296 s3.6)

namespace {

constexpr std::size_t hash_size = std::tuple_size_v<pki::KeyHash>;

bool is_by_url(const wire::CertPayload& certificate) {
  return certificate.encoding == static_cast<std::uint8_t>(pki::CertEncoding::hash_and_url) &&
         certificate.data.size() > hash_size &&
         certificate.data.size() <= hash_size + pki::url_size_max;
}

bool is_allowed(std::string_view url, const std::vector<std::string>& prefixes) {
  const bool is_plain = url.find("..") == std::string_view::npos &&
                        url.find('%') == std::string_view::npos &&
                        std::ranges::all_of(url, [](char c) { return c > ' ' && c <= '~'; });
  return is_plain && std::ranges::any_of(prefixes, [&](const std::string& prefix) {
           return url.size() > prefix.size() && url.starts_with(prefix);
         });
}

}  // namespace

//= rfc7296#3.6-4
std::vector<pki::Fetch> ProofDesk::look_up(AuthRequest& request, UnixTime wall_clock) const {
  std::vector<pki::Fetch> wanted;
  const config::PeerConfig* const peer = find(request.connection);
  if (peer == nullptr || peer->proof.hash_and_url.empty() || !request.proof) return wanted;
  for (wire::CertPayload& certificate : request.proof->certificates) {
    if (!is_by_url(certificate)) continue;
    const auto known = certificates_.find(certificate.data);
    if (known != certificates_.end() && !known->second.der.empty()) {
      certificate = {static_cast<std::uint8_t>(pki::CertEncoding::x509_signature),
                     known->second.der};
      continue;
    }
    const bool has_failed = known != certificates_.end() &&
                            wall_clock.value < known->second.taken.value + pki::failure_seconds;
    const std::string_view url = base::as_text(base::Bytes{certificate.data}.subspan(hash_size));
    if (has_failed || !is_allowed(url, peer->proof.hash_and_url)) continue;
    wanted.push_back({pki::FetchKind::certificate,
                      std::string{url},
                      {},
                      pki::certificate_size_max,
                      certificate.data,
                      {}});
  }
  return wanted;
}

void ProofDesk::take_certificate(const pki::Fetch& fetch, const HttpAnswer& answer,
                                 UnixTime wall_clock) {
  LookedUp found{{}, wall_clock, next_id_++};
  std::string why =
      answer.content ? "it is not the certificate of that hash" : answer.content.error();
  if (answer.content && pki_ != nullptr) {
    const auto read = pki_->load_certificates({fetch.url, *answer.content});
    const base::Bytes hash = base::Bytes{fetch.certificate}.first(hash_size);
    if (read && read->size() == 1 && std::ranges::equal(read->front().der_hash, hash)) {
      found.der = read->front().der;
      why.clear();
    }
  }
  certificates_.insert_or_assign(fetch.certificate, std::move(found));
  if (certificates_.size() > limits_.certificates_max) {
    certificates_.erase(std::ranges::min_element(
        certificates_, {}, [](const auto& entry) { return entry.second.order; }));
  }
  tell(fetch, why);
}

// ---- our own

void ProofDesk::note(const AuthRequest& request, Instant now, UnixTime wall_clock) {
  constexpr auto ocsp = static_cast<std::uint8_t>(pki::CertEncoding::ocsp_content);
  const config::PeerConfig* const peer = find(request.connection);
  if (request.proof || peer == nullptr) return;
  const auto round = config::local_round(*peer, request.round);
  if (!round || !round->credential) return;
  const pki::Credential& credential = *round->credential;
  if (credential.chain.empty() || own_.size() >= limits_.waiting_max) return;
  Own own{{}, {}, now + limits_.own_patience, {}};
  if (std::ranges::find(request.wishes, ocsp, &wire::CertReqPayload::encoding) !=
      request.wishes.end()) {
    own.status = own_status(credential.chain, wall_clock);
  }
  // The URL is of the peer's own certificate, not of a round's.
  const bool has_url = !peer->proof.cert_url.empty() && round->credential == peer->proof.credential;
  if (request.peer_looks_up && has_url) {
    const pki::KeyHash& hash = credential.chain.front().der_hash;
    own.by_url.emplace();
    own.by_url->encoding = static_cast<std::uint8_t>(pki::CertEncoding::hash_and_url);
    own.by_url->data.assign(hash.begin(), hash.end());
    base::append(own.by_url->data, base::as_bytes(peer->proof.cert_url));
  }
  if (own.status || own.by_url) {
    own_.insert_or_assign(OwnId{request.sa, request.request}, std::move(own));
  }
}

std::optional<ProofDesk::FetchKey> ProofDesk::own_status(const std::vector<pki::Certificate>& chain,
                                                         UnixTime wall_clock) {
  if (!config_->store) return std::nullopt;
  const auto fetch = config_->store->own_status(chain);
  if (!fetch) return std::nullopt;
  FetchKey key = key_of(*fetch);
  if (own_answer(key, wall_clock) != nullptr) return key;
  const auto known = own_statuses_.find(key);
  if (known != own_statuses_.end() && wall_clock < known->second.ask_again) return std::nullopt;
  if (known == own_statuses_.end() && own_statuses_.size() >= limits_.own_statuses_max) {
    own_statuses_.erase(own_statuses_.begin());
  }
  if (!begin(*fetch)) return std::nullopt;
  own_statuses_[key] = {};
  return key;
}

const base::ByteVec* ProofDesk::own_answer(const FetchKey& status, UnixTime wall_clock) const {
  const auto known = own_statuses_.find(status);
  const bool is_usable = known != own_statuses_.end() && !known->second.answer.empty() &&
                         wall_clock <= known->second.usable_until;
  return is_usable ? &known->second.answer : nullptr;
}

void ProofDesk::take_own(const FetchKey& status, const pki::Fetch& fetch, const HttpAnswer& answer,
                         UnixTime wall_clock) {
  const auto own = own_statuses_.find(status);
  if (own == own_statuses_.end() || !config_ || !config_->store) return;
  own->second.ask_again = UnixTime{wall_clock.value + pki::failure_seconds};
  if (!answer.content) return;
  const auto until = config_->store->usable_until(fetch, *answer.content, wall_clock);
  if (until) own->second = {*answer.content, *until, {}};
}

void ProofDesk::complete(AuthReply reply, Instant now, UnixTime wall_clock) {
  const auto own = own_.find({reply.sa, reply.request});
  if (own == own_.end()) {
    replies_.push_back(std::move(reply));
    return;
  }
  own->second.reply = std::move(reply);
  settle_own(now, wall_clock);
}

void ProofDesk::settle_own(Instant now, UnixTime wall_clock) {
  for (auto at = own_.begin(); at != own_.end();) {
    const bool is_over = settle(at->second, now, wall_clock);
    at = is_over ? own_.erase(at) : std::next(at);
  }
}

bool ProofDesk::settle(Own& own, Instant now, UnixTime wall_clock) {
  if (!own.reply) return own.until + limits_.keyholder_patience <= now;
  const base::ByteVec* const answer = own.status ? own_answer(*own.status, wall_clock) : nullptr;
  const bool is_fetching = own.status && asked_.contains(*own.status);
  if (answer == nullptr && now < own.until && is_fetching) return false;
  if (own.reply->outcome == AuthOutcome::made) {
    auto& certificates = own.reply->certificates;
    if (own.by_url && !certificates.empty()) certificates.front() = *std::move(own.by_url);
    if (answer != nullptr) {
      certificates.push_back({static_cast<std::uint8_t>(pki::CertEncoding::ocsp_content), *answer});
    }
  }
  replies_.push_back(*std::move(own.reply));
  return true;
}

void ProofDesk::handle_deadline(Instant now, UnixTime wall_clock) {
  settle_own(now, wall_clock);
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
  for (const auto& [id, own] : own_) {
    const Instant at = own.reply ? own.until : own.until + limits_.keyholder_patience;
    if (!first || at < first->at) first = base::Deadline{at, "an OCSP answer of ours is awaited"};
  }
  for (const Waiting& one : waiting_) {
    if (one.fetches.empty()) return base::Deadline{{}, "a certificate can be judged"};
    if (!first || one.until < first->at) {
      first = base::Deadline{one.until, "a verification has waited long enough"};
    }
  }
  return first;
}

}  // namespace caponier::gateway

#include "control/why.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "control/server_impl.h"
#include "explain/fixes.h"
#include "explain/health.h"

namespace caponier::control {
namespace {

using base::Instant;

/// The exit code of `caponier why`.
ExitCode code_of(explain::Domain domain) {
  switch (domain) {
    case explain::Domain::local: return ExitCode::configuration;
    case explain::Domain::peer: return ExitCode::peer;
    case explain::Domain::network: return ExitCode::network;
  }
  return ExitCode::generic;
}

Json setting_json(const explain::Setting& setting) {
  return {{"table", setting.table}, {"key", setting.key}, {"value", setting.value}};
}

Json fix_json(const explain::Fix& fix) {
  Json settings = Json::array();
  for (const explain::Setting& setting : fix.settings) settings.push_back(setting_json(setting));
  return {{"side", explain::name_of(fix.side)},
          {"sentence", fix.sentence},
          {"settings", std::move(settings)},
          {"lines", fix.lines}};
}

Json offers_json(const policy::Evidence& seen) {
  Json out = Json::object();
  if (!seen.our_offers.empty()) {
    out["ours"] = policy::to_string(policy::to_wire(seen.our_offers, {}, true));
  }
  if (!seen.their_offers.proposals.empty()) out["theirs"] = policy::to_string(seen.their_offers);
  return out;
}

double seconds_since(Instant then, Instant now) { return base::seconds_of(now - then); }

explain::Flow flow_of(const gateway::ChildStatus& child, Instant now) {
  explain::Flow flow;
  flow.child = child.sa.name;
  flow.age = now - child.sa.established_at;
  const ipsec::SaCounters& counters = child.counters;
  flow.packets_in = counters.packets_in;
  flow.packets_out = counters.packets_out;
  if (counters.last_in) flow.silent_for = now - *counters.last_in;
  if (counters.last_out) flow.sent_ago = now - *counters.last_out;
  flow.replayed = counters.drops[base::DropReason::esp_replay];
  flow.corrupted = counters.drops[base::DropReason::esp_bad_icv];
  flow.inner_mtu = child.inner_mtu;
  flow.path_mtu = child.path_mtu;
  flow.in_udp = child.sa.udp_encap;
  return flow;
}

/// What is between nothing and a tunnel that carries traffic, in the order in which it happens.
struct Steps {
  Json list = Json::array();
  bool has_failed = false;

  /// What comes behind the first that fails is not known.
  void add(std::string_view what, bool is_ok, std::string detail = {}) {
    if (has_failed) return;
    has_failed = !is_ok;
    list.push_back({{"what", what}, {"ok", is_ok}, {"detail", std::move(detail)}});
  }
};

std::vector<explain::Diagnosis> health_of(const gateway::PeerStatus& peer, Instant now) {
  std::vector<explain::Diagnosis> found;
  for (const gateway::ChildStatus& child : peer.children) {
    for (explain::Diagnosis& one : explain::judge(flow_of(child, now))) {
      found.push_back(std::move(one));
    }
  }
  return found;
}

Json steps_json(const gateway::PeerStatus& peer, const explain::Failure* failure) {
  using enum policy::Symptom;
  const auto failed = [&](std::initializer_list<policy::Symptom> symptoms) {
    if (failure == nullptr) return false;
    return std::find(symptoms.begin(), symptoms.end(), failure->seen.symptom) != symptoms.end();
  };
  const bool is_up = peer.ike && peer.ike->state == ike::IkeState::established;
  Steps steps;
  steps.add("configured", true, peer.remote);
  steps.add("name resolves", is_up || !failed({name_unresolved}));
  steps.add("route exists", is_up || !failed({no_source}));
  steps.add("IKE answered", is_up || !failed({init_unanswered, peer_silent, other_version}));
  steps.add("IKE proposals agree",
            is_up || !failed({init_refused, init_no_proposal, init_answer_foreign}));
  steps.add("authenticated", is_up,
            is_up && peer.ike->remote_id ? peer.ike->remote_id->to_string() : "");
  steps.add("tunnel negotiated", !peer.children.empty());
  bool hears = false;
  for (const gateway::ChildStatus& child : peer.children) hears |= child.counters.packets_in > 0;
  steps.add("traffic comes in", hears);
  return std::move(steps.list);
}

}  // namespace

Json diagnosis_json(const explain::Diagnosis& diagnosis) {
  const explain::CodeInfo& info = explain::info_of(diagnosis.code);
  Json values = Json::array();
  for (const explain::Comparison& one : diagnosis.values) {
    values.push_back({{"what", one.what}, {"ours", one.ours}, {"theirs", one.theirs}});
  }
  Json others = Json::array();
  for (const explain::Alternative& one : diagnosis.others) {
    others.push_back({{"code", explain::text_of(one.code)}, {"cause", one.cause}});
  }
  Json fixes = Json::array();
  for (const explain::Fix& fix : diagnosis.fixes) fixes.push_back(fix_json(fix));
  return {{"code", explain::text_of(diagnosis.code)},
          {"word", info.word},
          {"title", info.title},
          {"exit_code", static_cast<int>(code_of(info.domain))},
          {"certainty", explain::name_of(diagnosis.certainty)},
          {"cause", diagnosis.cause},
          {"values", std::move(values)},
          {"others", std::move(others)},
          {"fixes", std::move(fixes)}};
}

Json failure_json(const explain::Failure& failure, Instant now) {
  const policy::Evidence& seen = failure.seen;
  Json out = diagnosis_json(failure.diagnosis);
  out["symptom"] = policy::name_of(seen.symptom);
  out["child"] = seen.child;
  out["asked_by"] = seen.we_asked ? "us" : "them";
  out["remote"] = seen.path.remote.to_string();
  out["local"] = seen.path.local.to_string();
  out["spi_i"] = fmt::format("{:016x}", seen.spi_i.value);
  out["spi_r"] = fmt::format("{:016x}", seen.spi_r.value);
  out["product"] = policy::word_of(seen.product);
  out["proposals"] = offers_json(seen);
  out["times"] = failure.times;
  out["first_seconds"] = seconds_since(failure.first, now);
  out["last_seconds"] = seconds_since(failure.last, now);
  out["is_past"] = failure.is_past;
  return out;
}

std::vector<explain::Diagnosis> health_of(const gateway::Gateway& gateway, const std::string& name,
                                          Instant now) {
  const gateway::Status status = gateway.status(now);
  const gateway::PeerStatus* const peer = find_peer(status, name);
  if (peer == nullptr) return {};
  std::vector<explain::Diagnosis> found = health_of(*peer, now);
  const auto config = gateway.config();
  const auto configured = std::ranges::find(config->peers, name, &config::PeerConfig::name);
  if (configured == config->peers.end()) return found;
  for (explain::Diagnosis& one : found) {
    for (explain::Fix& fix : one.fixes) {
      for (explain::Setting& setting : fix.settings) setting.table = explain::table_of(*configured);
    }
  }
  return found;
}

Json why_json(const gateway::Gateway& gateway, const std::string& name, Instant now) {
  const gateway::Status status = gateway.status(now);
  const gateway::PeerStatus* const peer = find_peer(status, name);
  if (peer == nullptr) return Json::object();
  const explain::History& history = gateway.history();
  const explain::Failure* const current = history.current(name);
  Json health = Json::array();
  for (const explain::Diagnosis& one : health_of(gateway, name, now))
    health.push_back(diagnosis_json(one));
  Json failures = Json::array();
  for (const explain::Failure* failure : history.of(name)) {
    failures.push_back(failure_json(*failure, now));
  }
  Json out{{"name", name},
           {"remote", peer->remote},
           {"state", gateway::name_of(peer->state)},
           {"state_seconds", seconds_since(peer->since, now)},
           {"attempts", peer->attempts},
           {"note", peer->note},
           {"steps", steps_json(*peer, current)},
           {"current", current == nullptr ? Json{} : failure_json(*current, now)},
           {"health", std::move(health)},
           {"failures", std::move(failures)}};
  out["next_attempt_seconds"] =
      peer->next_attempt ? Json(base::seconds_of(*peer->next_attempt - now)) : Json{};
  return out;
}

Json why_unknown_json(const gateway::Gateway& gateway, Instant now) {
  Json failures = Json::array();
  for (const explain::Failure* failure : gateway.history().of({})) {
    failures.push_back(failure_json(*failure, now));
  }
  return {{"failures", std::move(failures)}};
}

}  // namespace caponier::control

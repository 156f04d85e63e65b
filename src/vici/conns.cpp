#include "vici/conns.h"

#include <fmt/format.h>

#include <algorithm>

#include "vici/message.h"
#include "vici/names.h"

namespace caponier::vici {
namespace {

std::uint64_t seconds(base::Duration duration) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

std::string own_text(const config::PortRule& rule) {
  policy::TrafficSelector selector = policy::TrafficSelector::any(base::Family::v4);
  selector.protocol = rule.protocol;
  selector.first_port = rule.first;
  selector.last_port = rule.last;
  const std::string text = selector_text(selector);
  const std::size_t bracket = text.find('[');
  return "dynamic" + (bracket == std::string::npos ? "" : text.substr(bracket));
}

std::vector<std::string> reach_texts(const config::ChildConfig& child, const config::Reach& reach) {
  std::vector<std::string> texts = selector_texts(reach.nets);
  const auto& rules = child.ports.empty() ? reach.own : child.ports;
  for (const config::PortRule& rule : rules) texts.push_back(own_text(rule));
  return texts;
}

std::string_view class_name(config::Auth auth) {
  switch (auth) {
    case config::Auth::psk: return "pre-shared key";
    case config::Auth::null: return "NULL";
    case config::Auth::pubkey: return "public key";
    case config::Auth::eap: return "EAP";
  }
  return "unknown";
}

/// The lists that stand in each round of authentication.
void write_lists(MessageWriter& out, const std::vector<std::string>& certs,
                 const std::vector<std::string>& authorities) {
  out.list("groups", {}).list("cert_policy", {});
  out.list("certs", certs).list("cacerts", authorities);
}

void write_local(MessageWriter& out, const config::PeerConfig& peer, const pki::PkiProvider* pki) {
  out.begin_section("local-1");
  if (peer.local_id) out.value("id", identity_text(peer.local_id, pki));
  if (!peer.proof.user.empty()) out.value("eap_id", peer.proof.user);
  out.value("class", class_name(peer.exchange.auth));
  std::vector<std::string> certs;
  if (peer.proof.credential && !peer.proof.credential->chain.empty()) {
    certs.push_back(peer.proof.credential->chain.front().subject_text);
  }
  write_lists(out, certs, {});
  out.end_section();
}

void write_remote(MessageWriter& out, const config::PeerConfig& peer) {
  const bool has_users = peer.server.has_value();
  out.begin_section("remote-1");
  if (peer.remote_id) out.value("id", peer.remote_id->to_string());
  if (has_users) out.value("eap_id", std::string_view{"%any"});
  out.value("class", class_name(has_users ? config::Auth::eap : peer.exchange.remote_auth));
  if (peer.proof.revocation != pki::Revocation::relaxed) {
    const bool is_strict = peer.proof.revocation == pki::Revocation::strict;
    out.value("revocation", std::string_view{is_strict ? "GOOD" : "SKIPPED"});
  }
  write_lists(out, {}, peer.proof.authorities);
  out.end_section();
}

std::string_view action_name(config::Start start) {
  switch (start) {
    case config::Start::on_command: return "none";
    case config::Start::trap: return "trap";
    case config::Start::at_once: return "start";
  }
  return "none";
}

std::string_view kind_name(const StandingPolicy& policy) {
  switch (policy.kind) {
    case StandingPolicy::Kind::trap: return mode_name(policy.child.mode);
    case StandingPolicy::Kind::pass: return "PASS";
    case StandingPolicy::Kind::drop: return "DROP";
  }
  return "UNKNOWN";
}

}  // namespace

std::vector<ConfiguredChild> children_of(const config::PeerConfig& peer) {
  std::vector<ConfiguredChild> children;
  for (const config::ChildConfig& child : peer.children) {
    children.push_back({child.name, child.mode, reach_texts(child, child.local),
                        reach_texts(child, child.remote)});
  }
  return children;
}

const config::PeerConfig* find_conn(const config::Config& config, const std::string& name,
                                    const std::string& child) {
  for (const config::PeerConfig& peer : config.peers) {
    if (!name.empty() && peer.name != name) continue;
    if (child.empty()) return &peer;
    const auto has = [&](const config::ChildConfig& one) { return one.name == child; };
    if (std::ranges::any_of(peer.children, has)) return &peer;
  }
  return nullptr;
}

std::string conn_message(const config::PeerConfig& peer, const pki::PkiProvider* pki) {
  MessageWriter out;
  out.begin_section(peer.name);
  out.list("local_addrs", {peer.local ? peer.local->to_string() : "%any"});
  out.list("remote_addrs", {peer.remote_any ? "%any" : peer.remote});
  out.value("version", std::string_view{"IKEv2"});
  out.value("reauth_time", seconds(peer.reauth.value_or(base::Duration{})));
  out.value("rekey_time", seconds(peer.ike_lifetime));
  out.value("unique", unique_name(peer.exchange.unique));
  if (peer.dpd > base::Duration{}) out.value("dpd_delay", seconds(peer.dpd));
  write_local(out, peer, pki);
  write_remote(out, peer);
  out.begin_section("children");
  for (const ConfiguredChild& child : children_of(peer)) {
    out.begin_section(child.name).value("mode", mode_name(child.mode));
    const config::ChildConfig& config = *peer.find_child(child.name);
    out.value("rekey_time", seconds(config.lifetime.soft_time.value_or(base::Duration{})));
    out.value("rekey_bytes", config.lifetime.soft_bytes.value_or(0));
    out.value("rekey_packets", config.lifetime.soft_packets.value_or(0));
    out.value("dpd_action", action_name(config.after_loss.value_or(config.start)));
    out.value("close_action", action_name(config.after_close.value_or(config.start)));
    out.list("local-ts", child.local).list("remote-ts", child.remote);
    out.end_section();
  }
  out.end_section().end_section();
  return out.take();
}

std::vector<StandingPolicy> traps_of(const config::PeerConfig& peer) {
  std::vector<StandingPolicy> policies;
  for (ConfiguredChild& child : children_of(peer)) {
    policies.push_back({StandingPolicy::Kind::trap, peer.name, std::move(child)});
  }
  return policies;
}

std::optional<StandingPolicy> shunt_of(const config::PolicyConfig& policy) {
  StandingPolicy shunt;
  switch (policy.action) {
    case config::PolicyAction::protect: return std::nullopt;
    case config::PolicyAction::bypass: shunt.kind = StandingPolicy::Kind::pass; break;
    case config::PolicyAction::discard: shunt.kind = StandingPolicy::Kind::drop; break;
  }
  // A shunt of a connection is called after both.
  const std::size_t slash = policy.name.find('/');
  if (slash != std::string::npos) shunt.connection = policy.name.substr(0, slash);
  shunt.child = {slash == std::string::npos ? policy.name : policy.name.substr(slash + 1),
                 {},
                 selector_texts(policy.local),
                 selector_texts(policy.remote)};
  return shunt;
}

std::string policy_message(const StandingPolicy& policy) {
  const std::string name = policy.connection.empty()
                               ? policy.child.name
                               : fmt::format("{}/{}", policy.connection, policy.child.name);
  MessageWriter out;
  out.begin_section(name).value("child", policy.child.name);
  if (!policy.connection.empty()) out.value("ike", policy.connection);
  out.value("mode", kind_name(policy));
  out.list("local-ts", policy.child.local).list("remote-ts", policy.child.remote);
  out.end_section();
  return out.take();
}

}  // namespace caponier::vici

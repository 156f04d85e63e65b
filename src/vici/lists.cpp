// Commands that stream events before they answer.

#include <algorithm>
#include <charconv>
#include <utility>

#include "vici/conns.h"
#include "vici/server_impl.h"

namespace caponier::vici {
namespace {

std::optional<std::uint64_t> number_in(const Message& request, std::string_view key) {
  const auto text = request.value(key);
  if (!text) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  // What is no number is nobody's.
  return error == std::errc{} && end == text->data() + text->size() ? number : 0;
}

/// One after the other of what has been made already.
Producer one_by_one(std::vector<std::string> messages) {
  return [messages = std::move(messages),
          next = std::size_t{0}](base::Instant) mutable -> std::optional<std::string> {
    if (next == messages.size()) return std::nullopt;
    return std::move(messages[next++]);
  };
}

}  // namespace

const Described* Server::Impl::describe(ike::IkeSaId id, base::Instant now) {
  const auto known = described_.find(id);
  if (known != described_.end() && now - known->second.made < description_age_max) {
    return &known->second;
  }
  const auto status = gateway_.find_sa(id);
  if (!status) {
    if (known != described_.end()) described_.erase(known);
    return nullptr;
  }
  return &described_
              .insert_or_assign(
                  id, Described{section_name(status->ike), status->ike.connection.empty(),
                                status->ike.path, describer_.list_sa(*status, {}, now), now})
              .first->second;
}

/// Half-open ones end without a word.
void Server::Impl::forget_all_but(const std::vector<ike::IkeSaId>& ids) {
  constexpr std::size_t forgotten_min = 64;
  if (described_.size() <= ids.size() + forgotten_min) return;
  std::erase_if(described_, [&](const auto& entry) {
    return !std::binary_search(ids.begin(), ids.end(), entry.first);
  });
}

void Server::Impl::list_sas(ClientId id, const Message& request, base::Instant) {
  const auto ike_id = number_in(request, "ike-id");
  std::vector<ike::IkeSaId> ids = ike_id ? std::vector{ike::IkeSaId{*ike_id}} : gateway_.sa_ids();
  if (!ike_id) forget_all_but(ids);
  const Describer::Filter filter{request.text("child"), number_in(request, "child-id")};
  const bool is_filtered = !filter.child.empty() || filter.child_id;
  start_list(id, EventName::list_sa,
             [this, ids = std::move(ids), next = std::size_t{0}, name = request.text("ike"), filter,
              is_filtered](base::Instant now) mutable -> std::optional<std::string> {
               while (next < ids.size()) {
                 const ike::IkeSaId sa = ids[next++];
                 const Described* const known = describe(sa, now);
                 if (known == nullptr || (!name.empty() && known->connection != name)) continue;
                 if (!is_filtered) return known->message;
                 const auto status = gateway_.find_sa(sa);
                 if (status) return describer_.list_sa(*status, filter, now);
               }
               return std::nullopt;
             });
}

void Server::Impl::list_conns(ClientId id, const Message& request, base::Instant now) {
  host_.settle(now);
  // What was loaded is listed as it came, also where something is missing for it.
  std::vector<std::string> loaded = host_.store().conns();
  std::set<std::string> known{loaded.begin(), loaded.end()};
  start_list(id, EventName::list_conn,
             [this, config = gateway_.config(), next = std::size_t{0}, loaded = std::move(loaded),
              known = std::move(known),
              name = request.text("ike")](base::Instant) mutable -> std::optional<std::string> {
               while (next < loaded.size()) {
                 const std::string& one = loaded[next++];
                 if (!name.empty() && one != name) continue;
                 const Message event = host_.store().conn_event(one);
                 if (!event.elements.empty()) return event.encode();
               }
               while (config && next - loaded.size() < config->peers.size()) {
                 const config::PeerConfig& peer = config->peers[next++ - loaded.size()];
                 if (!name.empty() && peer.name != name) continue;
                 if (!known.contains(peer.name)) return conn_message(peer, host_.pki());
               }
               return std::nullopt;
             });
}

void Server::Impl::list_policies(ClientId id, const Message& request, base::Instant now) {
  host_.settle(now);
  const std::string child = request.text("child");
  const std::string connection = request.text("ike");
  std::vector<std::string> messages;
  const auto add = [&](const StandingPolicy& policy) {
    if (!child.empty() && policy.child.name != child) return;
    if (!connection.empty() && policy.connection != connection) return;
    messages.push_back(policy_message(policy));
  };
  const auto config = gateway_.config();
  if (config && request.is_yes("trap")) {
    for (const config::PeerConfig& peer : config->peers) {
      const auto brief = gateway_.find_peer(peer.name);
      if (!brief) continue;
      for (const StandingPolicy& policy : traps_of(peer)) {
        if (std::ranges::find(brief->trapped, policy.child.name) != brief->trapped.end())
          add(policy);
      }
    }
  }
  for (const config::PolicyConfig& each :
       config ? config->policies : std::vector<config::PolicyConfig>{}) {
    const auto shunt = shunt_of(each);
    if (!shunt) continue;
    const bool is_drop = shunt->kind == StandingPolicy::Kind::drop;
    if (request.is_yes(is_drop ? "drop" : "pass")) add(*shunt);
  }
  start_list(id, EventName::list_policy, one_by_one(std::move(messages)));
}

void Server::Impl::list_certs(ClientId id, const Message& request, base::Instant) {
  const std::string type = request.text("type", "ANY");
  const std::string flag = request.text("flag", "ANY");
  const std::string subject = request.text("subject");
  std::vector<std::string> messages;
  std::set<std::string> seen;
  const auto is_wanted = [](const std::string& wanted, std::string_view is) {
    return wanted.empty() || wanted == "ANY" || wanted == "any" || wanted == is;
  };
  const auto config = gateway_.config();
  for (const config::PeerConfig& peer :
       config ? config->peers : std::vector<config::PeerConfig>{}) {
    if (!peer.proof.credential) continue;
    bool is_leaf = true;
    for (const pki::Certificate& certificate : peer.proof.credential->chain) {
      const std::string_view is = certificate.is_authority ? "CA" : "NONE";
      const std::string der{base::as_text(certificate.der)};
      const bool has_key = std::exchange(is_leaf, false);
      if (!is_wanted(type, "X509") || !is_wanted(flag, is)) continue;
      if (!subject.empty() && subject != certificate.subject_text) continue;
      if (!seen.insert(der).second) continue;
      MessageWriter out;
      out.value("type", std::string_view{"X509"}).value("flag", is);
      if (has_key) out.value("has_privkey", std::string_view{"yes"});
      out.value("data", der);
      messages.push_back(out.take());
    }
  }
  for (const Message& loaded : host_.store().cert_events()) {
    if (!is_wanted(type, loaded.text("type")) || !is_wanted(flag, loaded.text("flag"))) continue;
    if (!seen.insert(loaded.text("data")).second) continue;
    messages.push_back(loaded.encode());
  }
  start_list(id, EventName::list_cert, one_by_one(std::move(messages)));
}

void Server::Impl::list_authorities(ClientId id, const Message& request, base::Instant) {
  const std::string name = request.text("name");
  std::vector<std::string> messages;
  for (const Message& authority : host_.store().authority_events()) {
    if (!name.empty() && authority.section(name) == nullptr) continue;
    messages.push_back(authority.encode());
  }
  start_list(id, EventName::list_authority, one_by_one(std::move(messages)));
}

}  // namespace caponier::vici

// Commands that change SAs, and the waits that some of them are.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "gateway/translate.h"
#include "vici/conns.h"
#include "vici/names.h"
#include "vici/server_impl.h"

namespace caponier::vici {
namespace {

/// A whole number, with a sign perhaps; what is none counts as absent.
std::int64_t number_in(const Message& request, std::string_view key, std::int64_t otherwise) {
  const auto text = request.value(key);
  if (!text) return otherwise;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  return error == std::errc{} && end == text->data() + text->size() ? number : otherwise;
}

/// What a request selects SAs by.
struct Selector {
  std::string ike, child;
  std::optional<std::uint64_t> ike_id, child_id;
  std::string peer_ip, peer_id;

  explicit Selector(const Message& request)
      : ike(request.text("ike")),
        child(request.text("child")),
        ike_id(id_in(request, "ike-id", "ike_id")),
        child_id(id_in(request, "child-id", "child_id")),
        peer_ip(request.text("peer-ip")),
        peer_id(request.text("peer-id")) {}

  /// Older clients write the second.
  static std::optional<std::uint64_t> id_in(const Message& request, std::string_view key,
                                            std::string_view old_key) {
    const std::string_view found = request.value(key) ? key : old_key;
    if (!request.value(found)) return std::nullopt;
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, number_in(request, found, 0)));
  }
  [[nodiscard]] bool is_empty() const {
    return ike.empty() && child.empty() && !ike_id && !child_id && peer_ip.empty() &&
           peer_id.empty();
  }
  [[nodiscard]] bool means_children() const { return !child.empty() || child_id.has_value(); }
  [[nodiscard]] std::string text() const {
    if (!child.empty()) return fmt::format("CHILD_SA '{}'", child);
    if (child_id) return fmt::format("CHILD_SA {{{}}}", *child_id);
    if (!ike.empty()) return fmt::format("IKE_SA '{}'", ike);
    return ike_id ? fmt::format("IKE_SA [{}]", *ike_id) : std::string{"IKE_SAs"};
  }
};

/// A child, or without a name any of them.
bool is_configured_up(const config::PeerConfig& peer, const std::string& name) {
  return std::ranges::any_of(peer.children, [&](const config::ChildConfig& child) {
    return (name.empty() || child.name == name) && child.start == config::Start::at_once;
  });
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

// ---- Beginning

void Server::Impl::initiate(ClientId id, const Message& request, base::Instant now) {
  host_.settle(now);
  const std::string name = request.text("ike");
  const std::string child = request.text("child");
  if (name.empty() && child.empty()) return refuse(id, "missing configuration name");
  const std::string what =
      child.empty() ? fmt::format("IKE_SA '{}'", name) : fmt::format("CHILD_SA '{}'", child);
  tell({"CFG", 1, {}, {}, "vici initiate " + what});
  const auto config = gateway_.config();
  const config::PeerConfig* const peer = config ? find_conn(*config, name, child) : nullptr;
  if (peer == nullptr) {
    return refuse(id, child.empty() ? fmt::format("IKE_SA config '{}' not found", name)
                                    : fmt::format("CHILD_SA config '{}' not found", child));
  }
  Waiting waiting;
  waiting.what = child.empty() ? Waiting::For::ike_up : Waiting::For::child_up;
  waiting.connection = peer->name;
  waiting.child = child;
  waiting.milliseconds = number_in(request, "timeout", 0);
  waiting.log_level =
      static_cast<int>(std::clamp<std::int64_t>(number_in(request, "loglevel", 1), -1, 4));
  // What is said while it begins belongs to it.
  clients_.at(id).command = waiting;
  const auto brief = gateway_.find_peer(peer->name);
  const bool is_up = child.empty() ? has_established(peer->name) : brief && has(brief->up, child);
  if (is_up) {
    if (child.empty()) return finish(id, waiting, {});
    tell({"IKE",
          1,
          peer->name,
          {},
          fmt::format("not establishing CHILD_SA {} due to existing duplicate", child)});
    return finish(id, waiting, fmt::format("establishing {} failed", what));
  }
  if (peer->remote_any) {
    tell({"IKE", 1, peer->name, {}, "unable to initiate to %any, nobody knows where that is"});
    return finish(id, waiting, fmt::format("establishing {} failed", what));
  }
  if (!is_configured_up(*peer, child)) begun_.emplace(peer->name, child);
  const std::optional<std::string_view> wanted =
      child.empty() ? std::nullopt : std::optional<std::string_view>{child};
  if (!gateway_.start(peer->name, wanted, now)) {
    return finish(id, waiting, fmt::format("establishing {} failed", what));
  }
  begin_wait(id, std::move(waiting), now);
}

void Server::Impl::begin_wait(ClientId id, Waiting waiting, base::Instant now) {
  if (waiting.milliseconds < 0) return finish(id, waiting, {});
  if (waiting.milliseconds > 0) {
    waiting.until =
        now + std::chrono::milliseconds{std::min(waiting.milliseconds, wait_milliseconds_max)};
  }
  Client& client = clients_.at(id);
  if (!client.closing) client.command = std::move(waiting);
}

// ---- Waiting

void Server::Impl::finish(ClientId id, const Waiting& waiting, std::string_view failure) {
  MessageWriter out;
  out.value("success", std::string_view{failure.empty() ? "yes" : "no"});
  if (waiting.what == Waiting::For::all_down) {
    const std::size_t left = waiting.sas.size() + waiting.children.size();
    // Who does not wait is told what will be.
    const std::size_t ended = failure.empty() ? waiting.matches : waiting.matches - left;
    out.value("matches", waiting.matches).value("terminated", ended);
  }
  if (!failure.empty()) out.value("errmsg", failure);
  Client& client = clients_.at(id);
  const std::string message = out.take();
  client.command = {};
  respond(id, message);
  if (!client.input.empty()) has_input_.insert(id);
}

void Server::Impl::heed(const gateway::SaChange& change) {
  for (auto& [id, client] : clients_) {
    if (auto* const waiting = std::get_if<Waiting>(&client.command)) heed(id, *waiting, change);
  }
}

void Server::Impl::heed(ClientId id, Waiting& waiting, const gateway::SaChange& change) {
  using Kind = gateway::SaChange::Kind;
  const bool is_same = change.connection == waiting.connection;
  switch (waiting.what) {
    case Waiting::For::ike_up:
      if (is_same && change.kind == Kind::ike_up) finish(id, Waiting{waiting}, {});
      return;
    case Waiting::For::child_up:
      if (!is_same || change.child_name != waiting.child) return;
      if (change.kind == Kind::child_up) return finish(id, Waiting{waiting}, {});
      if (change.kind == Kind::child_failed) {
        finish(id, Waiting{waiting},
               fmt::format("establishing CHILD_SA '{}' failed", waiting.child));
      }
      return;
    case Waiting::For::all_down: break;
  }
  if (change.sa && (change.kind == Kind::ike_down || change.kind == Kind::ike_failed)) {
    waiting.sas.erase(change.sa->id);
  }
  if (change.old_sa) waiting.sas.erase(change.old_sa->id);
  if (change.child && change.kind == Kind::child_down) waiting.children.erase(change.child->sa.id);
  if (change.old_child) waiting.children.erase(change.old_child->sa.id);
  if (waiting.sas.empty() && waiting.children.empty()) finish(id, Waiting{waiting}, {});
}

void Server::Impl::check_waits(base::Instant now) {
  for (auto& [id, client] : clients_) {
    auto* const waiting = std::get_if<Waiting>(&client.command);
    if (waiting == nullptr) continue;
    const bool is_down = waiting->what == Waiting::For::all_down;
    const std::string what = waiting->child.empty()
                                 ? fmt::format("IKE_SA '{}'", waiting->connection)
                                 : fmt::format("CHILD_SA '{}'", waiting->child);
    const auto brief = is_down ? std::nullopt : gateway_.find_peer(waiting->connection);
    if (!is_down && (!brief || brief->attempts > 0)) {
      finish(id, Waiting{*waiting}, fmt::format("establishing {} failed", what));
    } else if (waiting->until && now >= *waiting->until) {
      finish(id, Waiting{*waiting},
             is_down ? "not all matching SAs could be terminated"
                     : fmt::format("{} not established after {}ms", what, waiting->milliseconds));
    }
  }
  check_begun();
}

void Server::Impl::check_begun() {
  std::erase_if(begun_, [&](const auto& begun) {
    const auto& [name, child] = begun;
    const auto brief = gateway_.find_peer(name);
    if (!brief) return true;
    const bool is_up = child.empty() ? brief->state == gateway::PeerState::idle ||
                                           brief->state == gateway::PeerState::up
                                     : has(brief->up, child);
    if (!is_up && brief->attempts == 0) return false;
    // What comes to an end later is not ours to begin again either.
    const std::optional<std::string_view> which =
        child.empty() ? std::nullopt : std::optional<std::string_view>{child};
    static_cast<void>(gateway_.rest(name, which, latest_));
    return true;
  });
}

// ---- SAs that there are

Server::Impl::Selected Server::Impl::select(const Message& request) {
  const Selector by{request};
  Selected selected;
  const std::vector<ike::IkeSaId> ids =
      by.ike_id ? std::vector{ike::IkeSaId{*by.ike_id}} : gateway_.sa_ids();
  for (const ike::IkeSaId id : ids) {
    // Most of many are known to be of other connections without a look at them.
    const auto known = by.ike.empty() ? described_.end() : described_.find(id);
    const bool is_another = known != described_.end() && !known->second.is_nameless &&
                            known->second.connection != by.ike;
    if (is_another) continue;
    const auto status = gateway_.find_sa(id);
    if (!status || status->ike.connection.empty()) continue;
    const ike::IkeSaInfo& sa = status->ike;
    if (!by.ike.empty() && sa.connection != by.ike) continue;
    if (!by.peer_ip.empty() && sa.path.remote.address.to_string() != by.peer_ip) continue;
    if (!by.peer_id.empty() && identity_text(sa.remote_id, host_.pki()) != by.peer_id) continue;
    if (!by.means_children()) {
      selected.sas.push_back({id, sa.connection, {}});
      continue;
    }
    for (const ike::ChildSaInfo& child : sa.children) {
      if (!by.child.empty() && child.name != by.child) continue;
      if (by.child_id && child.id.value != *by.child_id) continue;
      if (child.state == ike::ChildState::replaced) continue;
      selected.sas.push_back({id, sa.connection, child.name});
      selected.children.push_back(child.id);
    }
  }
  return selected;
}

bool Server::Impl::has_established(const std::string& connection) {
  const Selected selected = select(Message{}.add("ike", connection));
  return std::ranges::any_of(selected.sas, [this](const Selected::Sa& sa) {
    const auto status = gateway_.find_sa(sa.id);
    return status && status->ike.state == ike::IkeState::established;
  });
}

void Server::Impl::terminate(ClientId id, const Message& request, base::Instant now) {
  const Selector by{request};
  if (by.is_empty()) return refuse(id, "missing terminate selector");
  tell({"CFG", 1, {}, {}, "vici terminate " + by.text()});
  const Selected selected = select(request);
  const bool of_children = by.means_children();
  Waiting waiting;
  waiting.what = Waiting::For::all_down;
  waiting.matches = of_children ? selected.children.size() : selected.sas.size();
  if (waiting.matches == 0) return finish(id, waiting, "no matching SAs to terminate found");
  waiting.connection = selected.sas.front().connection;
  waiting.milliseconds = number_in(request, "timeout", 0);
  waiting.log_level =
      static_cast<int>(std::clamp<std::int64_t>(number_in(request, "loglevel", 1), -1, 4));
  if (of_children) {
    waiting.children.insert(selected.children.begin(), selected.children.end());
  } else {
    for (const auto& sa : selected.sas) waiting.sas.insert(sa.id);
  }
  clients_.at(id).command = waiting;
  // What a person has ended is not begun again by ourselves.
  for (const auto& sa : selected.sas) {
    const std::optional<std::string_view> child =
        of_children ? std::optional<std::string_view>{sa.child} : std::nullopt;
    static_cast<void>(gateway_.rest(sa.connection, child, now));
    std::erase_if(begun_, [&](const auto& begun) { return begun.first == sa.connection; });
    if (!of_children) gateway_.order(ike::DeleteIke{sa.connection, {}, sa.id}, now);
  }
  for (const policy::ChildSaId child : selected.children) {
    gateway_.order(ike::DeleteChild{child}, now);
  }
  begin_wait(id, std::move(waiting), now);
}

void Server::Impl::rekey(ClientId id, const Message& request, base::Instant now) {
  const Selector by{request};
  if (by.is_empty()) return refuse(id, "missing rekey selector");
  tell({"CFG", 1, {}, {}, "vici rekey " + by.text()});
  const Selected selected = select(request);
  const std::size_t matches = by.means_children() ? selected.children.size() : selected.sas.size();
  for (const policy::ChildSaId child : selected.children) {
    gateway_.order(ike::RekeyChild{child}, now);
  }
  for (const auto& sa : selected.sas) {
    if (by.means_children()) break;
    if (request.is_yes("reauth")) {
      gateway_.order(ike::Reauthenticate{sa.connection, {}, sa.id}, now);
    } else {
      gateway_.order(ike::RekeyIke{sa.connection, sa.id}, now);
    }
  }
  MessageWriter out;
  out.value("success", std::string_view{matches > 0 ? "yes" : "no"}).value("matches", matches);
  if (matches == 0) out.value("errmsg", std::string_view{"no matching SAs to rekey found"});
  respond(id, out.text());
}

void Server::Impl::redirect(ClientId id, const Message& request, base::Instant now) {
  const auto gateway = request.value("gateway");
  if (!gateway) return refuse(id, "missing target gateway");
  if (gateway->empty()) return refuse(id, "unsupported gateway identity");
  tell({"CFG", 1, {}, {}, fmt::format("vici redirect to {}", base::printable(*gateway))});
  const config::RedirectTarget target{std::string{*gateway}, base::IpAddress::parse(*gateway)};
  const Selected selected = Selector{request}.is_empty() ? Selected{} : select(request);
  std::set<std::string> told;
  for (const auto& sa : selected.sas) {
    if (!told.insert(sa.connection).second) continue;
    gateway_.order(ike::RedirectPeer{sa.connection, gateway::gateway_name(target)}, now);
  }
  MessageWriter out;
  const std::size_t matches = selected.sas.size();
  out.value("success", std::string_view{matches > 0 ? "yes" : "no"}).value("matches", matches);
  if (matches == 0) out.value("errmsg", std::string_view{"no matching SAs to redirect found"});
  respond(id, out.text());
}

// ---- Policies without SAs

void Server::Impl::install(ClientId id, const Message& request, base::Instant now) {
  host_.settle(now);
  const std::string child = request.text("child");
  if (child.empty()) return refuse(id, "missing configuration name");
  tell({"CFG", 1, {}, {}, fmt::format("vici install '{}'", child)});
  const auto config = gateway_.config();
  const config::PeerConfig* const peer =
      config ? find_conn(*config, request.text("ike"), child) : nullptr;
  if (peer == nullptr) return refuse(id, "configuration name not found");
  if (!gateway_.set_trap(peer->name, child, true, now)) {
    return refuse(id, "installing policy failed");
  }
  answer(id, Message{});
}

void Server::Impl::uninstall(ClientId id, const Message& request, base::Instant now) {
  host_.settle(now);
  const std::string child = request.text("child");
  if (child.empty()) return refuse(id, "missing configuration name");
  tell({"CFG", 1, {}, {}, fmt::format("vici uninstall '{}'", child)});
  const auto config = gateway_.config();
  const config::PeerConfig* const peer =
      config ? find_conn(*config, request.text("ike"), child) : nullptr;
  const auto brief = peer == nullptr ? std::nullopt : gateway_.find_peer(peer->name);
  const bool is_trapped = brief && has(brief->trapped, child);
  if (!is_trapped || !gateway_.set_trap(peer->name, child, false, now)) {
    return refuse(id, fmt::format("policy '{}' not found", child));
  }
  answer(id, Message{});
}

}  // namespace caponier::vici

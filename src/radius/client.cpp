#include "radius/client.h"

#include <algorithm>
#include <bitset>
#include <set>
#include <tuple>

#include "base/error.h"

namespace caponier::radius {
namespace {

constexpr std::size_t identifiers = 256;

/// Which of a server's two ports.
enum class Kind : std::uint8_t { authentication, accounting };

Kind kind_of(Code code) {
  return code == Code::accounting_request ? Kind::accounting : Kind::authentication;
}

bool answers(Code request, Code answer) {
  if (request == Code::accounting_request) return answer == Code::accounting_response;
  return answer == Code::access_accept || answer == Code::access_reject ||
         answer == Code::access_challenge;
}

/// The identifiers of one of our ports towards one of a server's.
struct Identifiers {
  std::bitset<identifiers> used;
  std::uint8_t next = 0;  ///< so that one that was answered rests before it is used again

  std::optional<std::uint8_t> take() {
    for (std::size_t i = 0; i < identifiers; ++i) {
      const std::uint8_t candidate = next++;
      if (used[candidate]) continue;
      used[candidate] = true;
      return candidate;
    }
    return std::nullopt;
  }
};

/// Where an answer belongs.
struct Slot {
  ServerIndex server;
  Kind kind{};
  PortHandle port;
  std::uint8_t identifier = 0;
  friend auto operator<=>(const Slot&, const Slot&) = default;
};

struct Pending {
  Request request;
  std::vector<ServerIndex> tried;  ///< the last one is being asked
  Slot slot;
  Authenticator authenticator{};
  ByteVec datagram;
  unsigned transmissions = 0;
  base::Duration wait{};
  Instant since;  ///< asked this server
  Instant due;
};

struct ServerState {
  ServerCounters counters;
  std::optional<Instant> dead_until;
  std::optional<Instant> last_answer;
};

}  // namespace

std::string_view name_of(SubmitError error) {
  switch (error) {
    case SubmitError::no_server: return "no_server";
    case SubmitError::too_large: return "too_large";
    case SubmitError::busy: return "busy";
  }
  return "unknown";
}

class RadiusClient::Impl {
 public:
  Impl(ClientSettings settings, std::vector<Server> servers, const crypto::LegacyCrypto& crypto,
       base::Rng& rng)
      : settings_(settings),
        servers_(std::move(servers)),
        states_(servers_.size()),
        crypto_(crypto),
        rng_(rng) {}

  std::expected<RequestId, SubmitError> submit(Request request, Instant now) {
    Pending pending;
    pending.request = std::move(request);
    const RequestId id{next_id_++};
    auto asked = ask_next(id, pending, now);
    if (!asked) return std::unexpected{asked.error()};
    pending_.emplace(id, std::move(pending));
    return id;
  }

  void cancel(RequestId id) {
    const auto at = pending_.find(id);
    if (at == pending_.end()) return;
    release(at->second);
    deadlines_.erase({at->second.due, id});
    pending_.erase(at);
  }

  void handle_datagram(PortHandle port, const base::Endpoint& from, Bytes datagram, Instant now) {
    const auto where = find_server(from);
    if (!where) {
      ++strangers_;
      return;
    }
    const auto [server, kind] = *where;
    ServerCounters& counters = states_[server.value].counters;
    const auto packet = PacketView::decode(datagram);
    if (!packet) {
      ++counters.malformed;
      return;
    }
    const auto slot = slots_.find(Slot{server, kind, port, packet->identifier});
    if (slot == slots_.end()) {
      ++counters.unexpected;
      return;
    }
    const RequestId id = slot->second;
    const Pending& pending = pending_.at(id);
    if (!answers(pending.request.code, packet->code)) {
      ++counters.unexpected;
      return;
    }
    if (!is_authentic(*packet, pending, counters)) return;
    accept(id, *packet, now);
  }

  void handle_deadline(Instant now) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      const RequestId id = deadlines_.begin()->second;
      deadlines_.erase(deadlines_.begin());
      Pending& pending = pending_.at(id);
      if (pending.transmissions < settings_.transmissions_per_server) {
        ++states_[pending.slot.server.value].counters.retransmissions;
        transmit(id, pending, now);
      } else {
        give_up_server(id, pending, now);
      }
    }
  }

  std::optional<Action> poll_action() {
    if (actions_.empty()) return std::nullopt;
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
  }

  std::optional<base::Deadline> poll_deadline() const {
    if (deadlines_.empty()) return std::nullopt;
    return base::Deadline{deadlines_.begin()->first, "a RADIUS server owes an answer"};
  }

  [[nodiscard]] const Server& server(ServerIndex index) const { return servers_.at(index.value); }
  [[nodiscard]] std::size_t servers() const { return servers_.size(); }
  [[nodiscard]] bool is_alive(ServerIndex index, Instant now) const {
    const auto& dead_until = states_.at(index.value).dead_until;
    return !dead_until || *dead_until <= now;
  }
  [[nodiscard]] const ServerCounters& counters(ServerIndex index) const {
    return states_.at(index.value).counters;
  }
  [[nodiscard]] std::uint64_t strangers() const { return strangers_; }
  [[nodiscard]] std::size_t under_way() const { return pending_.size(); }

 private:
  [[nodiscard]] std::optional<base::Endpoint> endpoint_of(ServerIndex index, Kind kind) const {
    const Server& server = servers_[index.value];
    if (kind == Kind::accounting) return server.accounting;
    return server.authentication;
  }

  [[nodiscard]] std::optional<std::pair<ServerIndex, Kind>> find_server(
      const base::Endpoint& from) const {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      for (const Kind kind : {Kind::authentication, Kind::accounting}) {
        if (endpoint_of({i}, kind) == from) return std::pair{ServerIndex{i}, kind};
      }
    }
    return std::nullopt;
  }

  /// Those that may be asked and have not been, living ones first.
  [[nodiscard]] std::vector<ServerIndex> candidates(const Pending& pending, Instant now) const {
    std::vector<ServerIndex> found;
    for (const bool wants_alive : {true, false}) {
      for (std::size_t i = 0; i < servers_.size(); ++i) {
        const ServerIndex index{i};
        const auto& only = pending.request.server;
        const bool may = !only || *only == index;
        const bool is_new = std::ranges::find(pending.tried, index) == pending.tried.end();
        if (may && is_new && is_alive(index, now) == wants_alive &&
            endpoint_of(index, kind_of(pending.request.code))) {
          found.push_back(index);
        }
      }
    }
    return found;
  }

  /// Asks the next server there is; the first reason why not when there is none.
  std::expected<void, SubmitError> ask_next(RequestId id, Pending& pending, Instant now) {
    std::optional<SubmitError> problem;
    for (const ServerIndex index : candidates(pending, now)) {
      pending.tried.push_back(index);
      const auto asked = ask(id, index, pending, now);
      if (asked) return {};
      if (!problem) problem = asked.error();
    }
    return std::unexpected{problem.value_or(SubmitError::no_server)};
  }

  std::expected<void, SubmitError> ask(RequestId id, ServerIndex index, Pending& pending,
                                       Instant now) {
    const auto slot = take_slot(index, kind_of(pending.request.code));
    if (!slot) return std::unexpected{SubmitError::busy};
    auto datagram = seal(pending, *slot);
    if (!datagram) {
      identifiers_[{slot->server, slot->kind, slot->port}].used[slot->identifier] = false;
      return std::unexpected{SubmitError::too_large};
    }
    pending.slot = *slot;
    pending.datagram = std::move(*datagram);
    pending.transmissions = 0;
    pending.wait = settings_.first_wait;
    pending.since = now;
    slots_.emplace(*slot, id);
    ++states_[index.value].counters.requests;
    transmit(id, pending, now);
    return {};
  }

  [[nodiscard]] std::optional<Slot> take_slot(ServerIndex index, Kind kind) {
    for (std::uint16_t port = 0; port < settings_.ports_max; ++port) {
      const PortHandle handle{port};
      if (const auto identifier = identifiers_[{index, kind, handle}].take()) {
        return Slot{index, kind, handle, *identifier};
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<ByteVec> seal(Pending& pending, const Slot& slot) {
    const Request& request = pending.request;
    const Bytes secret = servers_[slot.server.value].secret.reveal();
    PacketBuilder builder{request.code, slot.identifier};
    for (const RequestAttribute& attribute : request.attributes) {
      builder.add(attribute.type, attribute.value);
    }
    builder.add_eap_message(request.eap_message);
    if (request.code == Code::accounting_request) {
      auto sealed = builder.seal_hashed_request(crypto_, secret);
      if (sealed) {
        base::copy_into(pending.authenticator,
                        Bytes{*sealed}.subspan(4, pending.authenticator.size()));
      }
      return sealed;
    }
    rng_.fill_public(pending.authenticator);
    return builder.seal_access_request(crypto_, secret, pending.authenticator);
  }

  void transmit(RequestId id, Pending& pending, Instant now) {
    const Slot& slot = pending.slot;
    actions_.emplace_back(
        Transmit{slot.port, *endpoint_of(slot.server, slot.kind), pending.datagram});
    ++pending.transmissions;
    const auto tenth = static_cast<std::uint64_t>(pending.wait.count() / 10);
    const auto jitter =
        base::Duration{static_cast<std::int64_t>(rng_.public_below(2 * tenth + 1))} -
        base::Duration{static_cast<std::int64_t>(tenth)};
    pending.due = now + pending.wait + jitter;
    pending.wait *= 2;
    deadlines_.emplace(pending.due, id);
  }

  void give_up_server(RequestId id, Pending& pending, Instant now) {
    const ServerIndex index = pending.slot.server;
    ServerState& state = states_[index.value];
    ++state.counters.timeouts;
    release(pending);
    // One lost request does not make a server dead that has answered others meanwhile.
    if (!state.last_answer || *state.last_answer < pending.since) {
      const bool was_alive = !state.dead_until.has_value();
      state.dead_until = now + settings_.dead_time;
      if (was_alive) actions_.emplace_back(ServerChanged{index, false});
    }
    if (ask_next(id, pending, now)) return;
    pending_.erase(id);
    actions_.emplace_back(NoAnswer{id});
  }

  [[nodiscard]] bool is_authentic(const PacketView& packet, const Pending& pending,
                                  ServerCounters& counters) const {
    const Bytes secret = servers_[pending.slot.server.value].secret.reveal();
    switch (check_answer(crypto_, secret, packet, pending.authenticator)) {
      case Authenticity::authentic: return true;
      case Authenticity::wrong_authenticator:
      case Authenticity::wrong_message_authenticator: ++counters.wrong_authenticator; break;
      case Authenticity::no_message_authenticator: ++counters.no_message_authenticator; break;
    }
    return false;
  }

  void accept(RequestId id, const PacketView& packet, Instant now) {
    Pending& pending = pending_.at(id);
    const ServerIndex index = pending.slot.server;
    ServerState& state = states_[index.value];
    ++state.counters.answers;
    state.last_answer = now;
    const bool was_dead = state.dead_until.has_value();
    state.dead_until.reset();
    if (was_dead) actions_.emplace_back(ServerChanged{index, true});

    Answer answer{id, index, base::to_vec(packet.whole), {}, {}};
    const Bytes secret = servers_[index.value].secret.reveal();
    for (const VendorAttribute& attribute : packet.vendor_attributes()) {
      if (attribute.vendor != vendor_microsoft) continue;
      const auto type = static_cast<MicrosoftType>(attribute.type);
      if (type != MicrosoftType::mppe_recv_key && type != MicrosoftType::mppe_send_key) continue;
      auto& key =
          type == MicrosoftType::mppe_recv_key ? answer.mppe_recv_key : answer.mppe_send_key;
      key = open_mppe_key(crypto_, secret, pending.authenticator, attribute.value);
    }
    release(pending);
    deadlines_.erase({pending.due, id});
    pending_.erase(id);
    actions_.emplace_back(std::move(answer));
  }

  void release(const Pending& pending) {
    const Slot& slot = pending.slot;
    identifiers_[{slot.server, slot.kind, slot.port}].used[slot.identifier] = false;
    slots_.erase(slot);
  }

  ClientSettings settings_;
  std::vector<Server> servers_;
  std::vector<ServerState> states_;
  const crypto::LegacyCrypto& crypto_;
  base::Rng& rng_;
  std::uint64_t next_id_ = 1;
  std::uint64_t strangers_ = 0;
  std::map<RequestId, Pending> pending_;
  std::map<Slot, RequestId> slots_;
  std::map<std::tuple<ServerIndex, Kind, PortHandle>, Identifiers> identifiers_;
  std::set<std::pair<Instant, RequestId>> deadlines_;
  std::deque<Action> actions_;
};

RadiusClient::RadiusClient(ClientSettings settings, std::vector<Server> servers,
                           const crypto::LegacyCrypto& crypto, base::Rng& rng)
    : impl_(std::make_unique<Impl>(settings, std::move(servers), crypto, rng)) {}
RadiusClient::~RadiusClient() = default;

std::expected<RequestId, SubmitError> RadiusClient::submit(Request request, Instant now) {
  return impl_->submit(std::move(request), now);
}
void RadiusClient::cancel(RequestId request) { impl_->cancel(request); }
void RadiusClient::handle_datagram(PortHandle port, const base::Endpoint& from, Bytes datagram,
                                   Instant now) {
  impl_->handle_datagram(port, from, datagram, now);
}
void RadiusClient::handle_deadline(Instant now) { impl_->handle_deadline(now); }
std::optional<Action> RadiusClient::poll_action() { return impl_->poll_action(); }
std::optional<base::Deadline> RadiusClient::poll_deadline() const { return impl_->poll_deadline(); }
const Server& RadiusClient::server(ServerIndex index) const { return impl_->server(index); }
std::size_t RadiusClient::servers() const { return impl_->servers(); }
bool RadiusClient::is_alive(ServerIndex index, Instant now) const {
  return impl_->is_alive(index, now);
}
const ServerCounters& RadiusClient::counters(ServerIndex index) const {
  return impl_->counters(index);
}
std::uint64_t RadiusClient::strangers() const { return impl_->strangers(); }
std::size_t RadiusClient::under_way() const { return impl_->under_way(); }

}  // namespace caponier::radius

#include "vici/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vici/server_impl.h"

namespace caponier::vici {

bool Server::Impl::connect(ClientId id) {
  if (clients_.size() >= clients_max) return false;
  clients_[id];
  return true;
}

void Server::Impl::disconnect(ClientId id) {
  const auto found = clients_.find(id);
  // Whoever goes has loaded all that he had: peers may come at once.
  const bool has_loaded = found != clients_.end() && found->second.has_loaded;
  clients_.erase(id);
  has_input_.erase(id);
  std::erase_if(output_, [id](const Output& output) { return output.client == id; });
  if (has_loaded) host_.settle(latest_);
}

void Server::Impl::receive(ClientId id, std::string_view data, base::Instant now) {
  latest_ = now;
  const auto found = clients_.find(id);
  if (found == clients_.end() || found->second.closing) return;
  found->second.input.append(data);
  take_input(id, now);
  const auto after = clients_.find(id);
  if (after != clients_.end() && after->second.input.size() > input_size_max) cut(id);
}

void Server::Impl::take_input(ClientId id, base::Instant now) {
  Client& client = clients_.at(id);
  std::size_t done = 0;
  while (!client.closing) {
    const auto segment = first_segment(client.input.text().substr(done));
    if (!segment) return cut(id);
    if (!*segment) break;
    const auto packet = Packet::decode(**segment);
    if (!packet) return cut(id);
    if (!take_packet(id, *packet, now)) break;
    done += length_size + (*segment)->size();
  }
  client.input.drop(done);
}

bool Server::Impl::take_packet(ClientId id, const Packet& packet, base::Instant now) {
  Client& client = clients_.at(id);
  switch (packet.type) {
    case PacketType::event_register:
    case PacketType::event_unregister: change_registration(id, packet); return true;
    case PacketType::cmd_request: break;
    case PacketType::cmd_response:
    case PacketType::cmd_unknown:
    case PacketType::event_confirm:
    case PacketType::event_unknown:
    case PacketType::event: cut(id); return true;  // nobody but we may say that
  }
  if (client.is_busy()) return false;
  const auto command = commands().find(packet.name);
  if (command == commands().end()) {
    say(id, make_packet(PacketType::cmd_unknown));
    return true;
  }
  auto request = Message::decode(base::as_bytes(packet.message));
  if (!request) {
    refuse(id, "malformed message: " + request.error().to_string());
  } else {
    (this->*command->second)(id, *request, now);
    request->wipe();
  }
  return true;
}

void Server::Impl::change_registration(ClientId id, const Packet& packet) {
  const auto name = std::ranges::find(event_names, packet.name);
  if (name == event_names.end()) return say(id, make_packet(PacketType::event_unknown));
  const auto index = static_cast<std::size_t>(name - event_names.begin());
  clients_.at(id).events.set(index, packet.type == PacketType::event_register);
  say(id, make_packet(PacketType::event_confirm));
}

// ---- Output

void Server::Impl::say(ClientId id, std::string packet) {
  Client& client = clients_.at(id);
  if (client.closing) return;
  if (client.outstanding + packet.size() > client_backlog_max) return cut(id);
  client.outstanding += packet.size();
  output_.push_back({id, std::move(packet), false, false});
}

void Server::Impl::cut(ClientId id) {
  std::erase_if(output_, [id](const Output& output) { return output.client == id; });
  Client& client = clients_.at(id);
  client.closing = true;
  client.command = {};
  output_.push_back({id, {}, true, true});
}

void Server::Impl::respond(ClientId id, std::string_view message) {
  if (message.size() >= segment_size_max) {
    return refuse(id, "the answer is longer than a segment may be");
  }
  say(id, make_packet(PacketType::cmd_response, {}, message));
}

void Server::Impl::answer(ClientId id, const Answer& answer) {
  if (!answer) return refuse(id, answer.error());
  MessageWriter out;
  out.value("success", std::string_view{"yes"}).append(answer->encode());
  respond(id, out.text());
}

void Server::Impl::refuse(ClientId id, std::string_view why) {
  MessageWriter out;
  out.value("success", std::string_view{"no"}).value("errmsg", why);
  respond(id, out.text());
}

void Server::Impl::raise(EventName name, const std::string& message) {
  std::string packet;
  for (auto& [id, client] : clients_) {
    if (!client.wants(name)) continue;
    if (packet.empty()) {
      packet = make_packet(PacketType::event, event_names[static_cast<std::size_t>(name)], message);
    }
    say(id, packet);
  }
}

void Server::Impl::tell(const LogLine& line) {
  if (clients_.empty()) return;
  raise(EventName::log, log_message(line, true));
  const std::string message = log_message(line, false);
  for (auto& [id, client] : clients_) {
    const auto* const waiting = std::get_if<Waiting>(&client.command);
    const bool is_meant = waiting != nullptr && client.wants(EventName::control_log) &&
                          line.level <= waiting->log_level &&
                          waiting->connection == line.connection;
    if (is_meant) say(id, make_packet(PacketType::event, "control-log", message));
  }
}

// ---- Lists

void Server::Impl::start_list(ClientId id, EventName event, Producer next) {
  Client& client = clients_.at(id);
  // Who has not registered sees the end alone.
  if (!client.wants(event)) return respond(id, Message{});
  client.command = Listing{event, std::move(next)};
}

void Server::Impl::pump_lists(base::Instant now) {
  std::size_t left = list_octets_per_turn_max;
  has_more_ = false;
  const auto is_ready = [](const Client& client) {
    return std::holds_alternative<Listing>(client.command) && client.outstanding < list_backlog_max;
  };
  std::size_t idle = 0;
  auto at = clients_.upper_bound(last_served_);
  while (!clients_.empty() && idle < clients_.size()) {
    if (at == clients_.end()) at = clients_.begin();
    Client& client = at->second;
    if (!is_ready(client)) {
      ++idle;
      ++at;
      continue;
    }
    if (left == 0) {
      has_more_ = true;
      return;
    }
    idle = 0;
    const std::size_t before = client.outstanding;
    pump_list(at->first, client, now);
    left -= std::min(left, client.outstanding - std::min(before, client.outstanding));
    last_served_ = at->first;
    ++at;
  }
}

void Server::Impl::pump_list(ClientId id, Client& client, base::Instant now) {
  constexpr std::size_t piece_size = 32UL * 1024;
  const EventName event = std::get<Listing>(client.command).event;
  std::string piece;
  bool is_over = false;
  while (piece.size() < piece_size && !is_over) {
    const auto message = std::get<Listing>(client.command).next(now);
    if (!message) {
      piece += make_packet(PacketType::cmd_response);
      is_over = true;
    } else if (client.wants(event)) {
      piece +=
          make_packet(PacketType::event, event_names[static_cast<std::size_t>(event)], *message);
    }
  }
  say(id, std::move(piece));
  if (!is_over || client.closing) return;
  client.command = {};
  if (!client.input.empty()) has_input_.insert(id);
}

// ---- Time and change

void Server::Impl::handle_event(const base::Event& event) {
  for (const LogLine& line : known_lines(event)) tell(line);
  if (const auto line = log_line(event)) tell(*line);
  if (event.kind == base::EventKind::ike_timeout || event.kind == base::EventKind::ike_failed ||
      event.kind == base::EventKind::ike_auth_failed ||
      event.kind == base::EventKind::ike_no_proposal ||
      event.kind == base::EventKind::child_failed) {
    MessageWriter out;
    out.value("type", base::info_of(event.kind).name).value("msg", event.text);
    if (!event.peer.empty()) out.value("ikesa-name", event.peer);
    raise(EventName::alert, out.text());
  }
}

void Server::Impl::take_changes(base::Instant now) {
  if (const std::uint64_t lost = gateway_.changes_lost(); lost != changes_lost_) {
    changes_lost_ = lost;
    described_.clear();
  }
  while (const auto change = gateway_.poll_change()) {
    host_.handle_change(*change);
    raise_events(*change, now);
    for (const LogLine& line : log_lines(*change, host_.pki())) tell(line);
    for (const auto* sa : {&change->sa, &change->old_sa}) {
      if (*sa) described_.erase((*sa)->id);
    }
    heed(*change);
  }
}

void Server::Impl::handle_progress(base::Instant now) {
  latest_ = now;
  take_changes(now);
  check_waits(now);
  for (const ClientId id : std::exchange(has_input_, {})) {
    if (clients_.contains(id)) take_input(id, now);
  }
  pump_lists(now);
}

std::optional<base::Deadline> Server::Impl::poll_deadline() const {
  if (has_more_ || !has_input_.empty()) return base::Deadline{latest_, "more of a list"};
  std::optional<base::Deadline> first;
  for (const auto& [id, client] : clients_) {
    const auto* const waiting = std::get_if<Waiting>(&client.command);
    if (waiting == nullptr || !waiting->until) continue;
    if (!first || *waiting->until < first->at) {
      first = base::Deadline{*waiting->until, "a client's wait for an SA ends"};
    }
  }
  return first;
}

std::optional<Server::Output> Server::Impl::poll_output() {
  if (output_.empty()) return std::nullopt;
  std::optional<Output> next{std::move(output_.front())};
  output_.pop_front();
  return next;
}

void Server::Impl::handle_written(ClientId id, std::size_t octets) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = found->second;
  client.outstanding -= std::min(octets, client.outstanding);
  const bool goes_on = std::holds_alternative<Listing>(client.command);
  if (goes_on && client.outstanding < list_backlog_max) has_more_ = true;
}

Server::Server(gateway::Gateway& gateway, Host& host)
    : impl_(std::make_unique<Impl>(gateway, host)) {
  gateway.watch_changes(true);
}
Server::~Server() = default;

bool Server::connect(ClientId client) { return impl_->connect(client); }
void Server::disconnect(ClientId client) { impl_->disconnect(client); }
void Server::receive(ClientId client, std::string_view data, base::Instant now) {
  impl_->receive(client, data, now);
}
void Server::handle_event(const base::Event& event) { impl_->handle_event(event); }
void Server::handle_progress(base::Instant now) { impl_->handle_progress(now); }
std::optional<base::Deadline> Server::poll_deadline() const { return impl_->poll_deadline(); }
std::optional<Server::Output> Server::poll_output() { return impl_->poll_output(); }
void Server::handle_written(ClientId client, std::size_t octets) {
  impl_->handle_written(client, octets);
}

}  // namespace caponier::vici

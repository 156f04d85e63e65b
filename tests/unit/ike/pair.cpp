#include "unit/ike/pair.h"

#include <algorithm>
#include <cstdlib>
#include <span>
#include <utility>

namespace caponier::ike::test {

policy::Offer ike_offer(std::string_view text) {
  return policy::parse_offer(text, wire::ProtocolId::ike).value();
}
policy::Offer esp_offer(std::string_view text) {
  return policy::parse_offer(text, wire::ProtocolId::esp).value();
}

ConnectionConfig make_connection(const End& local, const End& remote) {
  ConnectionConfig connection;
  connection.name = "to-" + remote.identity;
  connection.remote_addresses = {ip(remote.address)};
  connection.own_rounds.front().identity = policy::Identity::parse(local.identity);
  connection.peer_rounds.front().identity = policy::Identity::parse(remote.identity);
  connection.offers = {ike_offer("aes256gcm16-prfsha384-x25519-ecp256")};
  ChildConfig child;
  child.name = "net";
  child.offers = {esp_offer("aes256gcm16")};
  child.local = net(local.network);
  child.remote = net(remote.network);
  connection.children.push_back(std::move(child));
  return connection;
}

EndpointConfig test_config() {
  EndpointConfig config;
  config.export_keys = true;
  return config;
}

std::size_t Record::count(base::EventKind kind) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(events, [kind](const auto& e) { return e.kind == kind; }));
}

std::string Record::text(base::EventKind kind) const {
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    if (event->kind == kind) return event->text;
  }
  return {};
}

Side::Side(std::uint64_t seed, EndpointConfig config, base::Instant now)
    : rng(seed), endpoint(std::move(config), rng, crypto, now) {}

void Side::set(ConnectionConfig connection) {
  std::vector<ConnectionConfig> one;
  one.push_back(std::move(connection));
  set(std::move(one));
}

void Side::set(std::vector<ConnectionConfig> connections) {
  Connections shared;
  for (ConnectionConfig& connection : connections) {
    secrets.try_emplace(connection.name, "a shared secret of both");
    shared.push_back(std::make_shared<const ConnectionConfig>(std::move(connection)));
  }
  endpoint.set_connections(std::move(shared));
}

std::vector<const policy::InstallSa*> Side::live() const {
  std::vector<const policy::InstallSa*> list;
  for (const policy::InstallSa& install : record.installs) {
    if (std::ranges::find(record.removals, install.id) == record.removals.end()) {
      list.push_back(&install);
    }
  }
  return list;
}

std::optional<IkeState> Side::state() const {
  const auto infos = endpoint.snapshot();
  if (infos.empty()) return std::nullopt;
  return infos.front().state;
}

std::size_t Side::ike_count(IkeState state) const {
  const auto infos = endpoint.snapshot();
  return static_cast<std::size_t>(
      std::ranges::count_if(infos, [state](const auto& i) { return i.state == state; }));
}

wire::IkeHeader Datagram::header() const {
  base::Reader in{message};
  return wire::IkeHeader::decode(in).value_or(wire::IkeHeader{});
}

Pair::Pair() : Pair(test_config()) {}

Pair::Pair(EndpointConfig config, std::uint64_t seed)
    : a(2 * seed, config, now), b(2 * seed + 1, config, now) {
  a.set(make_connection(end_a, end_b));
  b.set(make_connection(end_b, end_a));
}

void Pair::put_a_behind_nat(std::string_view address, std::uint16_t port_shift,
                            std::string_view inside) {
  nat_inside_ = ip(inside);
  nat_address_ = ip(address);
  nat_shift_ = port_shift;
}

base::Path Pair::path_of(bool of_a, std::uint16_t port) const {
  const base::Endpoint at_a{ip(end_a.address), port};
  const base::Endpoint at_b{ip(end_b.address), port};
  return of_a ? base::Path{at_a, at_b} : base::Path{at_b, at_a};
}

void Pair::initiate_a() { command_a(Initiate{"to-b.example", path_of(true, 500)}); }
void Pair::initiate_b() { command_b(Initiate{"to-a.example", path_of(false, 500)}); }

void Pair::command_a(const Command& command) {
  a.endpoint.handle_command(command, now);
  collect();
}
void Pair::command_b(const Command& command) {
  b.endpoint.handle_command(command, now);
  collect();
}

void Pair::put(const Transmit& transmit, bool from_a) {
  Bytes message = transmit.datagram;
  if (transmit.path.local.port == 4500 || transmit.path.transport == base::Transport::tcp) {
    if (message.size() == 1) return;  // a keepalive ends at the NAT
    message = message.subspan(4);
  }
  base::Path path{transmit.path.remote, transmit.path.local, transmit.path.transport};
  if (nat_address_ && from_a) {
    path.remote.address = *nat_address_;
    path.remote.port = static_cast<std::uint16_t>(path.remote.port + nat_shift_);
  } else if (nat_address_) {
    path.local.address = nat_inside_;
    path.local.port = static_cast<std::uint16_t>(path.local.port - nat_shift_);
  }
  Datagram datagram{from_a, path, base::to_vec(message)};
  sent.push_back(datagram);
  if (!filter || filter(datagram)) wire.push_back(std::move(datagram));
}

void Pair::collect_from(Side& side, bool from_a) {
  while (auto polled = side.endpoint.poll_action()) {
    Action& action = *polled;
    Record& record = side.record;
    if (auto* const transmit = std::get_if<Transmit>(&action)) {
      put(*transmit, from_a);
      record.transmits.push_back(std::move(*transmit));
    } else if (const auto* const request = std::get_if<AuthRequest>(&action)) {
      record.auth_requests.push_back(*request);
      if (!side.keyholder_answers) continue;
      AuthReply reply;
      reply.sa = request->sa;
      reply.request = request->request;
      const auto secret = side.secrets.find(request->connection);
      if (side.keyholder) {
        reply = side.keyholder(*request);
        reply.sa = request->sa;
        reply.request = request->request;
      } else if (secret != side.secrets.end()) {
        reply = answer_by_shared_key(*request, side.crypto, base::as_bytes(secret->second));
      }
      side.endpoint.handle_auth_reply(std::move(reply), now);
    } else if (const auto* const step = std::get_if<EapRequest>(&action)) {
      record.eap_requests.push_back(*step);
      if (!side.eap) continue;
      EapReply reply = side.eap(*step);
      reply.sa = step->sa;
      reply.request = step->request;
      side.endpoint.handle_eap_reply(std::move(reply), now);
    } else if (std::holds_alternative<EapEnded>(action)) {
      ++record.eap_ended;
    } else if (const auto* const wish = std::get_if<LeaseRequest>(&action)) {
      record.lease_requests.push_back(*wish);
      if (!side.leases) continue;
      LeaseReply reply = side.leases(*wish);
      reply.sa = wish->sa;
      reply.request = wish->request;
      side.endpoint.handle_lease_reply(std::move(reply), now);
    } else if (const auto* const ended = std::get_if<LeaseEnded>(&action)) {
      record.leases_ended.push_back(ended->sa);
    } else if (auto* const configured = std::get_if<Configured>(&action)) {
      record.configured.push_back(std::move(*configured));
    } else if (auto* const install = std::get_if<policy::InstallSa>(&action)) {
      record.installs.push_back(std::move(*install));
    } else if (const auto* const removal = std::get_if<policy::RemoveSa>(&action)) {
      record.removals.push_back(removal->id);
    } else if (const auto* const choice = std::get_if<policy::SwitchSa>(&action)) {
      record.switches.push_back(*choice);
    } else if (const auto* const move = std::get_if<policy::MoveSa>(&action)) {
      record.moves.push_back(*move);
    } else if (const auto* const skip = std::get_if<policy::SkipSa>(&action)) {
      record.skips.push_back(*skip);
    } else if (auto* const close = std::get_if<CloseStream>(&action)) {
      record.closed_streams.push_back(close->path);
    } else if (auto* const answered = std::get_if<IkeAnswered>(&action)) {
      record.answered.push_back(*answered);
    } else if (auto* const up = std::get_if<IkeUp>(&action)) {
      record.ike_ups.push_back(*up);
    } else if (auto* const down = std::get_if<IkeDown>(&action)) {
      record.ike_downs.push_back(*down);
    } else if (auto* const redirected = std::get_if<Redirected>(&action)) {
      record.redirects.push_back(std::move(*redirected));
    } else if (auto* const child_up = std::get_if<ChildUp>(&action)) {
      record.child_ups.push_back(*child_up);
    } else if (auto* const child_down = std::get_if<ChildDown>(&action)) {
      record.child_downs.push_back(*child_down);
    } else if (const auto* const probed = std::get_if<PathProbed>(&action)) {
      record.probes.push_back(*probed);
    } else if (auto* const keys = std::get_if<KeysExported>(&action)) {
      record.keys.push_back(std::move(*keys));
    } else if (auto* const event = std::get_if<base::Event>(&action)) {
      record.events.push_back(std::move(*event));
    }
  }
}

void Pair::collect() {
  collect_from(a, true);
  collect_from(b, false);
}

void Pair::deliver(const Datagram& datagram) {
  Side& side = datagram.to_b ? b : a;
  side.endpoint.handle_datagram(datagram.path, datagram.message, now);
  collect();
}

void Pair::inject(bool to_b, Bytes message) {
  deliver({to_b, path_of(!to_b, 500), base::to_vec(message)});
}

void Pair::run() {
  collect();
  for (std::size_t i = 0; !wire.empty() && i < 10000; ++i) {
    const Datagram datagram = std::move(wire.front());
    wire.pop_front();
    deliver(datagram);
  }
}

void Pair::advance(base::Duration duration) {
  const base::Instant until = now + duration;
  run();
  for (std::size_t i = 0; i < 10000; ++i) {
    std::optional<base::Instant> next;
    for (const Side* side : {&a, &b}) {
      const auto deadline = side->endpoint.poll_deadline();
      if (deadline && (!next || deadline->at < *next)) next = deadline->at;
    }
    if (!next || *next > until) break;
    now = std::max(now, *next);
    a.endpoint.handle_deadline(now);
    b.endpoint.handle_deadline(now);
    run();
  }
  now = until;
}

bool Pair::is_up() const {
  const auto at_a = a.live();
  const auto at_b = b.live();
  if (at_a.size() != 1 || at_b.size() != 1) return false;
  const policy::InstallSa& x = *at_a.front();
  const policy::InstallSa& y = *at_b.front();
  const auto same = [](const policy::DirectionKeys& k, const policy::DirectionKeys& l) {
    return !k.encr.empty() && base::equal(k.encr.reveal(), l.encr.reveal()) &&
           base::equal(k.integ.reveal(), l.integ.reveal());
  };
  return x.spi_in == y.spi_out && x.spi_out == y.spi_in && same(x.keys_in, y.keys_out) &&
         same(x.keys_out, y.keys_in) && x.local == y.remote && x.remote == y.local &&
         x.mode == y.mode && x.suite == y.suite && x.udp_encap == y.udp_encap &&
         a.ike_count(IkeState::established) == 1 && b.ike_count(IkeState::established) == 1;
}

IkeKeys Forger::copy(const KeysExported& keys) {
  IkeKeys copied;
  copied.sk_ei = keys.sk_ei.duplicate();
  copied.sk_er = keys.sk_er.duplicate();
  copied.sk_ai = keys.sk_ai.duplicate();
  copied.sk_ar = keys.sk_ar.duplicate();
  return copied;
}

Forger::Forger(const KeysExported& keys) : spi_i_(keys.spi_i), spi_r_(keys.spi_r) {
  IkeKeys copied = copy(keys);
  initiator_ = MessageProtection::make(crypto_, keys.suite, copied, true, rng_).value();
  copied = copy(keys);
  responder_ = MessageProtection::make(crypto_, keys.suite, copied, false, rng_).value();
  copied = copy(keys);
  raw_i_ =
      crypto_.make_cipher(keys.suite.cipher, copied.sk_ei.reveal(), copied.sk_ai.reveal(), rng_)
          .value();
  raw_r_ =
      crypto_.make_cipher(keys.suite.cipher, copied.sk_er.reveal(), copied.sk_ar.reveal(), rng_)
          .value();
}

ByteVec raw_payload(wire::PayloadType next, Bytes body) {
  base::Writer out;
  out.u8(static_cast<std::uint8_t>(next));
  out.u8(0);
  out.u16(static_cast<std::uint16_t>(4 + body.size()));
  out.bytes(body);
  return out.finish().value();
}

ByteVec Forger::seal_raw(wire::IkeHeader header, wire::PayloadType first, Bytes chain,
                         std::optional<FragmentNumbers> numbers) {
  crypto::PacketCipher& cipher = header.from_initiator() ? *raw_i_ : *raw_r_;
  const std::size_t text = (chain.size() / cipher.block_size() + 1) * cipher.block_size();
  const std::size_t fixed = numbers ? 8 : 4;
  const std::size_t body = fixed + cipher.iv_size() + text + cipher.icv_size();
  header.next_payload = numbers ? wire::PayloadType::skf : wire::PayloadType::sk;
  header.length = static_cast<std::uint32_t>(wire::IkeHeader::size + body);
  base::Writer out;
  header.encode(out);
  out.u8(static_cast<std::uint8_t>(first));
  out.u8(0);
  out.u16(static_cast<std::uint16_t>(body));
  if (numbers) {
    out.u16(numbers->number);
    out.u16(numbers->total);
  }
  out.zeros(cipher.iv_size());
  out.bytes(chain);
  out.zeros(text - chain.size() - 1);
  out.u8(static_cast<std::uint8_t>(text - chain.size() - 1));
  out.zeros(cipher.icv_size());
  ByteVec message = out.finish().value();
  const base::MutBytes all{message};
  const std::size_t at = wire::IkeHeader::size + fixed;
  crypto::PacketJob job;
  job.header = all.first(at);
  job.iv = all.subspan(at, cipher.iv_size());
  job.text = all.subspan(at + cipher.iv_size(), text);
  job.icv = all.last(cipher.icv_size());
  job.iv_counter = rng_.public_u64();
  cipher.seal(std::span{&job, 1});
  return message;
}

std::vector<ByteVec> Forger::fragments(const wire::IkeHeader& header,
                                       const std::vector<wire::Payload>& payloads,
                                       std::uint16_t total) {
  base::Writer out;
  wire::encode_payloads(payloads, out);
  const Bytes chain = out.view();
  const std::size_t size = (chain.size() + total - 1) / total;
  std::vector<ByteVec> messages;
  for (std::uint16_t i = 0; i < total; ++i) {
    const Bytes rest = chain.subspan(std::min(chain.size(), i * size));
    const auto first =
        i == 0 && !payloads.empty() ? wire::type_of(payloads.front()) : wire::PayloadType::none;
    messages.push_back(seal_raw(header, first, rest.first(std::min(rest.size(), size)),
                                FragmentNumbers{static_cast<std::uint16_t>(i + 1), total}));
  }
  return messages;
}

std::vector<wire::Payload> Forger::open(const std::vector<ByteVec>& fragments) {
  Unsealed whole;
  for (const ByteVec& fragment : fragments) {
    base::Reader in{fragment};
    const auto header = wire::IkeHeader::decode(in).value();
    Unsealed piece = (header.from_initiator() ? responder_ : initiator_)->unseal(fragment).value();
    if (whole.chain.empty()) whole.first = piece.first;
    base::append(whole.chain, piece.chain);
  }
  return MessageProtection::decode(whole).value();
}

ByteVec Forger::raw_request(wire::ExchangeType exchange, std::uint32_t id, wire::PayloadType first,
                            Bytes chain) {
  return seal_raw(header(exchange, id), first, chain);
}

std::vector<wire::Payload> Forger::open(Bytes message) {
  base::Reader in{message};
  const auto header = wire::IkeHeader::decode(in).value();
  return (header.from_initiator() ? responder_ : initiator_)->open(message).value();
}

ByteVec Forger::seal(const wire::IkeHeader& header, const std::vector<wire::Payload>& payloads) {
  return (header.from_initiator() ? initiator_ : responder_)->seal(header, payloads).value();
}

wire::IkeHeader Forger::header(wire::ExchangeType exchange, std::uint32_t id) const {
  wire::IkeHeader header;
  header.spi_i = spi_i_;
  header.spi_r = spi_r_;
  header.exchange = exchange;
  header.message_id.value = id;
  header.flags = wire::IkeHeader::flag_initiator;
  return header;
}

ByteVec Forger::request(wire::ExchangeType exchange, std::uint32_t id,
                        const std::vector<wire::Payload>& payloads) {
  return seal(header(exchange, id), payloads);
}

}  // namespace caponier::ike::test

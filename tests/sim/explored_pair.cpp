#include "sim/explored_pair.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/error.h"
#include "ike/auth_methods.h"
#include "ike/keys.h"
#include "wire/icmp.h"
#include "wire/ike.h"

namespace caponier::sim {
namespace {

constexpr std::uint16_t ike_port = 500;
constexpr std::uint16_t natt_port = 4500;
constexpr std::size_t marker_size = 4;

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

base::IpAddress ip(std::string_view text) { return base::IpAddress::parse(text).value(); }

policy::TrafficSelectors net(std::string_view prefix) {
  return {policy::TrafficSelector::from_prefix(base::Prefix::parse(prefix).value())};
}

policy::Offers offers(std::string_view text, wire::ProtocolId protocol) {
  return {policy::parse_offer(text, protocol).value()};
}

base::Bytes message_of(const ike::Transmit& transmit) {
  const base::Bytes all{transmit.datagram};
  return transmit.path.local.port == natt_port && all.size() > marker_size
             ? all.subspan(marker_size)
             : all;
}

ike::ChildConfig make_child(std::string name, bool of_a, std::string_view at_a,
                            std::string_view at_b, const PairSetup& setup) {
  ike::ChildConfig child;
  child.name = std::move(name);
  child.offers = offers(setup.pfs ? "aes128gcm16-ecp256" : "aes128gcm16", wire::ProtocolId::esp);
  child.local = net(of_a ? at_a : at_b);
  child.remote = net(of_a ? at_b : at_a);
  child.resources = setup.resources;
  return child;
}

ike::EndpointConfig config_of(const PairSetup& setup) {
  ike::EndpointConfig config;
  config.workers = std::max(setup.resources, config.workers);
  return config;
}

/// Nothing but the commands and lost messages makes anything happen.
constexpr base::Duration dpd_interval{std::chrono::hours{24}};

}  // namespace

std::string OnWire::describe() const {
  base::Reader in{message_of(transmit)};
  const auto header = wire::IkeHeader::decode(in);
  const std::string_view direction = to_b ? "a>b" : "b>a";
  if (!header) return fmt::format("{} keepalive", direction);
  return fmt::format("{} {} {} {} of {:04x}", direction, wire::name_of(header->exchange),
                     header->is_response() ? "response" : "request", header->message_id.value,
                     header->spi_i.value >> 48);
}

ExploredEnd::ExploredEnd(ExploredPair& pair, bool is_a, const PairSetup& setup)
    : addresses{ip(is_a ? "192.0.2.1" : "192.0.2.2")},
      pair_(&pair),
      is_a_(is_a),
      rng_(is_a ? setup.dice_a : setup.dice_b),
      endpoint_(config_of(setup), rng_, crypto_, pair.now),
      engine_({}, rng_, crypto_) {}

void ExploredEnd::configure(const ExploredEnd& other, const PairSetup& setup) {
  auto connection = std::make_shared<ike::ConnectionConfig>();
  connection->name = this->connection();
  connection->remote_addresses = other.addresses;
  connection->own_rounds.front().identity =
      policy::Identity::parse(is_a_ ? "@a.example" : "@b.example");
  connection->peer_rounds.front().identity =
      policy::Identity::parse(is_a_ ? "@b.example" : "@a.example");
  connection->offers = offers("aes128gcm16-prfsha256-ecp256", wire::ProtocolId::ike);
  connection->dpd_interval = dpd_interval;
  connection->mobike = setup.mobile != PairSetup::Mobile::nobody;
  connection->keepalive_interval = dpd_interval;
  connection->children.push_back(make_child("net", is_a_, "10.1.0.0/16", "10.2.0.0/16", setup));
  connection->children.push_back(make_child("more", is_a_, "10.3.0.0/16", "10.4.0.0/16", setup));
  std::vector<ipsec::Policy> policies;
  for (const ike::ChildConfig& child : connection->children) {
    policies.push_back(
        {ipsec::PolicyAction::protect, connection->name, child.name, child.local, child.remote});
  }
  engine_.set_policies(std::move(policies));
  endpoint_.set_connections({std::move(connection)});
}

bool ExploredEnd::has_address(const base::IpAddress& address) const {
  return std::ranges::find(addresses, address) != addresses.end();
}

bool ExploredEnd::has_child(std::string_view name) const {
  for (const ike::IkeSaInfo& sa : sas()) {
    const auto found = std::ranges::find(sa.children, name, &ike::ChildSaInfo::name);
    if (found != sa.children.end()) return true;
  }
  return false;
}

void ExploredEnd::command(const ike::Command& command) {
  endpoint_.handle_command(command, pair_->now);
  drain();
}

void ExploredEnd::drain() {
  while (auto action = endpoint_.poll_action()) perform(*action);
}

void ExploredEnd::perform(ike::Action& action) {
  std::visit(Overloaded{
                 [&](ike::Transmit& transmit) { pair_->put(is_a_, std::move(transmit)); },
                 [&](const ike::AuthRequest& request) {
                   endpoint_.handle_auth_reply(
                       ike::answer_by_shared_key(request, crypto_, base::as_bytes("a shared key")),
                       pair_->now);
                 },
                 [&](policy::InstallSa& sa) {
                   if (first_child_.value == 0) first_child_ = sa.id;
                   if (!engine_.install(std::move(sa), pair_->now))
                     errors_.emplace_back("no SA installed");
                 },
                 [&](const policy::ExpectSa& expected) { engine_.expect(expected); },
                 [&](const policy::SwitchSa& choice) { engine_.switch_outbound(choice); },
                 [&](const policy::RemoveSa& sa) { engine_.remove(sa.id); },
                 [&](const policy::MoveSa& move) { engine_.move(move); },
                 [&](const base::Event& event) {
                   if (pair_->verbose) fmt::print("      {}: {}\n", is_a_ ? "a" : "b", event.text);
                   if (base::info_of(event.kind).severity == base::Severity::error) {
                     errors_.push_back(event.text);
                   }
                 },
                 [](const auto&) {},
             },
             action);
}

void ExploredEnd::handle_notices() {
  while (const auto notice = engine_.poll_notice()) {
    if (const auto* const moved = std::get_if<ipsec::PeerMoved>(&*notice)) {
      command(ike::PeerMoved{moved->id, moved->path});
    } else if (const auto* const sends = std::get_if<ipsec::PeerSends>(&*notice)) {
      command(ike::PeerHeard{sends->id});
    }
  }
}

void ExploredEnd::handle_deadline() {
  endpoint_.handle_deadline(pair_->now);
  engine_.handle_deadline(pair_->now);
  drain();
  handle_notices();
}

std::optional<base::Instant> ExploredEnd::next_deadline() const {
  std::optional<base::Instant> next;
  for (const auto& deadline : {endpoint_.poll_deadline(), engine_.poll_deadline()}) {
    if (deadline && (!next || deadline->at < *next)) next = deadline->at;
  }
  return next;
}

ExploredPair::ExploredPair(const PairSetup& setup) : a(*this, true, setup), b(*this, false, setup) {
  const bool is_mobile = setup.mobile != PairSetup::Mobile::nobody;
  ExploredEnd& mobile = end(setup.mobile == PairSetup::Mobile::a);
  if (is_mobile) mobile.addresses.push_back(ip("198.51.100.1"));
  a.configure(b, setup);
  b.configure(a, setup);
  if (is_mobile) mobile.command(ike::SetLocalAddresses{mobile.addresses});
  establish(setup.b_is_initiator);
}

void ExploredPair::establish(bool by_b) {
  end(!by_b).command(ike::Initiate{end(!by_b).connection(), path(!by_b)});
  while (!wire.empty()) deliver(0);
  CAPONIER_ASSERT(a.association_count() == 1 && b.association_count() == 1);
}

base::Path ExploredPair::path(bool of_a) const {
  const base::Endpoint at_a{a.addresses.front(), ike_port};
  const base::Endpoint at_b{b.addresses.front(), ike_port};
  return of_a ? base::Path{at_a, at_b} : base::Path{at_b, at_a};
}

void ExploredPair::put(bool from_a, ike::Transmit transmit) {
  if (!end(from_a).has_address(transmit.path.local.address)) return;
  wire.push_back({from_a, std::move(transmit)});
}

void ExploredPair::deliver(std::size_t index) {
  const OnWire arriving = std::move(wire[index]);
  wire.erase(wire.begin() + static_cast<std::ptrdiff_t>(index));
  now = now + 1ms;
  ExploredEnd& receiver = end(!arriving.to_b);
  if (!receiver.has_address(arriving.transmit.path.remote.address)) return;
  const base::Path path{arriving.transmit.path.remote, arriving.transmit.path.local};
  receiver.endpoint_.handle_datagram(path, message_of(arriving.transmit), now);
  receiver.drain();
}

void ExploredPair::lose(std::size_t index) {
  wire.erase(wire.begin() + static_cast<std::ptrdiff_t>(index));
}

void ExploredPair::drop_unreachable() {
  std::erase_if(wire, [&](const OnWire& arriving) {
    return !end(!arriving.to_b).has_address(arriving.transmit.path.remote.address);
  });
}

bool ExploredPair::pass_time(base::Instant limit) {
  std::optional<base::Instant> next = a.next_deadline();
  if (const auto other = b.next_deadline(); other && (!next || *other < *next)) next = other;
  if (!next || *next > limit) return false;
  now = std::max(now + 1ms, *next);
  a.handle_deadline();
  b.handle_deadline();
  return true;
}

std::string ExploredPair::probe(bool from_a) {
  ExploredEnd& sender = end(from_a);
  ExploredEnd& receiver = end(!from_a);
  const auto at_a = ip("10.1.0.1");
  const auto at_b = ip("10.2.0.1");
  const base::ByteVec clear = wire::make_echo_packet(from_a ? at_a : at_b, from_a ? at_b : at_a,
                                                     {false, 1, next_probe_++, {}});
  ipsec::PacketBuffer packet{256};
  packet.assign(clear);
  ipsec::ProtectItem out;
  out.packet = &packet;
  sender.engine_.protect({&out, 1}, now);
  sender.handle_notices();
  const char who = from_a ? 'a' : 'b';
  if (out.verdict != ipsec::Verdict::forward) {
    return fmt::format("{} cannot send: {}", who, base::info_of(out.drop).name);
  }
  if (!sender.has_address(out.path.local.address) ||
      !receiver.has_address(out.path.remote.address)) {
    return fmt::format("{} sends from {} to {}", who, out.path.local.to_string(),
                       out.path.remote.to_string());
  }
  const auto spi = base::load_be<std::uint32_t>(std::as_const(packet).bytes().data());
  ipsec::OpenItem in;
  in.packet = &packet;
  in.path = {out.path.remote, out.path.local};
  if (!out.udp_encap) in.path.local.port = in.path.remote.port = 0;
  receiver.engine_.open({&in, 1}, now);
  if (in.verdict == ipsec::Verdict::forward) receiver.command(ike::PeerHeard{in.sa});
  receiver.handle_notices();
  if (in.verdict == ipsec::Verdict::forward) return {};
  return fmt::format("{} sends on {:08x}, which the other does not take: {}", who, spi,
                     base::info_of(in.drop).name);
}

}  // namespace caponier::sim

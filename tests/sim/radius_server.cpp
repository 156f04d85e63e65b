#include "sim/radius_server.h"

#include <fmt/format.h>

#include "sim/world.h"

namespace caponier::sim {
namespace {

base::Bytes secret() { return base::as_bytes(radius_secret); }

}  // namespace

RadiusServer::RadiusServer(World& world, HostId id, const base::IpAddress& address)
    : world_(&world), id_(id), address_(address) {}

std::optional<eap::Password> RadiusServer::Users::find(std::string_view user) const {
  const auto found = server_.users.find(std::string{user});
  if (found == server_.users.end()) return std::nullopt;
  return eap::Cleartext{base::SecretBytes{base::as_bytes(found->second)}};
}

void RadiusServer::ask(const base::IpAddress& nas, radius::Code code, const Fill& fill) {
  constexpr std::uint16_t port = 40000;
  radius::PacketBuilder out{code, ++asked_};
  const auto since = world_->now().since_origin + std::chrono::seconds{1'700'000'000};
  out.add_u32(
      radius::AttributeType::event_timestamp,
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(since).count()));
  fill(out);
  world_->transmit(id_, {Carrier::udp,
                         {address_, port},
                         {nas, radius_coa_port},
                         out.seal_hashed_request(world_->legacy(), secret()).value()});
}

void RadiusServer::handle_accounting(const Datagram& datagram) {
  const auto request = radius::PacketView::decode(datagram.payload);
  if (!request) return;
  const auto [known, is_new] = answered_.try_emplace({datagram.source, request->authenticator});
  if (is_new) {
    accounted_.push_back(request->find_u32(radius::AttributeType::acct_status_type).value_or(0));
    radius::PacketBuilder out{radius::Code::accounting_response, request->identifier};
    known->second = out.seal_answer(world_->legacy(), secret(), request->authenticator).value();
  }
  world_->transmit(id_, {Carrier::udp, datagram.destination, datagram.source, known->second});
}

void RadiusServer::handle(const Datagram& datagram) {
  if (datagram.source.port == radius_coa_port) {
    const auto answer = radius::PacketView::decode(datagram.payload);
    if (answer) answers_.push_back(answer->code);
    return;
  }
  if (datagram.destination.port == radius_accounting_port) return handle_accounting(datagram);
  ++requests_;
  if (is_silent) return;
  const auto request = radius::PacketView::decode(datagram.payload);
  if (!request || radius::check_access_request(world_->legacy(), secret(), *request) !=
                      radius::Authenticity::authentic) {
    world_->violations().add(Broken::undeclared_drop, "a RADIUS request that is not authentic");
    return;
  }
  const auto [known, is_new] = answered_.try_emplace({datagram.source, request->authenticator});
  if (is_new) known->second = answer(*request, step(*request, request->eap_message()));
  Datagram reply{Carrier::udp, datagram.destination, datagram.source, known->second};
  if (delay == 0ns) return world_->transmit(id_, std::move(reply));
  world_->after(delay, [this, reply = std::move(reply)] { world_->transmit(id_, reply); });
}

eap::Step RadiusServer::step(const radius::PacketView& request, base::Bytes eap) {
  const auto state = request.find(radius::AttributeType::state);
  if (state) {
    state_ = base::as_text(*state);
    const auto found = conversations_.find(state_);
    if (found != conversations_.end()) return found->second->handle(eap, world_->now());
    return eap::Failure{};
  }
  // The gateway has asked for the identity; here the server believes that it did.
  state_ = fmt::format("conversation {}", ++begun_);
  eap::ServerSettings settings;
  settings.methods = methods;
  auto server = std::make_unique<eap::EapServer>(
      std::move(settings),
      eap::ServerPorts{.crypto = world_->legacy(), .rng = world_->rng(), .passwords = &passwords_});
  const auto asked = server->start(world_->now());
  const auto packet = eap::Packet::decode(eap);
  const auto* const send = std::get_if<eap::Send>(&asked);
  if (!packet || send == nullptr) return eap::Failure{};
  const auto identity =
      eap::encode({eap::Code::response, std::to_integer<std::uint8_t>(send->packet.at(1)),
                   eap::Type::identity, packet->data});
  eap::Step next = server->handle(identity.value(), world_->now());
  conversations_[state_] = std::move(server);
  return next;
}

base::ByteVec RadiusServer::answer(const radius::PacketView& request, eap::Step step) {
  const auto seal = [&](radius::Code code, base::Bytes eap, const auto& fill) {
    radius::PacketBuilder out{code, request.identifier};
    if (!eap.empty()) out.add_eap_message(eap);
    fill(out);
    return out.seal_answer(world_->legacy(), secret(), request.authenticator).value();
  };
  const auto nothing = [](radius::PacketBuilder&) {};
  if (const auto* const send = std::get_if<eap::Send>(&step)) {
    return seal(radius::Code::access_challenge, send->packet, [&](radius::PacketBuilder& out) {
      out.add_text(radius::AttributeType::state, state_);
    });
  }
  const auto* const success = std::get_if<eap::Success>(&step);
  if (success == nullptr) {
    const auto* const failure = std::get_if<eap::Failure>(&step);
    return seal(radius::Code::access_reject,
                failure == nullptr ? base::Bytes{} : base::Bytes{failure->packet}, nothing);
  }
  return seal(radius::Code::access_accept, success->packet, [&](radius::PacketBuilder& out) {
    out.add_text(radius::AttributeType::user_name, success->outcome.identity);
    for (const std::string& one : filters) out.add_text(radius::AttributeType::filter_id, one);
    if (session_timeout_seconds) {
      out.add_u32(radius::AttributeType::session_timeout, *session_timeout_seconds);
    }
    const base::Bytes msk = success->outcome.msk.reveal();
    const auto add_key = [&](radius::MicrosoftType type, std::uint16_t salt, base::Bytes key) {
      const auto sealed =
          radius::seal_mppe_key(world_->legacy(), secret(), request.authenticator, salt, key);
      base::Writer value;
      value.u32(radius::vendor_microsoft);
      value.u8(static_cast<std::uint8_t>(type));
      value.u8(static_cast<std::uint8_t>(sealed.size() + 2));
      value.bytes(sealed.reveal());
      out.add(radius::AttributeType::vendor_specific, value.view());
    };
    if (msk.empty()) return;
    add_key(radius::MicrosoftType::mppe_recv_key, 0x8001, msk.first(32));
    add_key(radius::MicrosoftType::mppe_send_key, 0x8002, msk.subspan(32, 32));
  });
}

}  // namespace caponier::sim

#include "unit/radius/server.h"

#include <gtest/gtest.h>

namespace caponier::radius::test {
namespace {

std::vector<Server> make_servers(unsigned count) {
  std::vector<Server> servers;
  for (unsigned i = 1; i <= count; ++i) servers.push_back(make_server(i));
  return servers;
}

Bytes secret() { return base::as_bytes(shared_secret); }

}  // namespace

base::Endpoint endpoint(std::string_view address, std::uint16_t port) {
  return {base::IpAddress::parse(address).value(), port};
}

Server make_server(unsigned number) {
  const std::string address = "192.0.2." + std::to_string(number);
  return {"server-" + std::to_string(number), endpoint(address, 1812), endpoint(address, 1813),
          base::SecretBytes{secret()}};
}

Request access_request(std::string_view user) {
  Request request;
  request.attributes.push_back({AttributeType::user_name, base::to_vec(base::as_bytes(user))});
  return request;
}

Nas::Nas(unsigned servers, ClientSettings settings)
    : client(settings, make_servers(servers), legacy, rng) {}

void Nas::collect() {
  while (auto action = client.poll_action()) {
    if (auto* transmit = std::get_if<Transmit>(&*action)) sent.push_back(std::move(*transmit));
    if (auto* answer = std::get_if<Answer>(&*action)) answers.push_back(std::move(*answer));
    if (auto* none = std::get_if<NoAnswer>(&*action)) silent.push_back(*none);
    if (auto* change = std::get_if<ServerChanged>(&*action)) changes.push_back(*change);
  }
}

bool Nas::pass_deadline() {
  const auto deadline = client.poll_deadline();
  if (!deadline) return false;
  now = deadline->at;
  client.handle_deadline(now);
  collect();
  return true;
}

RequestId Nas::submit(Request request) {
  const auto id = client.submit(std::move(request), now);
  EXPECT_TRUE(id.has_value());
  collect();
  return id.value_or(RequestId{});
}

ByteVec Nas::answer_to(const Transmit& request, Code code,
                       const std::function<void(PacketBuilder&)>& fill) {
  const auto view = PacketView::decode(request.datagram);
  EXPECT_TRUE(view.has_value());
  PacketBuilder builder{code, view->identifier};
  if (fill) fill(builder);
  return builder.seal_answer(legacy, secret(), view->authenticator).value();
}

void Nas::deliver(const Transmit& answered, Bytes datagram) {
  client.handle_datagram(answered.port, answered.to, datagram, now);
  collect();
}

ByteVec EapBackEnd::answer(const Transmit& transmit, std::string_view user_name) {
  const auto request = PacketView::decode(transmit.datagram);
  EXPECT_TRUE(request.has_value());
  EXPECT_EQ(check_access_request(nas_.legacy, secret(), *request), Authenticity::authentic);
  const auto state = request->find(AttributeType::state);
  if ((state ? base::as_text(*state) : "") != state_) ++wrong_states_;
  ByteVec eap = request->eap_message();
  const auto packet = eap::Packet::decode(eap);
  EXPECT_TRUE(packet.has_value());
  eap::Step step = eap::Wait{};
  if (rounds_++ == 0) {  // the identity that the NAS asked for
    const auto asked = std::get<eap::Send>(server_->start(nas_.now)).packet;
    const auto response = eap::encode({eap::Code::response, std::to_integer<std::uint8_t>(asked[1]),
                                       eap::Type::identity, packet->data});
    step = server_->handle(*response, nas_.now);
  } else {
    step = server_->handle(eap, nas_.now);
  }
  if (auto* send = std::get_if<eap::Send>(&step)) {
    state_ = "state " + std::to_string(rounds_);
    return nas_.answer_to(transmit, Code::access_challenge, [&](PacketBuilder& out) {
      out.add_text(AttributeType::state, state_);
      out.add_eap_message(send->packet);
    });
  }
  if (auto* failure = std::get_if<eap::Failure>(&step)) {
    return nas_.answer_to(transmit, Code::access_reject,
                          [&](PacketBuilder& out) { out.add_eap_message(failure->packet); });
  }
  success_.emplace(std::move(std::get<eap::Success>(step)));
  return nas_.answer_to(transmit, Code::access_accept, [&](PacketBuilder& out) {
    out.add_eap_message(success_->packet);
    if (!user_name.empty()) out.add_text(AttributeType::user_name, user_name);
    const Bytes msk = success_->outcome.msk.reveal();
    const auto add_key = [&](MicrosoftType type, std::uint16_t salt, Bytes key) {
      const auto sealed = seal_mppe_key(nas_.legacy, secret(), request->authenticator, salt, key);
      base::Writer value;
      value.u32(vendor_microsoft);
      value.u8(static_cast<std::uint8_t>(type));
      value.u8(static_cast<std::uint8_t>(sealed.size() + 2));
      value.bytes(sealed.reveal());
      out.add(AttributeType::vendor_specific, value.view());
    };
    if (msk.empty()) return;
    add_key(MicrosoftType::mppe_recv_key, 1, msk.first(32));
    add_key(MicrosoftType::mppe_send_key, 2, msk.subspan(32, 32));
  });
}

}  // namespace caponier::radius::test

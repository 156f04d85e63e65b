#include "unit/eap/talk.h"

#include <gtest/gtest.h>

namespace caponier::eap::test {
namespace {

constexpr std::size_t packets_max = 400;

/// Notes an end; the packet to pass on, if any.
ByteVec note(Step step, std::optional<Success>& success, std::optional<Failure>& failure) {
  if (auto* send = std::get_if<Send>(&step)) return std::move(send->packet);
  if (auto* end = std::get_if<Success>(&step)) {
    ByteVec packet = end->packet;
    success.emplace(std::move(*end));
    return packet;
  }
  if (auto* end = std::get_if<Failure>(&step)) {
    ByteVec packet = end->packet;
    failure.emplace(std::move(*end));
    return packet;
  }
  return {};
}

}  // namespace

std::optional<Password> UserList::find(std::string_view user) const {
  if (const auto at = cleartexts_.find(user); at != cleartexts_.end()) return cleartext(at->second);
  if (const auto at = hashes_.find(user); at != hashes_.end()) {
    NtHash hash;
    base::copy_into(hash.hash.reveal_mutable(), at->second);
    return hash;
  }
  return std::nullopt;
}

Password cleartext(std::string_view password) {
  return Cleartext{base::SecretBytes{base::as_bytes(password)}};
}

Pair::Pair(std::vector<Type> methods) {
  server_settings.methods = methods;
  client_settings.methods = std::move(methods);
  client_settings.identity = "alice";
  users.add("alice", "correct horse");
}

std::unique_ptr<EapServer> Pair::make_server() {
  return std::make_unique<EapServer>(server_settings, ServerPorts{legacy, rng, &users, server_tls});
}

std::unique_ptr<EapClient> Pair::make_client() {
  return std::make_unique<EapClient>(client_settings,
                                     ClientPorts{legacy, rng, &password, client_tls});
}

Talk talk(Authenticator& server, EapClient& client, const Alter& alter) {
  Talk said;
  ByteVec next = note(server.start(no_time), said.server_success, said.server_failure);
  for (std::size_t round = 0; round < packets_max && !next.empty(); ++round) {
    if (alter) alter(round, true, next);
    said.to_client.push_back(next);
    next = note(client.handle(next, no_time), said.client_success, said.client_failure);
    if (next.empty() || said.server_success || said.server_failure) break;
    if (alter) alter(round, false, next);
    said.to_server.push_back(next);
    next = note(server.handle(next, no_time), said.server_success, said.server_failure);
    if (said.client_failure || said.client_success) break;
  }
  return said;
}

Talk talk(Pair& pair, const Alter& alter) {
  const auto server = pair.make_server();
  const auto client = pair.make_client();
  return talk(*server, *client, alter);
}

ByteVec packet(Code code, std::uint8_t identifier, Type type, Bytes data) {
  return encode({code, identifier, type, data}).value();
}

ByteVec packet_of(const Step& step) {
  if (const auto* send = std::get_if<Send>(&step)) return send->packet;
  if (const auto* success = std::get_if<Success>(&step)) return success->packet;
  if (const auto* failure = std::get_if<Failure>(&step)) return failure->packet;
  return {};
}

std::uint8_t identifier_of(Bytes packet) {
  EXPECT_GE(packet.size(), header_size);
  return std::to_integer<std::uint8_t>(packet[1]);
}

Type type_of(Bytes packet) {
  const auto decoded = Packet::decode(packet);
  EXPECT_TRUE(decoded.has_value());
  return decoded ? decoded->type : Type::none;
}

FailureReason reason_of(const Step& step) {
  const auto* failure = std::get_if<Failure>(&step);
  EXPECT_NE(failure, nullptr);
  return failure == nullptr ? FailureReason{} : failure->reason;
}

}  // namespace caponier::eap::test

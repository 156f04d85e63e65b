#pragma once
// What conformance tests say and overhear: on top of the two endpoints of unit/ike/pair.h.

#include <algorithm>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "unit/ike/pair.h"

namespace caponier::ike::test {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;
using wire::ProtocolId;
using Payloads = std::vector<wire::Payload>;

inline void bring_up(Pair& pair) {
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  pair.sent.clear();
}

inline policy::ChildSaId child_of(const Side& side) { return side.live().at(0)->id; }

/// The keys of the newest IKE SA of a side.
inline Forger forger_of(const Side& side) { return Forger{side.record.keys.back()}; }

inline wire::NotifyPayload notify_of(NotifyType type, ByteVec data = {}) {
  wire::NotifyPayload notify;
  notify.type = type;
  notify.data = std::move(data);
  return notify;
}

inline wire::DeletePayload delete_ike() {
  wire::DeletePayload deletion;
  deletion.protocol = ProtocolId::ike;
  return deletion;
}

inline ByteVec octets_of(base::Spi spi) {
  ByteVec octets(4);
  base::store_be(octets.data(), spi.value);
  return octets;
}

inline wire::DeletePayload delete_child(base::Spi spi) {
  return {ProtocolId::esp, 4, {octets_of(spi)}};
}

inline wire::NotifyPayload rekey_of(base::Spi spi) {
  wire::NotifyPayload rekey = notify_of(NotifyType::rekey_sa);
  rekey.protocol = ProtocolId::esp;
  rekey.spi = octets_of(spi);
  return rekey;
}

/// A CREATE_CHILD_SA request of A for its network; `extra` comes first, `last` at the end.
inline Payloads child_request(std::string_view offer, Payloads extra = {}, Payloads last = {}) {
  const ByteVec spi{std::byte{9}, std::byte{9}, std::byte{9}, std::byte{9}};
  Payloads payloads = std::move(extra);
  payloads.emplace_back(policy::to_wire({esp_offer(offer)}, spi, true));
  payloads.emplace_back(wire::NoncePayload{ByteVec(32, std::byte{7})});
  payloads.insert(payloads.end(), last.begin(), last.end());
  payloads.emplace_back(policy::to_wire(net(end_a.network), true));
  payloads.emplace_back(policy::to_wire(net(end_b.network), false));
  return payloads;
}

inline ByteVec public_value(crypto::KeGroup group) {
  base::SeededRng rng{5};
  crypto::NullProvider crypto{nullptr};
  return base::to_vec(crypto.make_key_exchange(group, rng).value()->public_value());
}

/// A CREATE_CHILD_SA request that rekeys the IKE SA to this SPI.
inline Payloads ike_rekey_request(std::byte spi = std::byte{0x77}) {
  return {policy::to_wire({ike_offer("aes256gcm16-prfsha384-x25519")}, ByteVec(8, spi), true),
          wire::NoncePayload{ByteVec(32, std::byte{8})},
          wire::KePayload{31, public_value(crypto::KeGroup::curve25519)}};
}

/// Hands B a request of A and returns the messages of B that it set off.
inline std::vector<ByteVec> sent_by_b(Pair& pair, base::Bytes request) {
  const std::size_t before = pair.sent.size();
  pair.inject(true, request);
  std::vector<ByteVec> messages;
  for (std::size_t i = before; i < pair.sent.size(); ++i) {
    if (!pair.sent[i].to_b) messages.push_back(pair.sent[i].message);
  }
  return messages;
}

/// B's one answer to a request of A, opened. Whatever else B says at once is left on the wire.
inline Payloads answer_of_b(Pair& pair, Forger& forger, base::Bytes request) {
  for (const ByteVec& message : sent_by_b(pair, request)) {
    base::Reader in{message};
    if (wire::IkeHeader::decode(in)->is_response()) return forger.open(message);
  }
  ADD_FAILURE() << "no answer";
  return {};
}

inline wire::IkeMessage decoded(base::Bytes message) {
  return wire::IkeMessage::decode(message).value_or(wire::IkeMessage{});
}

inline bool is_request(const Datagram& datagram, ExchangeType exchange) {
  return datagram.header().exchange == exchange && !datagram.header().is_response();
}
inline bool is_response(const Datagram& datagram, ExchangeType exchange) {
  return datagram.header().exchange == exchange && datagram.header().is_response();
}

/// The messages of this kind that went on the wire, oldest first.
inline std::vector<Datagram> said(const Pair& pair, bool to_b, ExchangeType exchange) {
  std::vector<Datagram> list;
  for (const Datagram& datagram : pair.sent) {
    if (datagram.to_b == to_b && datagram.header().exchange == exchange) list.push_back(datagram);
  }
  return list;
}

/// Rewrites what is inside the first protected message of this exchange and direction.
inline void edit_first(Pair& pair, bool to_b, ExchangeType exchange,
                       std::function<void(Payloads&)> edit) {
  pair.filter = [&pair, to_b, exchange, edit = std::move(edit),
                 is_done = false](Datagram& datagram) mutable {
    if (is_done || datagram.to_b != to_b || datagram.header().exchange != exchange) return true;
    is_done = true;
    Forger forger{pair.a.record.keys.back()};
    Payloads payloads = forger.open(datagram.message);
    edit(payloads);
    datagram.message = forger.seal(datagram.header(), payloads);
    return true;
  };
}

/// Both sides get a second child with these ESP offers, not yet negotiated.
inline void configure_second_child(Pair& pair, std::string_view offer_a, std::string_view offer_b) {
  const auto extend = [](ConnectionConfig connection, std::string_view offer,
                         std::string_view local, std::string_view remote) {
    ChildConfig child = connection.children.front();
    child.name = "second";
    child.offers = {esp_offer(offer)};
    child.local = net(local);
    child.remote = net(remote);
    connection.children.push_back(std::move(child));
    return connection;
  };
  pair.a.set(extend(make_connection(end_a, end_b), offer_a, "10.3.0.0/16", "10.4.0.0/16"));
  pair.b.set(extend(make_connection(end_b, end_a), offer_b, "10.4.0.0/16", "10.3.0.0/16"));
}

/// Both sides want their one child in transport mode between the two hosts.
inline void configure_transport_mode(Pair& pair) {
  const auto host = [](const End& local, const End& remote) {
    ConnectionConfig connection = make_connection(local, remote);
    ChildConfig& child = connection.children.front();
    child.mode = policy::SaMode::transport;
    child.local = net(local.address);
    child.remote = net(remote.address);
    return connection;
  };
  pair.a.set(host(end_a, end_b));
  pair.b.set(host(end_b, end_a));
}

/// A behind a NAT; B knows A by its identity only.
inline void configure_nat(Pair& pair) {
  pair.put_a_behind_nat("198.51.100.9", 1000);
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.remote_addresses.clear();
  pair.b.set(at_b);
}

}  // namespace caponier::ike::test

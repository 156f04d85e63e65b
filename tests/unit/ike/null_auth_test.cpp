// The NULL authentication method (RFC 7619): only where it is configured, and trusted with nothing.

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "ike/messages.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

ConnectionConfig connection(const End& local, const End& remote, AuthKind own, AuthKind peers) {
  ConnectionConfig config = make_connection(local, remote);
  config.own_rounds.front().kind = own;
  config.peer_rounds.front().kinds = {peers};
  if (peers == AuthKind::null) config.peer_rounds.front().identity = std::nullopt;
  return config;
}

void set_auth(Pair& pair, AuthKind of_a, AuthKind of_b) {
  pair.a.set(connection(end_a, end_b, of_a, of_b));
  pair.b.set(connection(end_b, end_a, of_b, of_a));
}

TEST(IkeNullAuth, either_side_or_both_may_stay_unproved_where_both_want_it) {
  using enum AuthKind;
  for (const auto& [of_a, of_b] :
       {std::pair{null, null}, std::pair{null, shared_key}, std::pair{shared_key, null}}) {
    Pair pair;
    set_auth(pair, of_a, of_b);
    if (of_a == null && of_b == null) {
      pair.a.secrets.clear();  // no secret exists at all
      pair.b.secrets.clear();
    }
    pair.initiate_a();
    pair.run();
    EXPECT_TRUE(pair.is_up());
    Forger forger{pair.a.record.keys.at(0)};
    const auto request = forger.open(pair.sent.at(2).message);
    const auto response = forger.open(pair.sent.at(3).message);
    EXPECT_EQ(wire::find<wire::AuthPayload>(request)->method,
              of_a == null ? wire::AuthMethod::null : wire::AuthMethod::shared_key_mic);
    const auto& id_i = *wire::find_id(request, true);
    const auto& id_r = *wire::find_id(response, false);
    EXPECT_EQ(id_i.type == wire::IdType::null && id_i.data.empty(), of_a == null);
    EXPECT_EQ(id_r.type == wire::IdType::null && id_r.data.empty(), of_b == null);
    EXPECT_EQ(pair.b.record.text(EventKind::ike_established).find("NOBODY HAS PROVED") !=
                  std::string::npos,
              of_a == null);
  }
}

TEST(IkeNullAuth, it_is_never_accepted_unless_configured) {
  Pair pair;  // B wants a key
  pair.a.set(connection(end_a, end_b, AuthKind::null, AuthKind::shared_key));
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.b.record.installs.empty());
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::authentication);
  Pair other;  // A wants a key
  other.b.set(connection(end_b, end_a, AuthKind::null, AuthKind::shared_key));
  other.initiate_a();
  other.run();
  EXPECT_TRUE(other.a.record.installs.empty());
  EXPECT_EQ(other.a.record.count(EventKind::ike_auth_failed), 1u);
}

TEST(IkeNullAuth, where_null_is_configured_a_key_is_not_taken_for_it) {
  Pair pair;
  pair.b.set(connection(end_b, end_a, AuthKind::shared_key, AuthKind::null));
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.b.record.installs.empty());
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::authentication);
}

TEST(IkeNullAuth, the_auth_value_still_binds_the_exchanges_together) {
  Pair pair;
  set_auth(pair, AuthKind::null, AuthKind::null);
  pair.filter = [](Datagram& d) { return d.header().exchange != ExchangeType::ike_auth; };
  pair.initiate_a();
  pair.run();
  Forger forger{pair.a.record.keys.at(0)};
  auto payloads = forger.open(pair.sent.at(2).message);
  for (wire::Payload& payload : payloads) {
    if (auto* const auth = std::get_if<wire::AuthPayload>(&payload)) {
      auth->data.front() ^= std::byte{1};
    }
  }
  pair.filter = nullptr;
  pair.inject(true, forger.request(ExchangeType::ike_auth, 1, payloads));
  EXPECT_TRUE(pair.b.record.installs.empty());
  EXPECT_EQ(pair.b.record.count(EventKind::ike_auth_failed), 1u);
}

TEST(IkeNullAuth, what_an_unproved_peer_calls_itself_selects_nothing) {
  Pair pair;
  ConnectionConfig anonymous = connection(end_b, end_a, AuthKind::shared_key, AuthKind::null);
  anonymous.name = "anonymous";
  ConnectionConfig known = make_connection(end_b, end_a);
  pair.b.set({known, anonymous});
  ConnectionConfig a = make_connection(end_a, end_b);
  a.own_rounds.front().kind = AuthKind::null;
  pair.a.set(a);
  pair.initiate_a();
  pair.run();
  ASSERT_EQ(pair.b.record.ike_ups.size(), 1u);
  EXPECT_EQ(pair.b.record.ike_ups.at(0).connection, "anonymous");
  EXPECT_EQ(pair.b.endpoint.snapshot().at(0).remote_id->type, wire::IdType::null);
}

TEST(IkeNullAuth, initial_contact_is_neither_sent_nor_believed) {
  Pair pair;
  set_auth(pair, AuthKind::null, AuthKind::shared_key);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  Forger forger{pair.a.record.keys.at(0)};
  EXPECT_EQ(wire::find_notify(forger.open(pair.sent.at(2).message), NotifyType::initial_contact),
            nullptr);
  // Somebody at the same address claims to have just started: what is there stays.
  pair.filter = [](Datagram& d) { return d.header().exchange == ExchangeType::ike_sa_init; };
  pair.command_a(DeleteIke{"to-b.example"});
  pair.advance(100s);
  pair.initiate_a();
  pair.run();
  Forger again{pair.a.record.keys.at(1)};
  auto payloads = again.open(pair.sent.back().message);
  payloads.emplace_back(make_notify(NotifyType::initial_contact));
  pair.filter = [](Datagram& d) { return !d.to_b; };
  pair.inject(true, again.request(ExchangeType::ike_auth, 1, payloads));
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 2u);
  EXPECT_TRUE(pair.b.record.removals.empty());
}

TEST(IkeNullAuth, both_sides_initiating_at_once_still_end_in_one_sa) {
  Pair pair;
  set_auth(pair, AuthKind::null, AuthKind::null);
  pair.initiate_a();
  pair.initiate_b();
  pair.run();
  pair.advance(10s);
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.a.live().size(), 1u);
}

}  // namespace
}  // namespace caponier::ike::test
